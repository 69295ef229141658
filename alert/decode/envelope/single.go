package envelope

import (
	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/payload"
)

// sns takes the message out of what a topic sends. A message that is no JSON object is a text, and the record is
// invalid unless texts are what the input says.
func sns(dst, src []byte) (out []byte, control bool, fault *payload.Fault) {
	values, _, fault := fields(SNS, src, "Type", "Message", "Sns")
	if fault != nil {
		return nil, false, fault
	}
	if isObject(values[2]) && values[0] == nil { // a record of a Lambda event
		if values, _, fault = fields(SNS, values[2], "Type", "Message"); fault != nil {
			return nil, false, fault
		}
	}
	kind, message := values[0], values[1]
	switch text(kind) {
	case "Notification":
	case "SubscriptionConfirmation", "UnsubscribeConfirmation":
		return nil, true, nil
	case "":
		return nil, false, wrong(SNS, "no Type: with raw message delivery there is no envelope")
	default:
		return nil, false, wrong(SNS, "the Type is %s", short(kind))
	}
	if !isText(message) {
		return nil, false, wrong(SNS, "no Message that is a text")
	}
	out, err := jsontext.AppendUnquote(dst, message)
	if err != nil {
		return nil, false, &payload.Fault{Defect: payload.InvalidUTF8, Detail: "sns: Message: " + err.Error()}
	}
	return out, false, nil
}

// eventBridge checks that a record is an event of a bus.
func eventBridge(src []byte) *payload.Fault {
	values, _, fault := fields(EventBridge, src, "source", "detail-type", "detail")
	switch {
	case fault != nil:
		return fault
	case !isText(values[0]):
		return wrong(EventBridge, "no source")
	case !isText(values[1]):
		return wrong(EventBridge, "no detail-type")
	case !isObject(values[2]):
		return wrong(EventBridge, "no detail")
	}
	return nil
}

// dms checks that a record is one of the Database Migration Service.
func dms(src []byte) (control bool, fault *payload.Fault) {
	values, _, fault := fields(DMS, src, "metadata", "data")
	if fault != nil {
		return false, fault
	}
	if !isObject(values[0]) {
		return false, wrong(DMS, "no metadata")
	}
	metadata, _, fault := fields(DMS, values[0], "record-type")
	if fault != nil {
		return false, fault
	}
	switch text(metadata[0]) {
	case "control":
		return true, nil
	case "data":
		if !isObject(values[1]) {
			return false, wrong(DMS, "no data")
		}
		return false, nil
	case "":
		return false, wrong(DMS, "no metadata.record-type")
	}
	return false, wrong(DMS, "metadata.record-type is %s", short(metadata[0]))
}

// debezium takes the change out of the schema around it; without a schema the change is the record. Where the payload
// is null, as in the record behind a delete, there is nothing.
func debezium(dst, src []byte) (out []byte, control bool, fault *payload.Fault) {
	wrapped, count, fault := fields(Debezium, src, "schema", "payload")
	if fault != nil {
		return nil, false, fault
	}
	hasSchema, change := count == 2 && wrapped[0] != nil && wrapped[1] != nil, src
	if hasSchema {
		if change = wrapped[1]; isNothing(change) {
			return dst, false, nil
		}
		if !isObject(change) {
			return nil, false, wrong(Debezium, "the payload is no object")
		}
	}
	values, count, fault := fields(Debezium, change,
		"op", "source", "ts_ms", "status", "event_count", "data_collections", "ddl", "tableChanges")
	op, source := values[0], values[1]
	switch {
	case fault != nil:
		return nil, false, fault
	case op == nil && debeziumControl(values[1:], count):
		return nil, true, nil
	case hasSchema:
		return append(dst, change...), false, nil
	case !isText(op):
		return nil, false, wrong(Debezium, "no op, and no schema with a payload")
	case !isObject(source):
		return nil, false, wrong(Debezium, "no source")
	}
	return nil, false, nil
}

// debeziumControl reports whether something is a message of Debezium itself: a heartbeat, which is a time and nothing
// else, the mark of a transaction, or a change of a table's definition. It wants all of their members: a row that was
// flattened has those of its table.
func debeziumControl(values [][]byte, count int) bool {
	source, time, status, events, collections, ddl, changes := values[0], values[1], text(values[2]), values[3], values[4],
		values[5], values[6]
	return count == 1 && time != nil ||
		count == 5 && (status == "BEGIN" || status == "END") && events != nil && collections != nil && time != nil ||
		isObject(source) && ddl != nil && changes != nil
}
