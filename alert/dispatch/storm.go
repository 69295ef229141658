package dispatch

import (
	"slices"
	"time"
)

// storm is the state of a topic's digest mode.
type storm struct {
	// on says that alerts are gathered.
	on bool
	// outgoing is the digest that the service has not answered for good; there is never a second one.
	outgoing *request
	// members is how many it had when it was sealed.
	members int
	// calm says that the last digest had so few members that the mode ends if no more come until it is accepted.
	calm bool
	// swept is when the gathered alerts were last looked at for their age.
	swept time.Time
}

// situation is what digest mode decides by. Before it only the first group counts, in it all but that.
type situation struct {
	// waiting are the alerts that were not tried yet, where none can be sent at once.
	waiting int
	// pressed says that the rate has no room, and that the topic was under pressure lately.
	pressed bool

	// few is how many alerts the rate lets go within a second.
	few int
	// limited says that the topic has a rate, room how many messages it lets go, and roomIn when it does if there is
	// none.
	limited bool
	room    int
	roomIn  time.Duration

	gathered gathered
	interval time.Duration // TopicConfig.Digest
	// mayCall says that the health of the topic lets a call start, or else callIn when it does.
	mayCall bool
	callIn  time.Duration
	trusted bool
}

// next is the decision about digest mode at a moment, or when to decide again.
func (s *storm) next(now time.Time, x situation) (action, time.Duration) {
	g := x.gathered
	switch {
	case !s.on && (x.waiting > x.few || x.pressed && x.waiting > 0):
		return enterDigestMode, 0
	case !s.on, s.outgoing != nil: // a digest is in the queue or in a call
		return rest, untilWoken
	case s.calm && g.live == 0, !x.limited && g.live == g.callers:
		return leaveDigestMode, 0
	}
	due := !x.limited || g.drains || g.members >= mostMembers || s.calm && g.live <= x.few
	if wait := g.opened.Add(x.interval).Sub(now); !due && wait > 0 {
		return rest, wait
	}
	switch {
	case g.live == 0:
		return leaveDigestMode, 0
	case !x.mayCall: // what cannot be sent yet need not be fixed yet
		return rest, x.callIn
	case x.room == 0:
		return rest, x.roomIn
	case !x.trusted:
		return rest, trustPoll
	}
	return sealDigest, 0
}

// settle notes that a call carried the digest to its end.
func (s *storm) settle(c *call) {
	if r := s.outgoing; r != nil && slices.Contains(c.requests, r) && !slices.Contains(c.left, r) {
		s.outgoing = nil
	}
}
