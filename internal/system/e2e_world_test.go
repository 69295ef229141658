//go:build e2e

package system_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/fakeaws/npm"
)

// emulators are the addresses of one set of servers. Worlds share them: each has a stream, a table, a topic and a queue
// of its own.
type emulators struct{ kinesis, dynamodb, messaging string }

func startEmulators(t *testing.T) emulators {
	t.Helper()
	return emulators{kinesis: npm.Kinesis(t), dynamodb: npm.DynamoDB(t), messaging: npm.Messaging(t)}
}

// e2eWorld is a stream, the topic that its alerts go to, and what was found in the queue behind the topic. The test's
// own calls go straight to the emulators, and those of the daemons to the addresses in env.
type e2eWorld struct {
	t        *testing.T
	kinesis  *kinesis.Client
	dynamodb *dynamodb.Client
	sns      *sns.Client
	sqs      *sqs.Client
	env      []string

	name, topic, queue string
	// keys is how many partition keys there are. A round puts one record of each, so that a batch has no order to lose.
	keys int
	// more, if set, makes the payload of a record, which is that one with more members.
	more func(payload) any
	// lease and stopBudget are in the daemons' configuration.
	lease, stopBudget time.Duration

	mu         sync.Mutex
	rounds     int
	putAt      []time.Time // of the rounds
	faults     []fault
	deliveries []delivery
	seen       map[int]bool
}

func newE2EWorld(t *testing.T, at emulators, name string, shards int32, keys int) *e2eWorld {
	t.Helper()
	client := fakeaws.LoopbackClient()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	cfg := aws.Config{
		Region: npm.Region, Credentials: credentials.NewStaticCredentialsProvider(npm.Account, "test", ""),
		HTTPClient: client,
		// Nothing is tried twice: a ReceiveMessage whose answer was lost would look like lost records.
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	w := &e2eWorld{
		t:        t,
		kinesis:  kinesis.NewFromConfig(cfg, func(o *kinesis.Options) { o.BaseEndpoint = &at.kinesis }),
		dynamodb: dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) { o.BaseEndpoint = &at.dynamodb }),
		sns:      sns.NewFromConfig(cfg, func(o *sns.Options) { o.BaseEndpoint = &at.messaging }),
		sqs:      sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = &at.messaging }),
		name:     name, keys: keys, lease: 5 * time.Second, stopBudget: 25 * time.Second, seen: map[int]bool{},
	}
	w.reach(at)
	ctx := t.Context()
	_, err := w.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &w.name, ShardCount: &shards})
	require.NoError(t, err)
	w.active()

	w.topic, w.queue = w.subscribed(name)
	w.goUntilCleanup(func(ctx context.Context) {
		if err := w.receive(ctx, w.queue, w.keep); ctx.Err() == nil {
			t.Errorf("the queue cannot be read any more, what follows says nothing about the daemon: %v", err)
		}
	})
	return w
}

// subscribed makes a topic, and a queue that gets the topic's messages as they are.
func (w *e2eWorld) subscribed(name string) (topic, queue string) {
	w.t.Helper()
	ctx := w.t.Context()
	made, err := w.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name})
	require.NoError(w.t, err)
	queue = w.newQueue(name)
	attributes, err := w.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
		QueueUrl: &queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
	})
	require.NoError(w.t, err)
	_, err = w.sns.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: made.TopicArn, Protocol: aws.String("sqs"), Endpoint: aws.String(attributes.Attributes["QueueArn"]),
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	require.NoError(w.t, err)
	return *made.TopicArn, queue
}

// newQueue makes a queue and returns its URL.
func (w *e2eWorld) newQueue(name string) string {
	w.t.Helper()
	queue, err := w.sqs.CreateQueue(w.t.Context(), &sqs.CreateQueueInput{
		QueueName: &name, Attributes: map[string]string{"VisibilityTimeout": "600"},
	})
	require.NoError(w.t, err)
	return *queue.QueueUrl
}

