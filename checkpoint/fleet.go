package checkpoint

import (
	"time"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
)

const (
	// fleetEvery is how old the answer of Fleet may be.
	fleetEvery = 250 * time.Millisecond
	// shareDelay is how long after joining a worker has no share of what the fleet divides: four reads of #fleet, in
	// which its peers learn of it and reduce their own shares.
	shareDelay = 4 * watchTick
	// clocksDiffer is how far the latest arrival that a peer reports may be ahead of the time here. A later time is
	// ignored: it would hide the stream's silence until then.
	clocksDiffer = 5 * time.Second
)

// reports is what Fleet returns its answers from. Guarded by Store.mu.
type reports struct {
	store *Store
	ask   func() (lastArrival, caughtUp time.Time) // Deps.Report; may be nil
	seen  fleetView                                // the last answer
}

// own is the report of this process. It asks the consumer.
func (r *reports) own() table.Report {
	s := r.store
	if r.ask == nil {
		return table.Report{}
	}
	covers := func() (table.Cover, bool) {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.view.covers()
	}
	before, _ := covers()
	var own table.Report
	own.Arrival, own.CaughtUp = r.ask()
	after, whole := covers()
	s.mu.Lock()
	defer s.mu.Unlock()
	if v := &s.view; own.Arrival.After(v.arrival) {
		v.arrival = own.Arrival
	}
	if before != after || !whole { // a shard came, went, or is not yet being read
		own.CaughtUp = time.Time{}
	}
	own.Covers = after.String()
	return own
}

// covers sums up the leases, and reports whether a consumer has committed for each of them.
func (v *view) covers() (sum table.Cover, whole bool) {
	whole = true
	for id := range v.leases {
		if l := v.held(id); l != nil {
			sum.Add(id, l.epoch)
			whole = whole && l.heard
		}
	}
	return sum, whole
}

// fleetView is what Fleet returns.
type fleetView struct {
	decider           string
	arrival, caughtUp time.Time
	at                time.Time
	paused            bool // a shard is, by an operator
}

// Fleet returns what is known of all shards together: the shard whose evaluation decides about the whole stream (the
// lowest id of those that are to be read; empty if unknown), the latest arrival of a record in any shard that this
// process has heard of since it started (zero if none), and the time up to which every shard was read. That is zero
// while no worker reads a shard, or its worker has not yet reported on it. Paused shards do not count. It does no I/O.
//
// The two times belong together: of every record that arrived up to caughtUp, lastArrival is the arrival or a later
// one. So silence up to caughtUp is certain, however old the peers' reports are. It is late by their heartbeat (a
// third of the lease duration), and, with more than three workers, by up to ten seconds until the next scan.
func (s *Store) Fleet() (decider string, lastArrival, caughtUp time.Time) {
	s.mu.Lock()
	f := s.reports.seen
	s.mu.Unlock()
	if time.Since(f.at) >= fleetEvery {
		own := s.reports.own()
		s.mu.Lock()
		f = s.view.fleetAt(time.Now(), s.now(), own)
		s.reports.seen = f
		s.mu.Unlock()
	}
	return f.decider, f.arrival, f.caughtUp
}

// AnyPaused reports whether an operator has paused a shard that is not at its end, as of the last answer of Fleet.
func (s *Store) AnyPaused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reports.seen.paused
}

// fleetAt puts together what is known of all shards. own is the report of this process, latest the time by which
// records arrive.
func (v *view) fleetAt(now, latest time.Time, own table.Report) fleetView {
	f := fleetView{at: now, arrival: v.arrival}
	unread := v.me == nil || v.app == nil || v.scanned.IsZero()
	for id, info := range v.lineage.Shards {
		if v.app == nil {
			break
		}
		due, read := v.isRead(id, info)
		unread = unread || !read
		r := v.rows[id]
		f.paused = f.paused || r != nil && r.Paused && !r.Ended() && !info.Unlisted()
		if due && (f.decider == "" || id < f.decider) {
			f.decider = id
		}
	}
	covers := map[string]*table.Cover{}
	for id, r := range v.rows {
		if r.Owner == "" || r.Ended() || v.held(id) != nil {
			continue
		}
		if covers[r.Owner] == nil {
			covers[r.Owner] = new(table.Cover)
		}
		covers[r.Owner].Add(id, r.Epoch)
	}
	earliest := func(r table.Report, known bool) {
		switch {
		case !known || r.CaughtUp.IsZero():
			unread = true
		case f.caughtUp.IsZero() || r.CaughtUp.Before(f.caughtUp):
			f.caughtUp = r.CaughtUp
		}
	}
	for id := range v.leases {
		if v.held(id) != nil {
			earliest(own, true)
			break
		}
	}
	for owner, sum := range covers {
		if p := v.peers[owner]; p != nil && !p.Fenced {
			earliest(p.Report, p.Covers == sum.String())
		}
	}
	if f.caughtUp.After(latest) { // an older version's, by a machine's clock
		f.caughtUp = latest
	}
	if unread {
		f.caughtUp = time.Time{}
	}
	return f
}

// isRead reports whether a shard is to be read now, and whether it is, or need not be.
func (v *view) isRead(id string, info *lineage.Shard) (due, read bool) {
	if v.held(id) != nil {
		return true, true // whether its consumer has committed is in the report
	}
	r := v.rows[id]
	switch {
	case info.Unlisted(), r != nil && r.Paused:
		return false, true
	case v.finished(id):
		// Its children are to be read now, so they must be known.
		return false, r == nil || !info.InListing || len(v.lineage.Children(id)) > 0
	case r == nil || r.Owner == "":
		open := v.gateOpen(id)
		return open, !open // behind a parent that counts
	}
	p := v.peers[r.Owner]
	return true, p != nil && !p.Fenced
}

// Share returns the place of this worker among the live ones, from 0, and their number. By these they divide what the
// fleet may do together. A worker counts until it is fenced or its row is gone, also while it drains. 0 of 0 means no
// share: it has not joined, or joined less than a second ago, so that its peers may not know of it. A peer is known
// within half a second of its joining, while the table answers.
func (s *Store) Share() (index, workers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.view.me == nil || s.view.scanned.IsZero() || now.Sub(s.view.me.joined) < shareDelay ||
		!s.view.me.window.open(now) {
		return 0, 0
	}
	workers = 1
	for id, p := range s.view.peers {
		if p.Fenced || s.view.retired[id] {
			continue
		}
		workers++
		if id < s.view.me.id {
			index++
		}
	}
	return index, workers
}
