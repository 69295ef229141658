package alert

import (
	"errors"
	"slices"
	"time"
)

// Kind is what an alert is about. It is part of the alert's id and the message attribute kind.
type Kind string

// The kinds.
const (
	// KindFiring is a condition that holds.
	KindFiring Kind = "firing"
	// KindRepeat says that a condition still holds.
	KindRepeat Kind = "repeat"
	// KindResolved says that a condition no longer holds.
	KindResolved Kind = "resolved"
	// KindWatchdog is a heartbeat: its absence means trouble.
	KindWatchdog Kind = "watchdog"
	// KindDigest is several alerts of one topic in one message.
	KindDigest Kind = "digest"
	// KindDrill is a test of the path to the on-call engineer.
	KindDrill Kind = "drill"
)

// Alert is one message that a rule wants published. It is rendered late, by Render, so that a backlog of alerts costs
// no more memory than the records themselves.
type Alert struct {
	// ID is deterministic: the SHA-256, in hex, of what the alert is about. The same records and rule give the same id
	// after any restart. See alertID.
	ID string
	// Rule names the rule; empty in the mode without rules.
	Rule string
	// Topic names the configured topic that the alert goes to.
	Topic string
	Kind  Kind
	// Severity is critical, warning or info; empty in the mode without rules.
	Severity string
	// Key is what the rule treats as "the same alert"; empty for a rule that has no such key.
	Key string
	// Value is the figure that the rule compares, and Worse the direction in which it gets worse: 1 up, -1 down, 0 if
	// there is no figure.
	Value float64
	Worse int8
	// At is the event time of the alert: the arrival of its record, or the moment at which it fell due.
	At time.Time
	// Since is when the condition began to hold; zero for a rule that does not remember it.
	Since time.Time
	// Suppressed is how many alerts of the same key were suppressed since the last one that was made.
	Suppressed uint32
	// Unsure names the shards that may have had records of the key but whose state could not be read. It is almost
	// always empty.
	Unsure string
	// Ended says why an alert ends in this topic although its condition may still hold, for example because its rule
	// was removed. It is empty if the condition no longer holds.
	Ended string
	// Record is what the alert is about. Its partition key orders publishing. An alert that time caused carries
	// the last record of its key, without Data; one about a whole shard or stream has only Shard and Arrival.
	Record Record

	render func(*Alert) (Message, error)
	// sample is set if the message has the attribute of AWS's sample.
	sample bool
	// sent are the topics of the rule at the time the alert was made.
	sent []string
}

// The attribute that the messages of AWS's sample function have. Filter policies of its subscriptions look at it.
const (
	SampleAttributeName = "String"
	SampleAttribute     = "New records have been processed."
)

// HasSampleAttribute reports whether the alert's message has the attribute of AWS's sample. A digest that contains the
// alert then needs it, too.
func (a *Alert) HasSampleAttribute() bool { return a.sample }

// SentTo reports whether the rule had a topic when the alert was made, so that the topic has an alert of its own. It is
// true for an alert that no rule made.
func (a *Alert) SentTo(topic string) bool {
	return len(a.sent) == 0 || a.Topic == topic || slices.Contains(a.sent, topic)
}

// Message is what is sent to SNS.
type Message struct {
	Subject string
	Body    string
	// Bodies are the bodies of single protocols, by SNS' names of them (email, sms, sqs, ...). With any, the message is
	// sent with MessageStructure json, Body is its default, and it can have no attributes.
	Bodies map[string]string
	// Structure is SNS' MessageStructure where there are no Bodies: "string" or empty.
	Structure  string
	Attributes []Attribute
	// Group is the message group on a FIFO topic; empty means the partition key.
	Group string
}

// Attribute is one SNS message attribute.
type Attribute struct {
	Name, Type, Value string
}

// Render makes the message. It is pure and safe for concurrent use. It fails only for an Alert that no Evaluator made.
func (a *Alert) Render() (Message, error) {
	if a.render == nil {
		return Message{}, errors.New("alert has no words: only an Evaluator can make one that renders")
	}
	return a.render(a)
}

// Occurred returns the event time of the alert, from which its latency and its age count: At or, if that is zero, the
// arrival of its record.
func (a *Alert) Occurred() time.Time {
	if a.At.IsZero() {
		return a.Record.Arrival
	}
	return a.At
}

// NewAlert makes an alert outside an Evaluator, with its message already rendered: a digest or a drill.
func NewAlert(a Alert, m Message) *Alert {
	a.render = func(*Alert) (Message, error) { return m, nil }
	return &a
}
