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

// Lanes publish the alerts of one shard: several partition keys at once, but the alerts of one key and topic one after
// the other. So each topic gets a key's alerts in the order of its records.
//
// Topics share nothing but the room for what waits. Each has lanes and workers of its own, so that the subscribers of
// one do not wait for an outage or a storm of another. There is one exception: an alert whose topic leaves the
// configuration goes to those that its rule has instead, and later alerts of the key and rule for these wait for that.
//
// An alert that a digest takes frees its lane at once. While a lane has alerts in digests, its next one may only be
// gathered too, because digests keep the order. Otherwise the lane waits, without a worker, until they are settled.
//
// An alert that cannot go anywhere holds its lane: it stops, keeps what it has and takes no worker, and the other
// lanes continue. Dead letters have workers of their own: a destination that stalls holds only the keys that it
// concerns.
type Lanes struct {
	cfg Config

	ctx    context.Context //nolint:containedctx // the lifetime of the lanes' own goroutines, ended by stop
	cancel context.CancelCauseFunc
	wg     sync.WaitGroup

	mu         sync.Mutex
	stopped    bool
	byKey      map[string][]*lane
	publishing map[string]*pool // by topic, of lanes whose next leg is ready; those without a worker are not there
	sending    pool             // of lanes with a dead letter to send
	running    int              // workers of all pools
	submitted  uint64           // tasks so far
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
	Parallelism int // how many keys of a topic are published at once
	MaxBytes    int // of the records that may wait
	Publisher   Publisher
	DeadLetters DeadLetters // nil for none
	// makes the alerts that replace one whose topic left the configuration; nil for none
	Instead func(*alert.Alert) []*alert.Alert
	// reports whether a topic is in the configuration, so that its alerts stay its own; nil for all
	HasTopic func(string) bool
	Skip     bool // drop a rejected alert, when there are no dead letters
	Owner    Owner
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
	topic   string
	running int
	ready   []*lane // first come first served
}

// lane is one partition key with work for one topic.
type lane struct {
	key, topic string
	queue      []*leg
	letters    []*letter // dead letters to send before the next leg
	out        int       // of lanes.out
	busy       bool      // it has a worker, or waits for one
	waits      bool      // its next alert could not be gathered and may not be published while alerts are out
	held       bool
	left       bool // held only because its topic refuses alerts during a stop
}

// ErrNoRoom says that too many records wait for SNS.
var ErrNoRoom = errors.New("too many records wait for SNS")

// New makes lanes that work until ctx is done, or Stop.
func New(ctx context.Context, cfg Config) *Lanes {
	l := &Lanes{cfg: cfg, byKey: map[string][]*lane{}, publishing: map[string]*pool{}}
	l.ctx, l.cancel = context.WithCancelCause(ctx)
	return l
}

// Reserve waits until a record of some bytes may wait for SNS too. After limit it gives up with errNoRoom. It calls
// waits before it waits.
func (l *Lanes) Reserve(ctx context.Context, bytes int, limit time.Duration, waits func()) error {
	room := l.tryReserve(bytes)
	if room == nil {
		return nil
	}
	waits()
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
	l.submitted++
	t.number = l.submitted
	legs := t.split()
	t.legs = len(legs)
	for _, g := range legs {
		l.scheduleLocked(l.enqueueLocked(g))
	}
}

// enqueueLocked appends a leg to the lane of its key and topic.
func (l *Lanes) enqueueLocked(g *leg) *lane {
	key, topic := g.task.Key, g.topic()
	var own *lane
	for _, ln := range l.byKey[key] {
		if ln.topic == topic { // it has work, or alerts in digests, or is held
			own = ln
			continue
		}
		if l.cfg.HasTopic != nil && !l.cfg.HasTopic(ln.topic) {
			g.after = append(g.after, ln.lastThatMayGoTo(g)...)
		}
	}
	if own == nil {
		own = &lane{key: key, topic: topic}
		l.byKey[key] = append(l.byKey[key], own)
	}
	own.queue = append(own.queue, g)
	return own
}

// lastThatMayGoTo returns the last leg of another topic's lane that may have to go before a new one; none, almost
// always.
func (ln *lane) lastThatMayGoTo(g *leg) []*leg {
	for _, older := range slices.Backward(ln.queue) {
		if slices.ContainsFunc(g.alerts, older.mayGoTo) {
			return []*leg{older}
		}
	}
	return nil
}

// scheduleLocked finds a worker for a lane that has something to do, and forgets a lane that has nothing left.
func (l *Lanes) scheduleLocked(ln *lane) {
	p := l.readyLocked(ln)
	if p == nil || p.running >= l.cfg.Parallelism {
		return
	}
	l.startLocked(p)
}

// startLocked starts a worker for the lane that has waited longest.
func (l *Lanes) startLocked(p *pool) {
	p.running++
	l.running++
	first := p.take()
	l.wg.Go(func() { l.guarded(p, first) })
}

// readyLocked queues a lane for the workers that it needs next, and returns their pool; nil if it needs none.
func (l *Lanes) readyLocked(ln *lane) *pool {
	if ln.busy || l.ctx.Err() != nil {
		return nil
	}
	p := &l.sending
	switch {
	case len(ln.letters) > 0:
	case ln.held:
		return nil
	case len(ln.queue) == 0:
		if ln.out == 0 {
			l.forgetLocked(ln)
		}
		return nil
	case ln.waits && ln.out > 0, ln.queue[0].waits():
		return nil
	default:
		p = l.publishingLocked(ln.topic)
	}
	ln.busy, ln.waits = true, false
	p.ready = append(p.ready, ln)
	return p
}

// publishingLocked returns the workers of a topic.
func (l *Lanes) publishingLocked(topic string) *pool {
	p := l.publishing[topic]
	if p == nil {
		p = &pool{topic: topic}
		l.publishing[topic] = p
	}
	return p
}

// forgetLocked takes a lane out that has nothing left.
func (l *Lanes) forgetLocked(ln *lane) {
	lanes := l.byKey[ln.key]
	if lanes = slices.DeleteFunc(lanes, func(other *lane) bool { return other == ln }); len(lanes) > 0 {
		l.byKey[ln.key] = lanes
		return
	}
	delete(l.byKey, ln.key)
}

// overLocked lets what waited for a leg of a key continue.
func (l *Lanes) overLocked(key string) {
	for _, ln := range slices.Clone(l.byKey[key]) {
		if len(ln.queue) > 0 && len(ln.queue[0].after) > 0 {
			l.scheduleLocked(ln)
		}
	}
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

// work serves the queued lanes, one leg or dead letter at a time, until none is left.
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
	case legDispatched:
		ln.queue[0] = nil
		ln.queue = ln.queue[1:]
	case letterSettled:
		ln.letters = ln.letters[1:]
	case legWaits:
		ln.waits = true
	case letterQueued, keyHeld:
	case stopped:
		l.endWorkerLocked(p)
		return nil
	}
	if other := l.readyLocked(ln); other != nil && other != p && other.running < l.cfg.Parallelism {
		l.startLocked(other)
	}
	if len(p.ready) > 0 {
		return p.take()
	}
	l.endWorkerLocked(p)
	return nil
}

func (l *Lanes) endWorkerLocked(p *pool) {
	p.running--
	l.running--
	if p.running == 0 && len(p.ready) == 0 && p != &l.sending {
		delete(l.publishing, p.topic)
	}
	l.wakeQuietLocked()
}

// quietLocked reports whether nothing is on its way, in a worker or in a digest.
func (l *Lanes) quietLocked() bool {
	return l.running == 0 && l.out == 0
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
