package letters

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/output"
)

// Outputs takes records for output streams; [Writer] is one.
type Outputs interface {
	// Write returns nil when the stream has accepted the record, which was made of rec.
	Write(ctx context.Context, o *alert.Output, rec *alert.Record) error
	Status() []output.Status
}

// Writer writes to output streams as the daemon does.
type Writer struct {
	*output.Writer

	feed *output.Feed

	mu      sync.Mutex
	refused map[place]error // what can never be written, until Write has it
}

// place is a record of an output.
type place struct {
	output, shard, sequence string
	sub                     uint32
}

func placeOf(output string, r *alert.Record) place {
	return place{output, r.Shard, r.SequenceNumber, r.SubSequence}
}

// NewWriter makes a Writer whose calls of Write end with ctx. Run writes.
func NewWriter(
	ctx context.Context, c output.Config, client func(string, output.StreamConfig) (output.API, error),
) (*Writer, error) {
	w := &Writer{refused: map[place]error{}}
	c.MaxRecordAge, c.MaxAttempts = 0, 0 // what waited as a letter is old
	var err error
	if w.Writer, err = output.New(c, output.Deps{Client: client, DeadLetters: w}); err != nil {
		return nil, err
	}
	w.feed = w.Feed(ctx, w)
	return w, nil
}

// Write implements Outputs. One record of a place is under way at a time.
func (w *Writer) Write(ctx context.Context, o *alert.Output, rec *alert.Record) error {
	done := make(chan alert.Outcome, 1)
	it := &output.Item{Output: *o, Record: *rec, Owner: done}
	it.Record.Data = nil
	if err := w.feed.Reserve(ctx, it, patience, func() {}); err != nil {
		return fmt.Errorf("output %s: %w", o.Name, err)
	}
	w.feed.Submit(it)
	select {
	case outcome := <-done:
		if outcome == alert.Unmatched {
			return nil
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		at := placeOf(o.Name, rec)
		defer delete(w.refused, at)
		if err := w.refused[at]; err != nil {
			return err
		}
		return fmt.Errorf("output %s: it was not written: %s", o.Name, outcome)
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Written implements output.Owner.
func (*Writer) Written(items []*output.Item) {
	for _, it := range items {
		if done, ok := it.Owner.(chan alert.Outcome); ok {
			done <- it.Result.Outcome
		}
	}
}

// Send implements output.DeadLetters: a letter that would become one again stays, with the reason.
func (w *Writer) Send(_ context.Context, l *alert.Letter) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	text := fmt.Sprintf("output %s: it cannot be written (%s)", l.Output, l.Reason)
	if l.Detail != "" {
		text += ": " + l.Detail
	}
	w.refused[placeOf(l.Output, &l.Record)] = errors.New(text)
	return nil
}
