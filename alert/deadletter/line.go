package deadletter

import (
	"context"
	"sync"
	"time"

	"kinesis-alerter/alert/delivery"
)

// headway is how much later than the destination's next turn a dead letter that has just failed comes back, so that
// one that waits goes first: it may have been the dead letter.
const headway = 10 * time.Millisecond

// maxCalls bounds the calls under way, and with them the memory of documents: one can have 20 MiB.
const maxCalls = 16

// line is where dead letters wait for their turn. It is safe for concurrent use.
type line struct {
	// changed is called at every change, under the lock, so that logs and gauges have the right order.
	changed func(before, after delivery.Health, err error)

	mu    sync.Mutex
	state delivery.Health
	calls int           // under way
	moved chan struct{} // closed and replaced when who waits should look again
}

func newLine(changed func(before, after delivery.Health, err error)) *line {
	return &line{changed: changed, moved: make(chan struct{})}
}

// enter waits for the turn of a dead letter that may not go before due. A caller that gets nil has to leave.
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
	if l.calls >= maxCalls {
		return delivery.UntilWoken, l.moved, 0
	}
	if wait := l.state.Wait(now); wait != 0 {
		return wait, l.moved, 0
	}
	l.calls++
	l.state.Start()
	return 0, nil, l.state.Epoch()
}

// leave gives the turn back with what came of it; note is one of Health's methods.
func (l *line) leave(note func(*delivery.Health), err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.state
	note(&l.state)
	l.calls--
	close(l.moved)
	l.moved = make(chan struct{})
	l.changed(before, l.state, err)
}

// health is the state of the destination.
func (l *line) health() delivery.Health {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state
}
