package deadletter

import (
	"context"
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/fakeaws"
)

const (
	testStream = "arn:aws:kinesis:us-east-1:000000000000:stream/ExampleInputStream"
	testApp    = "kinesis-alerter"
	testShard  = "shardId-000000000006"
	testQueue  = "https://sqs.us-east-1.amazonaws.com/000000000000/letters"
	testTopic  = "arn:aws:sns:us-east-1:000000000000:letters"
	testBucket = "letters"

	refuses = "on-failure destination refuses dead letters, they wait and it is probed"
	fails   = "sending dead letters fails, they wait and are tried again"
	accepts = "on-failure destination accepts dead letters again"
)

// world is a sender in front of an emulated destination. It lives in a synctest bubble.
type world struct {
	*fakeaws.AWS
	*Sender
	kind
	reg         *prometheus.Registry
	logs, audit *observer.ObservedLogs
}

// kind is one of the three destinations.
type kind struct {
	name, service, operation string
	cfg                      Config
	// create makes the destination; without it, it is missing.
	create func(*testing.T, *world)
	// documents are what arrived, in order.
	documents func(*world) []string
}

func clients(a *fakeaws.AWS) Deps {
	const at = "http://fakeaws"
	creds := credentials.NewStaticCredentialsProvider("CLIENT", "secret", "")
	return Deps{
		SQS: sqs.New(sqs.Options{
			Region: "us-east-1", Credentials: creds, HTTPClient: a.HTTPClient(), BaseEndpoint: new(at),
			Retryer: aws.NopRetryer{},
		}),
		SNS: sns.New(sns.Options{
			Region: "us-east-1", Credentials: creds, HTTPClient: a.HTTPClient(), BaseEndpoint: new(at),
			Retryer: aws.NopRetryer{},
		}),
		S3: s3.New(s3.Options{
			Region: "us-east-1", Credentials: creds, HTTPClient: a.HTTPClient(), BaseEndpoint: new(at),
			Retryer:      aws.NopRetryer{},
			UsePathStyle: true,
		}),
	}
}

func toQueue() kind {
	return kind{
		name: "SQS", service: fakeaws.ServiceSQS, operation: "SendMessage", cfg: Config{SQS: testQueue},
		create: func(t *testing.T, w *world) {
			t.Helper()
			_, err := clients(w.AWS).SQS.(*sqs.Client).CreateQueue(
				t.Context(), &sqs.CreateQueueInput{QueueName: new("letters")},
			)
			require.NoError(t, err)
		},
		documents: func(w *world) []string { return w.SQS.Bodies(testQueue) },
	}
}

func toTopic() kind {
	return kind{
		name: "SNS", service: fakeaws.ServiceSNS, operation: "Publish", cfg: Config{SNS: testTopic},
		create: func(t *testing.T, w *world) {
			t.Helper()
			_, err := clients(w.AWS).SNS.(*sns.Client).CreateTopic(
				t.Context(), &sns.CreateTopicInput{Name: new("letters")},
			)
			require.NoError(t, err)
		},
		documents: func(w *world) []string {
			var s []string
			for _, m := range w.SNS.Messages(testTopic) {
				s = append(s, m.Body)
			}
			return s
		},
	}
}

func toBucket() kind {
	return kind{
		name: "S3", service: fakeaws.ServiceS3, operation: "PutObject", cfg: Config{S3: testBucket},
		create: func(t *testing.T, w *world) {
			t.Helper()
			_, err := clients(w.AWS).S3.(*s3.Client).CreateBucket(
				t.Context(), &s3.CreateBucketInput{Bucket: new(testBucket)},
			)
			require.NoError(t, err)
		},
		documents: func(w *world) []string {
			var s []string
			for _, key := range w.S3.Keys(testBucket) {
				data, _ := w.S3.Object(testBucket, key)
				s = append(s, string(data))
			}
			return s
		},
	}
}

// each runs a test with each destination, which exists.
func each(t *testing.T, test func(*testing.T, *world)) {
	t.Helper()
	for _, k := range []kind{toQueue(), toTopic(), toBucket()} {
		t.Run(k.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, k)
				w.create(t, w)
				test(t, w)
			})
		})
	}
}

