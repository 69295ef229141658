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
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/aws/smithy-go"
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
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: accessKey, SecretAccessKey: "secret"}, nil
		}),
	})
}

// kinesisWorld is an account and a client of it, with the test that they belong to: a bubble has its own.
type kinesisWorld struct {
	t      *testing.T
	aws    *AWS
	client *kinesis.Client
}

// kinesisDoors runs a test through both doors: in a bubble without a socket, and over loopback.
func kinesisDoors(t *testing.T, o Options, test func(w kinesisWorld)) {
	t.Helper()
	t.Run("bubble", func(t *testing.T) { kinesisBubble(t, o, test) })
	t.Run("loopback", func(t *testing.T) {
		a := New(quick(o))
		server := httptest.NewServer(a)
		defer server.Close()
		client := LoopbackClient()
		defer client.CloseIdleConnections()
		test(kinesisWorld{t, a, kinesisClient(server.URL, client, "loopback")})
	})
}

// kinesisBubble runs a test in virtual time.
func kinesisBubble(t *testing.T, o Options, test func(w kinesisWorld)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		a := New(quick(o))
		test(kinesisWorld{t, a, kinesisClient("http://fake.test", a.HTTPClient(), "bubble")})
	})
}

func quick(o Options) Options {
	if o.StreamActivation == 0 {
		o.StreamActivation = activation
	}
	return o
}

// requireKinesisError wants the answer to be that AWS error.
func requireKinesisError(t *testing.T, code string, err error) {
	t.Helper()
	var apiErr smithy.APIError
	require.ErrorAs(t, err, &apiErr)
	require.Equal(t, code, apiErr.ErrorCode(), "%v", err)
}

func awaitActive(t *testing.T, c *kinesis.Client) {
	t.Helper()
	for {
		d, err := c.DescribeStreamSummary(
			t.Context(), &kinesis.DescribeStreamSummaryInput{StreamName: aws.String(testStream)},
		)
		require.NoError(t, err)
		if d.StreamDescriptionSummary.StreamStatus == types.StreamStatusActive {
			return
		}
		time.Sleep(activation)
	}
}

func shardIterator(t *testing.T, c *kinesis.Client, in kinesis.GetShardIteratorInput) *string {
	t.Helper()
	in.StreamName = aws.String(testStream)
	it, err := c.GetShardIterator(t.Context(), &in)
	require.NoError(t, err)
	return it.ShardIterator
}

func fromHorizon(t *testing.T, c *kinesis.Client, shard string) *string {
	t.Helper()
	return shardIterator(
		t, c, kinesis.GetShardIteratorInput{ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon},
	)
}

func read(t *testing.T, c *kinesis.Client, iterator *string) *kinesis.GetRecordsOutput {
	t.Helper()
	out, err := c.GetRecords(t.Context(), &kinesis.GetRecordsInput{ShardIterator: iterator})
	require.NoError(t, err)
	return out
}

// payloads are the data of records, in order.
func payloads(records []types.Record) []string {
	data := make([]string, len(records))
	for i, r := range records {
		data[i] = string(r.Data)
	}
	return data
}

func listShards(t *testing.T, c *kinesis.Client, filter *types.ShardFilter) []types.Shard {
	t.Helper()
	out, err := c.ListShards(
		t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(testStream), ShardFilter: filter},
	)
	require.NoError(t, err)
	require.Nil(t, out.NextToken)
	return out.Shards
}

func shardIDs(shards []types.Shard) []string {
	ids := make([]string, len(shards))
	for i, s := range shards {
		ids[i] = *s.ShardId
	}
	return ids
}

// A producer and a consumer that know only the SDK get by.
func TestKinesisRoundTrip(t *testing.T) {
	kinesisDoors(t, Options{}, func(w kinesisWorld) {
		t, c := w.t, w.client
		ctx := t.Context()
		_, err := c.CreateStream(
			ctx, &kinesis.CreateStreamInput{StreamName: aws.String(testStream), ShardCount: aws.Int32(2)},
		)
		require.NoError(t, err)
		awaitActive(t, c)
		before := time.Now()
		put, err := c.PutRecord(ctx, &kinesis.PutRecordInput{
			StreamName: aws.String(testStream), PartitionKey: aws.String(`"öl\`), Data: []byte("\x00\xffdata"),
		})
		require.NoError(t, err)

		got := read(t, c, fromHorizon(t, c, *put.ShardId))
		require.Len(t, got.Records, 1)
		r := got.Records[0]
		require.Equal(t, `"öl\`, *r.PartitionKey)
		require.Equal(t, []byte("\x00\xffdata"), r.Data)
		require.Equal(t, *put.SequenceNumber, *r.SequenceNumber)
		require.WithinDuration(t, before, *r.ApproximateArrivalTimestamp, time.Second)
		require.Zero(t, *got.MillisBehindLatest)
		require.NotEmpty(t, *got.NextShardIterator)
		require.Empty(t, got.ChildShards)
	})
}

func TestKinesisUnknownOperation(t *testing.T) {
	kinesisDoors(t, Options{}, func(w kinesisWorld) {
		t, c := w.t, w.client
		_, err := c.DescribeLimits(t.Context(), &kinesis.DescribeLimitsInput{})
		requireKinesisError(t, "UnknownOperationException", err)
	})
}

// Streams can be named by name, by ARN or by both, as long as they agree.
func TestKinesisStreamNames(t *testing.T) {
	kinesisDoors(t, Options{Region: "eu-west-1", Account: "123456789012"}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1)
		const arn = "arn:aws:kinesis:eu-west-1:123456789012:stream/"
		for _, tt := range []struct {
			name, arn *string
			code      string
		}{
			{name: aws.String(testStream)},
			{arn: aws.String(arn + testStream)},
			{name: aws.String(testStream), arn: aws.String(arn + testStream)},
			{code: "InvalidArgumentException"},
			{name: aws.String("other"), code: "ResourceNotFoundException"},
			{arn: aws.String(arn + "other"), code: "ResourceNotFoundException"},
			{name: aws.String("other"), arn: aws.String(arn + testStream), code: "InvalidArgumentException"},
			{
				arn:  aws.String("arn:aws:kinesis:us-east-1:123456789012:stream/" + testStream),
				code: "ResourceNotFoundException",
			},
		} {
			out, err := c.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: tt.name, StreamARN: tt.arn})
			if tt.code != "" {
				requireKinesisError(t, tt.code, err)
				continue
			}
			require.NoError(t, err)
			require.Len(t, out.Shards, 1)
		}
	})
}
