package output

import (
	"container/heap"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

const (
	// mostRecords is Kinesis' limit of a PutRecords call.
	mostRecords = 500
	// mostBytes bounds a call, data and keys. Kinesis takes 10 MiB since 2025; half of that is what older endpoints
	// take, and what a slow line carries in time. One record may have more, and then goes alone.
	mostBytes = 5 << 20
	// leastBytes is what calls shrink to at least while they time out.
	leastBytes = 128 << 10
	// inFlight is how many calls an output has under way. One carries 25,000 records/s at 20 ms; the others are for
	// slower answers.
	inFlight = 4
	// linger is how long a record waits for others to share its call while another call is under way, and gap how long
	// a call waits that is the only one after the one before it began.
	linger = 10 * time.Millisecond
	gap    = 5 * time.Millisecond
	// patience is how long an item must have failed before it makes room.
	patience = 5 * time.Second
	// mostSpare is how many lanes are kept for other keys.
	mostSpare = 4096
	// bookkeeping is what an item costs beside its data and its key.
	bookkeeping = 512
)

// phase is what a lane is doing.
type phase uint8

const (
	ready   phase = iota // its first item may go
	flying               // a call has it
	waiting              // its first item failed alone and backs off
	mailing              // its first item goes to the dead letters, or waits for that
	held                 // its first item was rejected, and nothing else may be done with it
	doomed               // its only item will be skipped
)

// lane is one key with work. Its first item decides what it does; the others wait.
type lane struct {
	key         string
	alone       bool // its only item has no key that anything else could have
	phase       phase
	first, last *Item // linked by Item.behind and Item.ahead
	next, prev  *lane // of the ready ones; next also of those that are free
	since       time.Time
	place       int // among the waiting ones

	// What follows is about its first item.

	sent     int       // attempts
	failures int       // of its own, one after the other
	failed   time.Time // when the first of these was
	counted  int       // those of them that count for the limit of attempts
	due      time.Time
	// batch bounds the call that carries it, after a call was refused as a whole; 0 is no bound.
	batch int
	// own says that it was said of this item that the stream is misconfigured, in a call that had others accepted.
	own    bool
	reason alert.Reason // of the last failure
	err    error
	letter letter // for mailing
}

// letter is why an item goes to the dead letters.
type letter struct {
	condition string
	reason    alert.Reason
	detail    string
	attempts  int
}

// schedule decides what is sent when. It does no I/O, reads no clock, draws no lots and has no lock.
type schedule struct {
	health *delivery.Health
	// careful lets one item at a time go: what the stream accepted may be sent again.
	careful bool
	// room bounds the bytes of a call. It shrinks while calls time out.
	room int

	lanes map[string]*lane
	// The ready ones, in the order of their turns, and what their first items have.
	readyFirst, readyLast *lane
	ready, readyBytes     int
	delayed               delayed
	mail                  []*lane // those that wait for their letter to be sent
	mailing               int     // those in the phase
	mailingCost           int     // what they free
	held                  int     // lanes
	failing               int     // lanes whose first item fails alone
	failingSince          time.Time
	free                  *lane
	spare                 int // lanes in free

	oldest, newest *Item // linked by Item.newer and Item.older, in the order of push
	items          int

	calls   int
	flying  int       // items in calls
	started time.Time // the last call
}

func newSchedule(h *delivery.Health) schedule {
	return schedule{health: h, lanes: map[string]*lane{}, room: mostBytes}
}

func (it *Item) size() int { return len(it.Data) + len(it.Key) }

// push takes an item in, behind those of its key.
func (s *schedule) push(it *Item, now time.Time) {
	s.enlist(it, now)
	if ln := s.lanes[it.Key]; ln != nil {
		it.lane = ln
		ln.last.behind, it.ahead = it, ln.last
		ln.last = it
		return
	}
	ln := s.newLane(it)
	s.lanes[it.Key] = ln
	s.makeReady(ln, now)
}

// pushAlone takes in an item that will never be sent. It waits in a lane of its own.
func (s *schedule) pushAlone(it *Item, now time.Time) *lane {
	s.enlist(it, now)
	ln := s.newLane(it)
	ln.alone = true
	return ln
}

func (s *schedule) newLane(it *Item) *lane {
	ln := s.free
	if ln == nil {
		ln = &lane{}
	} else {
		s.free = ln.next
		ln.next = nil
		s.spare--
	}
	ln.key, ln.first, ln.last = it.Key, it, it
	it.lane = ln
	return ln
}

func (s *schedule) enlist(it *Item, now time.Time) {
	it.at = now
	if it.older = s.newest; s.newest != nil {
		s.newest.newer = it
	} else {
		s.oldest = it
	}
	s.newest = it
	s.items++
}

func (s *schedule) delist(it *Item) {
	if it.older != nil {
		it.older.newer = it.newer
	} else {
		s.oldest = it.newer
	}
	if it.newer != nil {
		it.newer.older = it.older
	} else {
		s.newest = it.older
	}
	it.older, it.newer, it.behind, it.ahead, it.lane = nil, nil, nil, nil, nil
	s.items--
}

// makeReady puts a lane at the end of the ready ones.
func (s *schedule) makeReady(ln *lane, now time.Time) {
	ln.phase, ln.since, ln.prev = ready, now, s.readyLast
	if s.readyLast == nil {
		s.readyFirst = ln
	} else {
		s.readyLast.next = ln
	}
	s.readyLast = ln
	s.ready++
	s.readyBytes += ln.first.size()
}

// unready takes a lane out of the ready ones.
func (s *schedule) unready(ln *lane) {
	if ln.prev == nil {
		s.readyFirst = ln.next
	} else {
		ln.prev.next = ln.next
	}
	if ln.next == nil {
		s.readyLast = ln.prev
	} else {
		ln.next.prev = ln.prev
	}
	ln.next, ln.prev = nil, nil
	s.ready--
	s.readyBytes -= ln.first.size()
}

// next says whether a call may start now. If not, it returns how long that takes.
func (s *schedule) next(now time.Time) (bool, time.Duration) {
	wake := s.promote(now)
	if s.ready == 0 || s.calls >= inFlight {
		return false, wake
	}
	if wait := s.health.Wait(now); wait != 0 {
		return false, sooner(wake, wait)
	}
	if s.ready >= mostRecords || s.readyBytes >= s.room || s.health.Failures() > 0 {
		return true, 0
	}
	at := s.readyFirst.since.Add(linger)
	if s.calls == 0 {
		at = s.started.Add(gap)
	}
	if wait := at.Sub(now); wait > 0 {
		return false, sooner(wake, wait)
	}
	return true, 0
}

// take begins a call with the first ready lanes. What old says of an item ends its attempts instead; such items are
// returned apart, and are no longer ready.
func (s *schedule) take(now time.Time, batch []*Item, old func(*Item) bool) (sent, expired []*Item) {
	most, bytes := mostRecords, 0
	if s.health.Fault() != "" || s.careful {
		most = 1
	}
	for s.readyFirst != nil && len(batch) < most {
		ln := s.readyFirst
		if old != nil && old(ln.first) {
			s.unready(ln)
			expired = append(expired, ln.first)
			continue
		}
		if ln.batch > 0 {
			if len(batch) >= ln.batch {
				break
			}
			most = min(most, ln.batch)
		}
		if bytes += ln.first.size(); bytes > s.room && len(batch) > 0 {
			break
		}
		s.unready(ln)
		ln.phase = flying
		ln.sent++
		batch = append(batch, ln.first)
	}
	if len(batch) > 0 {
		s.calls++
		s.flying += len(batch)
		s.started = now
		s.health.Start()
	}
	return batch, expired
}

// landed notes the end of a call of n items, each of which gets one of the ends that follow.
func (s *schedule) landed(n int) {
	s.calls--
	s.flying -= n
}

// again lets the first item of a lane go in another call.
func (s *schedule) again(ln *lane, now time.Time) { s.makeReady(ln, now) }

// delay lets the first item of a lane, which failed alone, wait.
func (s *schedule) delay(ln *lane, now time.Time, wait time.Duration) {
	if ln.failures == 0 {
		ln.failed = now
		if s.failing == 0 {
			s.failingSince = now
		}
		s.failing++
	}
	ln.failures++
	ln.phase, ln.due = waiting, now.Add(wait)
	heap.Push(&s.delayed, ln)
}

// promote makes ready what has waited long enough, and returns how long it takes until more has.
func (s *schedule) promote(now time.Time) time.Duration {
	for len(s.delayed) > 0 {
		if wait := s.delayed[0].due.Sub(now); wait > 0 {
			return wait
		}
		s.makeReady(heap.Pop(&s.delayed).(*lane), now) //nolint:forcetypeassert // it has no others
	}
	return delivery.UntilWoken
}

// hold stops a lane for good.
func (s *schedule) hold(ln *lane) {
	ln.phase = held
	s.held++
}

// post lets the first item of a lane wait for its dead letter.
func (s *schedule) post(ln *lane, l letter) {
	ln.phase, ln.letter = mailing, l
	s.mailing++
	s.mailingCost += ln.first.cost
	s.mail = append(s.mail, ln)
}

// done takes the first item of a lane out, which has met its end; the lane is flying, mailing, held or in no phase. The
// next one follows.
func (s *schedule) done(ln *lane, now time.Time) *Item {
	switch ln.phase { //nolint:exhaustive // the others are in no list
	case mailing:
		s.mailing--
		s.mailingCost -= ln.first.cost
	case held:
		s.held--
	}
	it := ln.first
	if ln.first = it.behind; ln.first != nil {
		ln.first.ahead = nil
	}
	s.delist(it)
	s.forget(ln)
	if ln.first != nil {
		s.makeReady(ln, now)
	} else {
		s.release(ln)
	}
	return it
}

// forget forgets what a lane knew of its first item.
func (s *schedule) forget(ln *lane) {
	if ln.failures > 0 {
		if s.failing--; s.failing == 0 {
			s.failingSince = time.Time{}
		}
	}
	*ln = lane{key: ln.key, alone: ln.alone, first: ln.first, last: ln.last}
}

func (s *schedule) release(ln *lane) {
	if !ln.alone {
		delete(s.lanes, ln.key)
	}
	*ln = lane{}
	if s.spare < mostSpare {
		ln.next, s.free = s.free, ln
		s.spare++
	}
}

// unlist takes a lane whose first item waits out of the ready or the delayed ones.
func (s *schedule) unlist(ln *lane) {
	switch ln.phase { //nolint:exhaustive // the others are in no list
	case waiting:
		heap.Remove(&s.delayed, ln.place)
	case ready:
		s.unready(ln)
	}
}

// waitsAtHead says whether an item is the next of its key and waits to be sent.
func (it *Item) waitsAtHead() bool {
	ln := it.lane
	return ln.first == it && (ln.phase == ready || ln.phase == waiting)
}

// busy says that a call or a dead letter has the item, or that it will soon meet its end.
func (it *Item) busy() bool {
	ln := it.lane
	return ln.first == it && (ln.phase == flying || ln.phase == mailing || ln.phase == doomed)
}

// fails says whether the next item of a key has failed for so long that it may make room: its own attempts, or the
// calls.
func (s *schedule) fails(it *Item, now time.Time) bool {
	long := func(since time.Time) bool { return !since.IsZero() && now.Sub(since) >= patience }
	return it.waitsAtHead() && (long(s.health.Since()) || it.lane.failures > 0 && long(it.lane.failed))
}

// pick takes the oldest items for which ok says so out of the ready and delayed ones, up to n. They must be the next of
// their keys.
func (s *schedule) pick(n int, ok func(*Item) bool) []*lane {
	var out []*lane
	for it := s.oldest; it != nil && len(out) < n; it = it.newer {
		if ok(it) {
			s.unlist(it.lane)
			out = append(out, it.lane)
		}
	}
	return out
}

// drop takes out all items for which gone says so, and returns them. Those that a call or a dead letter has are not
// among them: they stay until that ends, and are marked.
func (s *schedule) drop(now time.Time, gone func(*Item) bool) []*Item {
	var out []*Item
	for it := s.oldest; it != nil; {
		next := it.newer
		if gone(it) {
			if it.busy() {
				it.dropped = true
			} else {
				s.remove(it, now)
				out = append(out, it)
			}
		}
		it = next
	}
	return out
}

// remove takes an item out that waits, wherever it is in its lane.
func (s *schedule) remove(it *Item, now time.Time) {
	ln := it.lane
	if ln.first == it {
		s.unlist(ln)
		s.done(ln, now)
		return
	}
	if it.ahead.behind = it.behind; it.behind == nil {
		ln.last = it.ahead
	} else {
		it.behind.ahead = it.ahead
	}
	s.delist(it)
}

// shrink makes calls smaller after one that took too long, and grow larger again.
func (s *schedule) shrink() { s.room = max(leastBytes, s.room/2) }
func (s *schedule) grow()   { s.room = min(mostBytes, s.room*2) }

// delayed is a heap of lanes, by when they are due.
type delayed []*lane

func (d delayed) Len() int           { return len(d) }
func (d delayed) Less(i, j int) bool { return d[i].due.Before(d[j].due) }
func (d delayed) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

// Push implements heap.Interface.
func (d *delayed) Push(x any) {
	ln := x.(*lane) //nolint:forcetypeassert // it has no others
	ln.place = len(*d)
	*d = append(*d, ln)
}

// Pop implements heap.Interface.
func (d *delayed) Pop() any {
	last := len(*d) - 1
	ln := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return ln
}

// sooner is the shorter of two waits, of which delivery.UntilWoken is the longest.
func sooner(a, b time.Duration) time.Duration {
	switch {
	case a < 0:
		return b
	case b < 0:
		return a
	}
	return min(a, b)
}
