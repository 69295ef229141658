package checkpoint

import (
	"hash/fnv"
	"slices"
	"strconv"
	"time"
)

const (
	// fleetEvery is how old the answer of Fleet may be.
	fleetEvery = 250 * time.Millisecond
	// shareDelay is how long after joining a worker has no share of what the fleet divides: four looks at #fleet, in which
	// its peers learn of it and make their own shares smaller.
	shareDelay = 4 * watchTick
	// clocksDiffer is how far the latest arrival that a peer reports may be ahead of the time here. What is further ahead did not
	// arrive: it would hide the stream's silence until then.
	clocksDiffer = 5 * time.Second
)

// report is what one worker knows of the shards that it holds.
type report struct {
	arrival  time.Time // the latest arrival of a record in any of them, now or ever; zero: none yet
	caughtUp time.Time // the time up to which all of them were read; zero: not known
	covers   string    // of which shards caughtUp speaks
}

// cover sums shards up, each with the epoch in which it is held, in any order. The worker of a report and its readers
// come to the same sum when they mean the same shards, and only then is the report about what the reader thinks.
type cover uint64

func (c *cover) add(shard string, epoch int64) {
	h := fnv.New64a()
	_, _ = h.Write(strconv.AppendInt([]byte(shard+"@"), epoch, 10)) // a hash never fails
	*c ^= cover(h.Sum64())
}

func (c cover) String() string { return strconv.FormatUint(uint64(c), 36) }

// own is the report of this process. It asks the consumer, so call it without mu.
func (s *Store) own() report {
	if s.consumer == nil {
		return report{}
	}
	before, _ := s.covers()
	var r report
	r.arrival, r.caughtUp = s.consumer()
	after, whole := s.covers()
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.arrival.After(s.arrival) {
		s.arrival = r.arrival
	}
	if before != after || !whole { // a shard came, went, or is not yet being read
		r.caughtUp = time.Time{}
	}
	r.covers = after.String()
	return r
}

// covers sums the leases up, and says whether a consumer has spoken for each of them.
func (s *Store) covers() (sum cover, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	whole = true
	for id, l := range s.leases {
		if l.state != leaseOver {
			sum.add(id, l.epoch)
			whole = whole && l.heard
		}
	}
	return sum, whole
}

// add writes a report into the worker's own row.
func (r report) add(e *expr) {
	e.put(attrArrival, num(r.arrival.UnixMilli()), !r.arrival.IsZero())
	e.put(attrCaughtUp, num(r.caughtUp.UnixMilli()), !r.caughtUp.IsZero())
	e.put(attrCovers, str(r.covers), !r.caughtUp.IsZero())
}

func decodeReport(it item, now time.Time) report {
	return report{covers: short(text(it[attrCovers])), arrival: moment(it[attrArrival], now), caughtUp: moment(it[attrCaughtUp], now)}
}

// fleetView is the answer of Fleet.
type fleetView struct {
	decider           string
	arrival, caughtUp time.Time
	at                time.Time
	paused            bool // a shard is, by an operator
}

// Fleet says what is known of all shards together: the shard whose evaluation decides about the whole stream (the lowest
// id of those that are to be read; empty if unknown), the latest arrival of a record in any shard that this process has
// heard of since it started (zero if none), and the time up to which every shard was read. That is zero while a shard is
// read by nobody or its worker has not yet reported on it. Paused shards do not count. It does no I/O.
//
// The two times belong together: of every record that arrived up to caughtUp, lastArrival is the arrival or a later one.
// So silence up to caughtUp is certain, however old what is known of the peers. It is late by their heartbeat (a third of
// the lease duration), and, with more than three workers, by up to ten seconds until the next scan.
func (s *Store) Fleet() (decider string, lastArrival, caughtUp time.Time) {
	s.mu.Lock()
	v := s.view
	s.mu.Unlock()
	if time.Since(v.at) >= fleetEvery {
		v = s.look(s.own())
	}
	return v.decider, v.arrival, v.caughtUp
}

// AnyPaused says whether an operator has paused a shard that is not at its end, as of the last answer of Fleet.
func (s *Store) AnyPaused() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.paused
}

// look puts together what is known.
func (s *Store) look(own report) fleetView {
	s.mu.Lock()
	defer s.mu.Unlock()
	v := fleetView{at: time.Now(), arrival: s.arrival}
	latest := s.now()
	unread := s.me == nil || s.app == nil || s.scanned.IsZero()
	for id, info := range s.lineage.shards {
		if s.app == nil {
			break
		}
		due, read := s.isRead(id, info)
		unread = unread || !read
		r := s.rows[id]
		v.paused = v.paused || r != nil && r.paused && !r.ended() && !info.unlisted()
		if due && (v.decider == "" || id < v.decider) {
			v.decider = id
		}
	}
	held := map[string]*cover{}
	for id, r := range s.rows {
		if l := s.leases[id]; r.owner == "" || r.ended() || (l != nil && l.state != leaseOver) {
			continue
		}
		if held[r.owner] == nil {
			held[r.owner] = new(cover)
		}
		held[r.owner].add(id, r.epoch)
	}
	earliest := func(r report, known bool) {
		switch {
		case !known || r.caughtUp.IsZero():
			unread = true
		case v.caughtUp.IsZero() || r.caughtUp.Before(v.caughtUp):
			v.caughtUp = r.caughtUp
		}
	}
	if slices.ContainsFunc(sortedKeys(s.leases), func(id string) bool { return s.leases[id].state != leaseOver }) {
		earliest(own, true)
	}
	for owner, sum := range held {
		if p := s.peers[owner]; p != nil && !p.fenced {
			earliest(p.report, p.covers == sum.String())
		}
	}
	if v.caughtUp.After(latest) { // an older version's, by a machine's clock
		v.caughtUp = latest
	}
	if unread {
		v.caughtUp = time.Time{}
	}
	s.view = v
	return v
}

// isRead says of one shard whether it is to be read now, and whether it is, or needs not be. Call it with mu held.
func (s *Store) isRead(id string, info *shardInfo) (due, read bool) {
	if l := s.leases[id]; l != nil && l.state != leaseOver {
		return true, true // whether its consumer has spoken is in the report
	}
	r := s.rows[id]
	switch {
	case info.unlisted(), r != nil && r.paused:
		return false, true
	case finished(id, s.rows, &s.app.origin, s.cfg.Start):
		// Its children are to be read now, so they must be known.
		return false, r == nil || !info.inListing || len(s.lineage.children(id)) > 0
	case r == nil || r.owner == "":
		open := s.lineage.gateOpen(id, s.rows, &s.app.origin, s.cfg.Start)
		return open, !open // behind a parent that counts
	}
	p := s.peers[r.owner]
	return true, p != nil && !p.fenced
}

// Share is the place of this worker among the live ones, from 0, and their number, by which they divide what the fleet
// may do together: a worker counts until it is fenced or its row is gone, also while it drains. 0 of 0 means nothing
// yet, or no more: it has not joined, or joined less than a second ago, so that its peers may not know of it. A peer is
// known within half a second of its joining, while the table answers.
func (s *Store) Share() (index, workers int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.me == nil || s.scanned.IsZero() || now.Sub(s.me.joined) < shareDelay || !s.me.window.open(now) {
		return 0, 0
	}
	workers = 1
	for id, p := range s.peers {
		if p.fenced || s.retired[id] {
			continue
		}
		workers++
		if id < s.me.id {
			index++
		}
	}
	return index, workers
}
