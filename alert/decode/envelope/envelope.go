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

// Batch is what a record of CloudWatch Logs holds. It keeps its memory for the next one.
type Batch struct {
	// Control marks a control message, which holds no events.
	Control bool
	events  []event
}

type event struct{}

// Read reads an envelope, with at most `pieces` events, of which the Batch keeps slices. The fault is about the whole;
// a broken event has its own, see Row.
func (b *Batch) Read(data []byte, pieces int) *payload.Fault { return nil }

// Len is how many events there are.
func (b *Batch) Len() int { return len(b.events) }

// Size is how many bytes the Batch takes beside the data that it was read from.
func (b *Batch) Size() int { return 0 }

// Row makes an event into row, whose cells it uses again.
func (b *Batch) Row(i int, row *payload.Row) *payload.Fault { return nil }
