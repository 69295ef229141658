package checkpoint

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

const (
	modelLease = table.MinLeaseDuration
	modelTurn  = 300 * time.Millisecond // of a consumer
	modelLook  = 500 * time.Millisecond // between two scans
	modelRetry = modelLease / 30        // of a heartbeat
)

// modelWorker is a worker as a state machine: a Store that is never run, whose steps the queue takes.
type modelWorker struct {
	m        *model
	name     string
	s        *Store
	ids      int
	lease    time.Duration // by the worker's own clock, which is wrong by up to three in a hundred
	dead     bool          // crashed, or stopped in order
	stopping bool
	paused   time.Time
	taking   int // acquisitions without an answer
	busy     map[*Lease]bool
	resting  map[*Lease]bool
}

// join starts a worker.
func (m *model) join() {
	m.joined++
	w := &modelWorker{m: m, name: fmt.Sprintf("w%d", m.joined), busy: map[*Lease]bool{}, resting: map[*Lease]bool{}}
	var err error
	w.s, err = New(Config{Application: testTable, StreamName: testStream, Start: m.start, LeaseDuration: modelLease},
		Deps{Log: zap.NewNop(), Registerer: prometheus.NewRegistry()})
	if err != nil {
		m.violated("%v", err)
		return
	}
	w.lease = time.Duration(float64(modelLease) * (0.97 + 0.06*m.Float64()))
	w.s.view.duration = w.lease
	w.s.view.app = &table.Application{Origin: m.origin, Duration: w.lease}
	m.fleet = append(m.fleet, w)
	m.Note("%s starts", w.name)
	w.List()
	w.enter()
	w.look()
	w.guard()
	w.commits()
}

// later is a step of this worker: never after its death, and not while it stalls.
func (w *modelWorker) later(d time.Duration, do func()) {
	w.m.later(d, func() { w.step(do) })
}

func (w *modelWorker) step(do func()) {
	switch wait := time.Until(w.paused); {
	case w.dead:
	case wait > 0:
		w.m.later(wait, func() { w.step(do) })
	default:
		do()
	}
}

func (w *modelWorker) trusted(l *Lease) bool {
	_, ok := w.s.Trust()
	return ok && w.s.view.me == l.worker && l.ctx.Err() == nil
}

// call sends a request. It may take effect with an answer, without one, long after it was given up, or never; then is
// told whether there is an answer.
func (w *modelWorker) call(effect func(), then func(answered bool)) {
	if w.dead {
		w.m.violated("%s has stopped and still makes requests", w.name)
	}
	there, back := w.m.between(time.Millisecond, 20*time.Millisecond),
		w.m.between(time.Millisecond, 20*time.Millisecond)
	if w.m.Float64() >= w.m.trouble {
		w.m.later(there, func() {
			effect()
			w.later(back, func() { then(true) })
		})
		return
	}
	switch w.m.IntN(3) {
	case 0: // lost on its way
	case 1: // the answer is lost
		w.m.later(there, effect)
	case 2: // late
		w.m.later(w.m.between(table.CallTimeout, 3*modelLease), effect)
	}
	w.later(table.CallTimeout, func() { then(false) })
}

// settle makes a write and finds out what became of it, as table.settle does.
func settle[T any](w *modelWorker, write func() (bool, *T), read func() *T, landed func(*T) bool,
	then func(ok bool, now *T, unknown bool),
) {
	var (
		ok  bool
		now *T
	)
	w.call(func() { ok, now = write() }, func(answered bool) {
		if answered {
			then(ok || (now != nil && landed(now)), now, false)
			return
		}
		var seen *T
		w.call(func() { seen = read() }, func(answered bool) {
			switch {
			case !answered:
				then(false, nil, true)
			case seen != nil && landed(seen):
				then(true, seen, false)
			default:
				then(false, seen, true)
			}
		})
	})
}

func (w *modelWorker) settleRow(id string, cond func(*table.Row) bool, change func(*table.Row),
	landed func(*table.Row) bool, then func(ok bool, now *table.Row, unknown bool),
) {
	settle(w, func() (bool, *table.Row) { return w.m.Write(id, cond, change) },
		func() *table.Row { return w.m.row(id) }, landed, then)
}

