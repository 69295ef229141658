package output

import (
	"errors"
	"time"

	"kinesis-alerter/alert"
)

// ErrNoRoom says that too much waits for an output.
var ErrNoRoom = errors.New("too many records wait for the output stream")

// Item is one record on its way to an output. Its owner makes it; it belongs to the Writer from Reserve until Written
// has it, or Stop returned.
type Item struct {
	alert.Output
	// Record is the record that it was made of, without Data: for its age and its dead letter.
	Record alert.Record
	// Owner is the owner's own value.
	Owner any
	// Result is how it ended, for Owner.Written: Outcome is alert.Unmatched for one that was written,
	// alert.DeadLettered, alert.Invalid for one that was rejected and skipped (Reason alert.ReasonRejected), or
	// alert.Expired for one that was given up where there are no dead letters.
	Result alert.Decision

	feed *Feed
	to   *stream
	cost int // of the budget of to

	// Of the schedule.

	at            time.Time // when it was submitted
	lane          *lane
	ahead, behind *Item // in its lane
	older, newer  *Item // in the schedule
	dropped       bool  // its feed has ended while a call or a dead letter has it
}

// Owner learns what happens to the items of a Feed.
type Owner interface {
	// Written says that items have met their end, as their Result says. It is called without a lock held, from any
	// goroutine of the Writer and from several at a time, in no order, never from Submit, and never after Feed.Stop has
	// returned. It must not call Feed.Stop. The slice may be kept.
	Written(items []*Item)
}
