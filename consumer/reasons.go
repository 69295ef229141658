package consumer

import (
	"kinesis-alerter/alert"
)

// LetterReasons are the reasons of letters that this package finds itself, beside those of rejections and of invalid
// records, for the metrics of whoever takes the letters.
func LetterReasons() []alert.Reason {
	return []alert.Reason{ReasonRecordAge, ReasonRetryAttempts, alert.ReasonRejected, "unknown"}
}
