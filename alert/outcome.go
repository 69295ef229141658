package alert

// Outcome is what happened to a record. Every record has exactly one; the counters of all outcomes add up to the
// records read.
type Outcome uint8

// The outcomes, least consequential first: with several rules the highest one counts.
const (
	// Unmatched means that no rule applied.
	Unmatched Outcome = iota
	// Filtered means that no filter pattern passed the record.
	Filtered
	// Suppressed means that a rule matched and dedup, a rate limit or a silence suppressed the alert.
	Suppressed
	// Expired means that the record was older than allowed, or had failed more often than allowed, before it could be
	// published.
	Expired
	// OverBudget means that a rule did not judge the record, because that would have exceeded the rule's budget for one
	// record.
	OverBudget
	// Invalid means that the record could not be read; Decision.Reason says why.
	Invalid
	// DeadLettered means that the record, or its alert, went to the on-failure destination.
	DeadLettered
	// Alerted means that SNS accepted the record's alerts.
	Alerted
)

// String returns the outcome as the label value of kinesis_alerter_records_total.
func (o Outcome) String() string {
	switch o {
	case Unmatched:
		return "unmatched"
	case Filtered:
		return "filtered"
	case Suppressed:
		return "suppressed"
	case Expired:
		return "expired"
	case OverBudget:
		return "over_budget"
	case Invalid:
		return "invalid"
	case DeadLettered:
		return "dead_lettered"
	case Alerted:
		return "alerted"
	}
	return "unknown"
}

func outcomes() []Outcome {
	return []Outcome{Unmatched, Filtered, Suppressed, Expired, OverBudget, Invalid, DeadLettered, Alerted}
}

// Decision is what the pipeline decides about one record.
type Decision struct {
	Outcome Outcome
	// Reason explains Invalid and Suppressed, and DeadLettered where the record could not be read; with a rule over its
	// budget it is ReasonOverBudget. Empty otherwise. It is one of a closed set and serves as a metric label.
	Reason Reason
	// Alerts are what has to be published before the record is done, in order. The slice is valid until the next
	// call of the evaluator that returned it; the alerts themselves may be kept.
	Alerts []*Alert
	// Outputs are what has to be written to output streams before the record is done. The slice is valid until the next
	// call of the evaluator that returned it; what it holds may be kept.
	Outputs []Output
	// DeadLetter sends the record to the on-failure destination, if there is one: a rule did not judge it, or it is
	// Invalid or Filtered and the configuration keeps such records.
	DeadLetter bool
}

// Reason is a cause from a closed set, suitable as a metric label.
type Reason string
