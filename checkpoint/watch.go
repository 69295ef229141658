package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/table"
)

const (
	// watchTick is how often #fleet is read: half a read unit each.
	watchTick = 250 * time.Millisecond
	// scanEvery is how often the whole table is read when #fleet shows no change.
	scanEvery = 10 * time.Second
	// ringReach is how many successors in the ring of worker ids one worker reads every other tick, so that each
	// worker is watched closely by two peers, at a cost that does not grow with the fleet.
	ringReach = 2
	// fresh is how old the last look at a silent worker may be for it to be fenced.
	fresh = time.Second
	// retention is how long the row of a fenced worker stays, for operators to see.
	retention = 10 * time.Minute
)

// peer is another worker as this process observes it.
type peer struct {
	table.Worker
	since time.Time // when the counter was first seen at its value, after that read
	moved bool      // the counter was seen to move, so that since is when the worker was heard
	seen  time.Time // the last look
	gone  time.Time // since when it is fenced
}

// watcher sees what peers do to the table, and notifies them of what this process did. It fences peers that fell silent
// and repairs unreadable rows.
type watcher struct {
	store   *Store
	notices chan struct{} // notifyPeers writes it, after a change that peers should see
	scans   chan struct{} // rescan writes it, when a part cannot wait for the next scan
	counter int64         // of #fleet, as last seen; guarded by Store.mu
}

func (w *watcher) notifyPeers() { ask(w.notices) }
func (w *watcher) rescan()      { ask(w.scans) }

// watch notices what peers do: changes through #fleet, silence through their heartbeats.
func (w *watcher) watch(ctx context.Context) error {
	s := w.store
	tick := time.NewTicker(watchTick)
	defer tick.Stop()
	for n := 0; ; n++ {
		forced := false
		select {
		case <-tick.C:
		case <-w.scans:
			forced = true
		case <-ctx.Done():
			return nil
		}
		s.alive()
		s.agreement.look()
		changed, err := w.pollFleet(ctx)
		if err != nil {
			s.opener.noteTable(err)
			if !forced {
				continue // one probe is enough while the table does not answer
			}
		}
		if n%2 == 0 {
			w.pollRing(ctx)
		}
		s.mu.Lock()
		due := forced || changed || time.Since(s.view.scanned) >= scanEvery
		s.mu.Unlock()
		if due {
			if err := w.scan(ctx); err != nil {
				s.opener.noteTable(err)
				if changed || forced {
					s.mu.Lock()
					w.counter = -1 // look again at the next tick
					s.mu.Unlock()
				}
				continue
			}
		}
		w.repairRows(ctx)
		w.fenceSilent(ctx)
		s.planner.replan()
	}
}

