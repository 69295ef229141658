package checkpoint

import (
	"context"
	"crypto/md5" //nolint:gosec // Kinesis places records by it
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
)

// Where the service puts a record is what a shard's range says, for the shards of a stream and for those that a split
// made of them, whether the last GetRecords answer told of these or a listing. Of two children one inherits it, and
// that is the one to which it comes if it came to the parent by its hash.
func TestRangesAreWhereTheServicePutsARecord(t *testing.T) {
	for name, tell := range map[string]bool{"told by the parent": true, "listed": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 3, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 3, a)
				_, kin := w.clients("producer")
				check := func(children ...string) {
					w.Helper()
					for i := range 200 {
						key := fmt.Sprint("key ", i)
						out, err := kin.PutRecord(w.Context(),
							&kinesis.PutRecordInput{
								StreamName: aws.String(testStream), PartitionKey: &key,
								Data: []byte("x"),
							})
						require.NoError(w, err)
						for _, id := range a.held() {
							keys := a.store.view.keysOf(id)
							hash := md5.Sum([]byte(key)) //nolint:gosec // as Kinesis does
							require.Equal(w, id == *out.ShardId, keys.Holds(hash), "%s in %s, of %s", key,
								*out.ShardId, id)
						}
						heirs := 0
						for _, id := range children {
							if a.store.Lease(id).Inherits(key) {
								heirs++
								require.True(w, id == *out.ShardId || !slices.Contains(children, *out.ShardId),
									"%s in %s", key, id)
							}
						}
						require.Equal(w, min(1, len(children)), heirs, key)
					}
				}
				check()
				low, high := w.aws.Kinesis.Split(testStream, table.ShardName(1))
				var children []types.ChildShard
				if tell {
					children = []types.ChildShard{w.childOf(low), w.childOf(high)}
				}
				w.finish(table.ShardName(1), children, a)
				w.awaitHeld(5*time.Second, 4, a)
				check(low, high)
				for _, pair := range [][]string{{low, high}, {high, low}} {
					parents, siblings := a.store.Lease(pair[0]).Family()
					require.Equal(w, []string{table.ShardName(1)}, parents)
					require.Equal(w, pair[1:], siblings)
				}
				a.stop()
			})
		})
	}
}

// childOf is a shard as the last GetRecords answer of its parents names it.
func (w *world) childOf(id string) types.ChildShard {
	w.Helper()
	_, kin := w.clients("reader")
	out, err := kin.ListShards(context.WithoutCancel(w.Context()),
		&kinesis.ListShardsInput{StreamName: aws.String(testStream)})
	require.NoError(w, err)
	for i := range out.Shards {
		if s := &out.Shards[i]; *s.ShardId == id {
			return types.ChildShard{
				ShardId: s.ShardId, ParentShards: lineage.ParentsOf(s),
				HashKeyRange: s.HashKeyRange,
			}
		}
	}
	require.Fail(w, "no shard "+id)
	return types.ChildShard{}
}

func TestUnknownRangeOwnsEverything(t *testing.T) {
	x := md5.Sum([]byte("x")) //nolint:gosec // as Kinesis does
	for name, r := range map[string]*types.HashKeyRange{
		"none":   nil,
		"empty":  {},
		"no end": {StartingHashKey: aws.String("0")},
		"text":   {StartingHashKey: aws.String("a"), EndingHashKey: aws.String("b")},
		"too long": {
			StartingHashKey: aws.String("0"),
			EndingHashKey:   aws.String("340282366920938463463374607431768211456"),
		},
		"reversed": {StartingHashKey: aws.String("2"), EndingHashKey: aws.String("1")},
		"negative": {StartingHashKey: aws.String("-1"), EndingHashKey: aws.String("1")},
	} {
		h := lineage.HashRangeOf(r)
		require.False(t, h.Known, name)
		require.True(t, h.Holds(x), name)
	}
	h := lineage.HashRangeOf(&types.HashKeyRange{StartingHashKey: aws.String("0"), EndingHashKey: aws.String("1")})
	require.False(t, h.Holds(x))
	h = lineage.HashRangeOf(&types.HashKeyRange{
		StartingHashKey: aws.String("0"),
		EndingHashKey:   aws.String("340282366920938463463374607431768211455"),
	})
	require.True(t, h.Known)
	require.True(t, h.Holds(x))
}
