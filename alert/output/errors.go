package output

import "kinesis-alerter/alert"

// Reasons of this package: of what is rejected, and of dead letters.
const (
	// ReasonTooLarge is a record that is larger than the stream takes.
	ReasonTooLarge alert.Reason = "too_large"
	// ReasonInvalidParameter is a record that Kinesis refuses for something else.
	ReasonInvalidParameter alert.Reason = "invalid_parameter"
	// ReasonKey is a record whose partition key cannot be computed. The evaluator says so.
	ReasonKey alert.Reason = "output_key"
	// ReasonUnknownOutput is a record for an output that has left the configuration.
	ReasonUnknownOutput alert.Reason = "unknown_output"
	// ReasonFailing is a record that made room, because its output fails.
	ReasonFailing alert.Reason = "output_failing"
	// ReasonRecordAge is a record that was too old, and ReasonRetryAttempts one that failed too often.
	ReasonRecordAge     alert.Reason = "record_age"
	ReasonRetryAttempts alert.Reason = "retry_attempts"
)

// LetterReasons are the reasons of dead letters of outputs, for the metrics of their destination.
func LetterReasons() []alert.Reason {
	return []alert.Reason{
		ReasonTooLarge, ReasonInvalidParameter, ReasonKey, ReasonUnknownOutput, ReasonFailing, ReasonRecordAge,
		ReasonRetryAttempts,
	}
}
