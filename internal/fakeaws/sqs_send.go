package fakeaws

import (
	"crypto/sha256"
	"encoding/hex"
	"time"
)

type sendMessageInput struct {
	QueueUrl string
	sqsContent
}

type sendMessageOutput struct {
	MessageId              string
	MD5OfMessageBody       string
	MD5OfMessageAttributes string `json:",omitempty"`
	SequenceNumber         string `json:",omitempty"`
}

func (q *SQS) sendMessage(in *sendMessageInput) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, err := q.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	if err := in.check(qu); err != nil {
		return nil, err
	}
	return q.put(qu, in.sqsContent, q.account), nil
}

// put appends a checked message, or answers like the first message with the same deduplication id.
func (q *SQS) put(qu *sqsQueue, c sqsContent, sender string) sendMessageOutput {
	at := now()
	qu.expire(at)
	out := sendMessageOutput{
		MD5OfMessageBody:       md5Hex([]byte(c.MessageBody)),
		MD5OfMessageAttributes: attributesMD5(c.MessageAttributes),
	}
	delay := qu.seconds("DelaySeconds")
	if c.DelaySeconds != nil {
		delay = time.Duration(*c.DelaySeconds) * time.Second
	}
	m := &sqsMessage{
		body: c.MessageBody, attributes: c.MessageAttributes,
		group: c.MessageGroupId, dedupID: c.MessageDeduplicationId,
		sender: sender, sent: at, visible: at.Add(delay),
	}
	if qu.fifo {
		if m.dedupID == "" {
			m.dedupID = contentHash(c.MessageBody)
		}
		key := m.dedupID
		if qu.attributes["DeduplicationScope"] == "messageGroup" {
			key = m.group + " " + key
		}
		if first, seen := qu.dedup.lookup(at, key); seen {
			out.MessageId, out.SequenceNumber = first.messageID, first.sequence
			return out
		}
		m.sequence = q.ids.sequenceNumber()
		m.id = q.ids.id()
		qu.dedup.add(key, dedupFirst{messageID: m.id, sequence: m.sequence, at: at})
	} else {
		m.id = q.ids.id()
	}
	out.MessageId, out.SequenceNumber = m.id, m.sequence
	qu.messages = append(qu.messages, m)
	qu.wake()
	return out
}

// contentHash is the deduplication id of a message that has none (SNS and SQS): the SHA-256 of its body in hexadecimal.
func contentHash(body string) string {
	sum := sha256.Sum256([]byte(body))
	return hex.EncodeToString(sum[:])
}

// deliver puts a message of SNS into the queue with that ARN. An error says why the queue cannot take it.
func (q *SQS) deliver(arn string, c sqsContent) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, ok := q.queues[queueName(arn)]
	if !ok || qu.arn != arn {
		return errQueueDoesNotExist()
	}
	if !qu.fifo {
		c.MessageDeduplicationId = ""
	}
	if err := c.check(qu); err != nil {
		return err
	}
	q.put(qu, c, "AIDAISMY7JYY5F7RTT6AO") // the user id behind which SNS sends to queues
	return nil
}

type sendBatchEntry struct {
	Id string
	sqsContent
}

type sendMessageBatchInput struct {
	QueueUrl string
	Entries  []sendBatchEntry
}

type sendBatchResult struct {
	Id string
	sendMessageOutput
}

type batchFailure struct {
	Id            string
	Code, Message string
	SenderFault   bool
}

type batchOutput[R any] struct {
	Successful []R
	Failed     []batchFailure `json:",omitempty"`
}

func (q *SQS) sendMessageBatch(in *sendMessageBatchInput) (any, error) {
	ids, size := make([]string, len(in.Entries)), 0
	for i := range in.Entries {
		ids[i] = in.Entries[i].Id
		size += in.Entries[i].size()
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
	if size > sqsMaxMessage {
		return nil, errorf("BatchRequestTooLong",
			"Batch requests cannot be longer than %d bytes. You have sent %d bytes.", sqsMaxMessage, size)
	}
	return runBatch(in.Entries, func(e sendBatchEntry) (string, sendBatchResult, error) {
		if err := e.check(qu); err != nil {
			return e.Id, sendBatchResult{}, err
		}
		return e.Id, sendBatchResult{e.Id, q.put(qu, e.sqsContent, q.account)}, nil
	})
}

// runBatch runs every entry and sorts the answers into successful and failed ones.
func runBatch[E, R any](entries []E, run func(E) (id string, result R, err error)) (any, error) {
	out := batchOutput[R]{Successful: []R{}}
	for _, e := range entries {
		id, result, err := run(e)
		if err != nil {
			out.Failed = append(out.Failed, failure(id, err))
			continue
		}
		out.Successful = append(out.Successful, result)
	}
	return out, nil
}

// failure is the Failed entry for an error that is the caller's fault.
func failure(id string, err error) batchFailure {
	f := batchFailure{Id: id, Code: "InternalError", Message: err.Error()}
	if e, ok := err.(*Error); ok { //nolint:errorlint // The operations of this package return it unwrapped.
		f.Code, f.Message, f.SenderFault = e.Code, e.Message, e.status() < 500
	}
	return f
}

// checkSQSBatch applies the rules for the entries' ids.
func checkSQSBatch(ids []string) *Error {
	if len(ids) == 0 {
		return errorf("EmptyBatchRequest", "There should be at least one SendMessageBatchRequestEntry in the request.")
	}
	if len(ids) > 10 {
		return errorf("TooManyEntriesInBatchRequest",
			"Maximum number of entries per request are 10. You have sent %d.", len(ids))
	}
	seen := map[string]bool{}
	for _, id := range ids {
		if len(id) > 80 || !nameOf(id) {
			return errorf("InvalidBatchEntryId", "A batch entry id can only contain alphanumeric characters, "+
				"hyphens and underscores. It can be at most 80 letters long.")
		}
		if seen[id] {
			return errorf("BatchEntryIdsNotDistinct", "Id %s repeated.", id)
		}
		seen[id] = true
	}
	return nil
}
