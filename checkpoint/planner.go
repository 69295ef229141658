package checkpoint

import (
	"context"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"kinesis-alerter/checkpoint/plan"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/position"
)

// coolDown is how long this process leaves a shard alone after it released it, or after taking it failed; and missedCoolDown after a
// peer's write came first, by a row that this process had not seen yet.
const (
	coolDown       = 2 * time.Second
	missedCoolDown = coolDown / 4
)

// noHeir is the target of the handoff of a paused shard. It is no worker id.
const noHeir = "#paused"

// planner takes what this worker should have, and asks for handoffs of what it should not.
func (s *Store) planner(ctx context.Context) error {
	tick := time.NewTicker(time.Second) // for what time alone changes: cool-downs and rests
	defer tick.Stop()
	for {
		select {
		case <-s.planC:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		s.carryOut(ctx)
	}
}

// want is one shard to take, and the row from which that was decided.
type want struct {
	shard string
	was   *row
}

func (s *Store) carryOut(ctx context.Context) {
	inc, wants := s.decide()
	if len(wants) == 0 {
		return
	}
	var g errgroup.Group
	var took atomic.Bool
	g.SetLimit(parallel)
	for _, w := range wants {
		g.Go(func() error {
			return guard.Run(ctx, partName, func() error {
				if !s.trusted(inc) {
					return nil
				}
				free := w.was == nil || w.was.owner != inc.id
				err := s.acquire(ctx, inc, w.shard, w.was)
				if err != nil && ctx.Err() == nil {
					s.noteTable(err)
					s.log.Warn("cannot take a shard yet", zap.String("shard", w.shard), zap.Error(err))
				} else if free {
					took.Store(true)
				}
				s.mu.Lock()
				if s.leases[w.shard] == nil { // or the next plan would try again at once, for ever where the rows deceive
					pause := coolDown
					if err == nil {
						pause = missedCoolDown
					}
					s.cool[w.shard] = time.Now().Add(pause)
				}
				s.mu.Unlock()
				return nil
			})
		})
	}
	_ = g.Wait() // its functions answer nil, or a panic that was reported
	if took.Load() {
		s.bump() // a peer that still sees these shards as free evens nothing out
	}
	s.replan()
}

func (s *Store) trusted(inc *incarnation) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.me == inc && inc.window.open(time.Now())
}

// decide makes the plan from what is in memory, requests the handoffs in it, and answers what to take.
func (s *Store) decide() (*incarnation, []want) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	inc := s.me
	if inc == nil || s.app == nil || s.doubt || s.scanned.IsZero() || s.leaving || !inc.window.open(now) {
		return nil, nil
	}
	workers := []string{inc.id}
	for id, p := range s.peers {
		if !p.fenced && !p.leaving && !s.retired[id] {
			workers = append(workers, id)
		}
	}
	maps.DeleteFunc(s.cool, func(_ string, until time.Time) bool { return now.After(until) })
	var shards []plan.Shard
	var wants []want
	for _, id := range s.shardIDs() {
		p, mine := s.planned(id, workers, now)
		if p == nil {
			continue
		}
		shards = append(shards, *p)
		if mine {
			wants = append(wants, want{id, s.rows[id]})
		}
	}
	acquire, give := plan.Decide(inc.id, workers, shards)
	for _, id := range acquire {
		wants = append(wants, want{id, s.rows[id]})
	}
	for _, h := range give {
		l := s.leases[h.Shard]
		if l == nil || l.state != leaseRunning || l.target != "" {
			continue
		}
		l.target = h.Target
		close(l.handoff)
		s.log.Info("handoff requested", zap.String("shard", h.Shard), zap.String("target", h.Target))
	}
	return inc, wants
}

// askToPause has a running consumer drain its shard and let it go: a handoff to nobody. One that is called off because
// the drain took too long is asked for again. Call it with mu held.
func (s *Store) askToPause(id string) {
	l := s.leases[id]
	if l == nil || l.state != leaseRunning || l.target == noHeir {
		return
	}
	if l.target == "" {
		close(l.handoff)
	}
	l.target = noHeir
	s.log.Info("shard is paused, asking for its release", zap.String("shard", id))
}

