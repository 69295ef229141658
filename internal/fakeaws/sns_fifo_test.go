package fakeaws

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// publishFIFO publishes to a FIFO topic; an empty deduplication id is not sent.
func (m *messaging) publishFIFO(
	ctx context.Context, t *testing.T, topic *string, group, dedupID, body string,
) *sns.PublishOutput {
	t.Helper()
	in := &sns.PublishInput{TopicArn: topic, Message: &body, MessageGroupId: &group}
	if dedupID != "" {
		in.MessageDeduplicationId = &dedupID
	}
	out, err := m.sns.Publish(ctx, in)
	require.NoError(t, err)
	return out
}

// A repetition within five minutes is answered like the first and delivered never.
func TestFIFOTopicDeduplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, ctx := newMessaging(t), t.Context()
		topic := m.topic(t, "alerts.fifo", "FifoTopic", "true")
		first := m.publishFIFO(ctx, t, topic, "g", "d", "m1")
		time.Sleep(5*time.Minute - time.Nanosecond)
		again := m.publishFIFO(ctx, t, topic, "other", "d", "m2")
		require.Equal(t, first.MessageId, again.MessageId)
		require.Equal(t, first.SequenceNumber, again.SequenceNumber)
		require.Equal(t, 1, m.SNS.Duplicates(*topic))

		time.Sleep(time.Nanosecond)
		later := m.publishFIFO(ctx, t, topic, "g", "d", "m3")
		require.NotEqual(t, first.MessageId, later.MessageId)
		require.Greater(t, *later.SequenceNumber, *first.SequenceNumber)
		require.Equal(t, []string{"m1", "m3"}, bodies(m.SNS.Messages(*topic)))
	})
}

func TestFIFOTopicDeduplicatesByContent(t *testing.T) {
	m, ctx := newMessaging(t), t.Context()
	topic := m.topic(t, "alerts.fifo", "FifoTopic", "true", "ContentBasedDeduplication", "true")
	m.publishFIFO(ctx, t, topic, "g", "", "same")
	m.publishFIFO(ctx, t, topic, "g", "", "same")
	m.publishFIFO(ctx, t, topic, "g", "own", "same")
	published := m.SNS.Messages(*topic)
	require.Len(t, published, 2)
	require.Equal(t, contentHash("same"), published[0].DedupID)
	require.Equal(t, "own", published[1].DedupID)
}

func TestFIFOTopicDeduplicatesByGroup(t *testing.T) {
	m, ctx := newMessaging(t), t.Context()
	topic := m.topic(t, "alerts.fifo", "FifoTopic", "true", "FifoThroughputScope", "MessageGroup")
	m.publishFIFO(ctx, t, topic, "g1", "d", "m1")
	m.publishFIFO(ctx, t, topic, "g2", "d", "m2")
	m.publishFIFO(ctx, t, topic, "g2", "d", "m3")
	require.Equal(t, []string{"m1", "m2"}, bodies(m.SNS.Messages(*topic)))
}

func TestFIFOTopicRefuses(t *testing.T) {
	tests := []struct {
		name           string
		group, dedupID *string
		message        string
	}{
		{"no group", nil, new("d"), "The MessageGroupId parameter is required for FIFO topics"},
		{"no deduplication id", new("g"), nil, "The topic should either have ContentBasedDeduplication enabled"},
		{"group too long", new(strings.Repeat("g", 129)), new("d"), "MessageGroupId"},
		{"deduplication id too long", new("g"), new(strings.Repeat("d", 129)), "MessageDeduplicationId"},
		{"deduplication id with a space", new("g"), new("a b"), "MessageDeduplicationId"},
		{"deduplication id not ASCII", new("g"), new("é"), "MessageDeduplicationId"},
	}
	m := newMessaging(t)
	topic := m.topic(t, "alerts.fifo", "FifoTopic", "true")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := m.sns.Publish(t.Context(), &sns.PublishInput{
				TopicArn: topic, Message: new("m"), MessageGroupId: tt.group, MessageDeduplicationId: tt.dedupID,
			})
			requireAnswer(t, err, "InvalidParameter", tt.message)
			_, err = m.sns.PublishBatch(t.Context(), &sns.PublishBatchInput{
				TopicArn: topic, PublishBatchRequestEntries: batchOf(2, func(i int, e *types.PublishBatchRequestEntry) {
					e.MessageGroupId, e.MessageDeduplicationId = new("g"), new(fmt.Sprint(i))
					if i == 1 {
						e.MessageGroupId, e.MessageDeduplicationId = tt.group, tt.dedupID
					}
				}),
			})
			requireAnswer(t, err, "InvalidParameter", tt.message)
		})
	}
	require.Zero(t, m.SNS.Count(*topic))
}

