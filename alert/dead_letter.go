package alert

// The conditions of a dead letter, as Lambda names them.
const (
	ConditionRetries = "RetryAttemptsExhausted"
	ConditionAge     = "RecordAgeExceeded"
)

// Letter is a record for the on-failure destination, with the reason why it goes there.
type Letter struct {
	Record Record
	// Condition is ConditionRetries or ConditionAge.
	Condition string
	// Reason is the cause, from a closed set; Detail is the error's text.
	Reason Reason
	Detail string
	// Attempts is how often publishing was tried; 0 for a record that never became an alert.
	Attempts int
	// AlertID, Rule and Topic are those of the alert; empty for a record that never became one.
	AlertID, Rule, Topic string
	// Output names the output that could not be written, and OutputKey is the partition key there; Record.Data is then
	// what would have been written. Empty for a letter about an alert or a record.
	Output, OutputKey string
	// Kind, Severity and Message are what the alert says, so that it can be published later as it is. The message is
	// nil for a record that never became an alert, and for an alert that cannot be rendered.
	Kind     Kind
	Severity string
	Message  *Message
}
