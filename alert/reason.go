package alert

import (
	"kinesis-alerter/alert/payload"
)

// The reasons of Invalid: each payload.Defect, of which a record has the first, and these. Those that code asks for have
// names here.
const (
	ReasonEmpty        = Reason(payload.Empty)
	ReasonNotJSON      = Reason(payload.NotJSON)
	ReasonTruncated    = Reason(payload.Truncated)
	ReasonInvalidUTF8  = Reason(payload.InvalidUTF8)
	ReasonTooLarge     = Reason(payload.TooLarge)
	ReasonBadAggregate = Reason(payload.BadAggregate)

	// ReasonPanic is a record whose evaluation panicked.
	ReasonPanic Reason = "panic"
	// ReasonRejected is a readable record whose alert SNS will never accept, where the configuration says to continue
	// without.
	ReasonRejected Reason = "rejected"
	// ReasonOther stands in metrics for a reason from outside this set.
	ReasonOther Reason = "other"
)

// ReasonOverBudget is a record that a rule did not judge, because it would have cost more than a rule may. It is no
// reason of Invalid.
const ReasonOverBudget Reason = "over_budget"

// ReasonUnknownTopic is an alert for a topic that is not configured. It is no reason of Invalid.
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
	// ReasonOverdue is a repetition behind which a later one is due already.
	ReasonOverdue Reason = "overdue"
)

// InvalidReasons are the reasons that an Invalid record can have: a closed set, in the order of the documentation.
func InvalidReasons() []Reason {
	var out []Reason
	for _, d := range payload.Defects() {
		out = append(out, Reason(d))
	}
	return append(out, ReasonPanic, ReasonRejected, ReasonOther)
}

// Poison is the decision on something that never became a Record, such as an aggregate that cannot be taken apart. It
// is resolved like any other decision.
func Poison(reason Reason) Decision { return Decision{Outcome: Invalid, Reason: reason} }
