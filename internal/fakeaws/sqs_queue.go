package fakeaws

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	// sqsMaxMessage is the default and the largest MaximumMessageSize, for a batch as well (bytes).
	sqsMaxMessage = 1 << 20
	// sqsNameReserved is how long the name of a deleted queue cannot be used.
	sqsNameReserved = 60 * time.Second
	// sqsPurgeInterval is the least time between two purges of a queue.
	sqsPurgeInterval = 60 * time.Second
)

// sqsTombstone is a deleted queue.
type sqsTombstone struct{ at time.Time }

// sqsQueue is one queue. The mutex of SQS guards it.
type sqsQueue struct {
	name, arn, url    string
	fifo              bool
	attributes        map[string]string // with their defaults
	created, modified time.Time
	purged            time.Time

	messages []*sqsMessage // sent and not deleted, in sending order
	dedup    dedupWindow
	// changed is closed and replaced whenever a waiting receiver should look again.
	changed chan struct{}
}

func now() time.Time { return time.Now() }

// wake makes every waiting receiver look again.
func (q *sqsQueue) wake() {
	close(q.changed)
	q.changed = make(chan struct{})
}

// seconds reads an attribute that was validated when it was set.
func (q *sqsQueue) seconds(attribute string) time.Duration {
	n, _ := strconv.Atoi(q.attributes[attribute])
	return time.Duration(n) * time.Second
}

func (q *sqsQueue) maxMessage() int {
	n, _ := strconv.Atoi(q.attributes["MaximumMessageSize"])
	return n
}

// expire drops messages that are older than the retention period.
func (q *sqsQueue) expire(at time.Time) {
	oldest := at.Add(-q.seconds("MessageRetentionPeriod"))
	n := 0
	for n < len(q.messages) && q.messages[n].sent.Before(oldest) {
		n++
	}
	q.messages = slices.Delete(q.messages, 0, n)
}

type createQueueInput struct {
	QueueName  string
	Attributes map[string]string
}

type queueURLOutput struct{ QueueUrl string }

func (q *SQS) createQueue(in *createQueueInput) (any, error) {
	fifo := in.Attributes["FifoQueue"] == "true"
	if err := checkQueueName(in.QueueName, fifo); err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(in.Attributes) {
		if err := checkQueueAttribute(name, in.Attributes[name], fifo); err != nil {
			return nil, err
		}
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	if old, ok := q.queues[in.QueueName]; ok {
		for _, name := range sortedKeys(in.Attributes) {
			if old.attributes[name] != in.Attributes[name] {
				return nil, errorf("QueueNameExists",
					"A queue already exists with the same name and a different value for attribute %s", name)
			}
		}
		return queueURLOutput{old.url}, nil
	}
	at := now()
	if t, ok := q.deleted[in.QueueName]; ok && at.Sub(t.at) < sqsNameReserved {
		return nil, errorf("QueueDeletedRecently",
			"You must wait 60 seconds after deleting a queue before you can create another with the same name.")
	}
	delete(q.deleted, in.QueueName)
	qu := &sqsQueue{
		name:       in.QueueName,
		arn:        fmt.Sprintf("arn:aws:sqs:%s:%s:%s", q.region, q.account, in.QueueName),
		url:        q.endpoint + "/" + q.account + "/" + in.QueueName,
		fifo:       fifo,
		attributes: defaultQueueAttributes(fifo),
		created:    at, modified: at,
		changed: make(chan struct{}),
	}
	maps.Copy(qu.attributes, in.Attributes)
	q.queues[in.QueueName] = qu
	return queueURLOutput{qu.url}, nil
}

func defaultQueueAttributes(fifo bool) map[string]string {
	attributes := map[string]string{
		"DelaySeconds":                  "0",
		"MaximumMessageSize":            strconv.Itoa(sqsMaxMessage),
		"MessageRetentionPeriod":        "345600",
		"ReceiveMessageWaitTimeSeconds": "0",
		"VisibilityTimeout":             "30",
		"SqsManagedSseEnabled":          "true",
	}
	if fifo {
		attributes["ContentBasedDeduplication"] = "false"
		attributes["DeduplicationScope"] = "queue"
		attributes["FifoThroughputLimit"] = "perQueue"
	}
	return attributes
}

func checkQueueName(name string, fifo bool) *Error {
	if name == "" {
		return missingParameter("QueueName")
	}
	base, hasSuffix := strings.CutSuffix(name, ".fifo")
	if fifo && !hasSuffix {
		return errorf("InvalidParameterValue", "The name of a FIFO queue can only include alphanumeric characters, "+
			"hyphens, or underscores, must end with .fifo suffix and be 1 to 80 in length.")
	}
	if hasSuffix && !fifo || len(name) > 80 || !nameOf(base) {
		return errorf("InvalidParameterValue",
			"Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length")
	}
	return nil
}

// nameOf reports whether s is made of one or more letters, digits, hyphens and underscores.
func nameOf(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '-' && r != '_'
	})
}

