package output

import (
	"context"
	"errors"
	"time"
)

// Writer writes to all outputs. Its methods are safe for concurrent use.
type Writer struct {
	deps Deps
}

// New makes a Writer, with the clients of all outputs. It writes nothing until Run.
func New(cfg Config, deps Deps) (*Writer, error) { return nil, errors.New("not there yet") }

// Run writes what Submit is given until ctx is done; then it cancels the calls under way, waits for them and returns
// nil. Stop the feeds first. Run may be called once. Its goroutines report their panics to the Watched context of
// internal/guard.
func (w *Writer) Run(ctx context.Context) error { return nil }

// Update puts another configuration into effect, while Run runs, before it or after it. It returns the error of a client
// that cannot be made, and then changes nothing.
//
// What waits for an output that left the configuration, or has another stream, is still written to its old stream. While
// a fault of the configuration holds that stream, it goes to the new one; where there is none, it is rejected.
func (w *Writer) Update(cfg Config) error { return nil }

// Status returns all outputs, by name. It does no I/O.
func (w *Writer) Status() []Status { return nil }

// Feed begins one shard's life, which ends with ctx or with Stop.
func (w *Writer) Feed(ctx context.Context, o Owner) *Feed { return nil }

// Feed is the use that one shard makes of a Writer. Its methods are safe for concurrent use.
type Feed struct{}

// Reserve waits until an item may wait for its output, too. After limit it gives up with ErrNoRoom. An item that will
// not be submitted gives its room back by Release. Those who wait get room in the order in which they came.
func (f *Feed) Reserve(ctx context.Context, it *Item, limit time.Duration) error { return nil }

// Release gives back the room of an item that was reserved and will not be submitted.
func (f *Feed) Release(it *Item) {}

// Submit queues an item for which room was reserved. After Stop it does nothing.
func (f *Feed) Submit(it *Item) {}

// Quiet waits until nothing of the feed is under way or waits, except for what is held: by a fault of its output's
// configuration, or because an item of its key was rejected.
func (f *Feed) Quiet(ctx context.Context) error { return nil }

// Relieve asks for room: until one more item of the feed has met its end, those of its items that have failed for five
// seconds go to the dead letters, oldest first, as if the budget of their output were full. Without dead letters it does
// nothing.
func (f *Feed) Relieve() {}

// Leaves reports whether something waits, and all that does is left to the shard's next owner, because a fault of the
// configuration holds its output.
func (f *Feed) Leaves() bool { return false }

// Waiting returns how many items wait, those under way included, how many keys are held, and whether a call of Reserve
// waits for room.
func (f *Feed) Waiting() (records, heldKeys int, crowded bool) { return 0, 0, false }

// Stop ends the feed. Its owner gets no more calls once Stop has returned. What waits is dropped, and what becomes of a
// call under way is not reported. Stop does not wait for such a call: the next feed may begin, and an item of a key that
// the call has waits for its end. Reserve returns cause.
func (f *Feed) Stop(cause error) {}
