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
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/position"
)

// coolDown is how long this process leaves a shard alone after releasing it, or after failing to take it.
// missedCoolDown is for a peer's write that came first, in a row that this process had not seen yet.
const (
	coolDown       = 2 * time.Second
	missedCoolDown = coolDown / 4
)

// noTarget is the target when a paused shard is handed off. It is not a worker id.
const noTarget = "#paused"

// planner carries out the view's decisions.
type planner struct {
	store *Store
	wake  chan struct{} // replan writes it
}

func (p *planner) replan() { ask(p.wake) }

// run takes the shards that this worker should have, and requests handoffs of those that it should not.
func (p *planner) run(ctx context.Context) error {
	tick := time.NewTicker(time.Second) // for what changes with time alone: cool-downs and rests
	defer tick.Stop()
	for {
		select {
		case <-p.wake:
		case <-tick.C:
		case <-ctx.Done():
			return nil
		}
		p.carryOut(ctx)
	}
}

// want is one shard to take, and the row on which that decision is based.
type want struct {
	shard string
	was   *table.Row
}

func (p *planner) carryOut(ctx context.Context) {
	s := p.store
	inc, wants := p.decide()
	if len(wants) == 0 {
		return
	}
	var g errgroup.Group
	var took atomic.Bool
	g.SetLimit(parallel)
	for _, w := range wants {
		g.Go(func() error {
			return guard.Run(ctx, partName, func() error {
				if !p.trusted(inc) {
					return nil
				}
				free := w.was == nil || w.was.Owner != inc.id
				err := p.acquire(ctx, inc, w.shard, w.was)
				if err != nil && ctx.Err() == nil {
					s.opener.noteTable(err)
					s.log.Warn("cannot take a shard yet", zap.String("shard", w.shard), zap.Error(err))
				} else if free {
					took.Store(true)
				}
				s.mu.Lock()
				// or the next plan would try again at once, and forever if the rows are wrong
				if s.view.leases[w.shard] == nil {
					pause := coolDown
					if err == nil {
						pause = missedCoolDown
					}
					s.view.cooldownUntil[w.shard] = time.Now().Add(pause)
				}
				s.mu.Unlock()
				return nil
			})
		})
	}
	_ = g.Wait() // its functions answer nil, or a panic that was reported
	if took.Load() {
		s.watcher.notifyPeers() // a peer that still sees these shards as free does not rebalance
	}
	p.replan()
}

func (p *planner) trusted(inc *incarnation) bool {
	s := p.store
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.me == inc && inc.window.open(time.Now())
}

// decision is what one worker does next.
type decision struct {
	wants   []want
	give    []plan.Handoff // to ask for
	callOff []string       // requested handoffs whose target has died or is leaving
	pause   []string       // shards that an operator paused and that this worker holds
}

// ready reports whether a plan can be made now.
func (v *view) ready(now time.Time) bool {
	return v.me != nil && v.app != nil && !v.scanned.IsZero() && !v.leaving && v.me.window.open(now)
}

// decide makes the plan from what is known. Call it when the view is ready.
func (v *view) decide(now time.Time) (d decision) {
	workers, live := []plan.Worker{{ID: v.me.id, Most: v.most}}, map[string]bool{v.me.id: true}
	for id, p := range v.peers {
		if !p.Fenced && !p.Leaving && !v.retired[id] {
			workers, live[id] = append(workers, plan.Worker{ID: id, Most: p.Most}), true
		}
	}
	var shards []plan.Shard
	for _, id := range v.shardIDs() {
		if r := v.rows[id]; r != nil && r.Paused {
			d.pause = append(d.pause, id)
			continue // not balanced until an operator resumes it
		}
		p, adopt := v.planned(id, live, now)
		if p == nil {
			continue
		}
		if l := v.leases[id]; l != nil && p.Target != l.target {
			d.callOff = append(d.callOff, id)
		}
		shards = append(shards, *p)
		if adopt {
			d.wants = append(d.wants, want{id, v.rows[id]})
		}
	}
	acquire, give := plan.Decide(v.me.id, workers, shards)
	for _, id := range acquire {
		d.wants = append(d.wants, want{id, v.rows[id]})
	}
	d.give = give
	return d
}