// checkQueueAttribute applies the ranges of the API reference of SetQueueAttributes.
func checkQueueAttribute(name, value string, fifo bool) *Error {
	if !fifo {
		switch name {
		case "FifoQueue", "ContentBasedDeduplication":
			return errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
		case "DeduplicationScope", "FifoThroughputLimit":
			return errorf("InvalidAttributeName", "You can specify the %s only when FifoQueue is set to true.", name)
		}
	}
	ok := true
	switch name {
	case "DelaySeconds":
		ok = inRange(value, 0, 900)
	case "MaximumMessageSize":
		ok = inRange(value, 1024, sqsMaxMessage)
	case "MessageRetentionPeriod":
		ok = inRange(value, 60, 1209600)
	case "ReceiveMessageWaitTimeSeconds":
		ok = inRange(value, 0, 20)
	case "VisibilityTimeout":
		ok = inRange(value, 0, 43200)
	case "FifoQueue":
		ok = value == "true"
	case "SqsManagedSseEnabled":
		ok = value == "true" || value == "false"
	case "ContentBasedDeduplication":
		ok = value == "true" || value == "false"
	case "DeduplicationScope":
		ok = value == "queue" || value == "messageGroup"
	case "FifoThroughputLimit":
		ok = value == "perQueue" || value == "perMessageGroupId"
	case "Policy", "RedrivePolicy", "RedriveAllowPolicy", "KmsMasterKeyId", "KmsDataKeyReusePeriodSeconds":
	default:
		return errorf("InvalidAttributeName", "Unknown Attribute %s.", name)
	}
	if !ok {
		return errorf("InvalidAttributeValue", "Invalid value for the parameter %s.", name)
	}
	return nil
}

func inRange(value string, lowest, highest int) bool {
	n, err := strconv.Atoi(value)
	return err == nil && lowest <= n && n <= highest
}

type queueInput struct {
	QueueUrl string
}

func (q *SQS) deleteQueue(in *queueInput) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, err := q.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	delete(q.queues, qu.name)
	q.deleted[qu.name] = sqsTombstone{at: now()}
	qu.wake()
	return struct{}{}, nil
}

type getQueueURLInput struct{ QueueName string }

func (q *SQS) getQueueURL(in *getQueueURLInput) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, ok := q.queues[in.QueueName]
	if !ok {
		return nil, errQueueDoesNotExist()
	}
	return queueURLOutput{qu.url}, nil
}

type getQueueAttributesInput struct {
	QueueUrl       string
	AttributeNames []string
}

type queueAttributesOutput struct {
	Attributes map[string]string `json:",omitempty"`
}

func (q *SQS) getQueueAttributes(in *getQueueAttributesInput) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, err := q.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	all := qu.describe(now())
	if slices.Contains(in.AttributeNames, "All") {
		return queueAttributesOutput{all}, nil
	}
	asked := map[string]string{}
	for _, name := range in.AttributeNames {
		if value, ok := all[name]; ok {
			asked[name] = value
		} else if err := checkQueueAttribute(name, "", true); err != nil && err.Code == "InvalidAttributeName" {
			return nil, err
		}
	}
	return queueAttributesOutput{asked}, nil
}

// describe returns all attributes, with the counters as of now.
func (q *sqsQueue) describe(at time.Time) map[string]string {
	q.expire(at)
	var visible, inFlight, delayed int
	for _, m := range q.messages {
		switch {
		case !m.visible.After(at):
			visible++
		case m.receives > 0:
			inFlight++
		default:
			delayed++
		}
	}
	all := maps.Clone(q.attributes)
	all["QueueArn"] = q.arn
	all["ApproximateNumberOfMessages"] = strconv.Itoa(visible)
	all["ApproximateNumberOfMessagesNotVisible"] = strconv.Itoa(inFlight)
	all["ApproximateNumberOfMessagesDelayed"] = strconv.Itoa(delayed)
	all["CreatedTimestamp"] = strconv.FormatInt(q.created.Unix(), 10)
	all["LastModifiedTimestamp"] = strconv.FormatInt(q.modified.Unix(), 10)
	return all
}

type setQueueAttributesInput struct {
	QueueUrl   string
	Attributes map[string]string
}

func (q *SQS) setQueueAttributes(in *setQueueAttributesInput) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, err := q.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	for _, name := range sortedKeys(in.Attributes) {
		if name == "FifoQueue" {
			return nil, errorf("InvalidAttributeName", "Unknown Attribute FifoQueue.")
		}
		if err := checkQueueAttribute(name, in.Attributes[name], qu.fifo); err != nil {
			return nil, err
		}
	}
	maps.Copy(qu.attributes, in.Attributes)
	qu.modified = now()
	return struct{}{}, nil
}

type listQueuesInput struct {
	QueueNamePrefix, NextToken string
	MaxResults                 int
}

type listQueuesOutput struct {
	QueueUrls []string
	NextToken string `json:",omitempty"`
}

func (q *SQS) listQueues(in *listQueuesInput) (any, error) {
	size := 1000
	if in.MaxResults != 0 {
		size = in.MaxResults
	}
	if size < 1 || size > 1000 {
		return nil, invalidValue(in.MaxResults, "MaxResults", "Must be an integer from 1 to 1000.")
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	names := slices.DeleteFunc(sortedKeys(q.queues), func(name string) bool {
		return !strings.HasPrefix(name, in.QueueNamePrefix)
	})
	names, next := page(names, in.NextToken, size)
	if in.MaxResults == 0 {
		next = "" // without MaxResults AWS answers with one page and no token
	}
	out := listQueuesOutput{NextToken: next}
	for _, name := range names {
		out.QueueUrls = append(out.QueueUrls, q.queues[name].url)
	}
	return out, nil
}

func (q *SQS) purgeQueue(in *queueInput) (any, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	qu, err := q.find(in.QueueUrl)
	if err != nil {
		return nil, err
	}
	at := now()
	if !qu.purged.IsZero() && at.Sub(qu.purged) < sqsPurgeInterval {
		return nil, &Error{
			Code: "PurgeQueueInProgress", Status: 403,
			Message: fmt.Sprintf("Only one PurgeQueue operation on %s is allowed every 60 seconds.", qu.name),
		}
	}
	qu.purged, qu.messages = at, nil
	return struct{}{}, nil
}