// pollFleet reports whether a worker changed the table since the last look.
func (w *watcher) pollFleet(ctx context.Context) (bool, error) {
	s := w.store
	it, err := s.table.Get(ctx, table.KeyFleet, false)
	if err != nil {
		return false, err
	}
	n, ok := table.Count(it[table.AttrCounter])
	if !ok {
		return false, nil // no row yet: no worker changed anything
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == w.counter {
		return false, nil
	}
	w.counter = n
	return true, nil
}

// pollRing looks at the workers next to this one.
func (w *watcher) pollRing(ctx context.Context) {
	s := w.store
	s.mu.Lock()
	ring := s.view.successors()
	s.mu.Unlock()
	for _, id := range ring {
		it, err := s.table.Get(ctx, table.KeyWorker+id, false)
		if err != nil {
			return
		}
		s.mu.Lock()
		if it == nil {
			delete(s.view.peers, id)
			s.mu.Unlock()
			w.rescan() // it left: the scan shows what happened to its shards
			continue
		}
		s.view.observe(table.DecodeWorker(it, s.now()), time.Now(), s.now())
		s.mu.Unlock()
	}
}

func (v *view) successors() []string {
	if v.me == nil {
		return nil
	}
	var live []string
	for id, p := range v.peers {
		if !p.Fenced {
			live = append(live, id)
		}
	}
	return successors(v.me.id, live)
}

// successors returns the next ids after me in the sorted ring.
func successors(me string, live []string) []string {
	slices.Sort(live)
	i, _ := slices.BinarySearch(live, me)
	out := make([]string, 0, ringReach)
	for n := range min(ringReach, len(live)) {
		out = append(out, live[(i+n)%len(live)])
	}
	return out
}

// observe records a look at a worker's row. latest is the time by which records arrive.
func (v *view) observe(w table.Worker, at, latest time.Time) {
	if v.me != nil && w.ID == v.me.id {
		return
	}
	p := v.peers[w.ID]
	if p == nil {
		p = &peer{Worker: w, since: at}
		v.peers[w.ID] = p
	}
	// An eventually consistent read may show an older row than one before it; a counter never goes back.
	if w.Counter > p.Counter {
		p.since, p.Report, p.moved, p.Config = at, w.Report, true, w.Config
		p.Pulse = w.Pulse
	}
	if w.Arrival.After(v.arrival) && !w.Arrival.After(latest.Add(clocksDiffer)) {
		v.arrival = w.Arrival
	}
	p.Counter = max(p.Counter, w.Counter)
	p.Fenced = p.Fenced || w.Fenced
	p.Leaving = p.Leaving || w.Leaving
	p.Version, p.seen = w.Version, at
	p.Damaged, p.Raw = w.Damaged, w.Raw
	if p.Fenced && p.gone.IsZero() {
		p.gone = at
	}
}

// scan reads the whole table.
func (w *watcher) scan(ctx context.Context) error {
	s := w.store
	begin := time.Now()
	rows := map[string]*table.Row{}
	workers := map[string]table.Worker{}
	sawApplication, damaged := false, map[string]bool{}
	err := s.table.Scan(ctx, table.AttrKey, func(it table.Item) error {
		switch key := table.Text(it[table.AttrKey]); {
		case key == table.KeyApplication:
			sawApplication = true
			if app, err := table.DecodeApplication(it, s.now()); err == nil && app.Damage != nil {
				damaged[key] = true
				w.noteDamage(key, app.Damage)
			}
		case len(key) > len(table.KeyWorker) && key[:len(table.KeyWorker)] == table.KeyWorker:
			worker := table.DecodeWorker(it, s.now())
			if workers[worker.ID] = worker; worker.Damaged && !worker.Fenced {
				damaged[key] = true
				w.noteDamage(key, fmt.Errorf(
					"%s is %s, and should be a number: the worker ends, and its shards are taken when it is silent",
					table.AttrCounter, table.Show(worker.Raw)))
			}
		case key == table.KeyFleet:
			if _, ok := table.Count(it[table.AttrCounter]); !ok {
				damaged[key] = true
				w.noteDamage(key, fmt.Errorf("%s is %s, and should be a number: workers hear late of each other",
					table.AttrCounter, table.Show(it[table.AttrCounter])))
			}
		case table.IsShardID(key): // any other key is not a shard's, and must not become a label value
			r, err := table.DecodeRow(it, begin)
			if err != nil {
				damaged[key] = true
				w.noteDamage(key, table.Damage(it, begin))
				w.keepKnown(rows, key)
				return nil //nolint:nilerr // it is reported, and the other rows count
			}
			rows[r.ID] = r
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !sawApplication {
		s.opener.suspectTable()
	}
	s.mu.Lock()
	s.view.damagedIn(damaged)
	unknown := s.view.merge(rows, workers, begin, time.Now(), s.now())
	w.reportCirclesLocked(s.view.newCircles())
	s.m.liveWorkers.Set(float64(s.view.liveWorkers()))
	s.mu.Unlock()
	for _, owner := range unknown {
		// The scan may be older than the worker, so only a consistent read says that it has no row.
		it, err := s.table.Get(ctx, table.KeyWorker+owner, true)
		if err != nil {
			return err
		}
		s.mu.Lock()
		if it == nil {
			s.view.orphans[owner] = time.Now().Add(s.view.duration) // the worker may not know yet that its row is gone
		} else {
			s.view.observe(table.DecodeWorker(it, s.now()), time.Now(), s.now())
		}
		s.mu.Unlock()
	}
	if err := w.rereadSuspects(ctx); err != nil {
		return err
	}
	w.sweepWorkers(ctx)
	return nil
}

// rereadSuspects reads the rows that a scan showed at a lower epoch than was known. Most often the scan was stale. But
// a row that vanished is recreated at epoch one: a worker that kept the old one would wait forever for an owner that no
// longer exists. If all peers did so, no worker would read the shard.
func (w *watcher) rereadSuspects(ctx context.Context) error {
	s := w.store
	s.mu.Lock()
	suspects := s.view.suspects
	s.mu.Unlock()
	for _, id := range suspects {
		it, err := s.table.Get(ctx, id, true)
		if err != nil {
			return err
		}
		if it == nil {
			s.dropRow(id)
			continue
		}
		if r, err := table.DecodeRow(it, time.Now()); err == nil {
			s.noteRow(r)
		}
	}
	return nil
}

// merge takes a scan into memory, and returns the owners for which it showed no worker row.
func (v *view) merge(rows map[string]*table.Row, workers map[string]table.Worker, begin, now,
	latest time.Time,
) (unknown []string) {
	for id, l := range v.leases {
		// Also with a lower epoch: a row that vanished is recreated at one. The write that follows is what decides.
		if seen := rows[id]; seen != nil && seen.Owner != l.worker.id && v.me == l.worker && l.state != leaseOver {
			l.ledger.suspect = true
		}
	}
	v.suspects = nil
	for id, old := range v.rows {
		seen := rows[id]
		if old.At.After(begin) && (seen == nil || seen.Epoch <= old.Epoch) {
			rows[id] = old // written or read while the scan was under way
			if seen != nil && seen.Epoch == old.Epoch && seen.Paused != old.Paused {
				now := *old // no holder writes it, so a write of our own says nothing about it
				now.Paused = seen.Paused
				rows[id] = &now
			}
		} else if seen != nil && (seen.Epoch < old.Epoch || (seen.Epoch == old.Epoch && old.Ended())) {
			rows[id] = old // the scan showed an older row than the one known
			if seen.Epoch < old.Epoch {
				v.suspects = append(v.suspects, id)
			}
		}
	}
	v.noteVanished(rows, now)
	v.rows, v.scanned = rows, now
	for id, r := range rows {
		v.lineage.Claimed(id, r.Parents)
		r = v.believed(r)
		rows[id] = r
		if l := v.held(id); l != nil && v.me == l.worker &&
			(r.Epoch > l.epoch || (r.Epoch == l.epoch && r.Owner != l.worker.id)) {
			l.ledger.suspect = true
		}
	}
	for id, l := range v.leases {
		if l.state != leaseOver && rows[id] == nil {
			l.ledger.suspect = true
		}
	}
	for id := range v.peers {
		if _, ok := workers[id]; !ok && v.peers[id].seen.Before(begin) {
			delete(v.peers, id)
		}
	}
	for _, w := range workers {
		v.observe(w, now, latest)
	}
	owners := map[string]bool{}
	for _, r := range rows {
		if r.Owner == "" || (v.me != nil && r.Owner == v.me.id) {
			continue
		}
		if _, ok := v.peers[r.Owner]; !ok {
			owners[r.Owner] = true
		}
	}
	for id := range v.orphans {
		if !owners[id] && v.peers[id] == nil {
			delete(v.orphans, id)
		}
	}
	for id := range owners {
		if _, known := v.orphans[id]; !known {
			unknown = append(unknown, id)
		}
	}
	slices.Sort(unknown)
	return unknown
}

// liveWorkers counts the workers that are not fenced, this one included while it is joined.
func (v *view) liveWorkers() int {
	live := 0
	if v.me != nil {
		live = 1
	}
	for _, p := range v.peers {
		if !p.Fenced {
			live++
		}
	}
	return live
}

// silent returns the peers whose counter has stalled for a lease duration, and that were just looked at.
func (v *view) silent(now time.Time) map[string]table.Worker {
	out := map[string]table.Worker{}
	for id, p := range v.peers {
		if !p.Fenced && now.Sub(p.since) >= v.duration && now.Sub(p.seen) <= fresh {
			out[id] = p.Worker
		}
	}
	return out
}

// fenceSilent fences the peers whose counter stalled for a lease duration of our own monotonic clock.
func (w *watcher) fenceSilent(ctx context.Context) {
	s := w.store
	s.mu.Lock()
	silent := s.view.silent(time.Now())
	s.mu.Unlock()
	for id, observed := range silent {
		moved, err := w.fenceWorker(ctx, id, observed)
		if err != nil {
			s.log.Warn("cannot fence a silent worker yet", zap.String("peer", id), zap.Error(err))
			return // the next one would only wait for the same table
		}
		s.mu.Lock()
		if moved != nil {
			s.view.observe(*moved, time.Now(), s.now())
		} else if p := s.view.peers[id]; p != nil {
			p.Fenced, p.gone = true, time.Now()
		}
		s.mu.Unlock()
		if moved == nil {
			s.log.Warn("fenced a worker that fell silent, its shards are free", zap.String("peer", id))
			w.notifyPeers()
		}
	}
}

// retiredWorkers returns the peers that were fenced long ago and own nothing.
func (v *view) retiredWorkers(now time.Time) (ids []string) {
	owners := map[string]bool{}
	for _, r := range v.rows {
		owners[r.Owner] = true
	}
	for id, p := range v.peers {
		if p.Fenced && !owners[id] && now.Sub(p.gone) >= retention {
			ids = append(ids, id)
		}
	}
	return ids
}

// sweepWorkers deletes rows of workers that were fenced long ago and own nothing.
func (w *watcher) sweepWorkers(ctx context.Context) {
	s := w.store
	s.mu.Lock()
	old := s.view.retiredWorkers(time.Now())
	s.mu.Unlock()
	for _, id := range old {
		e := &table.Write{}
		e.IfPresent(table.AttrFenced)
		if err := s.table.Remove(ctx, table.KeyWorker+id, e); err != nil && !errors.Is(err, context.Canceled) {
			s.opener.noteTable(err)
		}
	}
}
