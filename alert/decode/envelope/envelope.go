package envelope

import "kinesis-alerter/alert/payload"

// CloudWatchLogs is the envelope of CloudWatch Logs subscriptions, the only one that holds several records.
const CloudWatchLogs = "cloudwatch_logs"

// Kinds are the envelopes, in the order of the documentation.
func Kinds() []string { return []string{CloudWatchLogs} }

// Append appends the record of an envelope to dst as JSON or, for an envelope of text, as text. control marks a message
// of the service itself, which is no record.
func Append(dst []byte, kind string, src []byte) (out []byte, control bool, fault *payload.Fault) {
	return dst, false, nil
}
