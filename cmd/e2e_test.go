//go:build e2e

package cmd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/fakeaws/npm"
)

// The load: every round puts one record of each key, so that a batch has no order to lose.
const (
	e2eKeys    = 200
	e2eRounds  = 100
	e2eRecords = e2eKeys * e2eRounds
)

// TestE2ENothingIsLostRepeatedOrReordered runs two processes of the built daemon on other people's emulators. While
// 20,000 records are put, the stream goes from 4 shards to 8 and back to 4, one worker is killed and one is stopped, and
// both are replaced. Every record has to be found again in a queue that is subscribed to the topic.
func TestE2ENothingIsLostRepeatedOrReordered(t *testing.T) {
	w := newE2EWorld(t)
	binary := buildDaemon(t)
	start := func(name string) *daemon {
		d := startDaemon(t, binary, name, w.config(), w.env...)
		d.ready()
		return d
	}
	crashing, leaving := start("worker-1"), start("worker-2")

	w.put(0, 25)
	w.scale(8)
	w.put(25, 35)
	killed := crashing.kill()
	t.Logf("SIGKILL after %d records, on 8 shards", 35*e2eKeys)
	replacement := start("worker-3")
	w.put(35, 60)
	w.scale(4)
	w.put(60, 70)
	code, took := leaving.terminate()
	t.Logf("SIGTERM after %d records, on 4 shards: exit %d after %s", 70*e2eKeys, code, took.Round(time.Millisecond))
	require.Zero(t, code, "a drained worker exits with 0")
	last := start("worker-4")
	w.put(70, e2eRounds)

	w.await(2 * time.Minute)
	t.Logf("leases: %g at %s, %g at %s", replacement.metric("kinesis_alerter_leases_held"), replacement.name, last.metric("kinesis_alerter_leases_held"), last.name)
	for _, d := range []*daemon{replacement, last} {
		code, _ := d.terminate()
		require.Zero(t, code, "%s, with nothing left to do, exits with 0", d.name)
	}
	w.settle()
	w.audit(killed)
}

// e2eWorld is the emulators, and what was found in the queue.
type e2eWorld struct {
	t       *testing.T
	kinesis *kinesis.Client
	sqs     *sqs.Client
	env     []string

	stream, topic, queue string

	mu         sync.Mutex
	deliveries []delivery
	seen       map[int]bool
}

// payload is what a record carries.
type payload struct {
	ID  int    `json:"id"`
	Key string `json:"key"`
	N   int    `json:"n"`
}

// delivery is one message of the queue.
type delivery struct {
	payload
	alertID string
	sent    time.Time // when the queue got it
}

func newE2EWorld(t *testing.T) *e2eWorld {
	t.Helper()
	kinesisURL, dynamoDBURL, messagingURL := npm.Kinesis(t), npm.DynamoDB(t), npm.Messaging(t)
	client := fakeaws.LoopbackClient()
	t.Cleanup(http.DefaultClient.CloseIdleConnections)
	cfg := aws.Config{
		Region: npm.Region, Credentials: credentials.NewStaticCredentialsProvider(npm.Account, "test", ""), HTTPClient: client,
		// Nothing is tried twice: a ReceiveMessage whose answer was lost would look like lost records.
		Retryer: func() aws.Retryer { return aws.NopRetryer{} },
	}
	w := &e2eWorld{
		t:       t,
		kinesis: kinesis.NewFromConfig(cfg, func(o *kinesis.Options) { o.BaseEndpoint = &kinesisURL }),
		sqs:     sqs.NewFromConfig(cfg, func(o *sqs.Options) { o.BaseEndpoint = &messagingURL }),
		env: []string{
			"AWS_ENDPOINT_URL_KINESIS=" + kinesisURL, "AWS_ENDPOINT_URL_DYNAMODB=" + dynamoDBURL, "AWS_ENDPOINT_URL_SNS=" + messagingURL,
		},
		stream: "readings", seen: map[int]bool{},
	}
	ctx := t.Context()
	_, err := w.kinesis.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: &w.stream, ShardCount: aws.Int32(4)})
	require.NoError(t, err)
	w.active()

	topics := sns.NewFromConfig(cfg, func(o *sns.Options) { o.BaseEndpoint = &messagingURL })
	topic, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("alerts")})
	require.NoError(t, err)
	w.topic = *topic.TopicArn
	queue, err := w.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: aws.String("found-again"), Attributes: map[string]string{"VisibilityTimeout": "600"}})
	require.NoError(t, err)
	w.queue = *queue.QueueUrl
	attributes, err := w.sqs.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &w.queue, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn}})
	require.NoError(t, err)
	_, err = topics.Subscribe(ctx, &sns.SubscribeInput{
		TopicArn: &w.topic, Protocol: aws.String("sqs"), Endpoint: aws.String(attributes.Attributes["QueueArn"]),
		Attributes: map[string]string{"RawMessageDelivery": "true"},
	})
	require.NoError(t, err)

	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		if err := w.receive(ctx); ctx.Err() == nil {
			t.Errorf("the queue cannot be read any more, what follows says nothing about the daemon: %v", err)
		}
	}()
	t.Cleanup(func() {
		cancel()
		<-stopped
	})
	return w
}

// config makes every record an alert that carries it.
func (w *e2eWorld) config() string {
	return fmt.Sprintf(`stream:
  name: %s
  application: e2e
  start: trim_horizon
leases:
  duration: 5s
rules:
  - name: every-record
    when: n >= 0
topics:
  all:
    arn: %s
    subject: found again
    message: "{{ .Record.Data }}"
server:
  listen: 127.0.0.1:0
`, w.stream, w.topic)
}

