package checkpoint

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
)

// Where the service puts a record is what Owns says, for the shards of a stream and for those that a split made of them,
// whether the last GetRecords answer told of these or a listing.
func TestOwnsIsWhereTheServicePutsARecord(t *testing.T) {
	for name, tell := range map[string]bool{"told by the parent": true, "listed": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 3, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 3, a)
				_, kin := w.clients("producer")
				check := func() {
					w.Helper()
					for i := range 200 {
						key := fmt.Sprint("key ", i)
						out, err := kin.PutRecord(w.Context(), &kinesis.PutRecordInput{StreamName: aws.String(testStream), PartitionKey: &key, Data: []byte("x")})
						require.NoError(w, err)
						for _, id := range a.held() {
							require.Equal(w, id == *out.ShardId, a.store.Lease(id).Owns(key), "%s in %s, of %s", key, *out.ShardId, id)
						}
					}
				}
				check()
				low, high := w.aws.Kinesis.Split(testStream, shardName(1))
				var children []types.ChildShard
				if tell {
					children = []types.ChildShard{w.childOf(low), w.childOf(high)}
				}
				w.finish(shardName(1), children, a)
				w.awaitHeld(5*time.Second, 4, a)
				check()
				a.stop()
			})
		})
	}
}

// childOf is a shard as the last GetRecords answer of its parents names it.
func (w *world) childOf(id string) types.ChildShard {
	w.Helper()
	_, kin := w.clients("reader")
	out, err := kin.ListShards(context.WithoutCancel(w.Context()), &kinesis.ListShardsInput{StreamName: aws.String(testStream)})
	require.NoError(w, err)
	for i := range out.Shards {
		if s := &out.Shards[i]; *s.ShardId == id {
			return types.ChildShard{ShardId: s.ShardId, ParentShards: parentsOf(s), HashKeyRange: s.HashKeyRange}
		}
	}
	require.Fail(w, "no shard "+id)
	return types.ChildShard{}
}

func TestUnknownRangeOwnsEverything(t *testing.T) {
	for name, r := range map[string]*types.HashKeyRange{
		"none":     nil,
		"empty":    {},
		"no end":   {StartingHashKey: aws.String("0")},
		"text":     {StartingHashKey: aws.String("a"), EndingHashKey: aws.String("b")},
		"too long": {StartingHashKey: aws.String("0"), EndingHashKey: aws.String("340282366920938463463374607431768211456")},
		"reversed": {StartingHashKey: aws.String("2"), EndingHashKey: aws.String("1")},
		"negative": {StartingHashKey: aws.String("-1"), EndingHashKey: aws.String("1")},
	} {
		h := hashRangeOf(r)
		require.False(t, h.known, name)
		require.True(t, h.holds("x"), name)
	}
	h := hashRangeOf(&types.HashKeyRange{StartingHashKey: aws.String("0"), EndingHashKey: aws.String("1")})
	require.False(t, h.holds("x"))
	h = hashRangeOf(&types.HashKeyRange{StartingHashKey: aws.String("0"), EndingHashKey: aws.String("340282366920938463463374607431768211455")})
	require.True(t, h.known)
	require.True(t, h.holds("x"))
}
