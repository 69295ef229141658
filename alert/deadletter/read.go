package deadletter

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"kinesis-alerter/alert"
)

// Saved is a dead letter as its document has it.
type Saved struct {
	// ID is the document's requestId, Stream the ARN of the stream that the record came from, and At when the letter
	// was sent.
	ID, Stream string
	At         time.Time
	// Letter is what was sent. Its record has no Data where PayloadOmitted, and its alert no Message where
	// MessageOmitted or where the document is older than messages are.
	Letter                         alert.Letter
	PayloadOmitted, MessageOmitted string
}

// Alert is the alert of the letter with the message that it had, or nil where the document does not hold it.
func (s *Saved) Alert() *alert.Alert {
	l := &s.Letter
	if l.AlertID == "" || l.Message == nil {
		return nil
	}
	return alert.NewAlert(alert.Alert{
		ID: l.AlertID, Rule: l.Rule, Topic: l.Topic, Kind: l.Kind, Severity: l.Severity, Record: l.Record,
	}, *l.Message)
}

// savedDocument is the part of the document that is read back.
type savedDocument struct {
	RequestContext struct {
		RequestID string `json:"requestId"`
		Condition string `json:"condition"`
		Attempts  int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	Timestamp time.Time `json:"timestamp"`
	Batch     struct {
		Shard    string    `json:"shardId"`
		Sequence string    `json:"startSequenceNumber"`
		Arrival  time.Time `json:"approximateArrivalOfFirstRecord"`
		Stream   string    `json:"streamArn"`
	} `json:"KinesisBatchInfo"`
	Payload string `json:"payload"`
	Ours    *struct {
		Reason  alert.Reason `json:"reason"`
		Detail  string       `json:"detail"`
		AlertID string       `json:"alertId"`
		Rule    string       `json:"rule"`
		Topic   string       `json:"topic"`
		Output  string       `json:"output"`
		Key     string       `json:"outputKey"`
		Sub     uint32       `json:"subSequenceNumber"`
		Message *struct {
			Kind       alert.Kind        `json:"kind"`
			Severity   string            `json:"severity"`
			Subject    string            `json:"subject"`
			Body       string            `json:"body"`
			Bodies     map[string]string `json:"bodies"`
			Structure  string            `json:"structure"`
			Attributes []struct {
				Name  string `json:"name"`
				Type  string `json:"type"`
				Value string `json:"value"`
			} `json:"attributes"`
			Group string `json:"group"`
		} `json:"message"`
		PayloadOmitted string `json:"payloadOmitted"`
		MessageOmitted string `json:"messageOmitted"`
	} `json:"kinesisAlerter"`
}

// Read reads a document that a Sender wrote, or an SNS notification that carries one. It takes documents of versions
// that wrote no message.
func Read(document []byte) (*Saved, error) {
	var envelope struct {
		Type    string `json:"Type"`
		Message string `json:"Message"`
	}
	if err := json.Unmarshal(document, &envelope); err == nil && envelope.Type == "Notification" {
		document = []byte(envelope.Message)
	}
	var d savedDocument
	if err := json.Unmarshal(document, &d); err != nil {
		return nil, fmt.Errorf("no dead letter: %w", err)
	}
	if d.Ours == nil || d.RequestContext.RequestID == "" || d.Batch.Shard == "" {
		return nil, errors.New("no dead letter of kinesis-alerter: it has no kinesisAlerter, requestId or shardId")
	}
	o := d.Ours
	s := &Saved{
		ID: d.RequestContext.RequestID, Stream: d.Batch.Stream, At: d.Timestamp,
		PayloadOmitted: o.PayloadOmitted, MessageOmitted: o.MessageOmitted,
		Letter: alert.Letter{
			Record: alert.Record{
				Shard: d.Batch.Shard, SequenceNumber: d.Batch.Sequence, SubSequence: o.Sub, Arrival: d.Batch.Arrival,
			},
			Condition: d.RequestContext.Condition, Attempts: d.RequestContext.Attempts,
			Reason: o.Reason, Detail: o.Detail, AlertID: o.AlertID, Rule: o.Rule, Topic: o.Topic,
			Output: o.Output, OutputKey: o.Key,
		},
	}
	if err := s.readPayload(d.Payload); err != nil {
		return nil, err
	}
	if m := o.Message; m != nil {
		s.Letter.Kind, s.Letter.Severity = m.Kind, m.Severity
		s.Letter.Message = &alert.Message{
			Subject: m.Subject, Body: m.Body, Bodies: m.Bodies, Structure: m.Structure, Group: m.Group,
		}
		for _, a := range m.Attributes {
			s.Letter.Message.Attributes = append(s.Letter.Message.Attributes,
				alert.Attribute{Name: a.Name, Type: a.Type, Value: a.Value})
		}
	}
	return s, nil
}

// readPayload takes the record out of the event that a function would have been given.
func (s *Saved) readPayload(payload string) error {
	if payload == "" {
		return nil
	}
	var event struct {
		Records []struct {
			Kinesis struct {
				PartitionKey string `json:"partitionKey"`
				Data         []byte `json:"data"`
			} `json:"kinesis"`
		} `json:"Records"`
	}
	if err := json.Unmarshal([]byte(payload), &event); err != nil || len(event.Records) != 1 {
		return fmt.Errorf("dead letter %s: its payload is not an event of one record", s.ID)
	}
	r := &event.Records[0].Kinesis
	s.Letter.Record.PartitionKey, s.Letter.Record.Data = r.PartitionKey, r.Data
	return nil
}
