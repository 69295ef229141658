package checkpoint

import "time"

// marginShare is the part of a lease duration that a holder gives up at the end. It covers the drift of two clocks over
// one lease, and the scheduling delay between a check and the act that it allows.
const marginShare = 10

// trustWindow says until when a worker may act on its leases. It is anchored at the start of the first attempt of the
// last confirmed heartbeat: the attempt that was confirmed may repeat one that already counted.
type trustWindow struct {
	anchor time.Time // start of the attempt, with its monotonic reading
	span   time.Duration
}

func newTrustWindow(anchor time.Time, lease time.Duration) trustWindow {
	return trustWindow{anchor: anchor, span: lease - lease/marginShare}
}

// left is how long the window stays open at now; zero or less means closed.
//
// The monotonic clock stops while a machine is suspended, and the peers' clocks do not. So the window also
// ends when wall time has run ahead. A wall clock that is set back changes nothing.
func (w trustWindow) left(now time.Time) time.Duration {
	return remaining(w.span, now.Sub(w.anchor), now.Round(0).Sub(w.anchor.Round(0)))
}

// remaining is the arithmetic of the window: what is left of span after the longer of two measured times.
func remaining(span, monotonic, wall time.Duration) time.Duration {
	return span - max(monotonic, wall)
}

func (w trustWindow) open(now time.Time) bool { return w.left(now) > 0 }

// until is the end of the window on the monotonic clock.
func (w trustWindow) until() time.Time { return w.anchor.Add(w.span) }
