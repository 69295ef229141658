package fakeaws

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/stretchr/testify/require"
)

func (m *messaging) send(
	t *testing.T, queue *string, body string, change ...func(*sqs.SendMessageInput),
) *sqs.SendMessageOutput {
	t.Helper()
	in := &sqs.SendMessageInput{QueueUrl: queue, MessageBody: &body}
	for _, c := range change {
		c(in)
	}
	out, err := m.sqs.SendMessage(t.Context(), in)
	require.NoError(t, err)
	return out
}

// receive asks for up to ten messages without waiting.
func (m *messaging) receive(t *testing.T, queue *string, change ...func(*sqs.ReceiveMessageInput)) []types.Message {
	t.Helper()
	in := &sqs.ReceiveMessageInput{QueueUrl: queue, MaxNumberOfMessages: 10}
	for _, c := range change {
		c(in)
	}
	out, err := m.sqs.ReceiveMessage(t.Context(), in)
	require.NoError(t, err)
	return out.Messages
}

func received(messages []types.Message) []string {
	var all []string
	for _, msg := range messages {
		all = append(all, *msg.Body)
	}
	return all
}

func inGroup(id string) func(*sqs.SendMessageInput) {
	return func(in *sqs.SendMessageInput) { in.MessageGroupId = &id }
}

func waiting(seconds int32) func(*sqs.ReceiveMessageInput) {
	return func(in *sqs.ReceiveMessageInput) { in.WaitTimeSeconds = seconds }
}

// A message comes back when it was not deleted in time, and an attribute keeps its type.
func TestSQSVisibility(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMessaging(t)
		queue := m.queue(t, "q", "VisibilityTimeout", "10")
		sent := time.Now()
		out := m.send(t, queue, "m", func(in *sqs.SendMessageInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{
				"test_attribute_name_1":  {DataType: new("String"), StringValue: new("test_attribute_value_1")},
				"test_attribute_name_2":  {DataType: new("Binary"), BinaryValue: []byte{0, 1}},
				"test_attribute_name.x3": {DataType: new("Number.int"), StringValue: new("7")},
			}
		})
		all := func(in *sqs.ReceiveMessageInput) {
			in.MessageAttributeNames = []string{".*"}
			in.MessageSystemAttributeNames = []types.MessageSystemAttributeName{"All"}
		}
		time.Sleep(time.Second)
		got := m.receive(t, queue, all)[0]
		require.Equal(t, out.MessageId, got.MessageId)
		require.Equal(t, out.MD5OfMessageAttributes, got.MD5OfMessageAttributes)
		require.Len(t, got.MessageAttributes, 3)
		require.Equal(t, map[string]string{
			"SenderId":                         "000000000000",
			"SentTimestamp":                    fmt.Sprint(sent.UnixMilli()),
			"ApproximateReceiveCount":          "1",
			"ApproximateFirstReceiveTimestamp": fmt.Sprint(sent.Add(time.Second).UnixMilli()),
		}, got.Attributes)
		require.Empty(t, m.receive(t, queue))
		require.Equal(t, 1, m.SQS.Len("q"), "a message in flight is still there")

		time.Sleep(10 * time.Second)
		again := m.receive(t, queue, all, func(in *sqs.ReceiveMessageInput) {
			in.MessageAttributeNames = []string{"test_attribute_name_.*"}
		})[0]
		require.Equal(t, "2", again.Attributes["ApproximateReceiveCount"])
		require.Len(t, again.MessageAttributes, 2)

		visibility := func(seconds int32, receipt *string) error {
			_, err := m.sqs.ChangeMessageVisibility(t.Context(), &sqs.ChangeMessageVisibilityInput{
				QueueUrl: queue, ReceiptHandle: receipt, VisibilityTimeout: seconds,
			})
			return err
		}
		requireAnswer(t, visibility(1, got.ReceiptHandle), "MessageNotInflight", "")
		require.NoError(t, visibility(0, again.ReceiptHandle))
		require.Len(t, m.receive(t, queue), 1)

		for range 2 { // deleting is idempotent, and an old receipt is good enough
			_, err := m.sqs.DeleteMessage(
				t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: got.ReceiptHandle},
			)
			require.NoError(t, err)
		}
		require.Zero(t, m.SQS.Len(*queue))
	})
}

