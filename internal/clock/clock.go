// Package clock estimates the time of the service whose records are read, from what it answers.
//
// What timers cause (an absence, the end of a window, a repeat) is compared with arrival times that Kinesis stamps. So
// it runs by Kinesis' clock, not the machine's, which may be minutes off, may be set, and stops while the machine is
// suspended. Between two answers the monotonic clock of the machine continues.
//
// # What is believed
//
// The Date of an answer says within which second of the service it was made, and that moment lies between those of
// asking and of answering. So each answer bounds the service's time from both sides, and the answers of a minute
// together bound it to some milliseconds.
//
// An answer that contradicts the others by more than a second proves nothing: three in a row that agree with each other
// are believed within two seconds where the machine's clock says the same (it was suspended, or set), else after half a
// minute. At the start the machine's clock counts as one answer, and three answers are enough. Any answer that agrees
// with what is believed restarts the count, so wrong answers among good ones are never believed, however many there
// are.
//
// Arrival times are the ones that count. A record of a page whose predecessor was at the tip arrived in between, so it
// bounds the clock that stamps arrivals as a Date does. Where these records contradict the Dates by more than a
// second, three pages in a row, the arrival times are believed.
//
// # What is promised
//
// Surely is never ahead of the service's clock for longer than it takes to receive one answer that says so: it yields
// at once to an answer that says that it is earlier, for a minute, until that is believed or contradicted. It may be
// behind for as long as a change is not believed. Silence that is reported a little late does less harm than a false
// report.
//
// Where no answer has a Date and no record has an arrival, the time is that of the machine's clock. Where the
// machine's clock lies within what the answers allow, it is used as it is: a clock that is kept by NTP is finer than
// they are.
package clock

import (
	"sync"
	"time"
)

const (
	// tolerance is how far an answer may contradict the others and still be one of them: the hosts of a service differ.
	tolerance = int64(time.Second)
	// grain is how fine a Date is.
	grain = int64(time.Second)
	// votes is how many answers in a row have to agree against what is believed. quick is for how long at least where
	// the machine's clock agrees with them, or where nothing was believed before, and slow where it does not.
	votes = 3
	quick = int64(2 * time.Second)
	slow  = int64(30 * time.Second)
	// doubtful is how long an answer that is not believed holds time back.
	doubtful = int64(time.Minute)
	// drift is by how much of the time that passes a monotonic clock may be wrong, as one of 1/drift: what NTP slews
	// at most.
	drift = 2000
)

// Clock is safe for concurrent use. The zero value is not usable.
type Clock struct {
	machine func() time.Time
	base    time.Time // a moment; others are counted from it by the monotonic clock

	mu sync.Mutex
	// dates is Kinesis' time at base, others that of the other services, which counts where Kinesis gives none, and
	// stamps what is to be added for the clock that stamps arrivals.
	dates, others, stamps estimate
}

// New makes a clock. machine is the machine's wall clock; nil is time.Now.
func New(machine func() time.Time) *Clock {
	if machine == nil {
		machine = time.Now
	}
	return &Clock{machine: machine, base: time.Now(), stamps: estimate{prior: true}}
}

// Now returns the service's time now, as far as it is known.
func (c *Clock) Now() time.Time { return c.At(time.Now()) }

// At is the service's time at a moment of this process, as time.Now gives it.
func (c *Clock) At(moment time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Unix(0, c.at(moment))
}

// Surely is the time that the service had reached at a moment, for conclusions from silence.
func (c *Clock) Surely(moment time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.elapsed(time.Now())
	at := c.dated(moment)
	if held := c.dates.holdsBack(now); held != nil {
		at = min(at, held.hi+c.elapsed(moment))
	}
	stamp := c.stamp()
	if held := c.stamps.holdsBack(now); held != nil && !c.stamps.known {
		stamp = min(stamp, held.hi)
	}
	return time.Unix(0, at+stamp)
}

// Within is how far Now may be wrong on either side, as far as the answers show; 0 where the machine's clock is used.
func (c *Clock) Within() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	e := c.source()
	if s := c.stamp(); s != 0 {
		return time.Duration(c.stamps.is.hi-c.stamps.is.lo) / 2
	}
	if at := c.machineAt(); !e.known || at >= e.is.lo && at <= e.is.hi {
		return 0
	}
	return time.Duration(e.is.hi-e.is.lo) / 2
}

// Latest is the latest that a record can have arrived which was read by a moment; known says that answers and arrival
// times agree on the time. Until then the first records may be right, and the clock wrong.
func (c *Clock) Latest(moment time.Time) (at time.Time, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dates.known || !c.stamps.known {
		return time.Time{}, false
	}
	return time.Unix(0, c.at(moment)), true
}

