package fakeaws

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/stretchr/testify/require"
)

func (m *messaging) publish(t *testing.T, topic *string, message string) {
	t.Helper()
	_, err := m.sns.Publish(t.Context(), &sns.PublishInput{TopicArn: topic, Message: &message})
	require.NoError(t, err)
}

// Above ten e-mails within a second the subscription is switched off, and nothing in the answers says so: this is what
// the daemon's digest prevents.
func TestEmailSubscriptionIsSwitchedOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMessaging(t)
		topic := m.topic(t, "alerts", "DisplayName", "Heart rate")
		m.subscribe(t, topic, "email", "nurse@example.com")
		m.publish(t, topic, "too early")
		require.Empty(t, m.SNS.Emails(*topic), "not confirmed yet")
		_, err := m.SNS.Confirm(*topic, "nurse@example.com")
		require.NoError(t, err)

		for range 30 { // 10 per second for 3 s is fine
			m.publish(t, topic, "alert")
			time.Sleep(100 * time.Millisecond)
		}
		require.Len(t, m.SNS.Emails(*topic), 30)
		require.Equal(t, Email{
			At: m.SNS.Emails(*topic)[0].At, From: `"Heart rate" <no-reply@sns.amazonaws.com>`, To: "nurse@example.com",
			Subject: "AWS Notification Message", Body: "alert",
		}, m.SNS.Emails(*topic)[0])

		time.Sleep(time.Second)
		for range 10 {
			m.publish(t, topic, "burst")
		}
		require.Len(t, m.SNS.Emails(*topic), 40)
		require.False(t, m.SNS.Subscriptions(*topic)[0].Pending)
		time.Sleep(time.Second - time.Nanosecond)
		m.publish(t, topic, "the eleventh")
		m.publish(t, topic, "and one more")
		require.Len(t, m.SNS.Emails(*topic), 40)
		sub := m.SNS.Subscriptions(*topic)[0]
		require.True(t, sub.Pending)
		require.Equal(t, SubscriptionCounts{Delivered: 40, Deactivations: 1, Pending: 2}, sub.Counts)

		listed, err := m.sns.ListSubscriptionsByTopic(t.Context(), &sns.ListSubscriptionsByTopicInput{TopicArn: topic})
		require.NoError(t, err)
		require.Equal(t, "PendingConfirmation", *listed.Subscriptions[0].SubscriptionArn)

		confirmed, err := m.sns.ConfirmSubscription(
			t.Context(), &sns.ConfirmSubscriptionInput{TopicArn: topic, Token: &sub.Token},
		)
		require.NoError(t, err)
		require.Equal(t, sub.ARN, *confirmed.SubscriptionArn)
		m.publish(t, topic, "back")
		require.Len(t, m.SNS.Emails(*topic), 41)
	})
}

// What a queue gets that does not ask for raw messages.
func TestQueueGetsEnvelope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMessaging(t)
		topic := m.topic(t, "alerts")
		m.queue(t, "inbox")
		arn := m.subscribe(t, topic, "sqs", queueARN("inbox"))
		out, err := m.sns.Publish(t.Context(), &sns.PublishInput{
			TopicArn: topic, Message: new(`{"a":"<&>"}`), Subject: new("s"),
			MessageAttributes: map[string]types.MessageAttributeValue{
				"text":  {DataType: new("String"), StringValue: new("v")},
				"bytes": {DataType: new("Binary"), BinaryValue: []byte{1, 2}},
			},
		})
		require.NoError(t, err)
		body := m.SQS.Bodies("inbox")[0]
		require.Contains(t, body, `<&>`, "AWS does not escape for HTML")
		var doc map[string]any
		require.NoError(t, json.Unmarshal([]byte(body), &doc))
		for _, name := range []string{"Signature", "SignatureVersion", "SigningCertURL"} {
			require.Contains(t, doc, name)
			delete(doc, name)
		}
		require.Equal(t, map[string]any{
			"Type": "Notification", "MessageId": *out.MessageId, "TopicArn": *topic, "Subject": "s",
			"Message":        `{"a":"<&>"}`,
			"Timestamp":      time.Now().UTC().Format("2006-01-02T15:04:05.000Z"),
			"UnsubscribeURL": "https://sns.us-east-1.amazonaws.com/?Action=Unsubscribe&SubscriptionArn=" + arn,
			"MessageAttributes": map[string]any{
				"text":  map[string]any{"Type": "String", "Value": "v"},
				"bytes": map[string]any{"Type": "Binary", "Value": "AQI="},
			},
		}, doc)
	})
}

