package lanes

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/guard"
)

const (
	// MaxUnresolved bounds the records of one shard that wait for SNS. Beyond it no more of the shard is read.
	MaxUnresolved = 1024
	// MaxGathered bounds the records of one shard whose alerts wait in digests. Each costs about half a kilobyte here.
	MaxGathered = 100_000
)

// Lanes publish the alerts of one shard: several partition keys at once, but the alerts of one key one after the other.
// So a key's alerts are accepted in the order of its records.
//
// An alert that a digest takes frees its lane at once. While a key has alerts in the digests of a topic, its next one
// for that topic may only be gathered too, because digests keep the order. Otherwise the lane waits, without a worker,
// until they are settled. Alerts for other topics are still published: their subscribers must not wait for a storm
// elsewhere.
//
// A key whose alert cannot go anywhere is held: its lane stops, keeps what it has and takes no worker, and the other
// keys continue. Dead letters have workers of their own: a destination that stalls holds only the keys that it
// concerns.
type Lanes struct {
	cfg Config

	ctx    context.Context //nolint:containedctx // the lifetime of the lanes' own goroutines, ended by stop
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu         sync.Mutex
	stopped    bool
	byKey      map[string]*lane
	publishing pool // of lanes whose next task is ready
	sending    pool // of lanes with a dead letter to send
	waiters    []chan struct{}
	tasks      int           // reserved, and not settled or gathered
	bytes      int           // of memory that tasks hold
	gathered   int           // tasks whose lane is done with them and that are not settled
	out        int           // alerts in digests, and dead letters about such
	held       int           // keys
	left       bool          // alerts were left to the next owner, because their topic refuses them
	room       chan struct{} // closed when there may be room; nil while no reader waits for that
}

// Config is what lanes work with.
type Config struct {
	Parallelism int
	MaxBytes    int // of the records that may wait
	Publisher   Publisher
	DeadLetters DeadLetters // nil for none
	// makes the alerts that replace one whose topic left the configuration; nil for none
	Instead func(*alert.Alert) []*alert.Alert
	Skip    bool // drop a rejected alert, when there are no dead letters
	Owner   Owner
}

// Owner learns what happens to tasks. The lanes' workers and the publisher's goroutines call it, without a lock held,
// and never after Stop has returned.
type Owner interface {
	// Freed says that the task no longer holds anything of the page that its record came with.
	Freed(t *Task)
	// Settled says that all of a task is done.
	Settled(t *Task)
	// Refused reports an alert, or a dead letter, that was not accepted.
	Refused(r Refusal)
}

// pool is the workers of one kind.
type pool struct {
	running int
	ready   []*lane // first come first served
}

// lane is one partition key with work.
type lane struct {
	key     string
	queue   []*Task
	letters []*letter // dead letters to send before the next task
	out     int       // of lanes.out
	outTo   []topicOut
	busy    bool // it has a worker, or waits for one
	// waits says that its next alert could not be gathered and may not be published while alerts for its topic,
	// waitsFor, are out.
	waits    bool
	waitsFor string
	held     bool
}

// topicOut is how many alerts of a lane are out for a topic.
type topicOut struct {
	topic string
	n     int
}

// addOut counts alerts for a topic that go out (1) or are settled (-1).
func (ln *lane) addOut(topic string, by int) {
	ln.out += by
	for i := range ln.outTo {
		if ln.outTo[i].topic == topic {
			ln.outTo[i].n += by
			return
		}
	}
	ln.outTo = append(ln.outTo, topicOut{topic, by})
}

// isOut reports whether alerts for a topic are out.
func (ln *lane) isOut(topic string) bool {
	return slices.ContainsFunc(ln.outTo, func(o topicOut) bool { return o.topic == topic && o.n > 0 })
}

// ErrNoRoom says that too many records wait for SNS.
var ErrNoRoom = errors.New("too many records wait for SNS")

// New makes lanes that work until ctx is done, or Stop.
func New(ctx context.Context, cfg Config) *Lanes {
	l := &Lanes{cfg: cfg, byKey: map[string]*lane{}}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	return l
}

// Reserve waits until a record of some bytes may wait for SNS too. After limit it gives up with errNoRoom.
func (l *Lanes) Reserve(ctx context.Context, bytes int, limit time.Duration) error {
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
			return ErrNoRoom
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-l.ctx.Done():
			return context.Cause(l.ctx) //nolint:contextcheck // two contexts end the wait: the reader's and the lanes'
		}
	}
	return nil
}

// tryReserve returns nil when there was room, else a channel that is closed when there may be. While nothing is held,
// one record always fits.
func (l *Lanes) tryReserve(bytes int) <-chan struct{} {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.gathered < MaxGathered && (l.bytes == 0 || l.tasks < MaxUnresolved && l.bytes+bytes <= l.cfg.MaxBytes) {
		l.tasks++
		l.bytes += bytes
		return nil
	}
	if l.room == nil {
		l.room = make(chan struct{})
	}
	return l.room
}

// releaseLocked gives back what is reserved for a task: its slot and, unless its record has to be kept, its bytes.
func (l *Lanes) releaseLocked(t *Task, keep bool) {
	if t.slot {
		t.slot = false
		l.tasks--
	}
	if !keep {
		l.bytes -= t.reserved
		t.reserved = 0
	}
	if l.room != nil {
		close(l.room)
		l.room = nil
	}
}

// Submit queues a task for which room was reserved. After stop it does nothing.
func (l *Lanes) Submit(t *Task) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ctx.Err() != nil { // stop may be waiting for the workers already: no new one
		return
	}
	t.slot, t.reserved = true, t.Bytes
	if ln := l.byKey[t.Key]; ln != nil { // it has work, or alerts in digests, or is held
		ln.queue = append(ln.queue, t)
		l.scheduleLocked(ln)
		return
	}
	ln := &lane{key: t.Key, queue: []*Task{t}}
	l.byKey[t.Key] = ln
	l.scheduleLocked(ln)
}

