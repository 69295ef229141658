package fakeaws

import (
	"math/big"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
)

func TestKinesisSplitShard(t *testing.T) {
	kinesisDoors(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 2)
		_, before := a.Kinesis.Put(testStream, "a", []byte("d"))
		split := func(shard, key string) error {
			_, err := c.SplitShard(t.Context(), &kinesis.SplitShardInput{
				StreamName: aws.String(testStream), ShardToSplit: &shard, NewStartingHashKey: &key,
			})
			return err
		}
		for _, key := range []string{"0", "1", "170141183460469231731687303715884105727", "-5", "x"} {
			requireKinesisError(t, "InvalidArgumentException", split(shardID(0), key))
		}
		requireKinesisError(t, "ResourceNotFoundException", split(shardID(7), "1000"))
		require.NoError(t, split(shardID(0), "1000"))
		awaitActive(t, c)
		requireKinesisError(t, "InvalidArgumentException", split(shardID(0), "1000"))

		shards := listShards(t, c, nil)
		require.Len(t, shards, 4)
		require.NotNil(t, shards[0].SequenceNumberRange.EndingSequenceNumber)
		require.Greater(t, *shards[0].SequenceNumberRange.EndingSequenceNumber, before)
		for i, want := range []types.HashKeyRange{
			{StartingHashKey: aws.String("0"), EndingHashKey: aws.String("999")},
			{StartingHashKey: aws.String("1000"), EndingHashKey: aws.String("170141183460469231731687303715884105727")},
		} {
			child := shards[2+i]
			require.Equal(t, want, *child.HashKeyRange)
			require.Equal(t, shardID(0), *child.ParentShardId)
			require.Nil(t, child.AdjacentParentShardId)
			require.Greater(
				t, *child.SequenceNumberRange.StartingSequenceNumber,
				*shards[0].SequenceNumberRange.EndingSequenceNumber,
			)
			require.Nil(t, child.SequenceNumberRange.EndingSequenceNumber)
		}
	})
}

func TestKinesisMergeShards(t *testing.T) {
	kinesisDoors(t, Options{Unthrottled: true}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 3)
		merge := func(shard, adjacent int64) error {
			_, err := c.MergeShards(t.Context(), &kinesis.MergeShardsInput{
				StreamName: aws.String(testStream), ShardToMerge: aws.String(shardID(shard)),
				AdjacentShardToMerge: aws.String(shardID(adjacent)),
			})
			return err
		}
		requireKinesisError(t, "InvalidArgumentException", merge(0, 2))
		requireKinesisError(t, "InvalidArgumentException", merge(2, 0))
		requireKinesisError(t, "InvalidArgumentException", merge(1, 1))
		requireKinesisError(t, "ResourceNotFoundException", merge(0, 3))
		require.NoError(t, merge(1, 0))
		awaitActive(t, c)
		requireKinesisError(t, "InvalidArgumentException", merge(0, 1))

		shards := listShards(t, c, nil)
		require.Len(t, shards, 4)
		child := shards[3]
		require.Equal(t, shardID(1), *child.ParentShardId)
		require.Equal(t, shardID(0), *child.AdjacentParentShardId)
		require.Equal(t, *shards[0].HashKeyRange.StartingHashKey, *child.HashKeyRange.StartingHashKey)
		require.Equal(t, *shards[1].HashKeyRange.EndingHashKey, *child.HashKeyRange.EndingHashKey)
	})
}

// While a stream is UPDATING records are put to and read from the old shards, and no other change is taken.
func TestKinesisUpdating(t *testing.T) {
	const wait = 30 * time.Second
	kinesisBubble(t, Options{StreamActivation: wait}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		ctx, name := t.Context(), aws.String(testStream)
		a.Kinesis.Create(testStream, 1)
		half := aws.String("170141183460469231731687303715884105728")
		split := &kinesis.SplitShardInput{
			StreamName: name, ShardToSplit: aws.String(shardID(0)), NewStartingHashKey: half,
		}
		_, err := c.SplitShard(ctx, split)
		require.NoError(t, err)
		_, err = c.SplitShard(ctx, split)
		requireKinesisError(t, "ResourceInUseException", err)
		_, err = c.UpdateShardCount(ctx, &kinesis.UpdateShardCountInput{
			StreamName: name, ScalingType: types.ScalingTypeUniformScaling, TargetShardCount: aws.Int32(2),
		})
		requireKinesisError(t, "ResourceInUseException", err)

		time.Sleep(wait - time.Millisecond)
		d, err := c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name})
		require.NoError(t, err)
		require.Equal(t, types.StreamStatusUpdating, d.StreamDescriptionSummary.StreamStatus)
		require.EqualValues(t, 1, *d.StreamDescriptionSummary.OpenShardCount)
		put, err := c.PutRecord(
			ctx, &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("a"), Data: []byte("d")},
		)
		require.NoError(t, err)
		require.Equal(t, shardID(0), *put.ShardId)
		it := fromHorizon(t, c, shardID(0))
		page := read(t, c, it)
		require.Len(t, page.Records, 1)

		time.Sleep(time.Millisecond)
		d, err = c.DescribeStreamSummary(ctx, &kinesis.DescribeStreamSummaryInput{StreamName: name})
		require.NoError(t, err)
		require.Equal(t, types.StreamStatusActive, d.StreamDescriptionSummary.StreamStatus)
		require.EqualValues(t, 2, *d.StreamDescriptionSummary.OpenShardCount)
		put, err = c.PutRecord(
			ctx, &kinesis.PutRecordInput{StreamName: name, PartitionKey: aws.String("a"), Data: []byte("d")},
		)
		require.NoError(t, err)
		require.Equal(t, shardID(1), *put.ShardId)
		require.Nil(t, read(t, c, page.NextShardIterator).NextShardIterator)
	})
}

