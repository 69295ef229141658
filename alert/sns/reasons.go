package sns

import (
	"kinesis-alerter/alert"
)

// RejectReasons are the reasons that a RejectedError of the publisher can have, for the metrics of whoever takes what it
// rejects.
func RejectReasons() []alert.Reason { return append(rejectReasons(), reasonUnknownTopic) }