// The digest over attributes, worked out by hand from the rules in the SQS Developer Guide ("Calculating the MD5
// message digest for message attributes"): the four-byte length, the name, the type, one byte for the kind, the value.
func TestSQSAttributesMD5(t *testing.T) {
	want := md5Hex([]byte("\x00\x00\x00\x01a\x00\x00\x00\x06Binary\x02\x00\x00\x00\x02\x00\xff" +
		"\x00\x00\x00\x01b\x00\x00\x00\x0aNumber.int\x01\x00\x00\x00\x017"))
	require.Equal(t, want, attributesMD5(map[string]MessageAttribute{
		"b": {DataType: "Number.int", StringValue: "7"}, "a": {DataType: "Binary", BinaryValue: []byte{0, 0xff}},
	}))
	require.Empty(t, attributesMD5(nil))
}

// A receiver that waits must sleep in the bubble and wake for what it waits for: a message sent, one that comes back,
// one that was delayed, or the end.
func TestSQSLongPolling(t *testing.T) {
	tests := []struct {
		name  string
		setup func(t *testing.T, m *messaging, queue *string)
		after time.Duration
		want  []string
	}{
		{"nothing comes", func(*testing.T, *messaging, *string) {}, 20 * time.Second, nil},
		{"sent meanwhile", func(t *testing.T, m *messaging, queue *string) {
			t.Helper()
			go func() {
				time.Sleep(3 * time.Second)
				_, _ = m.sqs.SendMessage(
					context.WithoutCancel(t.Context()), &sqs.SendMessageInput{QueueUrl: queue, MessageBody: new("m")},
				)
			}()
		}, 3 * time.Second, []string{"m"}},
		{"delayed", func(t *testing.T, m *messaging, queue *string) {
			t.Helper()
			m.send(t, queue, "m", func(in *sqs.SendMessageInput) { in.DelaySeconds = 7 })
		}, 7 * time.Second, []string{"m"}},
		{"comes back", func(t *testing.T, m *messaging, queue *string) {
			t.Helper()
			m.send(t, queue, "m")
			m.receive(t, queue, func(in *sqs.ReceiveMessageInput) { in.VisibilityTimeout = 5 })
		}, 5 * time.Second, []string{"m"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m := newMessaging(t)
				queue := m.queue(t, "q")
				tt.setup(t, m, queue)
				start := time.Now()
				require.Equal(t, tt.want, received(m.receive(t, queue, waiting(20))))
				require.Equal(t, tt.after, time.Since(start))
			})
		})
	}
	t.Run("message before it in its group deleted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newMessaging(t)
			queue := m.queue(t, "q.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true")
			m.send(t, queue, "m1", inGroup("g"))
			m.send(t, queue, "m2", inGroup("g"))
			first := m.receive(t, queue, func(in *sqs.ReceiveMessageInput) { in.MaxNumberOfMessages = 1 })
			time.AfterFunc(2*time.Second, func() {
				_, _ = m.sqs.DeleteMessage(context.WithoutCancel(t.Context()), &sqs.DeleteMessageInput{
					QueueUrl: queue, ReceiptHandle: first[0].ReceiptHandle,
				})
			})
			start := time.Now()
			require.Equal(t, []string{"m2"}, received(m.receive(t, queue, waiting(20))))
			require.Equal(t, 2*time.Second, time.Since(start))
		})
	})
	t.Run("queue setting, caller gives up", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newMessaging(t)
			queue := m.queue(t, "q", "ReceiveMessageWaitTimeSeconds", "10")
			start := time.Now()
			out, err := m.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue})
			require.NoError(t, err)
			require.Empty(t, out.Messages)
			require.Equal(t, 10*time.Second, time.Since(start))
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err = m.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: queue})
			require.ErrorIs(t, err, context.DeadlineExceeded)
		})
	})
	t.Run("queue deleted", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			m := newMessaging(t)
			queue := m.queue(t, "q")
			time.AfterFunc(time.Second, func() {
				_, _ = m.sqs.DeleteQueue(context.WithoutCancel(t.Context()), &sqs.DeleteQueueInput{QueueUrl: queue})
			})
			_, err := m.sqs.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: queue, WaitTimeSeconds: 20})
			var missing *types.QueueDoesNotExist
			require.ErrorAs(t, err, &missing)
		})
	})
}