// Uniform scaling ends with ranges of equal size; doubling and halving change every shard exactly once.
func TestKinesisUpdateShardCount(t *testing.T) {
	for _, tt := range []struct {
		from int
		to   int32
		all  int // shards that are listed at the end, short-lived ones included
	}{
		{1, 2, 1 + 2},
		{3, 6, 3 + 6},
		{8, 4, 8 + 4},
		{6, 3, 6 + 3},
		{7, 14, 7 + 14},
		{2, 3, 2 + 4 + 1}, // both split at a third, the middle two merged
		{3, 2, 3 + 2 + 2}, // the middle one split, both halves merged with a neighbour
		{4, 4, 4},
	} {
		kinesisDoors(t, Options{}, func(w kinesisWorld) {
			t, a, c := w.t, w.aws, w.client
			a.Kinesis.Create(testStream, tt.from)
			out, err := c.UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{
				StreamName: aws.String(testStream), ScalingType: types.ScalingTypeUniformScaling,
				TargetShardCount: &tt.to,
			})
			require.NoError(t, err)
			require.EqualValues(t, tt.from, *out.CurrentShardCount)
			require.Equal(t, tt.to, *out.TargetShardCount)
			awaitActive(t, c)
			require.Len(t, listShards(t, c, nil), tt.all, "%d to %d", tt.from, tt.to)
			open := listShards(t, c, &types.ShardFilter{Type: types.ShardFilterTypeAtLatest})
			require.Len(t, open, int(tt.to), "%d to %d", tt.from, tt.to)
			want := new(big.Int).Div(new(big.Int).Lsh(big.NewInt(1), 128), big.NewInt(int64(tt.to)))
			for _, s := range open {
				first, _ := new(big.Int).SetString(*s.HashKeyRange.StartingHashKey, 10)
				last, _ := new(big.Int).SetString(*s.HashKeyRange.EndingHashKey, 10)
				off := new(big.Int).Sub(new(big.Int).Sub(last, first), want)
				require.LessOrEqual(
					t, off.CmpAbs(big.NewInt(1<<21)), 0, "%d to %d: %s is off by %s keys", tt.from, tt.to, *s.ShardId,
					off,
				)
			}
		})
	}
}

func TestKinesisUpdateShardCountLimits(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 5)
		scale := func(stream string, n int32) error {
			_, err := c.UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{
				StreamName: &stream, ScalingType: types.ScalingTypeUniformScaling, TargetShardCount: &n,
			})
			return err
		}
		requireKinesisError(t, "LimitExceededException", scale(testStream, 11))
		requireKinesisError(t, "LimitExceededException", scale(testStream, 2))
		requireKinesisError(t, "ValidationException", scale(testStream, 0))
		requireKinesisError(t, "ResourceNotFoundException", scale("nowhere", 1))
		for i := range 10 {
			require.NoError(t, scale(testStream, int32(5+i%2)))
			time.Sleep(time.Minute)
		}
		requireKinesisError(t, "LimitExceededException", scale(testStream, 5))
		time.Sleep(24*time.Hour - 10*time.Minute)
		require.NoError(t, scale(testStream, 5))

		_, err := c.CreateStream(t.Context(), &kinesis.CreateStreamInput{
			StreamName:        aws.String("elastic"),
			StreamModeDetails: &types.StreamModeDetails{StreamMode: types.StreamModeOnDemand},
		})
		require.NoError(t, err)
		time.Sleep(time.Second)
		requireKinesisError(t, "ValidationException", scale("elastic", 8))
	})
}
