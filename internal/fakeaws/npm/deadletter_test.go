package npm_test

import (
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/fakeaws/npm"
	"kinesis-alerter/internal/letters"
)

// Letters go over real connections to an emulator that other people wrote, and are read as their readers would.
func TestConformanceOfDeadLetters(t *testing.T) {
	if os.Getenv("CONFORMANCE_NPM") == "" {
		t.Skip("CONFORMANCE_NPM is not set: `make conformance` runs this")
	}
	at := npm.Messaging(t)
	ctx := t.Context()
	cfg := aws.Config{
		Region: npm.Region, Credentials: credentials.NewStaticCredentialsProvider(npm.Account, "secret", ""),
		HTTPClient: fakeaws.LoopbackClient(), Retryer: func() aws.Retryer { return aws.NopRetryer{} },
		BaseEndpoint: &at,
	}
	queues, topics := sqs.NewFromConfig(cfg), sns.NewFromConfig(cfg)
	buckets := s3.NewFromConfig(cfg, func(o *s3.Options) { o.UsePathStyle = true })
	checked := cfg.Copy()
	checked.APIOptions = append(checked.APIOptions, answer.New(nil, nil).Install)
	arrival := time.Now()
	letter := func(data []byte) *alert.Letter {
		return &alert.Letter{
			Record: alert.Record{
				Shard: "shardId-000000000000", PartitionKey: "größe\n😀\x00", SequenceNumber: "495", Arrival: arrival,
				Data: data,
			},
			Condition: alert.ConditionRetries, Reason: alert.ReasonNotJSON, Detail: "\x01\ufffe", Attempts: 2,
		}
	}
	send := func(t *testing.T, c deadletter.Config, l *alert.Letter) {
		t.Helper()
		s, err := deadletter.New(c, deadletter.Deps{
			Stream:      "arn:aws:kinesis:" + npm.Region + ":" + npm.Account + ":stream/ExampleInputStream",
			Application: "kinesis-alerter", SQS: queues, SNS: topics, S3: buckets, Registerer: prometheus.NewRegistry(),
		})
		require.NoError(t, err)
		require.NoError(t, s.Send(ctx, l))
	}
	queue := func(t *testing.T, name string) (address, arn string) {
		t.Helper()
		out, err := queues.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name})
		require.NoError(t, err)
		u, err := url.Parse(*out.QueueUrl)
		require.NoError(t, err)
		a, err := queues.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{
			QueueUrl: out.QueueUrl, AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameQueueArn},
		})
		require.NoError(t, err)
		return at + u.Path, a.Attributes["QueueArn"]
	}
	receive := func(t *testing.T, address string) string {
		t.Helper()
		out, err := queues.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
			QueueUrl: &address, WaitTimeSeconds: 5, VisibilityTimeout: 1,
		})
		require.NoError(t, err)
		require.Len(t, out.Messages, 1)
		return *out.Messages[0].Body
	}

	t.Run("SQS", func(t *testing.T) {
		address, _ := queue(t, "letters")
		send(t, deadletter.Config{SQS: address}, letter([]byte{0, 0xff}))
		requireLetter(t, receive(t, address), []byte{0, 0xff})
		comesBack(t, letters.NewQueue(sqs.NewFromConfig(checked), address)) // when it is visible again

		send(t, deadletter.Config{SQS: address}, letter(make([]byte, 1<<20)))
		require.Contains(t, receive(t, address), `"payloadOmitted":"139`)
	})
	t.Run("SNS", func(t *testing.T) {
		out, err := topics.CreateTopic(ctx, &sns.CreateTopicInput{Name: aws.String("letters")})
		require.NoError(t, err)
		address, arn := queue(t, "subscriber")
		_, err = topics.Subscribe(ctx, &sns.SubscribeInput{
			TopicArn: out.TopicArn, Protocol: aws.String("sqs"), Endpoint: &arn,
			Attributes: map[string]string{"RawMessageDelivery": "true"},
		})
		require.NoError(t, err)
		send(t, deadletter.Config{SNS: *out.TopicArn}, letter([]byte("x")))
		requireLetter(t, receive(t, address), []byte("x"))
	})
	t.Run("S3", func(t *testing.T) {
		bucket := aws.String("letters")
		_, err := buckets.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket})
		require.NoError(t, err)
		data := make([]byte, 5<<20)
		send(t, deadletter.Config{S3: "s3://letters/dead letters"}, letter(data))
		list, err := buckets.ListObjectsV2(
			ctx, &s3.ListObjectsV2Input{Bucket: bucket, Prefix: aws.String("dead letters/aws/lambda/")},
		)
		require.NoError(t, err)
		require.Len(t, list.Contents, 1)
		require.Contains(t, *list.Contents[0].Key, "/shardId-000000000000/"+time.Now().UTC().Format("2006/01/"))
		object, err := buckets.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: list.Contents[0].Key})
		require.NoError(t, err)
		require.Equal(t, "application/json", *object.ContentType)
		document, err := io.ReadAll(object.Body)
		require.NoError(t, err)
		require.NoError(t, object.Body.Close())
		id := requireLetter(t, string(document), data)
		require.True(t, strings.HasSuffix(*list.Contents[0].Key, "-"+id))
		source, err := letters.NewBucket(s3.NewFromConfig(checked, func(o *s3.Options) { o.UsePathStyle = true }),
			"s3://letters/dead letters")
		require.NoError(t, err)
		comesBack(t, source)
	})
}

// comesBack reads the one letter of a source, removes it, and finds nothing any more.
func comesBack(t *testing.T, source letters.Source) {
	t.Helper()
	var all []letters.Letter
	for ended := false; !ended; {
		some, err := source.Next(t.Context())
		if ended = errors.Is(err, io.EOF); !ended {
			require.NoError(t, err)
		}
		all = append(all, some...)
	}
	require.Len(t, all, 1)
	document, err := all[0].Load(t.Context())
	require.NoError(t, err)
	saved, err := deadletter.Read(document)
	require.NoError(t, err)
	require.True(t, all[0].Holds(saved.ID))
	require.NoError(t, all[0].Remove(t.Context()))
	require.NoError(t, source.Close(t.Context()))
	some, err := source.Next(t.Context())
	if err == nil { // a list that ended with its last page
		require.Empty(t, some)
	} else {
		require.ErrorIs(t, err, io.EOF)
	}
}

// requireLetter reads a document and the event inside it, and returns the letter's id.
func requireLetter(t *testing.T, document string, data []byte) string {
	t.Helper()
	var d struct {
		RequestContext struct {
			RequestID string `json:"requestId"`
			Condition string `json:"condition"`
		} `json:"requestContext"`
		Payload        string
		KinesisAlerter struct{ Reason, Detail string } `json:"kinesisAlerter"`
	}
	require.NoError(t, json.Unmarshal([]byte(document), &d))
	require.Equal(t, "RetryAttemptsExhausted", d.RequestContext.Condition)
	require.Equal(t, "not_json", d.KinesisAlerter.Reason)
	require.Equal(t, "\x01\ufffe", d.KinesisAlerter.Detail)
	var e struct {
		Records []struct {
			Kinesis struct {
				PartitionKey string
				Data         []byte
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(d.Payload), &e))
	require.Len(t, e.Records, 1)
	require.Equal(t, "größe\n😀\x00", e.Records[0].Kinesis.PartitionKey)
	require.Equal(t, data, e.Records[0].Kinesis.Data)
	return d.RequestContext.RequestID
}