// With the structure json every protocol gets its own body, and none gets attributes.
func TestMessageStructureJSON(t *testing.T) {
	m := newMessaging(t)
	topic := m.topic(t, "alerts")
	m.queue(t, "inbox")
	m.queue(t, "filtered")
	m.subscribe(t, topic, "sqs", queueARN("inbox"), "RawMessageDelivery", "true")
	m.subscribe(t, topic, "sqs", queueARN("filtered"), "FilterPolicy", `{"k":["v"]}`)
	m.subscribe(t, topic, "email", "nurse@example.com")
	m.subscribe(t, topic, "sms", "+15551234567")
	_, err := m.SNS.Confirm(*topic, "nurse@example.com")
	require.NoError(t, err)
	_, err = m.sns.Publish(t.Context(), &sns.PublishInput{
		TopicArn: topic, MessageStructure: new("json"), MessageAttributes: stringAttribute("k", "v"),
		Message: new(`{"default":"all","sqs":"for \u0071ueues","email":"","unknown":"x","sms":7}`),
	})
	require.NoError(t, err)
	require.Equal(t, []string{"for queues"}, m.SQS.Bodies("inbox"))
	require.Empty(t, m.SQS.Bodies("filtered"), "a filter policy on attributes cannot match")
	require.Empty(t, m.SNS.Emails(*topic)[0].Body)
	require.Equal(t, "all", m.SNS.Deliveries(*topic)[0].Body, "a value that is no string does not count")
	require.Equal(t, "sms", m.SNS.Deliveries(*topic)[0].Protocol)
}

// The eleventh attribute loses the message for raw queues, silently for the publisher.
func TestRawDeliveryDiscardsElevenAttributes(t *testing.T) {
	m := newMessaging(t)
	topic := m.topic(t, "alerts")
	m.queue(t, "raw")
	m.queue(t, "envelope")
	m.subscribe(t, topic, "sqs", queueARN("raw"), "RawMessageDelivery", "true")
	m.subscribe(t, topic, "sqs", queueARN("envelope"))
	for n := 10; n <= 11; n++ {
		attributes := map[string]types.MessageAttributeValue{}
		for i := range n {
			attributes[fmt.Sprint("a", i)] = types.MessageAttributeValue{DataType: new("String"), StringValue: new("v")}
		}
		_, err := m.sns.Publish(
			t.Context(), &sns.PublishInput{TopicArn: topic, Message: new("m"), MessageAttributes: attributes},
		)
		require.NoError(t, err)
	}
	require.Equal(t, 1, m.SQS.Len("raw"))
	require.Equal(t, 2, m.SQS.Len("envelope"))
	require.Equal(t, SubscriptionCounts{Delivered: 1, Discarded: 1}, m.SNS.Subscriptions(*topic)[0].Counts)
}

// A queue that is not there loses messages; the publisher does not learn it, the counter does.
func TestUndeliverableIsCounted(t *testing.T) {
	m := newMessaging(t)
	topic := m.topic(t, "alerts")
	m.subscribe(t, topic, "sqs", queueARN("nowhere"))
	m.publish(t, topic, "m")
	require.Equal(t, SubscriptionCounts{Undeliverable: 1}, m.SNS.Subscriptions(*topic)[0].Counts)
	m.queue(t, "nowhere")
	m.publish(t, topic, "m")
	require.Equal(t, 1, m.SNS.Subscriptions(*topic)[0].Counts.Delivered)
}