// put writes the rounds from..to, one record of every key each. A record that was refused is put again before the next
// one of its key.
func (w *e2eWorld) put(from, to int) {
	w.t.Helper()
	began := time.Now()
	for round := from; round < to; round++ {
		entries := make([]types.PutRecordsRequestEntry, e2eKeys)
		for k := range entries {
			key := "key-" + strconv.Itoa(k)
			data, err := json.Marshal(payload{ID: round*e2eKeys + k, Key: key, N: round})
			require.NoError(w.t, err)
			entries[k] = types.PutRecordsRequestEntry{PartitionKey: &key, Data: data}
		}
		for len(entries) > 0 {
			out, err := w.kinesis.PutRecords(w.t.Context(), &kinesis.PutRecordsInput{StreamName: &w.stream, Records: entries})
			require.NoError(w.t, err)
			refused := entries[:0:0]
			for i, r := range out.Records {
				if r.ErrorCode != nil {
					refused = append(refused, entries[i])
				}
			}
			entries = refused
		}
	}
	found, _ := w.found()
	w.t.Logf("records %d to %d put in %s, %d found", from*e2eKeys, to*e2eKeys, time.Since(began).Round(time.Millisecond), found)
}

// scale starts a reshard; the records that follow are put while it goes on.
func (w *e2eWorld) scale(shards int32) {
	w.t.Helper()
	w.active()
	_, err := w.kinesis.UpdateShardCount(w.t.Context(), &kinesis.UpdateShardCountInput{StreamName: &w.stream, TargetShardCount: &shards, ScalingType: types.ScalingTypeUniformScaling})
	require.NoError(w.t, err)
}

func (w *e2eWorld) active() {
	w.t.Helper()
	eventually(w.t, 30*time.Second, "the stream is ACTIVE", func() bool {
		out, err := w.kinesis.DescribeStreamSummary(w.t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: &w.stream})
		require.NoError(w.t, err)
		return out.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive
	})
}

// receive empties the queue until ctx is done. fauxqs hands messages out in the order in which it got them.
func (w *e2eWorld) receive(ctx context.Context) error {
	for {
		out, err := w.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &w.queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, MessageAttributeNames: []string{"alert_id"},
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{sqstypes.MessageSystemAttributeNameSentTimestamp},
		})
		if err != nil {
			return err
		}
		if len(out.Messages) == 0 {
			continue
		}
		handles := make([]sqstypes.DeleteMessageBatchRequestEntry, len(out.Messages))
		for i, m := range out.Messages {
			w.keep(m)
			handles[i] = sqstypes.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle}
		}
		if _, err := w.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &w.queue, Entries: handles}); err != nil {
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

// await waits until every record was found, or until nothing was for a while; audit judges.
func (w *e2eWorld) await(patience time.Duration) {
	last, since, began, told := 0, time.Now(), time.Now(), time.Now()
	for time.Since(since) < patience {
		distinct, deliveries := w.found()
		if time.Since(told) > 5*time.Second {
			told = time.Now()
			w.t.Logf("%d found %s after the last put", distinct, time.Since(began).Round(time.Second))
		}
		if distinct == e2eRecords {
			return
		}
		if deliveries != last {
			last, since = deliveries, time.Now()
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// settle waits until the queue has been empty for some seconds, so that late repetitions are counted too.
func (w *e2eWorld) settle() {
	_, last := w.found()
	for since := time.Now(); time.Since(since) < 3*time.Second; time.Sleep(50 * time.Millisecond) {
		if _, n := w.found(); n != last {
			last, since = n, time.Now()
		}
	}
}

// audit checks the delivery contract on what was found.
func (w *e2eWorld) audit(killed time.Time) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	next, first := map[string]int{}, map[int]delivery{}
	duplicates, unexplained, reordered, otherID := 0, 0, 0, 0
	alertIDs := map[string]int{}
	for _, d := range w.deliveries {
		before, repeated := first[d.ID]
		if !repeated {
			first[d.ID] = d
			if d.N != next[d.Key] {
				reordered++
				w.t.Logf("out of order: %s has %d where %d was due", d.Key, d.N, next[d.Key])
			}
			next[d.Key] = max(next[d.Key], d.N+1)
			alertIDs[d.alertID]++
			continue
		}
		duplicates++
		if d.alertID != before.alertID {
			otherID++
		}
		// What the dead worker had sent, a request on its way included, is what may be sent again after its death.
		if before.sent.After(killed.Add(500*time.Millisecond)) || d.sent.Before(killed) {
			unexplained++
			w.t.Logf("repeated without a crash: %+v, first sent %s and again %s after the SIGKILL", d.payload, before.sent.Sub(killed), d.sent.Sub(killed))
		}
	}
	var lost []int
	for id := range e2eRecords {
		if _, ok := first[id]; !ok {
			lost = append(lost, id)
		}
	}
	w.t.Logf("%d records put, %d found: %d lost, %d out of order, %d repeated after the SIGKILL, %d repeated otherwise",
		e2eRecords, len(first), len(lost), reordered, duplicates-unexplained, unexplained)
	require.Empty(w.t, lost[:min(len(lost), 20)], "lost records (the first twenty)")
	require.Zero(w.t, reordered, "first deliveries out of order")
	require.Zero(w.t, unexplained, "repetitions that no crash explains")
	require.Zero(w.t, otherID, "repetitions with another alert_id than the first delivery")
	require.Len(w.t, alertIDs, e2eRecords, "alert ids are distinct")
	require.True(w.t, slices.IsSortedFunc(w.deliveries, func(a, b delivery) int { return a.sent.Compare(b.sent) }), "the queue kept the order of sending")
}