// reach sets the addresses that daemons get which start from now on.
func (w *e2eWorld) reach(at emulators) {
	w.env = []string{
		"AWS_ENDPOINT_URL_KINESIS=" + at.kinesis, "AWS_ENDPOINT_URL_DYNAMODB=" + at.dynamodb,
		"AWS_ENDPOINT_URL_SNS=" + at.messaging,
		"AWS_ENDPOINT_URL_SQS=" + at.messaging,
	}
}

// goUntilCleanup runs f until the returned function is called or the test ends, and waits for it then.
func (w *e2eWorld) goUntilCleanup(f func(context.Context)) (stop func()) {
	ctx, cancel := context.WithCancel(w.t.Context())
	var running sync.WaitGroup
	running.Go(func() { f(ctx) })
	stop = func() {
		cancel()
		running.Wait()
	}
	w.t.Cleanup(stop)
	return stop
}

// Config makes every record an alert that carries it.
func (w *e2eWorld) Config() string {
	return fmt.Sprintf(`stream:
  name: %s
  application: %s
  start: trim_horizon
leases:
  duration: %s
processing:
  stop_budget: %s
rules:
  - name: every-record
    when: n >= 0
topics:
  all:
    arn: %s
    rate: unlimited
    email: false
    subject: found again
    message: "{{ .Record.Data }}"
server:
  listen: 127.0.0.1:0
`, w.name, w.table(), w.lease, w.stopBudget, w.topic)
}

// table is the name of the lease table.
func (w *e2eWorld) table() string { return w.name + "-leases" }

// put puts the next rounds, one record of every key each, and says what was found meanwhile.
func (w *e2eWorld) put(rounds int) {
	w.t.Helper()
	began, first := time.Now(), w.putCount()
	for range rounds {
		require.NoError(w.t, w.putRound(w.t.Context()))
	}
	found, _ := w.found()
	w.t.Logf("records %d to %d put in %s, %d found", first, w.putCount(), time.Since(began).Round(time.Millisecond),
		found)
}