// A group with a message in flight hands out nothing else; other groups do.
func TestSQSFIFOGroups(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMessaging(t)
		queue := m.queue(t, "q.fifo", "FifoQueue", "true", "ContentBasedDeduplication", "true")
		for _, body := range []string{"a1", "a2", "b1", "a3", "b2"} {
			m.send(t, queue, body, inGroup(body[:1]))
		}
		one := func(in *sqs.ReceiveMessageInput) { in.MaxNumberOfMessages = 1 }
		first := m.receive(t, queue, one)
		require.Equal(t, []string{"a1"}, received(first))
		require.Equal(t, []string{"b1", "b2"}, received(m.receive(t, queue)))
		require.Empty(t, m.receive(t, queue))
		_, err := m.sqs.DeleteMessage(
			t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: first[0].ReceiptHandle},
		)
		require.NoError(t, err)
		second := m.receive(t, queue, one)
		require.Equal(t, []string{"a2"}, received(second))

		time.Sleep(30 * time.Second)
		_, err = m.sqs.DeleteMessage(
			t.Context(), &sqs.DeleteMessageInput{QueueUrl: queue, ReceiptHandle: second[0].ReceiptHandle},
		)
		requireAnswer(t, err, "InvalidParameterValue", "The receipt handle has expired.")
		require.Equal(
			t, []string{"a2", "b1", "a3", "b2"}, received(m.receive(t, queue)),
			"what was not deleted comes back in order",
		)
	})
}

func TestSQSFIFODeduplicates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMessaging(t)
		dedupID := func(in *sqs.SendMessageInput) { in.MessageDeduplicationId = new("d") }
		queue := m.queue(t, "q.fifo", "FifoQueue", "true")
		first := m.send(t, queue, "m1", inGroup("a"), dedupID)
		again := m.send(t, queue, "m2", inGroup("b"), dedupID)
		require.Equal(t, first.MessageId, again.MessageId)
		require.Equal(t, first.SequenceNumber, again.SequenceNumber)
		time.Sleep(5 * time.Minute)
		m.send(t, queue, "m3", inGroup("a"), dedupID)
		require.Equal(t, []string{"m1", "m3"}, m.SQS.Bodies("q.fifo"))

		scoped := m.queue(
			t, "s.fifo", "FifoQueue", "true", "DeduplicationScope", "messageGroup", "FifoThroughputLimit",
			"perMessageGroupId",
		)
		for _, g := range []string{"a", "b", "b"} {
			m.send(t, scoped, g, inGroup(g), dedupID)
		}
		require.Equal(t, []string{"a", "b"}, m.SQS.Bodies(*scoped))
	})
}

