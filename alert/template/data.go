package template

import (
	"time"

	"kinesis-alerter/alert/budget"
)

// Data is what a template sees.
type Data struct {
	Record RecordData
	// Rule and Key are empty where there is none.
	Rule, Severity, Key string
	// Kind is firing, repeat, resolved, watchdog or drill.
	Kind string
	// ID is the alert's id, as in the attribute alert_id.
	ID string
	// At is the event time of the alert, Since when its condition began to hold, or the zero time. Both are in UTC.
	At, Since time.Time
	// Suppressed is how many alerts of the key were swallowed since the last message.
	Suppressed uint32
	// Unsure names the shards whose memory could not be read and to which records of the key may go since a reshard, or
	// is empty.
	Unsure string
	// Ended says why the rule says no more of the key here although its condition may still hold: it was taken out,
	// say. Mostly empty.
	Ended string
	// Value is the figure that the rule looks at, a Number, or nil.
	Value any
	// Labels are the rule's.
	Labels map[string]string
	// Runbook and Dashboard are the rendered links, or empty.
	Runbook, Dashboard string
	// Topic is the topic's name, Stream the stream's ARN.
	Topic, Stream string

	fields func() (map[string]any, error)
	// Meter counts what the templates of the message cost. Each may make as much text as there may be.
	Meter budget.Meter
}

// RecordData is .Record in a template.
type RecordData struct {
	// Data is the payload as text; empty for an alert that time brought about.
	Data                                string
	PartitionKey, SequenceNumber, Shard string
	SubSequence                         uint32
	// Arrival is in UTC.
	Arrival time.Time
}

// Fields is .Fields in a template: the members of the payload's object. It is read from the payload only when a
// template asks, so that alerts that wait cost no more than their records, and once for all templates of a message.
func (d *Data) Fields() (map[string]any, error) {
	if d.fields == nil {
		var members map[string]any
		err := errOverBudget
		if payload := []byte(d.Record.Data); d.Meter.Box(payload) {
			members, err = templateFields(payload)
		}
		d.fields = func() (map[string]any, error) { return members, err }
	}
	return d.fields()
}
