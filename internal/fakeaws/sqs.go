package fakeaws

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
)

// SQS emulates CreateQueue, DeleteQueue, GetQueueUrl, GetQueueAttributes, SetQueueAttributes, ListQueues, PurgeQueue,
// SendMessage, SendMessageBatch, ReceiveMessage, DeleteMessage, DeleteMessageBatch, ChangeMessageVisibility and
// ChangeMessageVisibilityBatch.
//
// Faithful are the limits, the visibility timeout, delays, retention, long polling, the order of a FIFO queue's message
// groups and its five minutes of deduplication. A redrive policy is stored and has no effect, nothing is throttled,
// and a standard queue hands out messages in the order in which they were sent, once per visibility timeout (AWS
// promises neither).
//
// It is safe for concurrent use. Its mutex may be taken while the one of SNS is held, never the other way round.
type SQS struct {
	region, account string
	// endpoint begins the URL of each queue
	endpoint string

	mu     sync.Mutex
	queues map[string]*sqsQueue // by name
	// deleted holds when a queue name was given up; AWS keeps it reserved for a while.
	deleted map[string]sqsTombstone
	ids     idSource
}

func newSQS(o Options) *SQS {
	return &SQS{
		region: o.Region, account: o.Account,
		endpoint: cmp.Or(o.Endpoint, "https://sqs."+o.Region+".amazonaws.com"),
		queues:   map[string]*sqsQueue{}, deleted: map[string]sqsTombstone{},
		ids: idSource{service: "50500000"},
	}
}

func (*SQS) name() string { return ServiceSQS }

func (q *SQS) operations() map[string]operation {
	return map[string]operation{
		"CreateQueue":        decoded(q.createQueue),
		"DeleteQueue":        decoded(q.deleteQueue),
		"GetQueueUrl":        decoded(q.getQueueURL),
		"GetQueueAttributes": decoded(q.getQueueAttributes),
		"SetQueueAttributes": decoded(q.setQueueAttributes),
		"ListQueues":         decoded(q.listQueues),
		"PurgeQueue":         decoded(q.purgeQueue),
		"SendMessage":        decoded(q.sendMessage),
		"SendMessageBatch":   decoded(q.sendMessageBatch),
		"ReceiveMessage": func(ctx context.Context, req *Request) (any, error) {
			return decoded(func(in *receiveMessageInput) (any, error) { return q.receiveMessage(ctx, in) })(ctx, req)
		},
		"DeleteMessage":                decoded(q.deleteMessage),
		"DeleteMessageBatch":           decoded(q.deleteMessageBatch),
		"ChangeMessageVisibility":      decoded(q.changeMessageVisibility),
		"ChangeMessageVisibilityBatch": decoded(q.changeMessageVisibilityBatch),
	}
}

func (*SQS) unknown(op string) *Error {
	return errorf("UnknownOperationException", "SQS.%s is not emulated", op)
}

// Bodies returns the bodies of all messages that were sent and not yet deleted, those in flight included, in the order
// in which they were sent. The queue is a name, a URL or an ARN; one that does not exist is empty.
func (q *SQS) Bodies(queue string) []string {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, ok := q.queues[queueName(queue)]
	if !ok {
		return nil
	}
	qu.expire(now())
	bodies := make([]string, len(qu.messages))
	for i, m := range qu.messages {
		bodies[i] = m.body
	}
	return bodies
}

// Len is the number of messages that were sent and not yet deleted, those in flight included. The queue is a name,
// a URL or an ARN; one that does not exist is empty.
func (q *SQS) Len(queue string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, ok := q.queues[queueName(queue)]
	if !ok {
		return 0
	}
	qu.expire(now())
	return len(qu.messages)
}

// queueName is the last part of a queue's URL or ARN, or the name itself.
func queueName(queue string) string {
	return queue[strings.LastIndexAny(queue, "/:")+1:]
}

// find returns the queue that a URL names.
func (q *SQS) find(url string) (*sqsQueue, error) {
	if url == "" {
		return nil, missingParameter("QueueUrl")
	}
	qu, ok := q.queues[queueName(url)]
	if !ok {
		return nil, errQueueDoesNotExist()
	}
	return qu, nil
}

func errQueueDoesNotExist() *Error {
	return errorf("QueueDoesNotExist", "The specified queue does not exist.")
}

func missingParameter(name string) *Error {
	return errorf("MissingParameter", "The request must contain the parameter %s.", name)
}

func invalidValue(value any, parameter, reason string) *Error {
	return errorf("InvalidParameterValue", "Value %v for parameter %s is invalid. Reason: %s", value, parameter, reason)
}

// page cuts one page out of sorted keys. The token is the last key of the page before; the next one is empty at the
// end.
func page(keys []string, token string, size int) (cut []string, next string) {
	from, found := slices.BinarySearch(keys, token)
	if found {
		from++
	}
	keys = keys[from:]
	if len(keys) <= size {
		return keys, ""
	}
	return keys[:size], keys[size-1]
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// idSource makes the ids of messages: unique within a service, shaped like AWS', the same in every run.
type idSource struct {
	service  string // the first eight hexadecimal digits
	last     uint64
	sequence uint64
}

func (i *idSource) id() string {
	i.last++
	return fmt.Sprintf("%s-0000-4000-8000-%012x", i.service, i.last)
}

// sequenceNumber returns 20 digits that grow.
func (i *idSource) sequenceNumber() string {
	i.sequence++
	return fmt.Sprintf("1%019d", i.sequence)
}