func (w *modelWorker) settleWorker(id string, cond func(*table.Worker) bool, change func(table.Worker) *table.Worker,
	landed func(*table.Worker) bool, then func(ok bool, now *table.Worker, unknown bool),
) {
	settle(w, func() (bool, *table.Worker) { return w.m.writeWorker(id, cond, change) },
		func() *table.Worker { return at(w.m.workers[id], 0) }, landed, then)
}

// enter joins the fleet under a new id.
func (w *modelWorker) enter() {
	inc := &incarnation{id: fmt.Sprintf("%s/%d", w.name, w.ids), over: make(chan struct{}), counter: 1}
	w.ids++
	begin := time.Now()
	w.settleWorker(inc.id, func(r *table.Worker) bool { return r == nil },
		func(r table.Worker) *table.Worker { r.Counter = 1; return &r },
		func(r *table.Worker) bool { return !r.Fenced && r.Counter == 1 },
		func(ok bool, _ *table.Worker, _ bool) {
			if w.stopping {
				return
			}
			if !ok {
				w.later(250*time.Millisecond, w.enter)
				return
			}
			inc.window = newTrustWindow(begin, w.lease)
			w.s.view.me = inc
			delete(w.s.view.peers, inc.id)
			w.retire()
			w.later(w.lease/3, func() { w.beat(inc, time.Now()) })
		})
}

func (w *modelWorker) retire() {
	for _, id := range slices.Sorted(maps.Keys(w.s.view.retired)) {
		w.settleWorker(id, func(r *table.Worker) bool { return r != nil },
			func(r table.Worker) *table.Worker { r.Fenced = true; return &r },
			func(r *table.Worker) bool { return r.Fenced },
			func(ok bool, now *table.Worker, unknown bool) {
				if ok || (now == nil && !unknown) {
					delete(w.s.view.retired, id)
					w.s.view.orphans[id] = time.Now()
				}
			})
	}
}

// beat makes one attempt at the next count; first is the start of the first attempt at it.
func (w *modelWorker) beat(inc *incarnation, first time.Time) {
	if w.s.view.me != inc {
		return
	}
	next := inc.counter + 1
	w.settleWorker(inc.id, func(r *table.Worker) bool { return r != nil && r.Counter == next-1 && !r.Fenced },
		func(r table.Worker) *table.Worker { r.Counter = next; return &r },
		func(r *table.Worker) bool { return !r.Fenced && r.Counter == next },
		func(ok bool, now *table.Worker, unknown bool) {
			switch {
			case w.s.view.me != inc:
			case ok:
				inc.counter, inc.window = next, newTrustWindow(first, w.lease)
				again := max(0, time.Until(first.Add(w.lease/3)))
				w.later(again, func() { w.beat(inc, time.Now()) })
			case unknown && (now == nil || !now.Fenced):
				w.later(modelRetry, func() { w.beat(inc, first) })
			default:
				w.over(inc)
			}
		})
}

// over ends an incarnation and begins the next.
func (w *modelWorker) over(inc *incarnation) {
	w.m.Note("%s is over", inc.id)
	w.s.session.endIncarnation(inc, "the model says so")
	if !w.stopping {
		w.enter()
	}
}

func (w *modelWorker) guard() {
	if inc := w.s.view.me; inc != nil && !inc.window.open(time.Now()) {
		w.over(inc)
	}
	w.later(100*time.Millisecond, w.guard)
}

func (w *modelWorker) List() {
	w.s.view.lineage.Listed(w.m.listing(), w.s.view.lineage.Known(), time.Now(), false)
	w.later(5*time.Second, w.List)
}

// look scans the table. Every row that it shows may be older than the one before.
func (w *modelWorker) look() {
	begin := time.Now()
	rows, workers := map[string]*table.Row{}, map[string]table.Worker{}
	w.call(func() {
		for _, id := range slices.Sorted(maps.Keys(w.m.rows)) {
			if r := at(w.m.rows[id], w.m.between(0, 800*time.Millisecond)); r != nil {
				seen := *r
				seen.At = begin
				rows[id] = &seen
			}
		}
		for _, id := range slices.Sorted(maps.Keys(w.m.workers)) {
			if r := at(w.m.workers[id], w.m.between(0, 800*time.Millisecond)); r != nil {
				workers[id] = *r
			}
		}
	}, func(answered bool) {
		w.later(modelLook, w.look)
		if !answered {
			return
		}
		for _, id := range w.s.view.merge(rows, workers, begin, time.Now(), time.Now()) {
			w.lookFor(id)
		}
		w.Fence()
		w.plan()
	})
}

