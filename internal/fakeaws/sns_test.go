package fakeaws

import (
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	snstypes "github.com/aws/aws-sdk-go-v2/service/sns/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/stretchr/testify/require"
)

// messaging is an emulator with clients for SNS and SQS.
type messaging struct {
	*AWS
	sns *sns.Client
	sqs *sqs.Client
}

// newMessaging makes clients that talk to a new emulator in process.
func newMessaging(t *testing.T) *messaging {
	t.Helper()
	a := New(Options{})
	return messagingClients(a, a.HTTPClient(), "http://fakeaws.invalid")
}

func messagingClients(a *AWS, client aws.HTTPClient, endpoint string) *messaging {
	creds := credentials.NewStaticCredentialsProvider("CLIENT", "secret", "")
	return &messaging{
		AWS: a,
		sns: sns.New(sns.Options{
			Region: "us-east-1", Credentials: creds, HTTPClient: client, BaseEndpoint: &endpoint,
			Retryer: aws.NopRetryer{},
		}),
		sqs: sqs.New(sqs.Options{
			Region: "us-east-1", Credentials: creds, HTTPClient: client, BaseEndpoint: &endpoint,
			Retryer: aws.NopRetryer{},
		}),
	}
}

// topic creates a topic; attributes are pairs of name and value.
func (m *messaging) topic(t *testing.T, name string, attributes ...string) *string {
	t.Helper()
	out, err := m.sns.CreateTopic(
		t.Context(), &sns.CreateTopicInput{Name: &name, Attributes: attributePairs(attributes)},
	)
	require.NoError(t, err)
	return out.TopicArn
}

// queue creates a queue and returns its URL.
func (m *messaging) queue(t *testing.T, name string, attributes ...string) *string {
	t.Helper()
	out, err := m.sqs.CreateQueue(
		t.Context(), &sqs.CreateQueueInput{QueueName: &name, Attributes: attributePairs(attributes)},
	)
	require.NoError(t, err)
	return out.QueueUrl
}

// subscribe connects an endpoint with a topic and returns the ARN of the subscription.
func (m *messaging) subscribe(t *testing.T, topic *string, protocol, endpoint string, attributes ...string) string {
	t.Helper()
	out, err := m.sns.Subscribe(t.Context(), &sns.SubscribeInput{
		TopicArn: topic, Protocol: &protocol, Endpoint: &endpoint, Attributes: attributePairs(attributes),
		ReturnSubscriptionArn: true,
	})
	require.NoError(t, err)
	return *out.SubscriptionArn
}

func queueARN(name string) string { return "arn:aws:sqs:us-east-1:000000000000:" + name }

func attributePairs(kv []string) map[string]string {
	m := map[string]string{}
	for pair := range slices.Chunk(kv, 2) {
		m[pair[0]] = pair[1]
	}
	return m
}

// Both doors must carry a message from Publish through a subscription to ReceiveMessage.
func TestSNSToSQSThroughBothDoors(t *testing.T) {
	t.Run("round tripper", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { snsToSQS(t, newMessaging(t)) })
	})
	t.Run("handler", func(t *testing.T) {
		a := New(Options{})
		server := httptest.NewServer(a)
		t.Cleanup(server.Close)
		snsToSQS(t, messagingClients(a, LoopbackClient(), server.URL))
	})
}

func snsToSQS(t *testing.T, m *messaging) {
	t.Helper()
	ctx := t.Context()
	topic, queue := m.topic(t, "alerts"), m.queue(t, "inbox")
	m.subscribe(t, topic, "sqs", queueARN("inbox"), "RawMessageDelivery", "true")
	body := "a & b < c \"é\" \U0001F525\r\n\ttab"
	pub, err := m.sns.Publish(ctx, &sns.PublishInput{
		TopicArn: topic, Message: &body, Subject: new("Anomaly detected"),
		MessageAttributes: map[string]snstypes.MessageAttributeValue{
			"n": {DataType: new("Number"), StringValue: new("3.5")},
			"b": {DataType: new("Binary"), BinaryValue: []byte{0, 255}},
		},
	})
	require.NoError(t, err)
	require.NotEmpty(t, pub.MessageId)
	got, err := m.sqs.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: queue, MessageAttributeNames: []string{"All"}, WaitTimeSeconds: 1,
	})
	require.NoError(t, err)
	require.Len(t, got.Messages, 1)
	require.Equal(t, body, *got.Messages[0].Body)
	require.Equal(t, "3.5", *got.Messages[0].MessageAttributes["n"].StringValue)
	require.Equal(t, []byte{0, 255}, got.Messages[0].MessageAttributes["b"].BinaryValue)

	batch, err := m.sns.PublishBatch(ctx, &sns.PublishBatchInput{
		TopicArn: topic,
		PublishBatchRequestEntries: []snstypes.PublishBatchRequestEntry{
			{Id: new("a"), Message: new("1")}, {Id: new("b"), Message: new("2")},
		},
	})
	require.NoError(t, err)
	require.Len(t, batch.Successful, 2)
	require.Empty(t, batch.Failed)
	require.Equal(t, []string{body, "1", "2"}, m.SQS.Bodies("inbox"))
	require.WithinDuration(t, time.Now(), m.SNS.Messages(*topic)[0].At, time.Minute)
}