// feed puts a round at every interval until stop is called.
func (w *e2eWorld) feed(every time.Duration) (stop func()) {
	return w.goUntilCleanup(func(ctx context.Context) {
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			// A round that has begun is ended: the outcome of a call that was cut short is unknown.
			if err := w.putRound(context.WithoutCancel(ctx)); err != nil {
				w.t.Errorf("records cannot be put any more, what follows says nothing about the daemon: %v", err)
				return
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
}

// putRound puts one record of every key. A record that was refused is put again before the next one of its key.
func (w *e2eWorld) putRound(ctx context.Context) error {
	w.mu.Lock()
	round := w.rounds
	w.mu.Unlock()
	entries := make([]types.PutRecordsRequestEntry, w.keys)
	for k := range entries {
		key := "key-" + strconv.Itoa(k)
		var record any = payload{ID: round*w.keys + k, Key: key, N: round}
		if w.more != nil {
			record = w.more(record.(payload)) //nolint:forcetypeassert // made above
		}
		data, err := json.Marshal(record)
		if err != nil {
			return err
		}
		entries[k] = types.PutRecordsRequestEntry{PartitionKey: &key, Data: data}
	}
	for len(entries) > 0 {
		out, err := w.kinesis.PutRecords(ctx, &kinesis.PutRecordsInput{StreamName: &w.name, Records: entries})
		if err != nil {
			return err
		}
		refused := entries[:0:0]
		for i, r := range out.Records {
			if r.ErrorCode != nil {
				refused = append(refused, entries[i])
			}
		}
		entries = refused
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.rounds++
	w.putAt = append(w.putAt, time.Now())
	return nil
}

// putCount is how many records were put; their ids are those below it.
func (w *e2eWorld) putCount() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rounds * w.keys
}

// scale starts a reshard; the records that follow are put while it continues.
func (w *e2eWorld) scale(shards int32) {
	w.t.Helper()
	w.scaleStream(w.name, shards)
}

func (w *e2eWorld) scaleStream(name string, shards int32) {
	w.t.Helper()
	w.streamActive(name)
	_, err := w.kinesis.UpdateShardCount(w.t.Context(), &kinesis.UpdateShardCountInput{
		StreamName: &name, TargetShardCount: &shards, ScalingType: types.ScalingTypeUniformScaling,
	})
	require.NoError(w.t, err)
}

func (w *e2eWorld) active() {
	w.t.Helper()
	w.streamActive(w.name)
}

func (w *e2eWorld) streamActive(name string) {
	w.t.Helper()
	eventually(w.t, 30*time.Second, "the stream is ACTIVE", func() bool {
		out, err := w.kinesis.DescribeStreamSummary(w.t.Context(),
			&kinesis.DescribeStreamSummaryInput{StreamName: &name})
		require.NoError(w.t, err)
		return out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
}

// receive empties a queue until ctx is done. fauxqs hands messages out in the order in which it got them.
func (w *e2eWorld) receive(ctx context.Context, queue string, keep func(sqstypes.Message)) error {
	for {
		out, err := w.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1,
			MessageAttributeNames: []string{"alert_id", "count"},
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{
				sqstypes.MessageSystemAttributeNameSentTimestamp,
			},
		})
		if err != nil {
			return err
		}
		if len(out.Messages) == 0 {
			continue
		}
		handles := make([]sqstypes.DeleteMessageBatchRequestEntry, len(out.Messages))
		for i, m := range out.Messages {
			keep(m)
			handles[i] = sqstypes.DeleteMessageBatchRequestEntry{
				Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle,
			}
		}
		if _, err := w.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{
			QueueUrl: &queue, Entries: handles,
		}); err != nil {
			return err
		}
	}
}

func (w *e2eWorld) keep(m sqstypes.Message) {
	d := delivery{alertID: aws.ToString(m.MessageAttributes["alert_id"].StringValue)}
	millis, err := strconv.ParseInt(m.Attributes["SentTimestamp"], 10, 64)
	d.sent = time.UnixMilli(millis)
	if err != nil || json.Unmarshal([]byte(*m.Body), &d.payload) != nil {
		w.t.Errorf("the queue holds something else than a record: %.200s", *m.Body)
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.deliveries = append(w.deliveries, d)
	w.seen[d.ID] = true
}

func (w *e2eWorld) found() (distinct, deliveries int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.seen), len(w.deliveries)
}

// missing is how many of the records with ids below n were not found yet.
func (w *e2eWorld) missing(n int) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id := range n {
		if w.seen[id] {
			n--
		}
	}
	return n
}

// await waits until every record was found, or until nothing was for a while; audit judges.
func (w *e2eWorld) await(patience time.Duration) {
	last, since, began, told := 0, time.Now(), time.Now(), time.Now()
	for time.Since(since) < patience {
		distinct, deliveries := w.found()
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			w.t.Logf("%d found %s after the last put", distinct, time.Since(began).Round(time.Second))
		}
		if distinct == w.putCount() {
			return
		}
		if deliveries != last {
			last, since = deliveries, time.Now()
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// Settle waits until the queue has been empty for a while, so that late repetitions are counted too.
func (w *e2eWorld) Settle(quiet time.Duration) {
	_, last := w.found()
	for since := time.Now(); time.Since(since) < quiet; time.Sleep(50 * time.Millisecond) {
		if _, n := w.found(); n != last {
			last, since = n, time.Now()
		}
	}
}

// Failed notes a stretch of time whose repetitions have an excuse.
func (w *e2eWorld) Failed(what string, from, until time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.faults = append(w.faults, fault{what: what, from: from, until: until})
}

// audit holds what was found against the delivery contract.
func (w *e2eWorld) audit() verdict {
	w.t.Helper()
	w.mu.Lock()
	h := history{put: w.rounds * w.keys, faults: w.faults, deliveries: w.deliveries}
	w.mu.Unlock()
	v := judge(h)
	if violations := v.violations(); violations != "" {
		w.t.Fatalf("%d records put, %d found, faults %+v:\n%s", h.put, v.found, h.faults, violations)
	}
	return v
}