func TestSQSRefuses(t *testing.T) {
	const invalid = "InvalidParameterValue"
	attribute := func(name, dataType, value string) func(*sqs.SendMessageInput) {
		return func(in *sqs.SendMessageInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{
				name: {DataType: &dataType, StringValue: &value},
			}
		}
	}
	body := func(s string) func(*sqs.SendMessageInput) {
		return func(in *sqs.SendMessageInput) { in.MessageBody = &s }
	}
	tests := []struct {
		name, queue   string
		change        func(*sqs.SendMessageInput)
		code, message string
	}{
		{"no queue", "", func(in *sqs.SendMessageInput) { in.QueueUrl = new("") }, "MissingParameter", "QueueUrl"},
		{
			"no such queue", "", func(in *sqs.SendMessageInput) { in.QueueUrl = new("x") }, "QueueDoesNotExist",
			"does not exist",
		},
		{"empty body", "std", body(""), "MissingParameter", "MessageBody"},
		{"control character", "std", body("a\x01"), "InvalidMessageContents", "Invalid characters"},
		{"noncharacter", "std", body("a\uffff"), "InvalidMessageContents", "Invalid characters"},
		{"body too long", "std", body(strings.Repeat("x", 1<<20+1)), invalid, "shorter than 1048576 bytes"},
		{"body too long for the queue", "small", body(strings.Repeat("x", 1025)), invalid, "shorter than 1024 bytes"},
		{"delay too long", "std", func(in *sqs.SendMessageInput) { in.DelaySeconds = 901 }, invalid, "DelaySeconds"},
		{"delay on FIFO", "a.fifo", func(in *sqs.SendMessageInput) { in.DelaySeconds = 1 }, invalid, "DelaySeconds"},
		{"no group", "a.fifo", func(*sqs.SendMessageInput) {}, "MissingParameter", "MessageGroupId"},
		{
			"no deduplication id", "a.fifo", inGroup("g"), invalid,
			"The queue should either have ContentBasedDeduplication",
		},
		{"bad group", "a.fifo", inGroup("a b"), invalid, "alphanumeric and punctuation"},
		{
			"deduplication id on standard", "std",
			func(in *sqs.SendMessageInput) { in.MessageDeduplicationId = new("d") }, invalid,
			"not valid for this queue type",
		},
		{"attribute name", "std", attribute("a b", "String", "v"), invalid, "name 'a b'"},
		{"attribute name of AWS", "std", attribute("AWS.x", "String", "v"), invalid, "name 'AWS.x'"},
		{"attribute type", "std", attribute("a", "Nope", "v"), invalid, "type prefixes"},
		{"attribute value", "std", attribute("a", "String", ""), invalid, "non-empty value of type 'String'"},
		{"attribute number", "std", attribute("a", "Number", "x"), invalid, "to a number"},
		{"eleven attributes", "std", func(in *sqs.SendMessageInput) {
			in.MessageAttributes = map[string]types.MessageAttributeValue{}
			for i := range 11 {
				in.MessageAttributes[fmt.Sprint(i)] = types.MessageAttributeValue{
					DataType: new("String"), StringValue: new("v"),
				}
			}
		}, invalid, "exceeds the allowed maximum [10]"},
	}
	m, ctx := newMessaging(t), t.Context()
	urls := map[string]*string{
		"std": m.queue(t, "std"), "small": m.queue(t, "small", "MaximumMessageSize", "1024"),
		"a.fifo": m.queue(t, "a.fifo", "FifoQueue", "true"),
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := &sqs.SendMessageInput{QueueUrl: urls[tt.queue], MessageBody: new("m")}
			tt.change(in)
			_, err := m.sqs.SendMessage(ctx, in)
			requireAnswer(t, err, tt.code, tt.message)
		})
	}
	require.Zero(t, m.SQS.Len("std")+m.SQS.Len("a.fifo"))
	for _, in := range []sqs.ReceiveMessageInput{
		{MaxNumberOfMessages: 11}, {MaxNumberOfMessages: -1}, {WaitTimeSeconds: 21}, {VisibilityTimeout: 43201},
	} {
		in.QueueUrl = urls["std"]
		_, err := m.sqs.ReceiveMessage(ctx, &in)
		requireAnswer(t, err, invalid, "if provided")
	}
	_, err := m.sqs.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: urls["std"], ReceiptHandle: new("x")})
	var handle *types.ReceiptHandleIsInvalid
	require.ErrorAs(t, err, &handle)
}