// shardIDs are all shards that may be read, sorted.
func (v *view) shardIDs() []string {
	ids := make([]string, 0, len(v.lineage.Shards))
	for id, info := range v.lineage.Shards {
		if !info.Unlisted() || v.leases[id] != nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// planned is a shard as the planner sees it, or nil when it is not to be planned. adopt says that the row names this
// worker, which does not hold it: a peer handed it over, or the answer to our own write was lost.
func (v *view) planned(id string, live map[string]bool, now time.Time) (p *plan.Shard, adopt bool) {
	r := v.rows[id]
	if l := v.leases[id]; l != nil {
		p = &plan.Shard{ID: id, Owner: v.me.id, Load: l.ledger.offer.Load, Target: l.target}
		if l.state == leaseOver && r != nil && r.Owner != "" && r.Owner != l.worker.id {
			p.Owner = v.liveOwner(r.Owner, now)
			if p.Owner == "" {
				return nil, false // free for peers; for us when the consumer is gone
			}
			return p, false
		}
		if p.Target != "" && !live[p.Target] {
			p.Target = "" // it died or is leaving: HandOff returns ErrNoHandoff, and the shard stays
		}
		p.Movable = p.Target == "" && l.state == leaseRunning && !now.Before(l.rest)
		return p, false
	}
	if v.finished(id) {
		return nil, false
	}
	if d := v.damaged[id]; d != nil && !d.Mended {
		return nil, false // until a worker has rewritten it
	}
	if now.Before(v.cooldownUntil[id]) || r == nil && now.Before(v.vanished[id]) {
		return nil, false
	}
	p = &plan.Shard{ID: id, Open: v.gateOpen(id)}
	if r != nil {
		p.Load = r.Load
		if r.Owner == v.me.id {
			p.Owner = v.me.id
			return p, true
		}
		p.Owner = v.liveOwner(r.Owner, now)
	}
	return p, false
}

// liveOwner returns owner, or empty when it is fenced or has no row.
func (v *view) liveOwner(owner string, now time.Time) string {
	if p := v.peers[owner]; p != nil && !p.Fenced {
		return owner
	}
	if v.peers[owner] != nil {
		return ""
	}
	if over, known := v.orphans[owner]; known && !now.Before(over) {
		return ""
	}
	return owner // unknown yet: the next scan finds out
}

// decide has the view make a plan, requests the handoffs in it, and returns what to take.
func (p *planner) decide() (*incarnation, []want) {
	s := p.store
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.opener.suspect || !s.view.ready(now) {
		return nil, nil
	}
	maps.DeleteFunc(s.view.cooldownUntil, func(_ string, until time.Time) bool { return now.After(until) })
	d := s.view.decide(now)
	for _, id := range d.callOff {
		s.view.leases[id].callOffLocked()
	}
	for _, id := range d.pause {
		p.askToPauseLocked(id)
	}
	for _, h := range d.give {
		l := s.view.leases[h.Shard]
		if l == nil || l.state != leaseRunning || l.target != "" {
			continue
		}
		l.target = h.Target
		close(l.handoff)
		s.log.Info("handoff requested", zap.String("shard", h.Shard), zap.String("target", h.Target))
	}
	return s.view.me, d.wants
}

// askToPauseLocked has a running consumer drain its shard and release it: a handoff without a target. One that is
// called off because the drain took too long is requested again.
func (p *planner) askToPauseLocked(id string) {
	s := p.store
	l := s.view.leases[id]
	if l == nil || l.state != leaseRunning || l.target == noTarget {
		return
	}
	if l.target == "" {
		close(l.handoff)
	}
	l.target = noTarget
	s.log.Info("shard is paused, asking for its release", zap.String("shard", id))
}

// grant makes a lease from a row that is ours now.
func (p *planner) grant(ctx context.Context, inc *incarnation, r, was *table.Row) {
	s := p.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view.me != inc || s.view.leases[r.ID] != nil || s.view.leaving {
		p.replan() // the row names a former id, or us: the rules for such rows free it
		return
	}
	event := eventAcquired
	rest := time.Time{}
	switch {
	case was == nil || was.Owner == "":
	case was.Owner == inc.id:
		event, rest = eventReceived, time.Now().Add(shardRest)
	default:
		event = eventStolen
	}
	// A lease outlives the planner that took it, and ends when its worker does (Run ends all when it returns).
	lease, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	start := s.view.startOf(r.ID)
	if r.StartAt.Kind != table.StartLatest {
		start = r.StartAt.Position()
	}
	now := time.Now()
	progressed := table.Progress{
		Position: r.Position, Resolved: r.Resolved, Input: r.Input, CaughtUp: r.CaughtUp, Load: r.Load,
	}
	l := &Lease{
		store: s, shard: r.ID, first: *r, start: start, since: now,
		ctx: lease, cancel: cancel, writing: newToken(),
		worker: inc, epoch: r.Epoch, snapshot: r.State, handoff: make(chan struct{}), rest: rest,
		// The row was just read, so the age of a checkpoint that is never written counts from here too.
		ledger: ledger{number: r.Offers, offer: progressed, stored: progressed, confirmed: now},
	}
	l.saver = saver{lease: l, token: newToken()}
	s.view.leases[r.ID] = l
	s.view.granted = append(s.view.granted, l)
	delete(s.view.memory, r.ID)
	s.m.event(event)
	s.m.held.Inc()
	s.log.Info("lease taken", zap.String("shard", r.ID), zap.String("how", string(event)),
		zap.Int64("epoch", r.Epoch), zap.String("checkpoint", r.Position.Sequence))
	s.notifyLocked()
}

// noteRow records a row that was just read or written.
func (s *Store) noteRow(r *table.Row) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.view.lineage.Claimed(r.ID, r.Parents)
	s.view.rows[r.ID] = s.view.believed(r)
}

func (s *Store) dropRow(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.view.rows, id)
}

// changeRow replaces a row in memory by a changed copy.
func (s *Store) changeRow(id string, change func(*table.Row)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := table.Row{ID: id}
	if old := s.view.rows[id]; old != nil {
		r = *old
	}
	r.At = time.Now()
	change(&r)
	s.view.rows[id] = &r
}

// noteLeft records what a last write stored.
func (l *Lease) noteLeft(c claim) {
	s := l.store
	s.changeRow(l.shard, func(r *table.Row) {
		r.Owner, r.Epoch, r.Parents, r.State = "", c.epoch, l.first.Parents, l.snapshot
		if !c.offer.Position.IsZero() {
			r.Position, r.Resolved, r.Input = c.offer.Position, c.offer.Resolved, c.offer.Input
		}
		r.CaughtUp, r.Load = c.offer.CaughtUp, c.offer.Load
	})
}

func (s *Store) setOwner(id, owner string) {
	s.changeRow(id, func(r *table.Row) { r.Owner, r.Epoch = owner, r.Epoch+1 })
}

func (s *Store) setEnded(id string) {
	s.changeRow(id, func(r *table.Row) {
		r.Position, r.Last, r.Resolved = position.Position{Sequence: position.ShardEnd}, r.Position, ""
	})
}
