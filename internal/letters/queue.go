package letters

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"kinesis-alerter/internal/arns"
	"kinesis-alerter/internal/sleep"
)

const (
	// invisible is for how long a letter that was received is hidden from others. It is far less than the five minutes
	// in which a FIFO topic drops repeats, so that what was interrupted is repeated in time.
	invisible = time.Minute
	mostBatch = 10
)

// Queue reads the letters of an SQS queue.
type Queue struct {
	client *sqs.Client
	url    string
	since  time.Time // since when it has had nothing new; zero while it has

	mu   sync.Mutex
	held map[string]*receipt // by message id; nil for what was removed
}

type receipt struct {
	handle string
	at     time.Time
}

// NewQueue makes a source of a queue's URL.
func NewQueue(client *sqs.Client, url string) *Queue {
	return &Queue{client: client, url: url, held: map[string]*receipt{}}
}

func (q *Queue) region(o *sqs.Options) { o.Region = cmp.Or(arns.Region(q.url), o.Region) }

// Next waits for letters that another reader, or one that was interrupted, has in hand.
func (q *Queue) Next(ctx context.Context) ([]Letter, error) {
	for {
		var out *sqs.ReceiveMessageOutput
		err := try(ctx, "sqs:ReceiveMessage", q.url, func(ctx context.Context) (err error) {
			out, err = q.client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
				QueueUrl: &q.url, MaxNumberOfMessages: mostBatch, WaitTimeSeconds: 1,
				VisibilityTimeout: int32(invisible / time.Second),
			}, q.region)
			return err
		})
		if err != nil {
			return nil, err
		}
		if found := q.take(out.Messages); len(found) > 0 {
			q.since = time.Time{}
			return found, nil
		}
		if q.since.IsZero() {
			q.since = time.Now()
		}
		waiting, hidden, err := q.rest(ctx)
		switch over := time.Since(q.since) > invisible+5*time.Second; {
		case err != nil:
			return nil, err
		case waiting+hidden <= 0, over && (waiting <= 0 || len(out.Messages) > 0):
			return nil, io.EOF
		case over:
			return nil, fmt.Errorf("%s says that it has %d more letters, and gives none; repeat the command", q.url,
				waiting)
		}
		if !sleep.For(ctx, time.Second) {
			return nil, context.Cause(ctx)
		}
	}
}

// take notes what was received, and returns what is new of it.
func (q *Queue) take(messages []types.Message) []Letter {
	q.mu.Lock()
	defer q.mu.Unlock()
	var found []Letter
	for i := range messages {
		m := &messages[i]
		if m.MessageId == nil || m.ReceiptHandle == nil || m.Body == nil {
			continue
		}
		r := &receipt{handle: *m.ReceiptHandle, at: time.Now()}
		if before, seen := q.held[*m.MessageId]; seen {
			if before != nil {
				*before = *r
			}
			continue
		}
		q.held[*m.MessageId] = r
		found = append(found, &queued{queue: q, id: *m.MessageId, body: *m.Body})
	}
	return found
}

// rest is how many messages can be received, and how many somebody else has in hand, about.
func (q *Queue) rest(ctx context.Context) (waiting, hidden int, err error) {
	const visible, notVisible = types.QueueAttributeNameApproximateNumberOfMessages,
		types.QueueAttributeNameApproximateNumberOfMessagesNotVisible
	err = try(ctx, "sqs:GetQueueAttributes", q.url, func(ctx context.Context) error {
		out, err := q.client.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: &q.url, AttributeNames: []types.QueueAttributeName{visible, notVisible},
		}, q.region)
		if err != nil {
			return err
		}
		var other error
		waiting, err = strconv.Atoi(out.Attributes[string(visible)])
		hidden, other = strconv.Atoi(out.Attributes[string(notVisible)])
		return errors.Join(err, other)
	})
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, r := range q.held {
		if r != nil && time.Since(r.at) < invisible {
			hidden--
		}
	}
	return waiting, max(hidden, 0), err
}

// Close makes visible what stays.
func (q *Queue) Close(ctx context.Context) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	var batch []types.ChangeMessageVisibilityBatchRequestEntry
	give := func() error {
		if len(batch) == 0 {
			return nil
		}
		_, err := q.client.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{
			QueueUrl: &q.url, Entries: batch,
		}, q.region)
		batch = nil
		return err
	}
	for id, r := range q.held {
		if r == nil || time.Since(r.at) > invisible {
			continue
		}
		batch = append(batch, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: new(strconv.Itoa(len(batch))), ReceiptHandle: &r.handle,
		})
		delete(q.held, id)
		if len(batch) == mostBatch {
			if err := give(); err != nil {
				return err
			}
		}
	}
	return give()
}

// queued is a letter in a queue.
type queued struct {
	queue    *Queue
	id, body string
}

func (m *queued) Where() string { return m.id }

func (m *queued) Load(context.Context) ([]byte, error) { return []byte(m.body), nil }

// Holds says that it may have any: a message has an id of its own.
func (*queued) Holds(string) bool { return true }

func (m *queued) Remove(ctx context.Context) error {
	q := m.queue
	err := try(ctx, "sqs:DeleteMessage", q.url, func(ctx context.Context) error {
		q.mu.Lock()
		handle := q.held[m.id].handle
		q.mu.Unlock()
		_, err := q.client.DeleteMessage(
			ctx, &sqs.DeleteMessageInput{QueueUrl: &q.url, ReceiptHandle: &handle}, q.region)
		return err
	})
	if err != nil {
		return err
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	q.held[m.id] = nil
	return nil
}
