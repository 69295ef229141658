package decode

import (
	"context"
	"errors"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/payload"
)

// UserRecord is a record as the evaluation of a shard sees it, or the reason why it cannot be evaluated.
type UserRecord struct {
	alert.Record
	// Err is why the record, or the aggregate that contains it, cannot be decoded: a *payload.Fault.
	Err error
	// Dropped is why there is nothing to evaluate in the whole of a Kinesis record: ReasonEmpty or
	// ReasonControlMessage. Empty otherwise.
	Dropped alert.Reason
	// Whole marks a Kinesis record as such, and Last the last one that is seen of a Kinesis record.
	Whole, Last bool
	// plan and outer are the plan and the payload of the Kinesis record that it comes from.
	plan  *Plan
	outer []byte
}

// Hint is Plan.Hint for the whole of the Kinesis record.
func (u *UserRecord) Hint(ctx context.Context) *payload.Hint { return u.plan.Hint(ctx, u.outer) }

// Undecidable reports whether no rule can see the record.
func (u *UserRecord) Undecidable() bool { return u.Err != nil || u.Dropped != "" }

// Decide is the decision on a record that no rule can see; poison is the pipeline's.
func (u *UserRecord) Decide(poison func(alert.Reason) alert.Decision) alert.Decision {
	if u.Dropped != "" {
		return alert.Decision{Outcome: alert.Filtered, Reason: u.Dropped}
	}
	reason := alert.ReasonBadAggregate
	if fault, ok := errors.AsType[*payload.Fault](u.Err); ok {
		reason = alert.Reason(fault.Defect)
	}
	return poison(reason)
}
