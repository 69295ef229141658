package dispatch

import "time"

// pressure says whether a topic has sent for a while nearly as much as its rate lets go, although few alerts wait at
// any moment: the alerts of one partition key wait for each other at their callers, and would trickle out at the rate
// for hours where a person wants one message. It is pure: it counts messages in two spans of time, the one under way
// and the one before.
type pressure struct {
	since       time.Time // of the span under way
	now, before int
}

const (
	// pressureLeast is the least time over which messages are counted, pressureMessages how many the share must let go
	// in it.
	pressureLeast    = 3 * time.Second
	pressureMessages = 4
	// pressureHigh is the part of the share that counts as nearly all of it: each message keeps its place until a
	// second after SNS has answered, so with slow answers the share is not used up.
	pressureHigh = 2.0 / 3
)

// pressureWindow is over which time messages are counted, for a share in messages a second.
func pressureWindow(perSecond float64) time.Duration {
	return max(pressureLeast, time.Duration(pressureMessages/max(perSecond, slowestRate)*float64(time.Second)))
}

// sent notes n messages.
func (p *pressure) sent(at time.Time, n int, perSecond float64) {
	p.roll(at, pressureWindow(perSecond))
	p.now += n
}

// high says whether the share was nearly used up lately. A worker that has no share yet is not under pressure.
func (p *pressure) high(at time.Time, perSecond float64) bool {
	if perSecond <= 0 {
		return false
	}
	window := pressureWindow(perSecond)
	p.roll(at, window)
	left := 1 - min(1, float64(at.Sub(p.since))/float64(window)) // of the span before
	return float64(p.now)+left*float64(p.before) >= pressureHigh*perSecond*window.Seconds()
}

func (p *pressure) roll(at time.Time, window time.Duration) {
	switch age := at.Sub(p.since); {
	case age >= 2*window:
		*p = pressure{since: at}
	case age >= window:
		*p = pressure{since: p.since.Add(window), before: p.now}
	}
}