// lookFor reads the row of an owner that a scan did not show.
func (w *modelWorker) lookFor(id string) {
	var seen *table.Worker
	w.call(func() { seen = at(w.m.workers[id], 0) }, func(answered bool) {
		switch {
		case !answered:
		case seen == nil:
			w.s.view.orphans[id] = time.Now().Add(w.s.view.duration)
		default:
			w.s.view.observe(*seen, time.Now(), time.Now())
		}
	})
}

func (w *modelWorker) Fence() {
	now := time.Now()
	for _, id := range slices.Sorted(maps.Keys(w.s.view.peers)) {
		p := w.s.view.peers[id]
		if p.Fenced || now.Sub(p.since) < w.s.view.duration || now.Sub(p.seen) > fresh {
			continue
		}
		counter := p.Counter
		w.settleWorker(id, func(r *table.Worker) bool { return r != nil && r.Counter == counter },
			func(r table.Worker) *table.Worker { r.Fenced = true; return &r },
			func(r *table.Worker) bool { return r.Fenced },
			func(ok bool, moved *table.Worker, unknown bool) {
				switch p := w.s.view.peers[id]; {
				case unknown:
				case !ok && moved != nil:
					w.s.view.observe(*moved, time.Now(), time.Now())
				case p != nil:
					p.Fenced, p.gone = true, time.Now()
				}
			})
	}
}

func (w *modelWorker) plan() {
	if w.taking > 0 {
		return
	}
	inc, wants := w.s.planner.decide()
	for _, want := range wants {
		w.taking++
		w.acquire(inc, want)
	}
}

func (w *modelWorker) acquire(inc *incarnation, want want) {
	was, to := want.was, int64(1)
	if was != nil {
		to = was.Epoch + 1
	}
	var parents []string
	if info := w.s.view.lineage.Shards[want.shard]; info != nil {
		parents = info.Parents
	}
	w.settleRow(want.shard,
		func(r *table.Row) bool {
			return (was == nil && r == nil) || (was != nil && r != nil && r.Epoch == was.Epoch && r.Owner == was.Owner)
		},
		func(r *table.Row) {
			r.Owner, r.Epoch = inc.id, to
			if was == nil {
				r.Parents = parents
			}
		},
		func(r *table.Row) bool { return r.Epoch == to && r.Owner == inc.id },
		func(ok bool, now *table.Row, unknown bool) {
			w.taking--
			switch {
			case !ok && unknown:
				w.s.view.cooldownUntil[want.shard] = time.Now().Add(coolDown)
			case now == nil:
				w.s.dropRow(want.shard)
			default:
				seen := *now
				seen.At = time.Now()
				w.s.noteRow(&seen)
				if ok && !seen.Ended() {
					w.s.planner.grant(context.Background(), inc, &seen, was)
					w.begin(want.shard)
				}
			}
		})
}

// begin starts the consumer of a granted shard, and checks where it starts.
func (w *modelWorker) begin(id string) {
	l := w.s.view.leases[id]
	if l == nil || l.state != leaseGranted {
		return
	}
	l.state = leaseRunning
	from, _, _ := l.Start()
	if stored := w.m.row(id); w.trusted(l) && stored.Epoch == l.epoch {
		want := types.ShardIteratorTypeTrimHorizon
		switch {
		case stored.Progressed():
			want = types.ShardIteratorTypeAfterSequenceNumber
			if from.SequenceNumber == nil || *from.SequenceNumber != stored.Position.Sequence {
				w.m.violated("%s starts %s from %v, %s is stored", w.name, id, from, stored.Position.Sequence)
			}
		case w.m.origin.Open[id] && w.m.start.Kind == table.StartLatest:
			want = types.ShardIteratorTypeAtTimestamp
		}
		if from.Type != want {
			w.m.violated("%s starts %s at %s, not at %s", w.name, id, from.Type, want)
		}
	}
	w.later(w.m.between(0, modelTurn), func() { w.turn(l) })
}

