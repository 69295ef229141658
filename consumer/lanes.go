package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"

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
	publish     func(context.Context, *alert.Alert) error
	// resolved is called, without a lock, when all alerts of a task are accepted.
	resolved func(*task)
	// held is called, without a lock, when a key is held because of an alert.
	held func(*task, *alert.RejectedError)

	slots  chan struct{}   // a token for each task that is not resolved
	ctx    context.Context //nolint:containedctx // the lifetime of the lanes' own goroutines, ended by stop
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu      sync.Mutex
	byKey   map[string]*lane
	ready   []*lane // lanes with work and no worker, first come first served
	running int     // workers
	waiters []chan struct{}
}

// lane is one partition key with work.
type lane struct {
	key   string
	queue []*task
	held  bool
}

// task is one record that waits for its alerts.
type task struct {
	entry    *entry
	decision alert.Decision
	next     int        // the first alert that is not accepted yet
	page     *takenPage // whose credit the record keeps
}

func newLanes(ctx context.Context, parallelism int, publish func(context.Context, *alert.Alert) error) *lanes {
	l := &lanes{
		parallelism: parallelism, publish: publish,
		slots: make(chan struct{}, maxUnresolved), byKey: map[string]*lane{},
	}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	return l
}

// submit queues a task. It blocks while too many records wait; ctx ends that.
func (l *lanes) submit(ctx context.Context, key string, t *task) error {
	select {
	case l.slots <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-l.ctx.Done():
		return context.Cause(l.ctx) //nolint:contextcheck // two contexts end a submit: the reader's and the lanes'
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil { // stop may be waiting for the workers already: no new one
		return context.Cause(l.ctx) //nolint:contextcheck // as above
	}
	if ln := l.byKey[key]; ln != nil { // it has a worker, waits for one, or is held
		ln.queue = append(ln.queue, t)
		return nil
	}
	ln := &lane{key: key, queue: []*task{t}}
	l.byKey[key] = ln
	if l.running >= l.parallelism {
		l.ready = append(l.ready, ln)
		return nil
	}
	l.running++
	l.wg.Go(func() { l.work(ln, t) })
	return nil
}

// work publishes lane after lane, a task at a time, until nothing is ready.
func (l *lanes) work(ln *lane, t *task) {
	for ln != nil {
		err := l.publishTask(t)
		var rejected *alert.RejectedError
		switch {
		case err == nil:
			<-l.slots
			l.resolved(t)
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
