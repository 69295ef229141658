package dispatch

import "time"

// clockTolerance is by how much the clocks of two workers, and the times that SNS takes for two calls, may differ
// without a fleet that takes turns going above its rate.
const clockTolerance = 100 * time.Millisecond

// allowance is what a topic's rate lets the whole fleet hand over: most messages in any stretch of span.
type allowance struct {
	most int
	span time.Duration
}

// allowanceOf reads a rate in messages a second, above 0. Above one a second what is behind the point is cut, because
// 2.5 messages in any second are 2; below one there is one message in a longer span.
func allowanceOf(rate float64) allowance {
	const rounding = 1e-9 // 7 in 700 ms is 10 a second, whatever the division says
	if rate+rounding >= 1 {
		return allowance{int(rate + rounding), time.Second}
	}
	return allowance{1, time.Duration(float64(time.Second) / rate)}
}

// slot is how long one worker's turn is where there are more workers than messages in a span, and the first part of it
// in which the message may go: so that most+1 messages are never closer than span and the tolerance.
func (a allowance) slot() (length, part time.Duration) {
	part = a.span / time.Duration(4*a.most)
	return (a.span + clockTolerance + part) / time.Duration(a.most), part
}

// share is what one worker may use of an allowance.
type share struct {
	// quota is how many messages may go in any span; 0 is none.
	quota int
	// slot of slots is the worker's turn where workers take turns; slots is 0 where they need not.
	slot, slots int
	// shift is what makes the time here that by which all workers take turns.
	shift time.Duration
	// silent is until when nothing may go, because the fleet has just changed.
	silent time.Time
}

// shareOf divides an allowance among workers: evenly, the first ones get what is left over. In any span all of them
// together send at most the whole, without knowing of each other.
func shareOf(a allowance, index, workers int) share {
	switch {
	case workers <= 0 || index < 0 || index >= workers:
		return share{}
	case workers <= a.most:
		quota := a.most / workers
		if index < a.most%workers {
			quota++
		}
		return share{quota: quota}
	default:
		return share{quota: 1, slot: index, slots: workers}
	}
}

// perSecond is how many messages a second come of a share.
func (s share) perSecond(a allowance) float64 {
	if s.slots > 0 {
		length, _ := a.slot()
		return 1 / (time.Duration(s.slots) * length).Seconds()
	}
	return float64(s.quota) / a.span.Seconds()
}

// turn returns how long it takes from now until the worker's next turn; 0 is now. All workers go by the same clock,
// that of Kinesis.
func (s share) turn(now time.Time, a allowance) time.Duration {
	length, part := a.slot()
	ns, cycle := now.UnixNano(), int64(length)*int64(s.slots)
	into := ns%cycle - int64(s.slot)*int64(length) // since the turn began, or negative before it
	switch {
	case into < 0:
		return time.Duration(-into)
	case into < int64(part):
		return 0
	default:
		return time.Duration(cycle - into)
	}
}

// limiter says how many messages a worker may hand over. A message takes up its place from the start of its attempt
// until a span after the end of it: SNS may have accepted it at any moment in between, also where no answer came. It
// reads no clock; one goroutine uses it.
type limiter struct {
	allowance
	under int         // in calls under way
	ended []time.Time // the ends of attempts within the last span, oldest first
}

// room returns how many messages may start now; with none, how long it takes until one may, as far as is known.
func (l *limiter) room(now time.Time, s share) (int, time.Duration) {
	l.forget(now)
	if s.quota == 0 {
		return 0, untilWoken
	}
	if wait := s.silent.Sub(now); wait > 0 {
		return 0, wait
	}
	free := l.free(s)
	if free <= 0 {
		if -free >= len(l.ended) {
			return 0, untilWoken // not before a call under way ends
		}
		return 0, l.ended[-free].Add(l.span).Sub(now)
	}
	if s.slots == 0 {
		return free, 0
	}
	if wait := s.turn(now.Add(s.shift), l.allowance); wait > 0 {
		return 0, wait
	}
	return 1, 0
}

// free is how many places of a share are not taken; it can be negative when the share has become smaller.
func (l *limiter) free(s share) int { return s.quota - l.under - len(l.ended) }

// start notes that n messages are handed over.
func (l *limiter) start(n int) { l.under += n }

// end notes that the attempt of n messages is over, whatever came of it. A topic without a rate ends attempts too, and
// the topic never asks it for room: what it keeps is bounded here, by the most that any rate can look at.
func (l *limiter) end(now time.Time, n int) {
	l.under -= n
	for range n {
		l.ended = append(l.ended, now)
	}
	l.forget(now)
	l.ended = l.ended[max(0, len(l.ended)-fastestRate):]
}

// forget lets go of the ends that have passed.
func (l *limiter) forget(now time.Time) {
	for len(l.ended) > 0 && now.Sub(l.ended[0]) >= l.span {
		l.ended = l.ended[1:]
	}
}

// allow changes the allowance. What was sent before keeps its place.
func (l *limiter) allow(a allowance) { l.allowance = a }
