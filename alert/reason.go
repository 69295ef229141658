package alert

import (
	"kinesis-alerter/alert/payload"
)

// The reasons of Invalid: each payload.Defect, of which a record has the first, and these. Those that code asks for
// have names here.
const (
	ReasonEmpty        = Reason(payload.Empty)
	ReasonNotJSON      = Reason(payload.NotJSON)
	ReasonTruncated    = Reason(payload.Truncated)
	ReasonInvalidUTF8  = Reason(payload.InvalidUTF8)
	ReasonTooLarge     = Reason(payload.TooLarge)
	ReasonBadAggregate = Reason(payload.BadAggregate)

	// ReasonPanic is a record whose evaluation panicked.
	ReasonPanic Reason = "panic"
	// ReasonRejected is a readable record whose alert SNS will never accept, if the configuration says to continue
	// without it.
	ReasonRejected Reason = "rejected"
	// ReasonOther is used in metrics for a reason outside this set.
	ReasonOther Reason = "other"
)

// ReasonControlMessage is a message of the service that writes the stream, such as CloudWatch Logs' own: it is
// Filtered.
const ReasonControlMessage Reason = "control_message"

// ReasonOverBudget is a record that a rule did not judge, because that would have exceeded the rule's budget. It is not
// a reason of Invalid.
const ReasonOverBudget Reason = "over_budget"

// ReasonUnknownTopic is an alert for a topic that is not configured. It is not a reason of Invalid.
const ReasonUnknownTopic Reason = "unknown_topic"

// The reasons of Suppressed. A record has that of its first rule that was suppressed.
const (
	// ReasonDedup is an alert of a key that has alerted within the rule's dedup.
	ReasonDedup Reason = "dedup"
	// ReasonFiring is a match of a key that fires already.
	ReasonFiring Reason = "firing"
	// ReasonInhibited is an alert while a rule that inhibits this one is active for the same key.
	ReasonInhibited Reason = "inhibited"
	// ReasonSilenced is an alert under a silence.
	ReasonSilenced Reason = "silenced"
	// ReasonQuietHours is an alert in the rule's quiet hours.
	ReasonQuietHours Reason = "quiet_hours"
	// ReasonRateLimit is an alert beyond the rule's rate limit.
	ReasonRateLimit Reason = "rate_limit"
	// ReasonOverdue is a repetition after which a later one is already due.
	ReasonOverdue Reason = "overdue"
)

// InvalidReasons returns the reasons that an Invalid record can have: a closed set, in the order of the documentation.
func InvalidReasons() []Reason {
	var out []Reason
	for _, d := range payload.Defects() {
		out = append(out, Reason(d))
	}
	return append(out, ReasonPanic, ReasonRejected, ReasonOther)
}

// Poison returns the decision on a malformed record, such as an aggregate that cannot be unpacked. It is counted like
// any other decision.
func Poison(reason Reason) Decision { return Decision{Outcome: Invalid, Reason: reason} }