func TestSubscribeRefuses(t *testing.T) {
	tests := []struct {
		name, topic, protocol, endpoint string
		attributes                      []string
		message                         string
	}{
		{"unknown protocol", "std", "pager", "x", nil, "does not support this protocol string: pager"},
		{"no endpoint", "std", "email", "", nil, "Endpoint"},
		{"not an address", "std", "email", "nurse", nil, "Email address"},
		{"http for https", "std", "https", "http://example.com", nil, "must match the specified protocol"},
		{"not a number", "std", "sms", "+1a5551234", nil, "Invalid SMS endpoint: +1a5551234"},
		{"queue URL", "std", "sqs", "https://sqs.us-east-1.amazonaws.com/000000000000/q", nil, "SQS endpoint ARN"},
		{
			"FIFO queue on a standard topic", "std", "sqs", queueARN("q.fifo"), nil,
			"FIFO SQS Queues can not be subscribed",
		},
		{"e-mail on a FIFO topic", "fifo", "email", "nurse@example.com", nil, "Endpoint Reason"},
		{"e-mail on a large topic", "large", "email", "nurse@example.com", nil, "256 KiB"},
		{"unknown attribute", "std", "email", "nurse@example.com", []string{"Color", "red"}, "AttributeName"},
		{
			"raw e-mail", "std", "email", "nurse@example.com",
			[]string{"RawMessageDelivery", "true"},
			"does not support raw message delivery",
		},
		{"raw maybe", "std", "sqs", queueARN("q"), []string{"RawMessageDelivery", "maybe"}, "Invalid value [maybe]"},
		{
			"unknown scope", "std", "sqs", queueARN("q"),
			[]string{"FilterPolicyScope", "Body"},
			"Please use either MessageBody or MessageAttributes",
		},
		{
			"filter is no JSON", "std", "sqs", queueARN("q"),
			[]string{"FilterPolicy", "{"},
			"FilterPolicy: failed to parse JSON",
		},
		{
			"different attributes", "std", "sqs", queueARN("taken"),
			[]string{"RawMessageDelivery", "false"},
			"different attributes",
		},
	}
	m := newMessaging(t)
	topics := map[string]*string{
		"std":   m.topic(t, "std"),
		"fifo":  m.topic(t, "a.fifo", "FifoTopic", "true"),
		"large": m.topic(t, "large", "MaximumMessageSize", "1048576"),
	}
	m.subscribe(t, topics["std"], "sqs", queueARN("taken"), "RawMessageDelivery", "true")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := m.sns.Subscribe(t.Context(), &sns.SubscribeInput{
				TopicArn: topics[tt.topic], Protocol: &tt.protocol, Endpoint: &tt.endpoint,
				Attributes: attributePairs(tt.attributes),
			})
			requireAnswer(t, err, "InvalidParameter", tt.message)
		})
	}
	require.Len(t, m.SNS.Subscriptions(*topics["std"]), 1)
	same := m.subscribe(t, topics["std"], "sqs", queueARN("taken"))
	require.Equal(t, m.SNS.Subscriptions(*topics["std"])[0].ARN, same, "subscribing again changes nothing")
}

// The life of a subscription, as deployment scripts and the demo use it.
func TestSubscriptionLifecycle(t *testing.T) {
	m, ctx := newMessaging(t), t.Context()
	topic := m.topic(t, "alerts")
	out, err := m.sns.Subscribe(
		ctx, &sns.SubscribeInput{TopicArn: topic, Protocol: new("https"), Endpoint: new("https://example.com")},
	)
	require.NoError(t, err)
	require.Equal(t, "pending confirmation", *out.SubscriptionArn)
	m.publish(t, topic, "lost")
	arn, err := m.SNS.Confirm(*topic, "https://example.com")
	require.NoError(t, err)
	m.publish(t, topic, "m")
	require.Contains(t, m.SNS.Deliveries(*topic)[0].Body, `"Message":"m"`)

	set := func(name, value string) error {
		_, err := m.sns.SetSubscriptionAttributes(ctx, &sns.SetSubscriptionAttributesInput{
			SubscriptionArn: &arn, AttributeName: &name, AttributeValue: &value,
		})
		return err
	}
	require.NoError(t, set("RawMessageDelivery", "true"))
	require.NoError(t, set("FilterPolicy", `{"a":["b"]}`))
	m.publish(t, topic, "filtered")
	require.NoError(t, set("FilterPolicyScope", "MessageBody"))
	m.publish(t, topic, `{"a":"b"}`)
	require.Equal(t, `{"a":"b"}`, m.SNS.Deliveries(*topic)[1].Body) //nolint:testifylint // raw
	requireAnswer(t, set("Color", "red"), "InvalidParameter", "AttributeName")

	got, err := m.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
	require.NoError(t, err)
	require.Equal(t, "true", got.Attributes["RawMessageDelivery"])
	require.Equal(t, "false", got.Attributes["PendingConfirmation"])
	require.Equal(t, "MessageBody", got.Attributes["FilterPolicyScope"])

	_, err = m.sns.ConfirmSubscription(ctx, &sns.ConfirmSubscriptionInput{TopicArn: topic, Token: new("wrong")})
	requireAnswer(t, err, "InvalidParameter", "Token")
	for range 2 { // it is idempotent
		_, err = m.sns.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: &arn})
		require.NoError(t, err)
	}
	_, err = m.sns.Unsubscribe(ctx, &sns.UnsubscribeInput{SubscriptionArn: new("x")})
	requireAnswer(t, err, "InvalidParameter", "at least 6 elements, not 1")
	_, err = m.sns.GetSubscriptionAttributes(ctx, &sns.GetSubscriptionAttributesInput{SubscriptionArn: &arn})
	requireAnswer(t, err, "NotFound", "Subscription does not exist")
}

