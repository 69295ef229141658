package alert

import "errors"

// Alert is one message that a rule wants published about one record. It is rendered late, by Render, so that a backlog
// of alerts costs no more memory than the records themselves.
type Alert struct {
	// ID is deterministic: the SHA-256, in hex, of stream, shard, sequence number, sub-sequence, rule, topic and kind.
	// The same record and rule give the same id after any restart.
	ID string
	// Rule names the rule; empty in the mode without rules.
	Rule string
	// Topic names the configured topic that the alert goes to.
	Topic string
	// Record is what the alert is about. Its partition key orders publishing.
	Record Record

	render func(*Alert) (Message, error)
}

// Message is what is handed to SNS.
type Message struct {
	Subject string
	Body    string
	// Structure is SNS' MessageStructure: "string", "json" or empty.
	Structure  string
	Attributes []Attribute
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
