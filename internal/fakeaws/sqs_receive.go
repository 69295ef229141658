package fakeaws

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sqsMaxVisibility is the longest visibility timeout (seconds).
const sqsMaxVisibility = 43200

type receiveMessageInput struct {
	QueueUrl                    string //nolint:revive // The wire's spelling.
	MaxNumberOfMessages         *int
	WaitTimeSeconds             *int
	VisibilityTimeout           *int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type receivedMessage struct {
	MessageId              string //nolint:revive // The wire's spelling.
	ReceiptHandle          string
	Body                   string
	MD5OfBody              string
	Attributes             map[string]string           `json:",omitempty"`
	MessageAttributes      map[string]MessageAttribute `json:",omitempty"`
	MD5OfMessageAttributes string                      `json:",omitempty"`
}

type receiveMessageOutput struct {
	Messages []receivedMessage `json:",omitempty"`
}

// receiveMessage waits outside the lock until there is a message, the wait time is over or the caller is gone.
func (q *SQS) receiveMessage(ctx context.Context, in receiveMessageInput) (any, error) {
	limit, err := optional(in.MaxNumberOfMessages, 1, "MaxNumberOfMessages", 1, 10)
	if err != nil {
		return nil, err
	}
	var deadline time.Time
	for {
		at := now()
		q.mu.Lock()
		qu, findErr := q.find(in.QueueUrl)
		if findErr != nil {
			q.mu.Unlock()
			return nil, findErr
		}
		if deadline.IsZero() {
			wait, err := optional(in.WaitTimeSeconds, int(qu.seconds("ReceiveMessageWaitTimeSeconds")/time.Second),
				"WaitTimeSeconds", 0, 20)
			if err != nil {
				q.mu.Unlock()
				return nil, err
			}
			deadline = at.Add(time.Duration(wait) * time.Second)
		}
		hide, err := optional(in.VisibilityTimeout, int(qu.seconds("VisibilityTimeout")/time.Second),
			"VisibilityTimeout", 0, sqsMaxVisibility)
		if err != nil {
			q.mu.Unlock()
			return nil, err
		}
		taken, next := qu.take(at, limit, time.Duration(hide)*time.Second)
		out := receiveMessageOutput{}
		for _, m := range taken {
			out.Messages = append(out.Messages, m.describe(&in))
		}
		changed := qu.changed
		q.mu.Unlock()

		if len(taken) > 0 || !at.Before(deadline) {
			return out, nil
		}
		until := deadline
		if !next.IsZero() && next.Before(until) {
			until = next
		}
		timer := time.NewTimer(until.Sub(at))
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
		timer.Stop()
	}
}

// optional reads a number that has a default and a range.
func optional(value *int, otherwise int, name string, lowest, highest int) (int, error) {
	if value == nil {
		return otherwise, nil
	}
	if *value < lowest || *value > highest {
		return 0, invalidValue(*value, name,
			"Must be >= "+strconv.Itoa(lowest)+" and <= "+strconv.Itoa(highest)+", if provided.")
	}
	return *value, nil
}

// take hides and returns the first messages that can be received. If there are none, next is when the first hidden one
// comes back, or zero.
func (q *sqsQueue) take(at time.Time, limit int, hide time.Duration) (taken []*sqsMessage, next time.Time) {
	q.expire(at)
	blocked := map[string]bool{} // message groups with a message in flight
	for _, m := range q.messages {
		if len(taken) == limit {
			break
		}
		if q.fifo && blocked[m.group] {
			continue
		}
		if m.visible.After(at) {
			blocked[m.group] = true
			if next.IsZero() || m.visible.Before(next) {
				next = m.visible
			}
			continue
		}
		taken = append(taken, m)
	}
	for _, m := range taken {
		m.receives++
		if m.receives == 1 {
			m.firstReceived = at
		}
		m.visible = at.Add(hide)
	}
	return taken, next
}

// describe is the message as the receiver asked for it.
func (m *sqsMessage) describe(in *receiveMessageInput) receivedMessage {
	out := receivedMessage{
		MessageId: m.id, ReceiptHandle: m.receipt(), Body: m.body, MD5OfBody: md5Hex([]byte(m.body)),
		Attributes:        m.systemAttributes(slices.Concat(in.AttributeNames, in.MessageSystemAttributeNames)),
		MessageAttributes: chosenAttributes(m.attributes, in.MessageAttributeNames),
	}
	out.MD5OfMessageAttributes = attributesMD5(out.MessageAttributes)
	return out
}

func (m *sqsMessage) systemAttributes(names []string) map[string]string {
	all := map[string]string{
		"SenderId":                         m.sender,
		"SentTimestamp":                    strconv.FormatInt(m.sent.UnixMilli(), 10),
		"ApproximateReceiveCount":          strconv.Itoa(m.receives),
		"ApproximateFirstReceiveTimestamp": strconv.FormatInt(m.firstReceived.UnixMilli(), 10),
	}
	if m.group != "" {
		all["MessageGroupId"] = m.group
	}
	if m.sequence != "" {
		all["MessageDeduplicationId"], all["SequenceNumber"] = m.dedupID, m.sequence
	}
	if slices.Contains(names, "All") {
		return all
	}
	asked := map[string]string{}
	for _, name := range names {
		if value, ok := all[name]; ok {
			asked[name] = value
		}
	}
	return asked
}

// chosenAttributes keeps the attributes that a receiver asked for: by name, by prefix ("bar.*"), or all ("All", ".*").
func chosenAttributes(attributes map[string]MessageAttribute, names []string) map[string]MessageAttribute {
	chosen := map[string]MessageAttribute{}
	for name, a := range attributes {
		if slices.ContainsFunc(names, func(want string) bool {
			prefix, isPrefix := strings.CutSuffix(want, ".*")
			return want == "All" || want == name || isPrefix && strings.HasPrefix(name, prefix)
		}) {
			chosen[name] = a
		}
	}
	return chosen
}

type receiptEntry struct {
	Id                string //nolint:revive // The wire's spelling.
	ReceiptHandle     string
	VisibilityTimeout *int
}

type receiptInput struct {
	QueueUrl string //nolint:revive // The wire's spelling.
	receiptEntry
}

type receiptBatchInput struct {
	QueueUrl string //nolint:revive // The wire's spelling.
	Entries  []receiptEntry
}

type receiptResult struct {
	Id string //nolint:revive // The wire's spelling.
}

func (q *SQS) deleteMessage(in receiptInput) (any, error) {
	return q.withReceipt(in, (*sqsQueue).remove)
}

func (q *SQS) deleteMessageBatch(in receiptBatchInput) (any, error) {
	return q.withReceipts(in, (*sqsQueue).remove)
}

func (q *SQS) changeMessageVisibility(in receiptInput) (any, error) {
	return q.withReceipt(in, (*sqsQueue).hide)
}

func (q *SQS) changeMessageVisibilityBatch(in receiptBatchInput) (any, error) {
	return q.withReceipts(in, (*sqsQueue).hide)
}

func (q *SQS) withReceipt(in receiptInput, do func(*sqsQueue, receiptEntry) error) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, err := q.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return struct{}{}, do(qu, in.receiptEntry)
}

