package fakeaws

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

// Publishers and waiting receivers at the same time: nothing is lost, doubled or out of order within a group.
func TestFIFOUnderConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const groups, each = 8, 40
		m, ctx := newMessaging(t), t.Context()
		topic := m.topic(t, "alerts.fifo", "FifoTopic", "true")
		queue := m.queue(t, "inbox.fifo", "FifoQueue", "true")
		m.subscribe(t, topic, "sqs", queueARN("inbox.fifo"), "RawMessageDelivery", "true")
		var mu sync.Mutex
		got := map[string][]int{}
		var wg sync.WaitGroup
		for g := range groups {
			wg.Go(func() {
				for i := range each {
					body := fmt.Sprintf("%d:%d", g, i)
					_, err := m.sns.Publish(ctx, &sns.PublishInput{
						TopicArn: topic, Message: &body, MessageGroupId: new(strconv.Itoa(g)),
						MessageDeduplicationId: &body,
					})
					if err != nil {
						t.Error(err)
					}
				}
			})
		}
		for range 3 {
			wg.Go(func() {
				for {
					out, err := m.sqs.ReceiveMessage(
						ctx, &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10, WaitTimeSeconds: 5},
					)
					if err != nil {
						t.Error(err)
					}
					if err != nil || len(out.Messages) == 0 {
						return
					}
					entries := make([]sqstypes.DeleteMessageBatchRequestEntry, len(out.Messages))
					mu.Lock()
					for i, msg := range out.Messages {
						group, number, _ := strings.Cut(*msg.Body, ":")
						n, _ := strconv.Atoi(number)
						got[group] = append(got[group], n)
						entries[i] = sqstypes.DeleteMessageBatchRequestEntry{
							Id: new(strconv.Itoa(i)), ReceiptHandle: msg.ReceiptHandle,
						}
					}
					mu.Unlock()
					if _, err := m.sqs.DeleteMessageBatch(
						ctx, &sqs.DeleteMessageBatchInput{QueueUrl: queue, Entries: entries},
					); err != nil {
						t.Error(err)
					}
				}
			})
		}
		wg.Wait()
		require.Len(t, got, groups)
		for group, numbers := range got {
			require.Len(t, numbers, each)
			require.IsIncreasing(t, numbers, "group %s", group)
		}
		require.Zero(t, m.SQS.Len("inbox.fifo"))
	})
}

// One op is ten messages of 1 kB, the SDK's work included.
func BenchmarkPublishBatch(b *testing.B) {
	a := New(Options{})
	a.SNS.CountOnly()
	a.History.CountOnly()
	m := messagingClients(a, a.HTTPClient(), "http://fakeaws.invalid")
	topic, err := m.sns.CreateTopic(b.Context(), &sns.CreateTopicInput{Name: new("alerts")})
	require.NoError(b, err)
	in := &sns.PublishBatchInput{TopicArn: topic.TopicArn, PublishBatchRequestEntries: batchOf(10, nil)}
	for i := range in.PublishBatchRequestEntries {
		in.PublishBatchRequestEntries[i].Message = new(strings.Repeat("x", 1000))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.sns.PublishBatch(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
