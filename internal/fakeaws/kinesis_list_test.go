package fakeaws

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
)

func TestKinesisListShardsPages(t *testing.T) {
	kinesisDoors(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 7)
		var ids []string
		in := &kinesis.ListShardsInput{StreamName: aws.String(testStream), MaxResults: aws.Int32(3)}
		for pages := 1; ; pages++ {
			out, err := c.ListShards(t.Context(), in)
			require.NoError(t, err)
			ids = append(ids, shardIDs(out.Shards)...)
			if out.NextToken == nil {
				require.Equal(t, 3, pages)
				break
			}
			in = &kinesis.ListShardsInput{NextToken: out.NextToken, MaxResults: aws.Int32(3)}
		}
		require.Equal(t, shardIDs(listShards(t, c, nil)), ids)

		out, err := c.ListShards(t.Context(), &kinesis.ListShardsInput{
			StreamName: aws.String(testStream), ExclusiveStartShardId: aws.String("shardId-000000000004"),
		})
		require.NoError(t, err)
		require.Equal(t, ids[5:], shardIDs(out.Shards))
	})
}

// However many are asked for, a page has 1,000 shards.
func TestKinesisListShardsMaximum(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		a.Kinesis.Create(testStream, 1500)
		for _, asked := range []*int32{nil, aws.Int32(10_000)} {
			out, err := c.ListShards(
				t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(testStream), MaxResults: asked},
			)
			require.NoError(t, err)
			require.Len(t, out.Shards, 1000)
			out, err = c.ListShards(t.Context(), &kinesis.ListShardsInput{NextToken: out.NextToken})
			require.NoError(t, err)
			require.Len(t, out.Shards, 500)
			require.Nil(t, out.NextToken)
		}
	})
}

func TestKinesisListShardsToken(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		ctx := t.Context()
		a.Kinesis.Create(testStream, 2)
		a.Kinesis.Split(testStream, shardID(1))
		first := func() *string {
			out, err := c.ListShards(ctx, &kinesis.ListShardsInput{
				StreamName: aws.String(testStream), MaxResults: aws.Int32(1),
				ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest},
			})
			require.NoError(t, err)
			require.Equal(t, []string{shardID(0)}, shardIDs(out.Shards))
			return out.NextToken
		}
		token := first()
		for _, in := range []kinesis.ListShardsInput{
			{StreamName: aws.String(testStream)},
			{StreamCreationTimestamp: aws.Time(time.Now())},
			{ExclusiveStartShardId: aws.String("shardId-000000000000")},
			{ShardFilter: &types.ShardFilter{Type: types.ShardFilterTypeAtLatest}},
		} {
			in.NextToken = token
			_, err := c.ListShards(ctx, &in)
			requireKinesisError(t, "InvalidArgumentException", err)
		}
		_, err := c.ListShards(ctx, &kinesis.ListShardsInput{NextToken: aws.String("garbage")})
		requireKinesisError(t, "InvalidArgumentException", err)

		time.Sleep(300*time.Second - time.Millisecond)
		out, err := c.ListShards(ctx, &kinesis.ListShardsInput{NextToken: token})
		require.NoError(t, err)
		require.Equal(t, []string{shardID(2), shardID(3)}, shardIDs(out.Shards), "the filter goes on")
		time.Sleep(time.Millisecond)
		_, err = c.ListShards(ctx, &kinesis.ListShardsInput{NextToken: token})
		requireKinesisError(t, "ExpiredNextTokenException", err)

		token = first()
		a.Kinesis.Delete(testStream)
		a.Kinesis.Create(testStream, 2)
		_, err = c.ListShards(ctx, &kinesis.ListShardsInput{NextToken: token})
		requireKinesisError(t, "ResourceNotFoundException", err)
	})
}

// The shards of one stream, and when they lived in hours after its creation:
// 0: 0-2 split into 2 and 3; 1: 0-; 2: 2-4 and 3: 2-4 merged into 4: 4-.
func TestKinesisShardFilter(t *testing.T) {
	kinesisBubble(t, Options{}, func(w kinesisWorld) {
		t, a, c := w.t, w.aws, w.client
		start := time.Now()
		a.Kinesis.Create(testStream, 2)
		time.Sleep(2 * time.Hour)
		a.Kinesis.Split(testStream, shardID(0))
		time.Sleep(2 * time.Hour)
		a.Kinesis.Merge(testStream, shardID(2), shardID(3))
		time.Sleep(20*time.Hour + 30*time.Minute)

		at := func(h float64) *time.Time { return aws.Time(start.Add(time.Duration(h * float64(time.Hour)))) }
		check := func(f types.ShardFilter, want ...int64) {
			t.Helper()
			var ids []string
			for _, n := range want {
				ids = append(ids, shardID(n))
			}
			require.Equal(t, ids, shardIDs(listShards(t, c, &f)), "%s", f.Type)
		}
		check(types.ShardFilter{Type: types.ShardFilterTypeAtLatest}, 1, 4)
		check(types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}, 0, 1, 2, 3, 4)
		check(types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}, 0, 1)
		check(types.ShardFilter{Type: types.ShardFilterTypeAfterShardId, ShardId: aws.String(shardID(2))}, 3, 4)
		check(types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: at(1)}, 0, 1)
		check(types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: at(2)}, 0, 1, 2, 3)
		check(types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: at(3)}, 1, 2, 3)
		check(types.ShardFilter{Type: types.ShardFilterTypeAtTimestamp, Timestamp: at(5)}, 1, 4)
		check(types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: at(3)}, 1, 2, 3, 4)
		check(types.ShardFilter{Type: types.ShardFilterTypeFromTimestamp, Timestamp: at(5)}, 1, 4)

		time.Sleep(2 * time.Hour) // the horizon is at 2.5 h: shard 0 is gone
		check(types.ShardFilter{Type: types.ShardFilterTypeAtTrimHorizon}, 1, 2, 3)
		check(types.ShardFilter{Type: types.ShardFilterTypeFromTrimHorizon}, 1, 2, 3, 4)

		for _, f := range []types.ShardFilter{
			{Type: types.ShardFilterTypeAtTimestamp},
			{Type: types.ShardFilterTypeFromTimestamp},
			{Type: types.ShardFilterTypeAfterShardId},
			{Type: types.ShardFilterTypeAtLatest, Timestamp: at(1)},
			{Type: types.ShardFilterTypeAtTrimHorizon, ShardId: aws.String(shardID(0))},
		} {
			_, err := c.ListShards(
				t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(testStream), ShardFilter: &f},
			)
			requireKinesisError(t, "InvalidArgumentException", err)
		}
		_, err := c.ListShards(t.Context(), &kinesis.ListShardsInput{
			StreamName: aws.String(testStream), ShardFilter: &types.ShardFilter{Type: "AT_NOON"},
		})
		requireKinesisError(t, "ValidationException", err)
	})
}