func newWorld(t *testing.T, k kind) *world {
	t.Helper()
	w := &world{AWS: fakeaws.New(fakeaws.Options{}), kind: k, reg: prometheus.NewPedanticRegistry()}
	var log, audit zapcore.Core
	log, w.logs = observer.New(zapcore.InfoLevel)
	audit, w.audit = observer.New(zapcore.InfoLevel)
	deps := clients(w.AWS)
	deps.Stream, deps.Application = testStream, testApp
	deps.Reasons = []alert.Reason{alert.ReasonNotJSON}
	deps.Log, deps.Audit, deps.Registerer = zap.New(log), zap.New(audit), w.reg
	s, err := New(k.cfg, deps)
	require.NoError(t, err)
	w.Sender = s
	return w
}

// newLetter makes letter i, of a record that is no JSON.
func newLetter(i int) *alert.Letter {
	return &alert.Letter{
		Record: alert.Record{
			Shard: testShard, PartitionKey: "key " + strconv.Itoa(i), SequenceNumber: strconv.Itoa(1000 + i),
			Arrival: time.Now(),
			Data:    []byte("{" + strconv.Itoa(i)),
		},
		Condition: alert.ConditionRetries, Reason: alert.ReasonNotJSON, Detail: "unexpected end",
	}
}

// post sends a letter in the background and returns where its end will be.
func (w *world) post(ctx context.Context, l *alert.Letter) <-chan error {
	end := make(chan error, 1)
	go func() { end <- w.Send(ctx, l) }()
	return end
}

// pending says that a letter has no end yet.
func pending(t *testing.T, end <-chan error) {
	t.Helper()
	synctest.Wait()
	select {
	case err := <-end:
		require.Fail(t, "the letter has an end already", "%v", err)
	default:
	}
}

func (w *world) calls() int { return w.History.Count(w.service, w.operation) }

func (w *world) sentOf(r alert.Reason) float64 { return testutil.ToFloat64(w.metrics.letters[r]) }

func (w *world) failuresOf(r alert.Reason) float64 { return testutil.ToFloat64(w.metrics.failures[r]) }

func (w *world) fault(r alert.Reason) float64 { return testutil.ToFloat64(w.metrics.faults[r]) }

func (w *world) fail(f fakeaws.Fault) (remove func()) {
	f.Service, f.Operation = w.service, w.operation
	return w.Faults.Add(f)
}

// parsed is a document as a reader sees it.
type parsed struct {
	RequestContext struct {
		RequestID              string `json:"requestId"`
		FunctionARN            string `json:"functionArn"`
		Condition              string `json:"condition"`
		ApproximateInvokeCount int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	ResponseContext *struct {
		StatusCode                     int
		ExecutedVersion, FunctionError string
	} `json:"responseContext"`
	Version, Timestamp string
	KinesisBatchInfo   struct {
		ShardID             string `json:"shardId"`
		StartSequenceNumber string `json:"startSequenceNumber"`
		EndSequenceNumber   string `json:"endSequenceNumber"`
		BatchSize           int    `json:"batchSize"`
		StreamARN           string `json:"streamArn"`
	}
	Payload        string
	KinesisAlerter struct {
		Reason, Detail, AlertID, Rule, Topic, PayloadOmitted string
		SubSequenceNumber                                    uint32
	} `json:"kinesisAlerter"`
}

// event is a payload as a function sees it.
type event struct {
	Records []struct {
		Kinesis struct {
			KinesisSchemaVersion, PartitionKey, SequenceNumber string
			Data                                               []byte
			ApproximateArrivalTimestamp                        float64
		}
		EventID        string `json:"eventID"`
		EventSourceARN string `json:"eventSourceARN"`
	}
}

func parse(t require.TestingT, document string) parsed {
	var p parsed
	require.NoError(t, json.Unmarshal([]byte(document), &p))
	return p
}

func (p *parsed) event(t require.TestingT) event {
	var e event
	require.NoError(t, json.Unmarshal([]byte(p.Payload), &e))
	require.Len(t, e.Records, 1)
	return e
}

// ascii says whether there is nothing in s but printable ASCII.
func ascii(s string) bool {
	return !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' })
}
