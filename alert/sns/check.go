package sns

import (
	"kinesis-alerter/alert"
)

// Check says why SNS will never accept a message of an alert, as far as that is known without asking: the topic at arn is
// taken to have the limits of a new one. The error is a *alert.RejectedError.
func Check(arn string, a *alert.Alert, m alert.Message) error {
	_, err := prepare(a, m, assumedLimits(arn))
	return err
}