// receiveAll empties a queue, waiting up to a second for each call.
func (m *messaging) receiveAll(ctx context.Context, t *testing.T, queue *string, limit int32) []sqstypes.Message {
	t.Helper()
	var all []sqstypes.Message
	for {
		out, err := m.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: queue, MaxNumberOfMessages: limit, WaitTimeSeconds: 1,
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"},
			MessageAttributeNames:       []string{"All"},
		})
		require.NoError(t, err)
		if len(out.Messages) == 0 {
			return all
		}
		for _, msg := range out.Messages {
			_, err := m.sqs.DeleteMessage(
				ctx, &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: msg.ReceiptHandle},
			)
			require.NoError(t, err)
		}
		all = append(all, out.Messages...)
	}
}

// publication is one call of a plan: Publish for one entry, PublishBatch for several.
type publication struct {
	pause   time.Duration
	entries []types.PublishBatchRequestEntry
}

func drawPublications(rt *rapid.T) []publication {
	plan := make([]publication, rapid.IntRange(1, 12).Draw(rt, "calls"))
	for n := range plan {
		plan[n].pause = time.Duration(rapid.IntRange(0, 150).Draw(rt, "pause")) * time.Second
		plan[n].entries = batchOf(rapid.IntRange(1, 10).Draw(rt, "size"), func(
			i int, e *types.PublishBatchRequestEntry,
		) {
			e.MessageGroupId = new(rapid.SampledFrom([]string{"a", "b", "c"}).Draw(rt, "group"))
			e.MessageDeduplicationId = new(fmt.Sprint(rapid.IntRange(0, 30).Draw(rt, "id")))
			e.Message = new(fmt.Sprintf("%d.%d", n, i))
		})
	}
	return plan
}

// expected is what the plan must deliver: the bodies by group.
func expected(plan []publication) map[string][]string {
	want, last, at := map[string][]string{}, map[string]time.Duration{}, time.Duration(0)
	for _, p := range plan {
		at += p.pause
		for _, e := range p.entries {
			if used, seen := last[*e.MessageDeduplicationId]; seen && at-used < 5*time.Minute {
				continue
			}
			last[*e.MessageDeduplicationId] = at
			want[*e.MessageGroupId] = append(want[*e.MessageGroupId], *e.Message)
		}
	}
	return want
}

// What the daemon promises per key rests on this: whatever is published, alone or in batches, once or again within five
// minutes, reaches a FIFO queue in order within its group, and once per deduplication id.
func TestFIFOTopicToFIFOQueueKeepsOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		plan := drawPublications(rt)
		limit := rapid.Int32Range(1, 10).Draw(rt, "limit")
		got := map[string][]string{}
		synctest.Test(t, func(t *testing.T) {
			m, ctx := newMessaging(t), t.Context()
			topic := m.topic(t, "alerts.fifo", "FifoTopic", "true")
			queue := m.queue(t, "inbox.fifo", "FifoQueue", "true")
			m.subscribe(t, topic, "sqs", queueARN("inbox.fifo"), "RawMessageDelivery", "true")
			for _, p := range plan {
				time.Sleep(p.pause)
				if e := p.entries[0]; len(p.entries) == 1 {
					m.publishFIFO(ctx, t, topic, *e.MessageGroupId, *e.MessageDeduplicationId, *e.Message)
					continue
				}
				out, err := m.sns.PublishBatch(
					ctx, &sns.PublishBatchInput{TopicArn: topic, PublishBatchRequestEntries: p.entries},
				)
				require.NoError(t, err)
				require.Len(t, out.Successful, len(p.entries), "a duplicate is a success")
			}
			for _, msg := range m.receiveAll(ctx, t, queue, limit) {
				group := msg.Attributes["MessageGroupId"]
				got[group] = append(got[group], *msg.Body)
			}
		})
		require.Equal(rt, expected(plan), got)
	})
}

// A FIFO topic may feed a standard queue, which then knows nothing of groups.
func TestFIFOTopicToStandardQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, ctx := newMessaging(t), t.Context()
		topic := m.topic(t, "alerts.fifo", "FifoTopic", "true")
		queue := m.queue(t, "inbox")
		m.subscribe(t, topic, "sqs", queueARN("inbox"), "RawMessageDelivery", "true")
		m.publishFIFO(ctx, t, topic, "g", "d", "m")
		got := m.receiveAll(ctx, t, queue, 10)
		require.Len(t, got, 1)
		require.NotContains(t, got[0].Attributes, "MessageGroupId")
		require.NotContains(t, got[0].Attributes, "MessageDeduplicationId")
	})
}

// A standard topic hands its group on to a standard queue, for its fair queue.
func TestStandardTopicForwardsGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, ctx := newMessaging(t), t.Context()
		topic, queue := m.topic(t, "alerts"), m.queue(t, "inbox")
		m.subscribe(t, topic, "sqs", queueARN("inbox"))
		m.publishFIFO(ctx, t, topic, "g", "", "m")
		got := m.receiveAll(ctx, t, queue, 10)
		require.Equal(t, "g", got[0].Attributes["MessageGroupId"])
	})
}
