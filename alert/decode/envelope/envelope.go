package envelope

import "kinesis-alerter/alert/payload"

// CloudWatchLogs is the envelope of CloudWatch Logs subscriptions, the only one that holds several records.
const CloudWatchLogs = "cloudwatch_logs"

// The envelopes of one record.
const (
	DynamoDB    = "dynamodb"
	DMS         = "dms"
	Debezium    = "debezium"
	SNS         = "sns"
	EventBridge = "eventbridge"
)

// Kinds are the envelopes, in the order of the documentation.
func Kinds() []string { return []string{CloudWatchLogs, DynamoDB, DMS, Debezium, SNS, EventBridge} }

// Append appends the record of an envelope to dst as JSON or, for an envelope of text, as text. control marks a message
// of the service itself, which is no record. out is nil where src is the record, as it is; a blank src is.
func Append(dst []byte, kind string, src []byte) (out []byte, control bool, fault *payload.Fault) {
	if payload.IsBlank(src) {
		return nil, false, nil
	}
	switch kind {
	case DynamoDB:
		out, fault = dynamoDB(dst, src)
		return out, false, fault
	case DMS:
		control, fault = dms(src)
		return nil, control, fault
	case Debezium:
		return debezium(dst, src)
	case SNS:
		return sns(dst, src)
	case EventBridge:
		return nil, false, eventBridge(src)
	}
	return nil, false, nil
}
