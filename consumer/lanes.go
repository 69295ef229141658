package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"kinesis-alerter/alert"
)

// maxUnresolved bounds the records of one shard that wait for SNS. Beyond it the shard is not read on.
const maxUnresolved = 1024

// lanes publish the alerts of one shard: several partition keys at once, the alerts of one key one after the other, so
// that a key's alerts are accepted in the order of its records.
//
// A key whose alert SNS will never accept is held: its lane stops, keeps what it has and takes no worker, and the other
// keys go on.
type lanes struct {
	parallelism int
	maxBytes    int // of the records that wait
	publish     func(context.Context, *alert.Alert) error
	// resolved is called, without a lock, when all alerts of a task are accepted.
	resolved func(*task)
	// held is called, without a lock, when a key is held because of an alert.
	held func(*task, *alert.RejectedError)

	ctx    context.Context //nolint:containedctx // the lifetime of the lanes' own goroutines, ended by stop
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	byKey   map[string]*lane
	ready   []*lane // lanes with work and no worker, first come first served
	running int     // workers
	waiters []chan struct{}
	tasks   int           // reserved and not resolved
	bytes   int           // of their records
	room    chan struct{} // closed when a task is resolved; nil while nobody waits for that
}

// lane is one partition key with work.
type lane struct {
	key   string
	queue []*task
	held  bool
}

// errNoRoom says that too much waits for SNS.
var errNoRoom = errors.New("too many records wait for SNS")

// task is one record that waits for its alerts.
type task struct {
	entry    *entry
	decision alert.Decision
	next     int        // the first alert that is not accepted yet
	page     *takenPage // whose credit the record keeps
}

func newLanes(ctx context.Context, parallelism, maxBytes int, publish func(context.Context, *alert.Alert) error) *lanes {
	l := &lanes{parallelism: parallelism, maxBytes: maxBytes, publish: publish, byKey: map[string]*lane{}}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	return l
}

// reserve waits until a record of some bytes may wait for SNS too. After limit it gives up with errNoRoom.
func (l *lanes) reserve(ctx context.Context, bytes int, limit time.Duration) error {
	room := l.tryReserve(bytes)
	if room == nil {
		return nil
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for ; room != nil; room = l.tryReserve(bytes) {
		select {
		case <-room:
		case <-timer.C:
			return errNoRoom
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.ctx.Done():
			return context.Cause(l.ctx) //nolint:contextcheck // two contexts end the wait: the reader's and the lanes'
		}
	}
	return nil
}

// tryReserve answers nil when there was room, else a channel that is closed when there may be. One record always fits.
func (l *lanes) tryReserve(bytes int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tasks == 0 || l.tasks < maxUnresolved && l.bytes+bytes <= l.maxBytes {
		l.tasks++
		l.bytes += bytes
		return nil
	}
	if l.room == nil {
		l.room = make(chan struct{})
	}
	return l.room
}

// release gives back what was reserved for a record.
func (l *lanes) release(bytes int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.tasks--
	l.bytes -= bytes
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// submit queues a task for which room was reserved. After stop it does nothing.
func (l *lanes) submit(key string, t *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil { // stop may be waiting for the workers already: no new one
		return
	}
	if ln := l.byKey[key]; ln != nil { // it has a worker, waits for one, or is held
		ln.queue = append(ln.queue, t)
		return
	}
	ln := &lane{key: key, queue: []*task{t}}
	l.byKey[key] = ln
	if l.running >= l.parallelism {
		l.ready = append(l.ready, ln)
		return
	}
	l.running++
	l.wg.Go(func() { l.work(ln, t) })
}

// work publishes lane after lane, a task at a time, until nothing is ready.
func (l *lanes) work(ln *lane, t *task) {
	for ln != nil {
		err := l.publishTask(t)
		var rejected *alert.RejectedError
		switch {
		case err == nil:
			l.resolved(t)
			l.release(t.entry.bytes)
		case errors.As(err, &rejected):
			l.held(t, rejected)
		}
		ln, t = l.next(ln, err)
	}
}

// next puts a lane back after its first task and picks the lane and task to go on with, or ends the worker.
func (l *lanes) next(ln *lane, err error) (*lane, *task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var rejected *alert.RejectedError
	switch {
	case err == nil:
		ln.queue[0] = nil
		if ln.queue = ln.queue[1:]; len(ln.queue) > 0 {
			l.ready = append(l.ready, ln)
		} else {
			delete(l.byKey, ln.key)
		}
	case errors.As(err, &rejected):
		ln.held = true
	default: // stopped
		l.endWorkerLocked()
		return nil, nil
	}
	if len(l.ready) == 0 {
		l.endWorkerLocked()
		return nil, nil
	}
	ln, l.ready = l.ready[0], l.ready[1:]
	return ln, ln.queue[0]
}

func (l *lanes) endWorkerLocked() {
	l.running--
	if l.running == 0 {
		for _, ch := range l.waiters {
			close(ch)
		}
		l.waiters = nil
	}
}

// publishTask publishes what is left of a task, in order. A panic while rendering is the alert's fault, not the
// process's: the alert is rejected.
func (l *lanes) publishTask(t *task) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &alert.RejectedError{Reason: "panic", Err: fmt.Errorf("panic: %v", p)}
		}
	}()
	for ; t.next < len(t.decision.Alerts); t.next++ {
		if l.ctx.Err() != nil {
			return context.Cause(l.ctx)
		}
		err := l.publish(l.ctx, t.decision.Alerts[t.next])
		var rejected *alert.RejectedError
		switch {
		case err == nil:
		case l.ctx.Err() != nil, errors.As(err, &rejected):
			return err
		default: // not in the publisher's contract; a lane without a worker would be silent for good, so hold it aloud
			return &alert.RejectedError{Reason: "unknown", Err: err}
		}
	}
	return nil
}

// quiet waits until nothing is being published and nothing but held keys is queued.
func (l *lanes) quiet(ctx context.Context) error {
	l.mu.Lock()
	if l.running == 0 {
		l.mu.Unlock()
		return nil
	}
	ch := make(chan struct{})
	l.waiters = append(l.waiters, ch)
	l.mu.Unlock()
	select {
	case <-ch:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// stop ends publishing; what is not accepted stays unresolved. It returns when no worker is left.
func (l *lanes) stop(cause error) {
	l.mu.Lock()
	l.cancel(cause)
	l.mu.Unlock()
	l.wg.Wait()
}

// heldKeys says how many keys are held.
func (l *lanes) heldKeys() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := 0
	for _, ln := range l.byKey {
		if ln.held {
			n++
		}
	}
	return n
}
