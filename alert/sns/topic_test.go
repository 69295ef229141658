package sns

import (
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
)

const testARN = "arn:aws:sns:us-east-1:000000000000:alerts"

func newClient(transport http.RoundTripper) *sns.Client {
	return sns.New(sns.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("CLIENT", "secret", ""),
		HTTPClient: &http.Client{Transport: transport}, BaseEndpoint: aws.String("http://fakeaws"),
		Retryer: aws.NopRetryer{},
	})
}

func newAlert(i int) *alert.Alert {
	id := sha256.Sum256([]byte(strconv.Itoa(i)))
	return &alert.Alert{
		ID: hex.EncodeToString(id[:]), Rule: "hot", Topic: "oncall",
		Record: alert.Record{
			Shard: "shardId-000000000000", PartitionKey: "key " + strconv.Itoa(i),
			SequenceNumber: strconv.Itoa(1000 + i),
			SubSequence:    2, Arrival: time.Now(),
		},
	}
}

func newMessage(a *alert.Alert, body string) alert.Message {
	return alert.Message{
		Subject: "Anomaly detected", Body: body,
		Attributes: []alert.Attribute{{Name: "alert_id", Type: "String", Value: a.ID}},
	}
}

// of is a configuration of topics with these addresses.
func of(arns map[string]string) dispatch.Config {
	c := dispatch.Config{Topics: map[string]dispatch.TopicConfig{}}
	for name, arn := range arns {
		c.Topics[name] = dispatch.TopicConfig{ARN: arn}
	}
	return c
}

func TestTopicsARN(t *testing.T) {
	err := Validate(of(map[string]string{
		"a": "",
		"b": "arn:aws:sqs:us-east-1:000000000000:queue",
		"c": testARN + ":0e5b6c0d-7a2f-4a6e-9a1c-1b2c3d4e5f60",
		"d": "arn:aws:sns:us-east-1:000000000000:two words",
		"e": testARN + ".fifo",
		"f": "arn:aws-cn:sns:cn-north-1:000000000000:alerts",
	}))
	const noARN = "must be the ARN of an SNS topic, arn:aws:sns:<region>:<account>:<name>"
	require.EqualError(t, err, "topics.a.arn: : "+noARN+
		"\ntopics.b.arn: arn:aws:sqs:us-east-1:000000000000:queue: "+noARN+
		"\ntopics.c.arn: "+testARN+":0e5b6c0d-7a2f-4a6e-9a1c-1b2c3d4e5f60: must be the ARN of a topic, not of a "+
		"subscription"+
		"\ntopics.d.arn: arn:aws:sns:us-east-1:000000000000:two words: "+
		"a topic's name has 1 to 256 of A-Z a-z 0-9 _ -, and may end in .fifo")
	require.NoError(t, Validate(of(map[string]string{"a": testARN})))
	_, err = New(nil, nil)
	require.EqualError(t, err, "sns needs a client")
}

func TestParseLimits(t *testing.T) {
	for value, want := range map[string]int{
		"": 262_144, "1024": 1024, "1048576": 1 << 20, "1023": 262_144, "1048577": 262_144, "x": 262_144,
	} {
		require.Equal(t, want, parseLimits(testARN, map[string]string{"MaximumMessageSize": value}).maxBytes, value)
	}
	got := parseLimits(testARN+".fifo", map[string]string{"ContentBasedDeduplication": "true"})
	require.Equal(t, limits{maxBytes: 262_144, fifo: true, contentDedup: true}, got)
	got = parseLimits(testARN, map[string]string{
		"FifoTopic": "true", "FifoThroughputScope": "MessageGroup", "KmsMasterKeyId": "alias/alerts",
	})
	require.Equal(t, limits{maxBytes: 262_144, fifo: true, scope: "MessageGroup", kmsKey: "alias/alerts"}, got)
}

// Check says beforehand what publishing would reject.
func TestCheck(t *testing.T) {
	t.Parallel()
	a := newAlert(1)
	require.NoError(t, Check("arn:aws:sns:us-east-1:000000000000:oncall", a, newMessage(a, "body")))
	err := Check("arn:aws:sns:us-east-1:000000000000:oncall", a, alert.Message{Body: "body", Subject: "two\nlines"})
	var refused *alert.RejectedError
	require.ErrorAs(t, err, &refused)
}

// BenchmarkPrepare measures the checks of one message.
func BenchmarkPrepare(b *testing.B) {
	a := newAlert(1)
	m := newMessage(a, "Anomaly detected ...  {\"heartRate\": 171, \"rateType\": \"HIGH\"}")
	l := assumedLimits(testARN)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := prepare(a, m, l); err != nil {
			b.Fatal(err)
		}
	}
}