// turn is a consumer's: it resolves a record, or the next one above one that waits, hands over when asked, and ends
// the shard when all is settled.
func (w *modelWorker) turn(l *Lease) {
	switch {
	case l.ctx.Err() != nil:
		if l.state == leaseOver && !w.busy[l] {
			_ = w.s.Release(l.shard) // of a lease that is over: no request, no error
			return
		}
	case !w.trusted(l), w.stopping, w.resting[l]:
	default:
		w.m.acts(w, l)
		shard := w.m.shards[l.shard]
		at, top := modelFirst, max(reach(l.ledger.offer), modelFirst)
		if !l.ledger.offer.Position.IsZero() {
			at, _ = strconv.Atoi(l.ledger.offer.Position.Sequence)
		}
		load := float64(w.m.IntN(1 << 20))
		if more := !shard.closed || top < shard.last; more && w.m.IntN(3) > 0 { // one waits, the others continue
			top = max(top, at+1) + 1
			if shard.closed {
				top = min(top, shard.last)
			}
			shard.offered = max(shard.offered, top)
			l.Commit(position.Progress{Settled: true, At: position.Position{
				Sequence: l.ledger.offer.Position.Sequence,
				Sub:      l.ledger.offer.Position.Sub,
			}, Above: strconv.Itoa(top), CaughtUp: time.Now(), Load: load})
		} else if at = max(at+1, top); !shard.closed || l.ledger.offer.Position.Sequence != strconv.Itoa(shard.last) {
			if shard.closed {
				at = min(at, shard.last)
			}
			shard.offered = max(shard.offered, at)
			l.Commit(
				position.Progress{Settled: true, At: position.Past(strconv.Itoa(at)), CaughtUp: time.Now(), Load: load},
			)
		} else if !w.busy[l] {
			shard.offered = max(shard.offered, shard.last)
			w.finish(l, shard.children)
		}
		select {
		case <-l.HandoffRequested():
			w.handOff(l)
		default:
		}
	}
	w.later(modelTurn, func() { w.turn(l) })
}

// Holds is the fence of a claim, and that the offer is not below what is stored.
func (c *claim) Holds(r *table.Row) bool {
	return r != nil && r.Owner == c.worker && r.Epoch == c.epoch && r.Offers < c.number &&
		(c.offer.Position.IsZero() || r.Position.Compare(c.offer.Position) <= 0)
}

func (c *claim) store(r *table.Row) {
	if !c.offer.Position.IsZero() {
		r.Position = c.offer.Position
	}
	r.Resolved, r.Offers = c.offer.Resolved, c.number
	r.CaughtUp, r.Load = c.offer.CaughtUp, c.offer.Load
}

// landed reports whether a row of the same epoch has the claim's write.
func (c *claim) landed(r *table.Row) bool {
	return r.Owner == c.worker && r.Epoch == c.epoch && r.Offers == c.number
}

// commits writes every offer that is due.
func (w *modelWorker) commits() {
	for _, id := range slices.Sorted(maps.Keys(w.s.view.leases)) {
		l := w.s.view.leases[id]
		w.m.believes(w, l)
		c, err := l.claim()
		if err != nil || (!l.ledger.dirty && !l.ledger.suspect) || w.busy[l] || w.stopping {
			continue
		}
		w.busy[l] = true
		w.settleRow(l.shard, c.Holds, c.store, c.landed, func(ok bool, now *table.Row, unknown bool) {
			delete(w.busy, l)
			if ok {
				l.acknowledge(c)
			} else if !unknown {
				w.refused(l, c, now)
			}
		})
	}
	w.later(600*time.Millisecond, w.commits)
}

// refused is what a refused write of a holder means.
func (*modelWorker) refused(l *Lease, c claim, now *table.Row) {
	if now != nil && now.Owner == c.worker && now.Epoch == c.epoch {
		l.raise(now)
		return
	}
	l.end(ErrLeaseLost, eventLost)
}

func (w *modelWorker) handOff(l *Lease) {
	c, err := l.claim()
	if err != nil || c.target == "" || w.busy[l] {
		return
	}
	w.busy[l], w.resting[l] = true, true
	w.settleRow(l.shard, c.Holds,
		func(r *table.Row) {
			c.store(r)
			r.Owner, r.Epoch = c.target, c.epoch+1
		},
		func(r *table.Row) bool { return r.Epoch > c.epoch && r.Owner == c.target },
		func(ok bool, now *table.Row, unknown bool) {
			switch {
			case ok:
				l.noteLeft(c)
				w.handedOff(l, c.target)
			case unknown:
				w.certain(l, c.target)
			default:
				w.rested(l)
				w.refused(l, c, now)
			}
		})
}

func (w *modelWorker) rested(l *Lease) {
	delete(w.busy, l)
	delete(w.resting, l)
}