// shardIDs are all shards that may be read, sorted. Call it with mu held.
func (s *Store) shardIDs() []string {
	ids := make([]string, 0, len(s.lineage.shards))
	for id, info := range s.lineage.shards {
		if !info.unlisted() || s.leases[id] != nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// planned is a shard as the planner sees it, or nil when it is no matter of planning. adopt says that the row names
// this worker, which does not hold it: a peer handed it over, or an answer of our own was lost. Call it with mu held.
func (s *Store) planned(id string, workers []string, now time.Time) (p *plan.Shard, adopt bool) {
	r := s.rows[id]
	if r != nil && r.paused {
		s.askToPause(id)
		return nil, false // no matter of balance until somebody resumes it
	}
	if l := s.leases[id]; l != nil {
		p = &plan.Shard{ID: id, Owner: s.me.id, Load: l.offer.load, Target: l.target}
		if l.state == leaseOver && r != nil && r.owner != "" && r.owner != l.worker.id {
			p.Owner = s.liveOwner(r.owner)
			if p.Owner == "" {
				return nil, false // free for peers; for us when the consumer is gone
			}
			return p, false
		}
		if p.Target != "" && !slices.Contains(workers, p.Target) {
			// It died or is leaving: HandOff answers ErrNoHandoff, and the shard stays.
			l.target, l.handoff, p.Target = "", make(chan struct{}), ""
		}
		p.Movable = l.state == leaseRunning && l.target == "" && !now.Before(l.rest)
		return p, false
	}
	if finished(id, s.rows, &s.app.origin, s.cfg.Start) {
		return nil, false
	}
	if d := s.damaged[id]; d != nil && !d.Mended {
		return nil, false // until somebody has written it anew
	}
	if now.Before(s.cool[id]) || r == nil && now.Before(s.vanished[id]) {
		return nil, false
	}
	p = &plan.Shard{ID: id, Open: s.lineage.gateOpen(id, s.rows, &s.app.origin, s.cfg.Start)}
	if r != nil {
		p.Load = r.load
		if r.owner == s.me.id {
			p.Owner = s.me.id
			return p, true
		}
		p.Owner = s.liveOwner(r.owner)
	}
	return p, false
}

// liveOwner is owner, or empty when it is fenced or has no row. Call it with mu held.
func (s *Store) liveOwner(owner string) string {
	if p := s.peers[owner]; p != nil && !p.fenced {
		return owner
	}
	if s.peers[owner] != nil {
		return ""
	}
	if over, known := s.orphans[owner]; known && !time.Now().Before(over) {
		return ""
	}
	return owner // unknown yet: the next scan finds out
}

// grant makes a lease of a row that is ours now.
func (s *Store) grant(ctx context.Context, inc *incarnation, r, was *row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.me != inc || s.leases[r.id] != nil || s.leaving {
		s.replan() // the row names an id that is over, or us: the rules for such rows free it
		return
	}
	event := eventAcquired
	rest := time.Time{}
	switch {
	case was == nil || was.owner == "":
	case was.owner == inc.id:
		event, rest = eventReceived, time.Now().Add(shardRest)
	default:
		event = eventStolen
	}
	// A lease outlives the activity that took it, and ends when its worker does (Run ends all when it returns).
	lease, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	start := s.lineage.from(r.id, s.rows, &s.app.origin, s.cfg.Start)
	if r.startAt.Kind != StartLatest {
		start = r.startAt.position()
	}
	now := time.Now()
	progressed := progress{position: r.position, resolved: r.resolved, caughtUp: r.caughtUp, load: r.load}
	s.leases[r.id] = &Lease{
		store: s, shard: r.id, first: *r, start: start, since: now,
		ctx: lease, cancel: cancel, writing: make(chan struct{}, 1),
		worker: inc, epoch: r.epoch, number: r.offers, offer: progressed, stored: progressed, snapshot: r.state, handoff: make(chan struct{}), rest: rest,
		// The row was just read, so that a checkpoint that can never be written grows old from here, too.
		confirmed: now,
		saver:     saver{token: make(chan struct{}, 1)},
	}
	delete(s.memory, r.id)
	s.m.event(event)
	s.m.held.Inc()
	s.log.Info("lease taken", zap.String("shard", r.id), zap.String("how", string(event)), zap.Int64("epoch", r.epoch), zap.String("checkpoint", r.position.Sequence))
	s.notify()
}

// noteRow takes a row into memory that was just read or written.
func (s *Store) noteRow(r *row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lineage.claimed(r.id, r.parents)
	s.rows[r.id] = s.believed(r)
}

func (s *Store) dropRow(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.rows, id)
}

// changeRow replaces a row in memory by a changed copy.
func (s *Store) changeRow(id string, change func(*row)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := row{id: id}
	if old := s.rows[id]; old != nil {
		r = *old
	}
	r.at = time.Now()
	change(&r)
	s.rows[id] = &r
}

// noteLeft notes what a last write stored.
func (s *Store) noteLeft(l *Lease, c claim) {
	s.changeRow(l.shard, func(r *row) {
		r.owner, r.epoch, r.parents, r.state = "", c.epoch, l.first.parents, l.snapshot
		if !c.offer.position.IsZero() {
			r.position, r.resolved = c.offer.position, c.offer.resolved
		}
		r.caughtUp, r.load = c.offer.caughtUp, c.offer.load
	})
}

func (s *Store) setOwner(id, owner string) {
	s.changeRow(id, func(r *row) { r.owner, r.epoch = owner, r.epoch+1 })
}

func (s *Store) setEnded(id string) {
	s.changeRow(id, func(r *row) {
		r.position, r.last, r.resolved = position.Position{Sequence: position.ShardEnd}, r.position, ""
	})
}
