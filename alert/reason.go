package alert

// The reasons of Invalid. A record has the reason of its first defect.
const (
	// ReasonEmpty is a payload of no bytes or only white space, where an object was expected.
	ReasonEmpty Reason = "empty"
	// ReasonNotJSON is a payload that breaks JSON's grammar in a way that no other reason names.
	ReasonNotJSON Reason = "not_json"
	// ReasonTruncated is a payload that ends in the middle of a document.
	ReasonTruncated Reason = "truncated"
	// ReasonTrailingData is a second value, or anything but white space, behind the object.
	ReasonTrailingData Reason = "trailing_data"
	// ReasonNotObject is valid JSON whose top level is an array, a string, a number, a boolean or null.
	ReasonNotObject Reason = "not_object"
	// ReasonInvalidUTF8 is a payload with bytes that are no UTF-8.
	ReasonInvalidUTF8 Reason = "invalid_utf8"
	// ReasonLoneSurrogate is a string with half of a surrogate pair, which stands for no character.
	ReasonLoneSurrogate Reason = "lone_surrogate"
	// ReasonDuplicateKey is an object with one name twice, where decoders disagree on which value counts.
	ReasonDuplicateKey Reason = "duplicate_key"
	// ReasonNonFinite is NaN or an infinity, which JSON cannot express.
	ReasonNonFinite Reason = "non_finite"
	// ReasonNumberRange is a referenced number beyond float64, like 1e400.
	ReasonNumberRange Reason = "number_range"
	// ReasonTooDeep is a document nested below 10,000 levels.
	ReasonTooDeep Reason = "too_deep"
	// ReasonTooLarge is a payload above MaxRecordBytes.
	ReasonTooLarge Reason = "too_large"
	// ReasonBadAggregate is a KPL aggregate that could not be taken apart; see Poison.
	ReasonBadAggregate Reason = "bad_aggregate"
	// ReasonPanic is a record whose evaluation panicked.
	ReasonPanic Reason = "panic"
	// ReasonRejected is a readable record whose alert SNS will never accept, where the configuration says to go on without.
	ReasonRejected Reason = "rejected"
	// ReasonOther stands in metrics for a reason from outside this set.
	ReasonOther Reason = "other"
)

// ReasonOverBudget is a record that a rule did not judge, because it would have cost more than a rule may. It is no reason of Invalid.
const ReasonOverBudget Reason = "over_budget"

// ReasonUnknownTopic is an alert for a topic that is not configured. It is no reason of Invalid.
const ReasonUnknownTopic Reason = "unknown_topic"

// The reasons of Suppressed. A record has that of its first rule that was swallowed.
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

// suppressions are the reasons of Suppressed.
func suppressions() []Reason {
	return []Reason{ReasonDedup, ReasonFiring, ReasonInhibited, ReasonSilenced, ReasonQuietHours, ReasonRateLimit, ReasonOverdue}
}

// MaxRecordBytes is the largest payload that is evaluated: 10 MiB, which is the largest record that Kinesis accepts.
const MaxRecordBytes = 10 << 20

// invalidReasons is the closed set, in the order of the documentation.
func invalidReasons() []Reason {
	return []Reason{
		ReasonEmpty, ReasonNotJSON, ReasonTruncated, ReasonTrailingData, ReasonNotObject, ReasonInvalidUTF8,
		ReasonLoneSurrogate, ReasonDuplicateKey, ReasonNonFinite, ReasonNumberRange, ReasonTooDeep, ReasonTooLarge,
		ReasonBadAggregate, ReasonPanic, ReasonRejected, ReasonOther,
	}
}

// InvalidReasons are the reasons that an Invalid record can have.
func InvalidReasons() []Reason { return invalidReasons() }

// Poison is the decision on something that never became a Record, such as an aggregate that cannot be taken apart. It is
// resolved like any other decision.
func Poison(reason Reason) Decision { return Decision{Outcome: Invalid, Reason: reason} }