func TestSQSBatches(t *testing.T) {
	m, ctx := newMessaging(t), t.Context()
	queue := m.queue(t, "q")
	entries := func(n int, change func(*types.SendMessageBatchRequestEntry)) []types.SendMessageBatchRequestEntry {
		all := make([]types.SendMessageBatchRequestEntry, n)
		for i := range all {
			all[i] = types.SendMessageBatchRequestEntry{
				Id: new(fmt.Sprint("e", i)), MessageBody: new(fmt.Sprint("m", i)),
			}
			if change != nil {
				change(&all[i])
			}
		}
		return all
	}
	for code, batch := range map[string][]types.SendMessageBatchRequestEntry{
		"EmptyBatchRequest":            {},
		"TooManyEntriesInBatchRequest": entries(11, nil),
		"BatchEntryIdsNotDistinct":     entries(2, func(e *types.SendMessageBatchRequestEntry) { e.Id = new("x") }),
		"InvalidBatchEntryId":          entries(1, func(e *types.SendMessageBatchRequestEntry) { e.Id = new("a.b") }),
		"BatchRequestTooLong": entries(
			2, func(e *types.SendMessageBatchRequestEntry) { e.MessageBody = new(strings.Repeat("x", 1<<19+1)) },
		),
	} {
		_, err := m.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: batch})
		requireAnswer(t, err, code, "")
	}
	batch := entries(3, nil)
	batch[1].MessageBody = new("bad \x02")
	out, err := m.sqs.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: queue, Entries: batch})
	require.NoError(t, err)
	require.Len(t, out.Successful, 2)
	require.Len(t, out.Failed, 1)
	require.Equal(t, "e1", *out.Failed[0].Id)
	require.Equal(t, "InvalidMessageContents", *out.Failed[0].Code)
	require.True(t, out.Failed[0].SenderFault)

	got := m.receive(t, queue)
	require.Equal(t, []string{"m0", "m2"}, received(got))
	hidden, err := m.sqs.ChangeMessageVisibilityBatch(ctx, &sqs.ChangeMessageVisibilityBatchInput{
		QueueUrl: queue, Entries: []types.ChangeMessageVisibilityBatchRequestEntry{
			{Id: new("a"), ReceiptHandle: got[0].ReceiptHandle, VisibilityTimeout: 0},
			{Id: new("b"), ReceiptHandle: new("x")},
		},
	})
	require.NoError(t, err)
	require.Len(t, hidden.Successful, 1)
	require.Equal(t, "ReceiptHandleIsInvalid", *hidden.Failed[0].Code)
	require.Equal(t, []string{"m0"}, received(m.receive(t, queue)))
	deleted, err := m.sqs.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{
		QueueUrl: queue,
		Entries: []types.DeleteMessageBatchRequestEntry{
			{Id: new("a"), ReceiptHandle: got[0].ReceiptHandle}, {Id: new("b"), ReceiptHandle: got[1].ReceiptHandle},
		},
	})
	require.NoError(t, err)
	require.Len(t, deleted.Successful, 2)
	require.Zero(t, m.SQS.Len("q"))
}