func (q *SQS) withReceipts(in receiptBatchInput, do func(*sqsQueue, receiptEntry) error) (any, error) {
	ids := make([]string, len(in.Entries))
	for i, e := range in.Entries {
		ids[i] = e.Id
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, err := q.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := checkSQSBatch(ids); err != nil {
		return nil, err
	}
	return runBatch(in.Entries, func(e receiptEntry) (string, receiptResult, error) {
		return e.Id, receiptResult{e.Id}, do(qu, e)
	})
}

// byReceipt finds the message that a receipt names; index is -1 when it was deleted.
func (q *sqsQueue) byReceipt(handle string) (index, receive int, err error) {
	if handle == "" {
		return -1, 0, missingParameter("ReceiptHandle")
	}
	id, receive, err := parseReceipt(handle)
	if err != nil {
		return -1, 0, err
	}
	q.expire(now())
	return slices.IndexFunc(q.messages, func(m *sqsMessage) bool { return m.id == id }), receive, nil
}

// remove deletes a message. One that is already deleted is no error.
func (q *sqsQueue) remove(e receiptEntry) error {
	i, receive, err := q.byReceipt(e.ReceiptHandle)
	if err != nil || i < 0 {
		return err
	}
	if q.fifo && q.messages[i].expiredReceipt(receive, now()) {
		return invalidValue(e.ReceiptHandle, "ReceiptHandle", "The receipt handle has expired.")
	}
	q.messages = slices.Delete(q.messages, i, i+1)
	q.wake() // the next message of its group can go
	return nil
}

// hide changes when a message in flight comes back.
func (q *sqsQueue) hide(e receiptEntry) error {
	if e.VisibilityTimeout == nil {
		return missingParameter("VisibilityTimeout")
	}
	seconds, err := optional(e.VisibilityTimeout, 0, "VisibilityTimeout", 0, sqsMaxVisibility)
	if err != nil {
		return err
	}
	i, receive, err := q.byReceipt(e.ReceiptHandle)
	if err != nil {
		return err
	}
	if i < 0 {
		return invalidValue(e.ReceiptHandle, "ReceiptHandle",
			"Message does not exist or is not available for visibility timeout change.")
	}
	m, at := q.messages[i], now()
	if m.expiredReceipt(receive, at) {
		return errorf("MessageNotInflight", "The message referred to isn't in flight.")
	}
	m.visible = at.Add(time.Duration(seconds) * time.Second)
	q.wake()
	return nil
}
