package consumer

import (
	"context"
	"errors"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/consumer/watermark"
)

// outputs is the way of a shard's records to the output streams. A record that is written somewhere is done when its
// alerts and its outputs are.
//
// An output never delays an alert of a record that was read: alerts are submitted before there is room for the outputs,
// and have lanes of their own.
// What an output cannot take holds the watermark. When its budget is full, no more records are read.
type outputs struct {
	*tools
	progress *progress
	outcomes *outcomes
	feed     *output.Feed // nil where there is no writer
}

// begin opens the feed; w may be nil.
func (o *outputs) begin(ctx context.Context, w *output.Writer) {
	if w != nil {
		o.feed = w.Feed(ctx, o)
	}
}

// items makes what a record has to write.
func (o *outputs) items(rec *alert.Record, of []alert.Output) []output.Item {
	if o.feed == nil || len(of) == 0 {
		return nil
	}
	from := *rec
	from.Data, from.Row, from.Borrowed = nil, nil, false
	items := make([]output.Item, len(of))
	for n := range of {
		items[n].Output, items[n].Record = of[n], from
	}
	return items
}

// reserve waits until all of a record's items may wait for their outputs. It calls waits before that takes time.
func (o *outputs) reserve(items []output.Item, waits func()) error {
	for n := range items {
		if err := o.room(&items[n], waits); err != nil {
			for k := range n {
				o.feed.Release(&items[k])
			}
			return err
		}
	}
	return nil
}

// submit queues the items of an entry, for which there is room.
func (o *outputs) submit(e *watermark.Entry, items []output.Item) {
	for n := range items {
		items[n].Owner = e
		o.feed.Submit(&items[n])
	}
}

// room waits until one more item may wait for its output. A handoff that is requested meanwhile is called off, as while
// a shard waits for SNS.
func (o *outputs) room(it *output.Item, waits func()) error {
	o.activity.StopEvaluating()
	defer o.activity.StartEvaluating()
	for {
		err := o.feed.Reserve(o.readCtx, it, handoffLimit, waits)
		if !errors.Is(err, output.ErrNoRoom) {
			return err
		}
		o.progress.offer(false)
		o.refuseHandoff(err)
	}
}

// Written implements output.Owner.
func (o *outputs) Written(items []*output.Item) {
	whole := false
	for _, it := range items {
		e := it.Owner.(*watermark.Entry) //nolint:forcetypeassert // submit made it
		if !o.progress.settleOutput(e, it.Result) {
			continue
		}
		whole = true
		if !e.Left {
			o.pipeline.Resolved(e.Decision)
		}
	}
	if whole && !o.outcomes.holds() {
		o.progress.offer(false)
	}
}

// quiet waits until nothing is under way or waits but what is held.
func (o *outputs) quiet(ctx context.Context) error {
	if o.feed == nil {
		return nil
	}
	return o.feed.Quiet(ctx)
}

// relieve asks for what fails to go to the dead letters.
func (o *outputs) relieve() {
	if o.feed != nil {
		o.feed.Relieve()
	}
}

func (o *outputs) stop(cause error) {
	if o.feed != nil {
		o.feed.Stop(cause)
	}
}

// leaves reports whether something is left to the next owner because its output is held.
func (o *outputs) leaves() bool { return o.feed != nil && o.feed.Leaves() }

// waiting returns how many items wait, how many keys are held, and whether the shard waits for room.
func (o *outputs) waiting() (records, heldKeys int, crowded bool) {
	if o.feed == nil {
		return 0, 0, false
	}
	return o.feed.Waiting()
}
