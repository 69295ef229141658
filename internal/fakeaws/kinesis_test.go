package fakeaws

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"
)

const (
	testStream = "readings"
	// activation keeps tests over loopback short.
	activation = 5 * time.Millisecond
)

// kinesisClient is a real SDK client that does not retry, so that a test sees every answer.
func kinesisClient(endpoint string, h *http.Client, accessKey string) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(endpoint), HTTPClient: h, Retryer: aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: "secret"}, nil
		}),
	})
}

// kinesisDoors runs a test through both doors: in a bubble without a socket, and over loopback.
func kinesisDoors(t *testing.T, o Options, test func(t *testing.T, a *AWS, c *kinesis.Client)) {
	t.Helper()
	if o.StreamActivation == 0 {
		o.StreamActivation = activation
	}
	t.Run("bubble", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			a := New(o)
			test(t, a, kinesisClient("http://fake.test", a.HTTPClient(), "bubble"))
		})
	})
	t.Run("loopback", func(t *testing.T) {
		a := New(o)
		server := httptest.NewServer(a)
		defer server.Close()
		client := LoopbackClient()
		defer client.CloseIdleConnections()
		test(t, a, kinesisClient(server.URL, client, "loopback"))
	})
}

// A producer and a consumer that know only the SDK get by.
func TestKinesisRoundTrip(t *testing.T) {
	kinesisDoors(t, Options{}, func(t *testing.T, _ *AWS, c *kinesis.Client) {
		ctx := t.Context()
		_, err := c.CreateStream(ctx, &kinesis.CreateStreamInput{StreamName: aws.String(testStream), ShardCount: aws.Int32(2)})
		require.NoError(t, err)
		require.NoError(t, kinesis.NewStreamExistsWaiter(c, func(o *kinesis.StreamExistsWaiterOptions) {
			o.MinDelay, o.MaxDelay = activation, 10*activation
		}).Wait(ctx, &kinesis.DescribeStreamInput{StreamName: aws.String(testStream)}, time.Minute))
		before := time.Now()
		put, err := c.PutRecord(ctx, &kinesis.PutRecordInput{
			StreamName: aws.String(testStream), PartitionKey: aws.String(`"öl`), Data: []byte("\x00\xffdata"),
		})
		require.NoError(t, err)
		require.Len(t, *put.SequenceNumber, 56)

		it, err := c.GetShardIterator(ctx, &kinesis.GetShardIteratorInput{
			StreamName: aws.String(testStream), ShardId: put.ShardId, ShardIteratorType: "TRIM_HORIZON",
		})
		require.NoError(t, err)
		got, err := c.GetRecords(ctx, &kinesis.GetRecordsInput{ShardIterator: it.ShardIterator})
		require.NoError(t, err)
		require.Len(t, got.Records, 1)
		r := got.Records[0]
		require.Equal(t, `"öl`, *r.PartitionKey)
		require.Equal(t, []byte("\x00\xffdata"), r.Data)
		require.Equal(t, *put.SequenceNumber, *r.SequenceNumber)
		require.WithinDuration(t, before, *r.ApproximateArrivalTimestamp, time.Second)
		require.Zero(t, *got.MillisBehindLatest)
		require.NotEmpty(t, *got.NextShardIterator)
		require.Empty(t, got.ChildShards)
	})
}
