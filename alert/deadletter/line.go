package deadletter

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	"kinesis-alerter/alert"
)

// Backoff of letters that may be accepted later, and of probes of a held destination; the same as of alerts.
const (
	firstBackoff   = 100 * time.Millisecond
	longestBackoff = 5 * time.Second
	firstProbe     = time.Second
	longestProbe   = 30 * time.Second
	untilMoved     = time.Duration(-1)
	// headway is how much later than the destination's next turn a letter that has just failed comes back, so that one
	// that waits goes first: it may have been the letter.
	headway = 10 * time.Millisecond
)

// maxCalls bounds the calls under way, and with them the memory of documents: one can have 13 MiB.
const maxCalls = 16

// health is the state of the destination. It reads no clock and draws no lots.
type health struct {
	// failures counts the calls that failed one after the other; 0 is well.
	failures int
	// fault is the reason why the destination is held; empty while it is well or backing off.
	fault alert.Reason
	// since is when it stopped being well, resume when the next call may go.
	since, resume time.Time
	// epoch counts the failures ever. What comes back from a call of an earlier epoch is old news: calls that fail
	// together are one failure, and a success from before says nothing about now.
	epoch int
	// probing says that a call of this epoch is under way while the destination is not well.
	probing bool
}

// next says how long a letter has to wait for its turn; 0 is not at all.
func (h *health) next(now time.Time, calls int) time.Duration {
	switch {
	case calls >= maxCalls, h.probing:
		return untilMoved
	case h.failures > 0:
		return max(0, h.resume.Sub(now))
	}
	return 0
}

// failed notes a failed call; fault is empty when it may pass. lot is the jitter.
func (h *health) failed(now time.Time, epoch int, fault alert.Reason, lot float64) {
	if epoch != h.epoch {
		return
	}
	if h.failures == 0 {
		h.since = now
	}
	if h.fault == "" && fault != "" {
		h.failures = 0 // the probes of a fault have their own intervals
	}
	if fault != "" {
		h.fault = fault
	}
	h.resume = now.Add(delay(h.fault != "", h.failures, lot))
	h.failures++
	h.epoch++
	h.probing = false
}

// accepted notes that a letter was accepted.
func (h *health) accepted(epoch int) {
	if epoch == h.epoch && h.failures > 0 {
		*h = health{epoch: h.epoch}
	}
}

// cut notes a call that ended because its caller left. Another one probes.
func (h *health) cut(epoch int) {
	if epoch == h.epoch {
		h.probing = false
	}
}

// line is where letters wait for their turn. It is safe for concurrent use.
type line struct {
	// changed is told of every change, under the lock, so that logs and gauges have the right order.
	changed func(before, after health, err error)

	mu    sync.Mutex
	state health
	calls int           // under way
	moved chan struct{} // closed and replaced when who waits should look again
}

func newLine(changed func(before, after health, err error)) *line {
	return &line{changed: changed, moved: make(chan struct{})}
}

// enter waits for the turn of a letter that may not go before due. Whoever gets nil has to leave.
func (l *line) enter(ctx context.Context, due time.Time) (epoch int, err error) {
	for ctx.Err() == nil {
		wait, moved, epoch := l.turn(time.Now(), due)
		if wait == 0 {
			return epoch, nil
		}
		var alarm <-chan time.Time
		if wait > 0 {
			alarm = time.After(wait)
		}
		select {
		case <-alarm:
		case <-moved:
		case <-ctx.Done():
		}
	}
	return 0, context.Cause(ctx)
}

// turn takes the turn if there is one, and returns 0; else how long to wait at most.
func (l *line) turn(now, due time.Time) (time.Duration, <-chan struct{}, int) {
	if wait := due.Sub(now); wait > 0 {
		return wait, nil, 0
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if wait := l.state.next(now, l.calls); wait != 0 {
		return wait, l.moved, 0
	}
	l.calls++
	l.state.probing = l.state.failures > 0
	return 0, nil, l.state.epoch
}

// leave gives the turn back with what came of it; note is one of health's methods.
func (l *line) leave(note func(*health), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.state
	note(&l.state)
	l.calls--
	close(l.moved)
	l.moved = make(chan struct{})
	l.changed(before, l.state, err)
}

// delay is how long to wait after so many earlier failures, for a lot from [0, 1): the full jitter of an exponential, or
// for the probes of a fault, which seldom ends by itself, half of it, so that they stay rare.
func delay(held bool, failures int, lot float64) time.Duration {
	if held {
		d := doubled(firstProbe, failures, longestProbe)
		return d/2 + time.Duration(lot*float64(d/2))
	}
	return time.Duration(lot * float64(doubled(firstBackoff, failures, longestBackoff)))
}

func doubled(d time.Duration, times int, longest time.Duration) time.Duration {
	return min(d<<min(times, 10), longest)
}

// lot draws from [0, 1).
func lot() float64 {
	return rand.Float64() //nolint:gosec // jitter is no secret
}
