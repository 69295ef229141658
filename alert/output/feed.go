package output

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"kinesis-alerter/internal/guard"
)

// errStopped is why a feed has ended that was stopped without a cause.
var errStopped = errors.New("the feed of the output streams was stopped")

// Feed is the use that one shard makes of a Writer. Its methods are safe for concurrent use.
type Feed struct {
	writer *Writer
	owner  Owner
	ctx    context.Context //nolint:containedctx // the feed's life, ended by Stop
	cancel context.CancelCauseFunc
	unhook func() bool

	stopped atomic.Bool
	pending atomic.Int64 // items that were submitted and have not been reported
	crowd   atomic.Int64 // callers of Reserve that wait
	relief  atomic.Bool  // see Relieve

	mu    sync.Mutex // of stopped, while a call of the owner begins
	calls sync.WaitGroup
}

// Feed begins one shard's life, which ends with ctx or with Stop.
func (w *Writer) Feed(ctx context.Context, o Owner) *Feed {
	f := &Feed{writer: w, owner: o}
	f.ctx, f.cancel = context.WithCancelCause(ctx)
	f.unhook = context.AfterFunc(ctx, func() {
		_ = guard.Run(ctx, "output", func() error { f.end(context.Cause(ctx)); return nil })
	})
	return f
}

// Reserve waits until an item may wait for its output, too. After limit it gives up with ErrNoRoom. An item that will
// not be submitted gives its room back by Release. Those who wait get room in the order in which they came. It calls
// waits before it waits.
func (f *Feed) Reserve(ctx context.Context, it *Item, limit time.Duration, waits func()) error {
	it.feed, it.cost = f, len(it.Data)+len(it.Key)+bookkeeping
	for {
		it.to = f.writer.stream(it.Name)
		x, ok := it.to.reserve(f, it.cost)
		switch {
		case !ok:
			continue
		case x == nil:
			return nil
		}
		waits()
		return f.await(ctx, it.to, x, limit)
	}
}

// await waits for room.
func (f *Feed) await(ctx context.Context, s *stream, x *waiter, limit time.Duration) error {
	f.crowd.Add(1)
	defer f.crowd.Add(-1)
	timer := time.NewTimer(limit)
	defer timer.Stop()
	err := ErrNoRoom
	select {
	case <-x.granted:
		return nil
	case <-timer.C:
	case <-ctx.Done():
		err = context.Cause(ctx)
	case <-f.ctx.Done():
		err = context.Cause(f.ctx) //nolint:contextcheck // two contexts end the wait: the reader's and the feed's
	}
	if !s.withdraw(x) {
		return err
	}
	if err == ErrNoRoom { //nolint:errorlint // assigned above
		return nil
	}
	s.giveBack(x.cost)
	return err
}

// Release gives back the room of an item that was reserved and will not be submitted.
func (*Feed) Release(it *Item) { it.to.giveBack(it.cost) }

// Submit queues an item for which room was reserved. After Stop it only gives the room back.
func (*Feed) Submit(it *Item) { it.to.submit(it) }

// Quiet waits until nothing of the feed is under way or waits, except for what is held: by a fault of its output's
// configuration, or because an item of its key can be written nowhere.
func (f *Feed) Quiet(ctx context.Context) error {
	for {
		moved, leave := f.writer.moved.watch()
		quiet, _ := f.quiet()
		if quiet {
			leave()
			return nil
		}
		select {
		case <-moved:
			leave()
		case <-ctx.Done():
			leave()
			return context.Cause(ctx)
		}
	}
}

// quiet says whether all that waits is held, and how many keys are held by an item that can be written nowhere.
func (f *Feed) quiet() (quiet bool, keys int) {
	pending := int(f.pending.Load())
	if pending == 0 {
		return true, 0
	}
	stuck := 0
	for _, s := range f.writer.all() {
		n, k := s.stuck(f)
		stuck, keys = stuck+n, keys+k
	}
	return pending == stuck, keys
}

// Relieve asks for room: from now on, those of the feed's items that have failed for five seconds go to the dead
// letters, oldest first, as if the budget of their output were full. Without dead letters it does nothing.
func (f *Feed) Relieve() {
	if f.writer.deps.DeadLetters == nil || f.stopped.Load() || f.relief.Swap(true) {
		return
	}
	f.writer.relieving.Add(1)
	if f.stopped.Load() { // end may have looked before
		f.relieved()
		return
	}
	for _, s := range f.writer.all() {
		s.stir()
	}
}

func (f *Feed) relieved() {
	if f.relief.Swap(false) {
		f.writer.relieving.Add(-1)
	}
}

// Leaves reports whether something waits, and all that does is left to the shard's next owner, because a fault of the
// configuration holds its output.
func (f *Feed) Leaves() bool {
	quiet, keys := f.quiet()
	return quiet && keys == 0 && f.pending.Load() > 0
}

// Waiting returns how many items wait, those under way included, how many keys are held because an item can be written
// nowhere, and whether a call of Reserve waits for room.
func (f *Feed) Waiting() (records, heldKeys int, crowded bool) {
	for _, s := range f.writer.all() {
		_, keys := s.stuck(f)
		heldKeys += keys
	}
	return int(f.pending.Load()), heldKeys, f.crowd.Load() > 0
}

// deliver calls the owner, unless the feed has ended.
func (f *Feed) deliver(items []*Item) {
	f.mu.Lock()
	if f.stopped.Load() {
		f.mu.Unlock()
		return
	}
	f.calls.Add(1)
	f.mu.Unlock()
	defer f.calls.Done()
	f.owner.Written(items)
	f.pending.Add(-int64(len(items)))
}

// end ends the feed and takes out what waits.
func (f *Feed) end(cause error) {
	f.mu.Lock()
	ended := f.stopped.Swap(true)
	f.mu.Unlock()
	if ended {
		return
	}
	if cause == nil {
		cause = errStopped
	}
	f.cancel(cause)
	f.relieved()
	for _, s := range f.writer.all() {
		s.dropFeed(f)
	}
}

// Stop ends the feed. Its owner gets no more calls once Stop has returned. What waits is dropped, and what becomes of a
// call under way is not reported. Stop does not wait for such a call: the next feed may begin, and an item of a key
// that the call has waits for its end. Reserve returns cause.
func (f *Feed) Stop(cause error) {
	f.unhook()
	f.end(cause)
	f.calls.Wait()
}