func TestSQSQueueLifecycle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, ctx := newMessaging(t), t.Context()
		queue := m.queue(t, "q", "MessageRetentionPeriod", "60")
		require.Equal(t, "https://sqs.us-east-1.amazonaws.com/000000000000/q", *queue)
		require.Equal(t, queue, m.queue(t, "q"))
		found, err := m.sqs.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: new("q")})
		require.NoError(t, err)
		require.Equal(t, queue, found.QueueUrl)

		m.send(t, queue, "in flight")
		m.receive(t, queue)
		m.send(t, queue, "visible")
		m.send(t, queue, "delayed", func(in *sqs.SendMessageInput) { in.DelaySeconds = 5 })
		attributes := func(names ...types.QueueAttributeName) map[string]string {
			out, err := m.sqs.GetQueueAttributes(
				ctx, &sqs.GetQueueAttributesInput{QueueUrl: queue, AttributeNames: names},
			)
			require.NoError(t, err)
			return out.Attributes
		}
		require.Equal(t, map[string]string{
			"QueueArn": queueARN("q"), "ApproximateNumberOfMessages": "1",
			"ApproximateNumberOfMessagesNotVisible": "1", "ApproximateNumberOfMessagesDelayed": "1",
		}, attributes(
			"QueueArn", "ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible",
			"ApproximateNumberOfMessagesDelayed", "Policy",
		))
		require.Equal(t, "60", attributes("All")["MessageRetentionPeriod"])
		time.Sleep(61 * time.Second)
		require.Zero(t, m.SQS.Len("q"), "older than the retention period")

		_, err = m.sqs.SetQueueAttributes(
			ctx,
			&sqs.SetQueueAttributesInput{QueueUrl: queue, Attributes: map[string]string{"VisibilityTimeout": "1"}},
		)
		require.NoError(t, err)
		require.Equal(t, "1", attributes("VisibilityTimeout")["VisibilityTimeout"])
		for name, value := range map[string]string{
			"VisibilityTimeout": "43201", "DelaySeconds": "x", "MaximumMessageSize": "1023",
			"ReceiveMessageWaitTimeSeconds": "21",
		} {
			_, err = m.sqs.SetQueueAttributes(
				ctx, &sqs.SetQueueAttributesInput{QueueUrl: queue, Attributes: map[string]string{name: value}},
			)
			requireAnswer(t, err, "InvalidAttributeValue", name)
		}
		_, err = m.sqs.SetQueueAttributes(
			ctx, &sqs.SetQueueAttributesInput{QueueUrl: queue, Attributes: map[string]string{"Color": "red"}},
		)
		requireAnswer(t, err, "InvalidAttributeName", "Color")
		_, err = m.sqs.CreateQueue(
			ctx, &sqs.CreateQueueInput{QueueName: new("q"), Attributes: map[string]string{"DelaySeconds": "1"}},
		)
		var exists *types.QueueNameExists
		require.ErrorAs(t, err, &exists)
		for name, attribute := range map[string]string{
			"a.fifo": "", "a": "FifoQueue", "a b": "", strings.Repeat("a", 81): "",
		} {
			in := &sqs.CreateQueueInput{QueueName: &name}
			if attribute != "" {
				in.Attributes = map[string]string{attribute: "true"}
			}
			_, err = m.sqs.CreateQueue(ctx, in)
			requireAnswer(t, err, "InvalidParameterValue", "80 in length")
		}

		m.send(t, queue, "m")
		_, err = m.sqs.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: queue})
		require.NoError(t, err)
		require.Empty(t, m.SQS.Bodies("q"))
		_, err = m.sqs.PurgeQueue(ctx, &sqs.PurgeQueueInput{QueueUrl: queue})
		requireAnswer(t, err, "PurgeQueueInProgress", "every 60 seconds")

		for _, name := range []string{"other", "q1", "q2"} {
			m.queue(t, name)
		}
		urls := 0
		p := sqs.NewListQueuesPaginator(
			m.sqs, &sqs.ListQueuesInput{QueueNamePrefix: new("q"), MaxResults: new(int32(2))},
		)
		for p.HasMorePages() {
			out, err := p.NextPage(ctx)
			require.NoError(t, err)
			urls += len(out.QueueUrls)
		}
		require.Equal(t, 3, urls)

		_, err = m.sqs.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: queue})
		require.NoError(t, err)
		_, err = m.sqs.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: new("q")})
		requireAnswer(t, err, "QueueDeletedRecently", "60 seconds")
		time.Sleep(time.Minute)
		m.queue(t, "q")
	})
}