func (w *modelWorker) handedOff(l *Lease, target string) {
	w.rested(l)
	w.s.setOwner(l.shard, target)
	l.end(ErrLeaseHandedOff, eventHandedOff)
}

// certain finds out whose a shard is after a handoff without an answer, before its consumer continues.
func (w *modelWorker) certain(l *Lease, target string) {
	c, err := l.claim()
	if err != nil {
		w.rested(l)
		return
	}
	w.settleRow(l.shard, c.Holds,
		func(r *table.Row) {
			c.store(r)
			r.Epoch = c.epoch + 1
		},
		func(r *table.Row) bool { return r.Epoch == c.epoch+1 && r.Owner == c.worker },
		func(ok bool, now *table.Row, unknown bool) {
			switch {
			case !ok && unknown:
				w.later(200*time.Millisecond, func() { w.certain(l, target) })
			case ok:
				w.rested(l)
				seen := *now
				w.s.noteRow(&seen)
				l.epoch = c.epoch + 1
				l.acknowledge(c)
			case now != nil && now.Owner == c.worker && now.Epoch == c.epoch:
				l.raise(now)
				w.later(200*time.Millisecond, func() { w.certain(l, target) })
			case now != nil && now.Owner == target:
				w.handedOff(l, target)
			default:
				w.rested(l)
				l.end(ErrLeaseLost, eventLost)
			}
		})
}

// finish writes the rows of the children, then the end.
func (w *modelWorker) finish(l *Lease, children []string) {
	w.busy[l], w.resting[l] = true, true
	if len(children) > 0 {
		parents := w.m.shards[children[0]].parents
		var answered bool
		settle(w, func() (bool, *table.Row) {
			return w.m.Write(children[0], func(r *table.Row) bool { return r == nil },
				func(r *table.Row) { r.Parents = parents })
		}, func() *table.Row { return w.m.row(children[0]) }, func(*table.Row) bool { return true },
			func(ok bool, _ *table.Row, _ bool) {
				answered = ok
				if !answered {
					w.rested(l)
					return
				}
				w.s.view.lineage.Learn(children[0], parents)
				w.finish(l, children[1:])
			})
		return
	}
	c, err := l.claim()
	if err != nil {
		w.rested(l)
		return
	}
	w.settleRow(l.shard, func(r *table.Row) bool { return r != nil && r.Owner == c.worker && r.Epoch == c.epoch },
		func(r *table.Row) { r.Position, r.Owner = position.Position{Sequence: position.ShardEnd}, "" },
		func(r *table.Row) bool { return r.Ended() && r.Epoch == c.epoch },
		func(ok bool, now *table.Row, unknown bool) {
			w.rested(l)
			switch {
			case ok:
				l.noteLeft(c)
				w.s.setEnded(l.shard)
				l.end(ErrShardEnded, eventEnded)
			case !unknown:
				w.refused(l, c, now)
			}
		})
}

// stop ends a worker in order: no more shards, every lease released, the worker's row deleted.
func (w *modelWorker) stop() {
	w.m.Note("%s stops", w.name)
	w.stopping, w.s.view.leaving = true, true
	w.later(0, w.release)
}

func (w *modelWorker) release() {
	for _, id := range slices.Sorted(maps.Keys(w.s.view.leases)) {
		l := w.s.view.leases[id]
		c, err := l.claim()
		switch {
		case w.busy[l]:
			w.later(50*time.Millisecond, w.release)
			return
		case err != nil:
			_ = w.s.Release(id)
			continue
		}
		w.busy[l] = true
		w.settleRow(id, c.Holds,
			func(r *table.Row) {
				c.store(r)
				r.Owner = ""
			},
			func(r *table.Row) bool { return r.Owner == "" && r.Epoch == c.epoch },
			func(bool, *table.Row, bool) { // without an answer the row frees itself
				delete(w.busy, l)
				l.end(ErrLeaseReleased, eventReleased)
				w.release()
			})
		return
	}
	me := w.s.view.me
	w.s.view.me = nil
	if me == nil {
		w.dead = true
		return
	}
	settle(w, func() (bool, *table.Worker) {
		return w.m.writeWorker(me.id, func(r *table.Worker) bool { return r != nil },
			func(table.Worker) *table.Worker { return nil })
	}, func() *table.Worker { return at(w.m.workers[me.id], 0) }, func(*table.Worker) bool { return false },
		func(bool, *table.Worker, bool) {
			w.m.Note("%s has stopped", w.name)
			w.dead = true
		})
}
