package dispatch

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strconv"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// What the tests with a service need of a Publisher.

const (
	Lingers     = lingers
	MostMembers = mostMembers
	TrustPoll   = trustPoll
)

// PublishMessage is PublishNow with a message that was rendered elsewhere.
func (p *Publisher) PublishMessage(ctx context.Context, a *alert.Alert, m alert.Message) error {
	_, err := p.deliver(ctx, a, m, false)
	return err
}

// Gathers says whether a topic gathers a digest that takes alerts.
func (p *Publisher) Gathers(topic string) bool { return p.topic(topic).gatherer.open() }

// Ready is how many messages of a topic may go now.
func (p *Publisher) Ready(topic string) int { return len(p.topic(topic).queue.ready) }

// DigestMessage makes the message of a digest of alerts, within a budget of bytes or, with none, what to takes.
func DigestMessage(alerts []*alert.Alert, budget int, to Destination) (Message, alert.Message, error) {
	d := digestOf(alerts...)
	d.budget = budget
	m, err := d.message(to)
	return m, d.text, err
}

// SomeAlert is alert i.
func SomeAlert(i int) *alert.Alert {
	id := sha256.Sum256([]byte(strconv.Itoa(i)))
	return &alert.Alert{
		ID: hex.EncodeToString(id[:]), Rule: "hot", Topic: "oncall",
		Record: alert.Record{
			Shard: "shardId-000000000000", PartitionKey: "key " + strconv.Itoa(i),
			SequenceNumber: strconv.Itoa(1000 + i),
			SubSequence:    2, Arrival: time.Now(),
		},
	}
}

// paper is a destination that takes everything within its limits.
type paper Limits

// note is a message on paper.
type note struct {
	alert.Message
	size int
}

func (n *note) Size() int { return n.size }

func (p paper) Limits() Limits { return Limits(p) }

func (p paper) Prepare(_ *alert.Alert, m alert.Message) (Message, error) {
	n := &note{Message: m, size: len(m.Body)}
	for _, a := range m.Attributes {
		n.size += len(a.Name) + len(a.Type) + len(a.Value)
	}
	if n.size > p.Bytes {
		return nil, rejected(ReasonTooLarge, errors.New("too long"))
	}
	return n, nil
}

func (paper) Send(_ context.Context, messages []Message) Answer {
	a := Answer{Outcomes: make([]Outcome, len(messages))}
	for i := range messages {
		a.Outcomes[i].ID = strconv.Itoa(i)
	}
	return a
}

func (paper) Ask(context.Context) (delivery.Verdict, error) { return delivery.Verdict{}, nil }
