package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"
)

const (
	// watchTick is how often #fleet is read: half a read unit each.
	watchTick = 250 * time.Millisecond
	// scanEvery is how often the whole table is read when #fleet tells of no change.
	scanEvery = 10 * time.Second
	// ringReach is how many successors in the ring of worker ids one worker reads every other tick, so that each
	// worker is watched closely by two peers, at a cost that does not grow with the fleet.
	ringReach = 2
	// fresh is how old the last look at a silent worker may be for it to be fenced.
	fresh = time.Second
	// retention is how long the row of a fenced worker stays for people to see.
	retention = 10 * time.Minute
)

// peer is another worker as this process observes it.
type peer struct {
	workerRow
	since time.Time // when the counter was first seen at its value, after the read that told
	moved bool      // the counter was seen to move, so that since is when the worker was heard
	seen  time.Time // the last look
	gone  time.Time // since when it is fenced
}

// watch notices what peers do: changes through #fleet, silence through their heartbeats.
func (s *Store) watch(ctx context.Context) error {
	tick := time.NewTicker(watchTick)
	defer tick.Stop()
	for n := 0; ; n++ {
		forced := false
		select {
		case <-tick.C:
		case <-s.scanC:
			forced = true
		case <-ctx.Done():
			return nil
		}
		s.alive()
		s.lookAtFormats()
		s.lookAtConfigs()
		changed, err := s.pollFleet(ctx)
		if err != nil {
			s.noteTable(err)
			if !forced {
				continue // one probe is enough while the table does not answer
			}
		}
		if n%2 == 0 {
			s.pollRing(ctx)
		}
		s.mu.Lock()
		due := forced || changed || time.Since(s.scanned) >= scanEvery
		s.mu.Unlock()
		if due {
			if err := s.scan(ctx); err != nil {
				s.noteTable(err)
				if changed || forced {
					s.mu.Lock()
					s.fleet = -1 // look again at the next tick
					s.mu.Unlock()
				}
				continue
			}
		}
		s.mendRows(ctx)
		s.fenceSilent(ctx)
		s.replan()
	}
}

// pollFleet reports whether anyone changed the table since the last look.
func (s *Store) pollFleet(ctx context.Context) (bool, error) {
	it, err := s.table.get(ctx, keyFleet, false)
	if err != nil {
		return false, err
	}
	n, ok := count(it[attrCounter])
	if !ok {
		return false, nil // no row yet: nobody changed anything
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if n == s.fleet {
		return false, nil
	}
	s.fleet = n
	return true, nil
}

// pollRing looks at the workers next to this one.
func (s *Store) pollRing(ctx context.Context) {
	for _, id := range s.successors() {
		it, err := s.table.get(ctx, keyWorker+id, false)
		if err != nil {
			return
		}
		s.mu.Lock()
		if it == nil {
			delete(s.peers, id)
			s.mu.Unlock()
			s.rescan() // it left: the scan tells what became of its shards
			continue
		}
		s.observe(decodeWorker(it, s.now()), time.Now())
		s.mu.Unlock()
	}
}

func (s *Store) successors() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.me == nil {
		return nil
	}
	var live []string
	for id, p := range s.peers {
		if !p.fenced {
			live = append(live, id)
		}
	}
	return successors(s.me.id, live)
}

// successors answers the next ids after me in the sorted ring.
func successors(me string, live []string) []string {
	slices.Sort(live)
	i, _ := slices.BinarySearch(live, me)
	out := make([]string, 0, ringReach)
	for n := range min(ringReach, len(live)) {
		out = append(out, live[(i+n)%len(live)])
	}
	return out
}

