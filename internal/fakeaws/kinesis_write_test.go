package fakeaws

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
)

// Where a key falls is part of the contract with producers: these are MD5 sums.
func TestKinesisRouting(t *testing.T) {
	kinesisDoors(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 2)
		for _, tt := range []struct {
			key      string
			explicit *string
			shard    int64
			code     string
		}{
			{key: "a", shard: 0}, // 0cc175b9c0f1b6a831c399e269772661
			{key: "b", shard: 1}, // 92eb5ffee6ae2fec3ad71c777531578f
			{key: "b", explicit: aws.String("0"), shard: 0},
			{key: "b", explicit: aws.String("170141183460469231731687303715884105727"), shard: 0},
			{key: "a", explicit: aws.String("170141183460469231731687303715884105728"), shard: 1},
			{key: "a", explicit: aws.String("340282366920938463463374607431768211455"), shard: 1},
			{
				key: "a", explicit: aws.String("340282366920938463463374607431768211456"),
				code: "InvalidArgumentException",
			},
			{key: "a", explicit: aws.String("-1"), code: "InvalidArgumentException"},
			{key: strings.Repeat("ö", 256), shard: 1}, // characters count, not bytes
			{key: strings.Repeat("ö", 257), code: "ValidationException"},
			{key: "", code: "ValidationException"},
		} {
			out, err := c.PutRecord(t.Context(), &kinesis.PutRecordInput{
				StreamName: aws.String(testStream), PartitionKey: &tt.key, ExplicitHashKey: tt.explicit,
				Data: []byte("d"),
			})
			if tt.code != "" {
				requireKinesisError(t, tt.code, err)
				continue
			}
			require.NoError(t, err)
			require.Equal(t, shardID(tt.shard), *out.ShardId, "%.10q %v", tt.key, tt.explicit)
		}
	})
}

func entries(n, size int) []types.PutRecordsRequestEntry {
	out := make([]types.PutRecordsRequestEntry, n)
	for i := range out {
		out[i] = types.PutRecordsRequestEntry{PartitionKey: aws.String("a"), Data: bytes.Repeat([]byte("x"), size)}
	}
	return out
}

func TestKinesisPutRecordsLimits(t *testing.T) {
	kinesisBubble(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 2)
		put := func(records []types.PutRecordsRequestEntry) (*kinesis.PutRecordsOutput, error) {
			return c.PutRecords(
				t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String(testStream), Records: records},
			)
		}
		out, err := put(entries(500, 10))
		require.NoError(t, err)
		require.Zero(t, *out.FailedRecordCount)
		require.Len(t, out.Records, 500)
		_, err = put(entries(501, 10))
		requireKinesisError(t, "ValidationException", err)
		_, err = put([]types.PutRecordsRequestEntry{})
		requireKinesisError(t, "ValidationException", err)
		_, err = put(entries(10, 1<<20-1))
		require.NoError(t, err)
		_, err = put(entries(11, 1<<20-1))
		requireKinesisError(t, "InvalidArgumentException", err)
		_, err = put(append(entries(1, 10), entries(1, 2<<20)...))
		requireKinesisError(t, "InvalidArgumentException", err)

		stored := a.Kinesis.Records(testStream)
		require.Len(t, stored, 510, "a request that was refused stored nothing")
		for i, r := range stored[:500] {
			require.Equal(t, *out.Records[i].SequenceNumber, r.SequenceNumber)
		}
	})
}

// Above 1,000 records/s a shard takes some entries of a call and refuses the others; the other shard is not touched.
func TestKinesisWriteRecordRate(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 2)
		put := func(records []types.PutRecordsRequestEntry) *kinesis.PutRecordsOutput {
			out, err := c.PutRecords(
				t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String(testStream), Records: records},
			)
			require.NoError(t, err)
			return out
		}
		put(entries(500, 10))
		put(entries(400, 10))
		batch := entries(200, 10)
		batch[199].PartitionKey = aws.String("b")
		out := put(batch)
		require.EqualValues(t, 99, *out.FailedRecordCount)
		for i, r := range out.Records {
			if i < 100 || i == 199 {
				require.NotNil(t, r.SequenceNumber, i)
				require.Nil(t, r.ErrorCode, i)
				continue
			}
			require.Nil(t, r.SequenceNumber, i)
			require.Equal(t, "ProvisionedThroughputExceededException", *r.ErrorCode, i)
			require.Contains(t, *r.ErrorMessage, "shardId-000000000000", i)
		}
		_, err := c.PutRecord(t.Context(), &kinesis.PutRecordInput{
			StreamName: aws.String(testStream), PartitionKey: aws.String("a"), Data: []byte("d"),
		})
		requireKinesisError(t, "ProvisionedThroughputExceededException", err)
		time.Sleep(100 * time.Millisecond)
		require.EqualValues(t, 50, *put(entries(150, 10)).FailedRecordCount)
		require.Len(t, a.Kinesis.Records(testStream), 1101)
	})
}

// The bytes of a large record are averaged out: it is taken, and then nothing is until its share of time has passed.
func TestKinesisWriteByteRate(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		_, err := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{
			StreamName: aws.String(testStream), ShardCount: aws.Int32(1), MaxRecordSizeInKiB: aws.Int32(4096),
		})
		require.NoError(t, err)
		awaitActive(t, c)
		put := func(size int) error {
			_, err := c.PutRecord(t.Context(), &kinesis.PutRecordInput{
				StreamName: aws.String(testStream), PartitionKey: aws.String("a"), Data: make([]byte, size),
			})
			return err
		}
		require.NoError(t, put(4<<20-1))
		time.Sleep(3 * time.Second)
		requireKinesisError(t, "ProvisionedThroughputExceededException", put(1))
		time.Sleep(time.Millisecond)
		require.NoError(t, put(1))
		require.Len(t, a.Kinesis.Records(testStream), 2)
	})
}