// Ahead is how far the machine's clock is ahead of the service's; known says that an answer has shown it.
func (c *Clock) Ahead() (by time.Duration, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dates.known && !c.others.known && !c.stamps.known {
		return 0, false
	}
	return time.Duration(c.machine().UnixNano() - c.at(time.Now())), true
}

// Answered records the Date of an answer, and when it was asked and answered. The time goes by the answers of
// one service, and by those of others only as long as it gives none. A zero date says nothing.
func (c *Clock) Answered(date, asked, answered time.Time, other bool) {
	if date.Unix() <= 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	e, now := &c.dates, c.elapsed(answered)
	if other {
		e = &c.others
	}
	e.take(span{date.UnixNano() - now, date.UnixNano() + grain - c.elapsed(asked)}, now, c.machineAt())
}

// Arrived records the arrival times of the first and the last record of a page that was answered at one moment. All its
// records arrived after another moment: the call for the page before began then, and reached the tip.
func (c *Clock) Arrived(first, last, after, answered time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stamps.take(span{last.UnixNano() - c.dated(answered), first.UnixNano() - c.dated(after)}, c.elapsed(answered), 0)
}

func (c *Clock) elapsed(moment time.Time) int64 { return int64(moment.Sub(c.base)) }

func (c *Clock) at(moment time.Time) int64 { return c.dated(moment) + c.stamp() }

// dated is the time at a moment by the Dates, or by the machine's clock where there are none, or where they do not
// contradict it.
func (c *Clock) dated(moment time.Time) int64 {
	e, at := c.source(), c.machineAt()
	if e.known && (at < e.is.lo || at > e.is.hi) {
		at = e.is.middle()
	}
	return at + c.elapsed(moment)
}

// source is the estimate that the time goes by.
func (c *Clock) source() *estimate {
	if c.dates.known {
		return &c.dates
	}
	return &c.others
}

// machineAt is what the machine's clock says of the time at base.
func (c *Clock) machineAt() int64 { return c.machine().UnixNano() - c.elapsed(time.Now()) }

// stamp is by how much arrival times are ahead of that. What a tolerance explains is nothing.
func (c *Clock) stamp() int64 {
	if s := c.stamps.is; c.stamps.known && (s.lo > tolerance || s.hi < -tolerance) {
		return s.middle()
	}
	return 0
}

// span is where a time lies, in nanoseconds.
type span struct{ lo, hi int64 }

func (s span) middle() int64 { return s.lo + (s.hi-s.lo)/2 }

// gap is how far two spans are apart; 0 where they meet.
func (s span) gap(o span) int64 { return max(0, s.lo-o.hi, o.lo-s.hi) }

// and is where both lie, or, where they miss each other a little, what is between them.
func (s span) and(o span) span {
	lo, hi := max(s.lo, o.lo), min(s.hi, o.hi)
	return span{min(lo, hi), max(lo, hi)}
}

// estimate is what answers say of one number.
type estimate struct {
	// prior says that the number was something like the machine's before the first answer, who is then one of three.
	prior bool
	known bool
	is    span
	seen  int64 // when is was last confirmed
	// other is what the latest answers say that contradict it, count how many in a row, from since to last.
	other       span
	count       int
	since, last int64
}

// take records one answer. machine is what the machine's own clock says of the number.
func (e *estimate) take(s span, now, machine int64) {
	if s.lo > s.hi { // no such moment: the order of the arrival times is another one than that of the answers
		s.lo, s.hi = s.hi, s.lo
	}
	here := span{machine, machine}
	if e.known {
		wide := (now - e.seen) / drift
		if grown := (span{e.is.lo - wide, e.is.hi + wide}); grown.gap(s) <= tolerance {
			e.is, e.seen, e.count = grown.and(s), max(e.seen, now), 0
			return
		}
	} else if here.gap(s) <= tolerance {
		e.believe(s, now)
		return
	}
	if e.count > 0 && e.other.gap(s) <= tolerance {
		e.other = e.other.and(s)
		e.count++
	} else {
		e.other, e.count, e.since = s, 1, now
	}
	e.last = now
	lasts := now - e.since
	if e.count >= votes &&
		(!e.known || lasts >= quick && here.gap(e.other) <= tolerance || lasts >= slow || e.prior && lasts >= quick) {
		e.believe(e.other, now)
	}
}

func (e *estimate) believe(s span, now int64) { e.is, e.known, e.seen, e.count = s, true, now, 0 }

// holdsBack is what answers say that are not believed and that would put time back, for a while.
func (e *estimate) holdsBack(now int64) *span {
	if e.count == 0 || now-e.last > doubtful || e.known && e.other.hi >= e.is.lo {
		return nil
	}
	return &e.other
}