// observe notes a look at a worker's row. Call it with mu held.
func (s *Store) observe(w workerRow, at time.Time) {
	if s.me != nil && w.id == s.me.id {
		return
	}
	p := s.peers[w.id]
	if p == nil {
		p = &peer{workerRow: w, since: at}
		s.peers[w.id] = p
	}
	// An eventually consistent read may show an older row than one before it; a counter never goes back.
	if w.counter > p.counter {
		p.since, p.report, p.moved, p.config = at, w.report, true, w.config
	}
	if w.arrival.After(s.arrival) && !w.arrival.After(s.now().Add(clocksDiffer)) {
		s.arrival = w.arrival
	}
	p.counter = max(p.counter, w.counter)
	p.fenced = p.fenced || w.fenced
	p.leaving = p.leaving || w.leaving
	p.version, p.seen = w.version, at
	p.damaged, p.raw = w.damaged, w.raw
	if p.fenced && p.gone.IsZero() {
		p.gone = at
	}
}

// scan reads the whole table.
func (s *Store) scan(ctx context.Context) error {
	begin := time.Now()
	rows := map[string]*row{}
	workers := map[string]workerRow{}
	sawApplication, damaged := false, map[string]bool{}
	err := s.table.scan(ctx, attrKey, func(it item) error {
		switch key := text(it[attrKey]); {
		case key == keyApplication:
			sawApplication = true
			if app, err := decodeApplication(it, s.now()); err == nil && app.damage != nil {
				damaged[key] = true
				s.noteDamage(key, app.damage)
			}
		case len(key) > len(keyWorker) && key[:len(keyWorker)] == keyWorker:
			w := decodeWorker(it, s.now())
			if workers[w.id] = w; w.damaged && !w.fenced {
				damaged[key] = true
				s.noteDamage(key, fmt.Errorf("%s is %s, and should be a number: the worker ends, and its shards are taken when it is silent", attrCounter, shown(w.raw)))
			}
		case key == keyFleet:
			if _, ok := count(it[attrCounter]); !ok {
				damaged[key] = true
				s.noteDamage(key, fmt.Errorf("%s is %s, and should be a number: workers hear late of each other", attrCounter, shown(it[attrCounter])))
			}
		case isShardID(key): // another key is no shard's, and no label's value
			r, err := decodeRow(it, begin)
			if err != nil {
				damaged[key] = true
				s.noteDamage(key, damage(it, begin))
				s.keepKnown(rows, key)
				return nil //nolint:nilerr // it is reported, and the other rows count
			}
			rows[r.id] = r
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !sawApplication {
		s.doubtTable()
	}
	s.mu.Lock()
	s.damagedIn(damaged)
	s.mu.Unlock()
	unknown := s.merge(rows, workers, begin)
	for _, owner := range unknown {
		// The scan may be older than the worker, so only a consistent read says that it has no row.
		it, err := s.table.get(ctx, keyWorker+owner, true)
		if err != nil {
			return err
		}
		s.mu.Lock()
		if it == nil {
			s.orphans[owner] = time.Now().Add(s.duration) // it may not know yet that its row is gone
		} else {
			s.observe(decodeWorker(it, s.now()), time.Now())
		}
		s.mu.Unlock()
	}
	if err := s.resolveDoubts(ctx); err != nil {
		return err
	}
	s.sweepWorkers(ctx)
	return nil
}

// resolveDoubts reads the rows that a scan showed at a lower epoch than was known. Most often the scan was stale. But a
// row that vanished is begun anew at epoch one; whoever went on believing the old one would wait for an owner that is none
// for ever, and with all peers doing so nobody would read the shard.
func (s *Store) resolveDoubts(ctx context.Context) error {
	s.mu.Lock()
	doubted := s.doubted
	s.mu.Unlock()
	for _, id := range doubted {
		it, err := s.table.get(ctx, id, true)
		if err != nil {
			return err
		}
		if it == nil {
			s.dropRow(id)
			continue
		}
		if r, err := decodeRow(it, time.Now()); err == nil {
			s.noteRow(r)
		}
	}
	return nil
}

// merge takes a scan into memory and answers the owners that it showed no worker row of.
func (s *Store) merge(rows map[string]*row, workers map[string]workerRow, begin time.Time) (unknown []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for id, l := range s.leases {
		// Also with a lower epoch: a row that vanished is begun anew at one. The write that follows is what decides.
		if seen := rows[id]; seen != nil && seen.owner != l.worker.id && s.me == l.worker && l.state != leaseOver {
			l.suspect = true
		}
	}
	s.doubted = nil
	for id, old := range s.rows {
		seen := rows[id]
		if old.at.After(begin) && (seen == nil || seen.epoch <= old.epoch) {
			rows[id] = old // written or read while the scan was under way
			if seen != nil && seen.epoch == old.epoch && seen.paused != old.paused {
				now := *old // which no holder writes, so a write of our own says nothing about it
				now.paused = seen.paused
				rows[id] = &now
			}
		} else if seen != nil && (seen.epoch < old.epoch || (seen.epoch == old.epoch && old.ended())) {
			rows[id] = old // the scan showed an older row than we have seen
			if seen.epoch < old.epoch {
				s.doubted = append(s.doubted, id)
			}
		}
	}
	s.noteVanished(rows, now)
	s.rows, s.scanned = rows, now
	s.noteCircles(rows)
	for id, r := range rows {
		s.lineage.claimed(id, r.parents)
		r = s.believed(r)
		rows[id] = r
		if l := s.leases[id]; l != nil && l.state != leaseOver && s.me == l.worker && (r.epoch > l.epoch || (r.epoch == l.epoch && r.owner != l.worker.id)) {
			l.suspect = true
		}
	}
	for id, l := range s.leases {
		if l.state != leaseOver && rows[id] == nil {
			l.suspect = true
		}
	}
	for id := range s.peers {
		if _, ok := workers[id]; !ok && s.peers[id].seen.Before(begin) {
			delete(s.peers, id)
		}
	}
	for _, w := range workers {
		s.observe(w, now)
	}
	owners := map[string]bool{}
	for _, r := range rows {
		if r.owner == "" || (s.me != nil && r.owner == s.me.id) {
			continue
		}
		if _, ok := s.peers[r.owner]; !ok {
			owners[r.owner] = true
		}
	}
	for id := range s.orphans {
		if !owners[id] && s.peers[id] == nil {
			delete(s.orphans, id)
		}
	}
	for id := range owners {
		if _, known := s.orphans[id]; !known {
			unknown = append(unknown, id)
		}
	}
	live := 0
	if s.me != nil {
		live = 1
	}
	for _, p := range s.peers {
		if !p.fenced {
			live++
		}
	}
	s.m.liveWorkers.Set(float64(live))
	slices.Sort(unknown)
	return unknown
}

// fenceSilent fences the peers whose counter stood still for a lease duration of our own monotonic clock.
func (s *Store) fenceSilent(ctx context.Context) {
	s.mu.Lock()
	now := time.Now()
	silent := map[string]workerRow{}
	for id, p := range s.peers {
		if !p.fenced && now.Sub(p.since) >= s.duration && now.Sub(p.seen) <= fresh {
			silent[id] = p.workerRow
		}
	}
	s.mu.Unlock()
	for id, observed := range silent {
		moved, err := s.fenceWorker(ctx, id, observed)
		if err != nil {
			s.log.Warn("cannot fence a silent worker yet", zap.String("peer", id), zap.Error(err))
			return // the next one would only wait for the same table
		}
		s.mu.Lock()
		if moved != nil {
			s.observe(*moved, time.Now())
		} else if p := s.peers[id]; p != nil {
			p.fenced, p.gone = true, time.Now()
		}
		s.mu.Unlock()
		if moved == nil {
			s.log.Warn("fenced a worker that fell silent, its shards are free", zap.String("peer", id))
			s.bump()
		}
	}
}

// sweepWorkers deletes rows of workers that were fenced long ago and own nothing.
func (s *Store) sweepWorkers(ctx context.Context) {
	s.mu.Lock()
	owners := map[string]bool{}
	for _, r := range s.rows {
		owners[r.owner] = true
	}
	var old []string
	for id, p := range s.peers {
		if p.fenced && !owners[id] && time.Since(p.gone) >= retention {
			old = append(old, id)
		}
	}
	s.mu.Unlock()
	for _, id := range old {
		e := &expr{}
		e.ifPresent(attrFenced)
		if err := s.table.remove(ctx, keyWorker+id, e); err != nil && !errors.Is(err, context.Canceled) {
			s.noteTable(err)
		}
	}
}
