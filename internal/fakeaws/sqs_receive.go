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
	QueueUrl                    string
	MaxNumberOfMessages         *int
	WaitTimeSeconds             *int
	VisibilityTimeout           *int
	AttributeNames              []string
	MessageSystemAttributeNames []string
	MessageAttributeNames       []string
}

type receivedMessage struct {
	MessageId              string
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
func (q *SQS) receiveMessage(ctx context.Context, in *receiveMessageInput) (any, error) {
	var deadline time.Time
	for {
		p, err := q.poll(in, &deadline)
		if err != nil || len(p.out.Messages) > 0 || p.wait <= 0 {
			return p.out, err
		}
		timer := time.NewTimer(p.wait)
		select {
		case <-p.changed:
		case <-timer.C:
		case <-ctx.Done():
			err = ctx.Err()
		}
		timer.Stop()
		if err != nil {
			return nil, err
		}
	}
}

// polled is one look at a queue.
type polled struct {
	out receiveMessageOutput
	// changed and wait say when it is worth to look again; no wait means that the wait time is over.
	changed <-chan struct{}
	wait    time.Duration
}

// poll looks once. It sets the deadline when it is not set.
func (q *SQS) poll(in *receiveMessageInput, deadline *time.Time) (polled, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, err := q.find(in.QueueUrl)
	if err != nil {
		return polled{}, err
	}
	limit := 1
	if in.MaxNumberOfMessages != nil {
		limit = *in.MaxNumberOfMessages
	}
	if limit < 1 || limit > 10 {
		return polled{}, invalidValue(limit, "MaxNumberOfMessages", "Must be between 1 and 10, if provided.")
	}
	wait, err := optional(in.WaitTimeSeconds, qu.seconds("ReceiveMessageWaitTimeSeconds"), "WaitTimeSeconds", 20)
	if err != nil {
		return polled{}, err
	}
	hide, err := optional(in.VisibilityTimeout, qu.seconds("VisibilityTimeout"), "VisibilityTimeout", sqsMaxVisibility)
	if err != nil {
		return polled{}, err
	}
	at := now()
	if deadline.IsZero() {
		*deadline = at.Add(wait)
	}
	taken, next := qu.take(at, limit, hide)
	p := polled{changed: qu.changed, wait: deadline.Sub(at)}
	if !next.IsZero() {
		p.wait = min(p.wait, next.Sub(at))
	}
	for _, m := range taken {
		p.out.Messages = append(p.out.Messages, m.describe(in))
	}
	return p, nil
}

// optional reads a number of seconds from 0 to highest that has a default.
func optional(value *int, otherwise time.Duration, name string, highest int) (time.Duration, error) {
	if value == nil {
		return otherwise, nil
	}
	if *value < 0 || *value > highest {
		return 0, invalidValue(*value, name, "Must be >= 0 and <= "+strconv.Itoa(highest)+", if provided.")
	}
	return time.Duration(*value) * time.Second, nil
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
	Id                string
	ReceiptHandle     string
	VisibilityTimeout *int
}

type receiptInput struct {
	QueueUrl string
	receiptEntry
}

type receiptBatchInput struct {
	QueueUrl string
	Entries  []receiptEntry
}

type receiptResult struct {
	Id string
}

func (q *SQS) deleteMessage(in *receiptInput) (any, error) {
	return q.withReceipt(in, (*sqsQueue).remove)
}

func (q *SQS) deleteMessageBatch(in *receiptBatchInput) (any, error) {
	return q.withReceipts(in, (*sqsQueue).remove)
}

func (q *SQS) changeMessageVisibility(in *receiptInput) (any, error) {
	return q.withReceipt(in, (*sqsQueue).hide)
}

func (q *SQS) changeMessageVisibilityBatch(in *receiptBatchInput) (any, error) {
	return q.withReceipts(in, (*sqsQueue).hide)
}

func (q *SQS) withReceipt(in *receiptInput, do func(*sqsQueue, receiptEntry) error) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, err := q.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	return struct{}{}, do(qu, in.receiptEntry)
}

func (q *SQS) withReceipts(in *receiptBatchInput, do func(*sqsQueue, receiptEntry) error) (any, error) {
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
	hide, err := optional(e.VisibilityTimeout, 0, "VisibilityTimeout", sqsMaxVisibility)
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
	m.visible = at.Add(hide)
	q.wake()
	return nil
}
