package fakeaws

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/mail"
	"strings"
	"time"
)

const (
	// snsEmailRate is how many messages an e-mail subscription takes within one second.
	snsEmailRate = 10
	// snsSender is the address that notifications come from.
	snsSender = "no-reply@sns.amazonaws.com"
)

// deliver brings an accepted message to one subscription, and says what became of it.
func (s *SNS) deliver(t *snsTopic, sub *snsSubscription, m *snsMessage, p *Published) Receipt {
	if sub.pending {
		return Receipt{Outcome: Pending}
	}
	body, attributes := m.bodyFor(sub.protocol), m.sentAttributes()
	if !sub.filter.match(body, attributes) {
		return Receipt{Outcome: Filtered}
	}
	switch sub.protocol {
	case "sqs":
		return Receipt{Outcome: s.deliverSQS(sub, body, attributes, p)}
	case "email", "email-json":
		return s.deliverEmail(t, sub, body, attributes, p)
	default:
		d := Delivery{
			At: p.At, Protocol: sub.protocol, Endpoint: sub.endpoint, Subject: p.Subject, Body: body,
			SubscriptionARN: sub.arn,
		}
		if sub.protocol != "sms" && !sub.raw {
			d.Body = s.envelope(sub, body, attributes, p)
		}
		if !s.countOnly {
			t.deliveries = append(t.deliveries, d)
		}
		return Receipt{Outcome: Delivered}
	}
}

func (s *SNS) deliverSQS(
	sub *snsSubscription, body string, attributes map[string]MessageAttribute, p *Published,
) Outcome {
	c := sqsContent{MessageBody: body, MessageGroupId: p.Group, MessageDeduplicationId: p.DedupID}
	if p.SequenceNumber != "" && !strings.HasSuffix(sub.endpoint, ".fifo") {
		c.MessageGroupId = "" // a standard queue gets the group of a standard topic only, for its fair queue
	}
	if sub.raw {
		if len(attributes) > sqsMaxAttributes {
			return Discarded
		}
		c.MessageAttributes = attributes
	} else {
		c.MessageBody = s.envelope(sub, body, attributes, p)
	}
	if s.sqs.deliver(sub.endpoint, c) != nil {
		return Undeliverable
	}
	return Delivered
}

// deliverEmail sends an e-mail, or switches the subscription off when it would be the eleventh within a second. From
// then on it waits for its confirmation, as a new one does.
func (s *SNS) deliverEmail(
	t *snsTopic, sub *snsSubscription, body string, attributes map[string]MessageAttribute, p *Published,
) Receipt {
	if n := len(sub.recent); n == snsEmailRate {
		if p.At.Sub(sub.recent[0]) < time.Second {
			sub.pending, sub.recent = !s.confirmed, nil
			return Receipt{Outcome: Deactivated}
		}
		sub.recent = sub.recent[1:]
	}
	sub.recent = append(sub.recent, p.At)
	sender := "AWS Notifications"
	if name := t.attributes["DisplayName"]; name != "" {
		sender = name
	}
	e := Email{
		At: p.At, From: (&mail.Address{Name: sender, Address: snsSender}).String(), To: sub.endpoint,
		Subject: p.Subject, Body: body,
	}
	if e.Subject == "" {
		e.Subject = "AWS Notification Message"
	}
	if sub.protocol == "email-json" {
		e.Body = s.envelope(sub, body, attributes, p)
	}
	if !s.countOnly {
		t.emails = append(t.emails, e)
	}
	return Receipt{Outcome: Delivered, Email: &e}
}

// envelope is the JSON document around a message that is not delivered raw.
func (s *SNS) envelope(sub *snsSubscription, body string, attributes map[string]MessageAttribute, p *Published) string {
	type attribute struct{ Type, Value string }
	doc := struct {
		Type, MessageId  string
		SequenceNumber   string `json:",omitempty"`
		TopicArn         string
		Subject          string `json:",omitempty"`
		Message          string
		Timestamp        string
		SignatureVersion string               `json:",omitempty"`
		Signature        string               `json:",omitempty"`
		SigningCertURL   string               `json:",omitempty"`
		UnsubscribeURL   string               `json:",omitempty"`
		Attributes       map[string]attribute `json:"MessageAttributes,omitempty"`
	}{
		Type: "Notification", MessageId: p.MessageID, SequenceNumber: p.SequenceNumber, TopicArn: p.TopicARN,
		Subject: p.Subject, Message: body, Timestamp: p.At.UTC().Format("2006-01-02T15:04:05.000Z"),
		UnsubscribeURL: fmt.Sprintf(
			"https://sns.%s.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=%s", s.region, sub.arn,
		),
	}
	if p.SequenceNumber == "" {
		doc.SignatureVersion, doc.Signature = "1", "EXAMPLE" // the emulator has no key to sign with
		doc.SigningCertURL = fmt.Sprintf("https://sns.%s.amazonaws.com/SimpleNotificationService-0.pem", s.region)
	}
	if len(attributes) > 0 {
		doc.Attributes = map[string]attribute{}
		for name, a := range attributes {
			value := a.StringValue
			if a.binary() {
				value = base64.StdEncoding.EncodeToString(a.BinaryValue)
			}
			doc.Attributes[name] = attribute{a.DataType, value}
		}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(doc); err != nil {
		return "" // strings always encode
	}
	return strings.TrimSuffix(b.String(), "\n")
}