// scheduleLocked finds a worker for a lane that has something to do, and forgets a lane that has nothing left.
func (l *Lanes) scheduleLocked(ln *lane) {
	p := l.readyLocked(ln)
	if p == nil || p.running >= l.cfg.Parallelism {
		return
	}
	p.running++
	first := p.take()
	l.wg.Go(func() { l.guarded(p, first) })
}

// readyLocked queues a lane for the workers that it needs next, and returns their pool; nil if it needs none.
func (l *Lanes) readyLocked(ln *lane) *pool {
	if ln.busy || l.ctx.Err() != nil {
		return nil
	}
	p := &l.publishing
	switch {
	case len(ln.letters) > 0:
		p = &l.sending
	case ln.held:
		return nil
	case len(ln.queue) == 0:
		if ln.out == 0 {
			delete(l.byKey, ln.key)
		}
		return nil
	case ln.waits && ln.isOut(ln.waitsFor):
		return nil
	}
	ln.busy, ln.waits = true, false
	p.ready = append(p.ready, ln)
	return p
}

// take takes the lane that has waited longest.
func (p *pool) take() *lane {
	ln := p.ready[0]
	p.ready[0] = nil
	p.ready = p.ready[1:]
	return ln
}

// guarded is work whose panic is reported: the shared watermark may be half changed.
func (l *Lanes) guarded(p *pool, ln *lane) {
	_ = guard.Run(l.ctx, "lanes", func() error { l.work(p, ln); return nil })
}

// work serves the queued lanes, one task or dead letter at a time, until none is left.
func (l *Lanes) work(p *pool, ln *lane) {
	for ln != nil {
		ln = l.next(p, ln, l.step(p, ln))
	}
}

// next notes how the step of a lane ended and picks the lane to continue with, or ends the worker.
func (l *Lanes) next(p *pool, ln *lane, end stepEnd) *lane {
	l.mu.Lock()
	defer l.mu.Unlock()
	ln.busy = false
	switch end {
	case taskDispatched:
		ln.queue[0] = nil
		ln.queue = ln.queue[1:]
	case letterSettled:
		ln.letters = ln.letters[1:]
	case taskWaits:
		ln.waits = true
	case letterQueued, keyHeld:
	case stopped:
		l.endWorkerLocked(p)
		return nil
	}
	if other := l.readyLocked(ln); other != nil && other != p && other.running < l.cfg.Parallelism {
		other.running++
		first := other.take()
		l.wg.Go(func() { l.guarded(other, first) })
	}
	if len(p.ready) > 0 {
		return p.take()
	}
	l.endWorkerLocked(p)
	return nil
}

func (l *Lanes) endWorkerLocked(p *pool) {
	p.running--
	l.wakeQuietLocked()
}

// quietLocked reports whether nothing is on its way, in a worker or in a digest.
func (l *Lanes) quietLocked() bool {
	return l.publishing.running == 0 && l.sending.running == 0 && l.out == 0
}

func (l *Lanes) wakeQuietLocked() {
	if !l.quietLocked() {
		return
	}
	for _, ch := range l.waiters {
		close(ch)
	}
	l.waiters = nil
}

// Quiet waits until nothing is being published or gathered and nothing but held keys is queued.
func (l *Lanes) Quiet(ctx context.Context) error {
	l.mu.Lock()
	if l.quietLocked() {
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

// TakesDeadLetters reports whether there is a destination for dead letters.
func (l *Lanes) TakesDeadLetters() bool { return l.cfg.DeadLetters != nil }

// Leaves reports whether all that waits is left to the next owner, because a topic refuses it.
func (l *Lanes) Leaves() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left && l.held == 0 && l.quietLocked()
}

// Stop ends publishing. What is not accepted stays unsettled, whatever digests report later. Stop returns when no
// worker is left and the owner gets no more calls.
func (l *Lanes) Stop(cause error) {
	l.mu.Lock()
	l.stopped = true
	l.cancel(cause)
	l.mu.Unlock()
	l.wg.Wait()
}

// Waiting returns how many keys are held, how many records wait in digests, and whether one more waits for room.
func (l *Lanes) Waiting() (heldKeys, gathered int, crowded bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held, l.gathered, l.room != nil
}

// Publisher publishes alerts.
type Publisher interface {
	// Publish returns nil when SNS accepted the alert. It retries what can be retried, and holds on a configuration
	// fault of the topic, until ctx is done (then it returns the context's cause). It returns *alert.RejectedError
	// when SNS will never accept the message. Safe for concurrent use; many callers share PublishBatch calls.
	//
	// It returns *alert.GivenUpError when the configured limits of attempts or age ended the attempts, and
	// alert.ErrGathering when the topic has begun to gather: the alert is then handed over by Gather.
	Publish(ctx context.Context, a *alert.Alert) error

	// Gather takes an alert into the digest that its topic gathers at the moment, and returns whether there is one.
	// done is called once, later and from another goroutine: with nil when SNS accepted the digest, with
	// *alert.RejectedError or *alert.GivenUpError, or with another error when publishing ended first. The digest keeps
	// the order in which alerts were gathered, and nothing of the record's payload.
	Gather(a *alert.Alert, done func(error)) bool
}

// DeadLetters is the destination of what cannot be published.
type DeadLetters interface {
	// Send returns nil when the destination accepted the dead letter. It retries what can be retried, and holds on a
	// configuration fault of the destination, until ctx is done; then it returns the context's cause. Safe for
	// concurrent use.
	Send(ctx context.Context, l *alert.Letter) error
}