// Lists come in pages.
func TestListSubscriptionsAndTopics(t *testing.T) {
	m, ctx := newMessaging(t), t.Context()
	topic := m.topic(t, "alerts")
	for i := range 130 {
		m.subscribe(t, topic, "email", fmt.Sprintf("nurse%d@example.com", i))
		m.topic(t, fmt.Sprint("other", i))
	}
	subscriptions := map[string]bool{}
	pages := 0
	p := sns.NewListSubscriptionsByTopicPaginator(m.sns, &sns.ListSubscriptionsByTopicInput{TopicArn: topic})
	for p.HasMorePages() {
		out, err := p.NextPage(ctx)
		require.NoError(t, err)
		pages++
		for _, s := range out.Subscriptions {
			subscriptions[*s.Endpoint] = true
		}
	}
	require.Len(t, subscriptions, 130)
	require.Equal(t, 2, pages)
	topics := 0
	tp := sns.NewListTopicsPaginator(m.sns, &sns.ListTopicsInput{})
	for tp.HasMorePages() {
		out, err := tp.NextPage(ctx)
		require.NoError(t, err)
		topics += len(out.Topics)
	}
	require.Equal(t, 131, topics)
	all, err := m.sns.ListSubscriptions(ctx, &sns.ListSubscriptionsInput{})
	require.NoError(t, err)
	require.Len(t, all.Subscriptions, 100)
}

// What the publisher reads at start, and what it cannot create.
func TestTopicAttributes(t *testing.T) {
	m, ctx := newMessaging(t), t.Context()
	get := func(topic *string) map[string]string {
		out, err := m.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: topic})
		require.NoError(t, err)
		return out.Attributes
	}
	topic := m.topic(t, "alerts")
	require.Equal(t, topic, m.topic(t, "alerts"), "creating it again is no error")
	require.NotContains(t, get(topic), "MaximumMessageSize", "SNS returns it only when it was set")
	require.NotContains(t, get(topic), "FifoTopic")
	set := func(name, value string) error {
		_, err := m.sns.SetTopicAttributes(
			ctx, &sns.SetTopicAttributesInput{TopicArn: topic, AttributeName: &name, AttributeValue: &value},
		)
		return err
	}
	require.NoError(t, set("MaximumMessageSize", "1024"))
	require.Equal(t, "1024", get(topic)["MaximumMessageSize"])
	_, err := m.sns.Publish(ctx, &sns.PublishInput{TopicArn: topic, Message: new(strings.Repeat("x", 1025))})
	requireAnswer(t, err, "InvalidParameter", "Message too long")
	require.NoError(t, set("MaximumMessageSize", "1048576"))
	m.publish(t, topic, strings.Repeat("x", 1<<20))

	fifo := get(m.topic(t, "a.fifo", "FifoTopic", "true", "ContentBasedDeduplication", "true"))
	require.Equal(t, "true", fifo["FifoTopic"])
	require.Equal(t, "true", fifo["ContentBasedDeduplication"])

	requireAnswer(t, set("MaximumMessageSize", "1048577"), "InvalidParameter", "MaximumMessageSize")
	requireAnswer(t, set("ContentBasedDeduplication", "true"), "InvalidParameter", "ContentBasedDeduplication")
	requireAnswer(t, set("FifoTopic", "true"), "InvalidParameter", "AttributeName")
	requireAnswer(t, set("Color", "red"), "InvalidParameter", "AttributeName")
	m.subscribe(t, m.topic(t, "mail"), "email", "nurse@example.com")
	topic = m.topic(t, "mail")
	requireAnswer(t, set("MaximumMessageSize", "262145"), "InvalidParameter", "cannot have email subscriptions")

	for name, attributes := range map[string][]string{
		"a.fifo": nil, "a": {"FifoTopic", "true"}, "": nil, "a b": nil, strings.Repeat("a", 257): nil,
	} {
		_, err := m.sns.CreateTopic(ctx, &sns.CreateTopicInput{Name: &name, Attributes: attributePairs(attributes)})
		requireAnswer(t, err, "InvalidParameter", "Topic Name")
	}
	_, err = m.sns.CreateTopic(
		ctx, &sns.CreateTopicInput{Name: new("alerts"), Attributes: attributePairs([]string{"DisplayName", "x"})},
	)
	requireAnswer(t, err, "InvalidParameter", "different attributes")

	for range 2 {
		_, err = m.sns.DeleteTopic(ctx, &sns.DeleteTopicInput{TopicArn: topic})
		require.NoError(t, err)
	}
	_, err = m.sns.GetTopicAttributes(ctx, &sns.GetTopicAttributesInput{TopicArn: topic})
	var missing *types.NotFoundException
	require.ErrorAs(t, err, &missing)
}
