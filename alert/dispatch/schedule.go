package dispatch

import "time"

// action is what happens next at a topic.
type action uint8

const (
	// rest is nothing.
	rest action = iota
	// send is a call with requests from the head of the queue.
	send
	// enterDigestMode gathers what waits and what comes.
	enterDigestMode
	// sealDigest fixes what is gathered as one message, and queues it.
	sealDigest
	// leaveDigestMode lets alerts go one by one again.
	leaveDigestMode
)

// schedule is what waits at a topic, and decides what goes when. It has no goroutine, does no I/O and reads no clock: a
// topic drives it by the machine's, and Simulate by its own.
type schedule struct {
	queue    queue
	rate     rate
	storm    storm
	gatherer *gatherer
	interval time.Duration // TopicConfig.Digest
}

func newSchedule(h *health, f *fleet) schedule {
	return schedule{queue: queue{health: h}, rate: rate{fleet: f}, gatherer: newGatherer()}
}

// configure applies settings.
func (l *schedule) configure(c Config, t TopicConfig) {
	l.queue.linger, l.queue.inFlight, l.interval = c.Linger, c.InFlight, t.Digest
	l.rate.set(t.Rate)
}

// next says what to do at a moment, with how many requests where that is a call, and when to ask again where it is
// nothing. trusted says whether a call may start as far as the leases go.
func (l *schedule) next(now time.Time, limits Limits, trusted func(time.Time) bool) (action, int, time.Duration) {
	room, roomIn := l.rate.room(now)
	n, wait := l.queue.next(now, room, limits)
	s := situation{room: room, roomIn: roomIn, limited: l.rate.limited}
	if l.storm.on {
		s.gathered = l.gatherer.state()
		s.few = l.few(now)
		s.mayCall, s.callIn = l.queue.may(now)
		s.trusted = trusted(now)
		s.interval = l.interval
	} else if n == 0 && s.limited && len(l.queue.ready) > 0 && l.rate.perSecond(now) > 0 {
		// With no share yet it has just joined, and knows its share in a moment: what waits may well fit into it.
		s.few = l.few(now)
		s.waiting = l.queue.waiting()
		s.pressed = room == 0 && l.rate.pressure.high(now, l.rate.perSecond(now))
	}
	act, again := l.storm.next(now, s)
	switch {
	case act != rest:
		return act, 0, 0
	case n > 0:
		return send, n, again
	case room == 0 && len(l.queue.ready) > 0:
		wait = sooner(wait, roomIn)
	}
	return rest, 0, sooner(wait, again)
}

// few is how many alerts may wait before the rest is gathered: what the worker's share sends within a second.
func (l *schedule) few(now time.Time) int { return max(1, int(l.rate.perSecond(now))) }

// push takes a request.
func (l *schedule) push(r *request) {
	if l.storm.on {
		l.gatherer.join(r)
	} else {
		l.queue.push(r)
	}
}

// enterDigestMode gathers what waits.
func (l *schedule) enterDigestMode(now time.Time) {
	l.storm = storm{on: true, swept: now}
	l.gatherer.swap(newDigest(now))
	// What was tried alone stays alone: every attempt of an alert carries the same message. So do the first ones if
	// something else than the rate keeps them from going at once.
	first := l.rate.free(now)
	for i, r := range l.queue.untried() {
		if i < first {
			l.queue.push(r)
		} else {
			l.gatherer.join(r)
		}
	}
}

// sealDigest fixes what was gathered and queues it. The next digest is gathered from now on. It returns the members
// that judge ended before, and a digest of which the destination can have no message, with the reason.
func (l *schedule) sealDigest(
	now time.Time, d Destination, judge func(*member, *origin) error,
) (over []ending, broken *digest, err error) {
	sealed := l.gatherer.swap(newDigest(now))
	over = sealed.remove(judge)
	l.storm.calm = sealed.live <= l.few(now)
	if sealed.live == 0 {
		return over, nil, nil
	}
	sealed.seal()
	msg, err := sealed.message(d)
	if err != nil {
		return over, sealed, err
	}
	l.storm.outgoing = &request{digest: sealed, msg: msg, queued: sealed.opened}
	l.storm.members = sealed.live
	l.queue.push(l.storm.outgoing)
	return over, nil, nil
}

// leaveDigestMode ends digest mode if nothing is gathered, and says whether it did. Without a rate it does not wait for
// that: alerts whose callers wait go one by one again. That keeps their order, since all before them are accepted.
func (l *schedule) leaveDigestMode() bool {
	waiting, ok := l.gatherer.leave(!l.rate.limited)
	if !ok {
		return false
	}
	l.storm = storm{}
	for _, r := range waiting {
		l.queue.push(r)
	}
	return true
}
