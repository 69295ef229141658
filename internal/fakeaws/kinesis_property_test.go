package fakeaws

import (
	"cmp"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// kinesisModel drives one stream with random operations and remembers what was put.
type kinesisModel struct {
	aws    *AWS
	client *kinesis.Client
	put    map[string][]string // payloads in the order of puts, by shard
	keys   map[string][]string // payloads in the order of puts, by partition key
	last   map[string]string   // the last sequence number, by shard
	total  int
}

func (m *kinesisModel) putRecords(t *rapid.T) {
	var batch []types.PutRecordsRequestEntry
	for range rapid.IntRange(1, 20).Draw(t, "records") {
		key := fmt.Sprintf("key-%d", rapid.IntRange(0, 30).Draw(t, "key"))
		batch = append(
			batch,
			types.PutRecordsRequestEntry{PartitionKey: &key, Data: fmt.Appendf(nil, "%s/%d", key, m.total+len(batch))},
		)
	}
	out, err := m.client.PutRecords(
		t.Context(), &kinesis.PutRecordsInput{StreamName: aws.String(testStream), Records: batch},
	)
	require.NoError(t, err)
	require.Zero(t, *out.FailedRecordCount)
	for i, r := range out.Records {
		key, data := *batch[i].PartitionKey, string(batch[i].Data)
		require.Greater(t, *r.SequenceNumber, m.last[*r.ShardId])
		m.last[*r.ShardId] = *r.SequenceNumber
		m.put[*r.ShardId] = append(m.put[*r.ShardId], data)
		m.keys[key] = append(m.keys[key], data)
	}
	m.total += len(batch)
}

func (m *kinesisModel) split(t *rapid.T) {
	open := m.open()
	i := rapid.IntRange(0, len(open)-1).Draw(t, "shard")
	shard, key := open[i].id, open[i].keys.middle().plus(rapid.Uint64().Draw(t, "offset"))
	_, err := m.client.SplitShard(t.Context(), &kinesis.SplitShardInput{
		StreamName: aws.String(testStream), ShardToSplit: &shard, NewStartingHashKey: aws.String(key.String()),
	})
	require.NoError(t, err)
}

func (m *kinesisModel) merge(t *rapid.T) {
	open := m.aws.Kinesis.OpenShards(testStream)
	if len(open) < 2 {
		t.Skip("nothing to merge")
	}
	i := rapid.IntRange(0, len(open)-2).Draw(t, "lower")
	pair := []string{open[i], open[i+1]}
	if rapid.Bool().Draw(t, "upper first") {
		slices.Reverse(pair)
	}
	_, err := m.client.MergeShards(t.Context(), &kinesis.MergeShardsInput{
		StreamName: aws.String(testStream), ShardToMerge: &pair[0], AdjacentShardToMerge: &pair[1],
	})
	require.NoError(t, err)
}

func (m *kinesisModel) scale(t *rapid.T) {
	n := int32(len(m.open())) //nolint:gosec // G115: tens
	least := (n + 1) / 2
	_, err := m.client.UpdateShardCount(t.Context(), &kinesis.UpdateShardCountInput{
		StreamName: aws.String(testStream), ScalingType: types.ScalingTypeUniformScaling,
		TargetShardCount: aws.Int32(rapid.Int32Range(least, max(least, min(2*n, 12))).Draw(t, "target")),
	})
	require.NoError(t, err)
}

func (m *kinesisModel) shards(t *rapid.T) []types.Shard {
	out, err := m.client.ListShards(t.Context(), &kinesis.ListShardsInput{StreamName: aws.String(testStream)})
	require.NoError(t, err)
	return out.Shards
}

// consume reads a shard to its end, or to the tip of an open one, and returns what it got and the children that it was
// given.
func (m *kinesisModel) consume(t *rapid.T, shard string) (got []types.Record, children []types.ChildShard) {
	it, err := m.client.GetShardIterator(t.Context(), &kinesis.GetShardIteratorInput{
		StreamName: aws.String(testStream), ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
	})
	require.NoError(t, err)
	for iterator := it.ShardIterator; iterator != nil; {
		out, err := m.client.GetRecords(t.Context(), &kinesis.GetRecordsInput{
			ShardIterator: iterator, Limit: aws.Int32(rapid.SampledFrom([]int32{1, 7, 100}).Draw(t, "limit")),
		})
		require.NoError(t, err)
		got, children = append(got, out.Records...), out.ChildShards
		if *out.MillisBehindLatest == 0 && out.NextShardIterator != nil {
			break
		}
		iterator = out.NextShardIterator
	}
	return got, children
}

// Through any reshards every record comes once, in the order in which its shard took it; and whoever reads parents
// before children gets the records of a key in the order in which they were put.
func TestKinesisReshardsLoseNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rapid.SyncTest(t, func(t *rapid.T) {
			a := New(Options{Unthrottled: true, StreamActivation: time.Second})
			m := &kinesisModel{
				aws: a, client: kinesisClient("http://fake.test", a.HTTPClient(), "model"),
				put: map[string][]string{}, keys: map[string][]string{}, last: map[string]string{},
			}
			a.Kinesis.Create(testStream, rapid.IntRange(1, 4).Draw(t, "shards"))
			a.Kinesis.EmptyPages(rapid.SampledFrom([]int{0, 2, 5}).Draw(t, "empty pages"))
			wait := func(t *rapid.T) {
				time.Sleep(time.Duration(rapid.IntRange(0, 1200).Draw(t, "ms")) * time.Millisecond)
			}
			reshard := func(change func(*rapid.T)) func(*rapid.T) {
				return func(t *rapid.T) {
					time.Sleep(time.Second) // whatever went before is done
					change(t)
					wait(t)
				}
			}
			t.Repeat(map[string]func(*rapid.T){
				"put": m.putRecords, "wait": wait,
				"split": reshard(m.split), "merge": reshard(m.merge), "scale": reshard(m.scale),
				"": m.checkOpenShards,
			})
			time.Sleep(time.Second)
			m.checkLineage(t)
			m.checkDelivery(t)
		})
	})
}

// open is the routing table of this moment. It is asked for after every step, so it does not go through the SDK.
func (m *kinesisModel) open() []shard {
	k := m.aws.Kinesis
	k.mu.Lock()
	defer k.mu.Unlock()
	var open []shard
	for _, sh := range k.account.settled(testStream, time.Now()).open {
		open = append(open, *sh)
	}
	return open
}

// checkOpenShards wants the open shards to cover the space exactly once at every moment.
func (m *kinesisModel) checkOpenShards(t *rapid.T) {
	var ranges []keyRange
	for _, sh := range m.open() {
		require.True(t, sh.isOpen())
		ranges = append(ranges, sh.keys)
	}
	requireTiles(t, ranges, keyRange{hashKey{}, maxHashKey()})
}

// requireTiles wants the ranges to cover whole without a gap and without an overlap.
func requireTiles(t *rapid.T, ranges []keyRange, whole keyRange) {
	slices.SortFunc(ranges, func(a, b keyRange) int { return a.first.compare(b.first) })
	require.Equal(t, whole.first, ranges[0].first)
	require.Equal(t, whole.last, ranges[len(ranges)-1].last)
	for i := range ranges[1:] {
		require.Equal(t, ranges[i].last.plus(1), ranges[i+1].first)
	}
}

// checkLineage wants children to cover their parents' ranges and to number their records above their parents'.
func (m *kinesisModel) checkLineage(t *rapid.T) {
	byID := map[string]types.Shard{}
	children := map[string][]types.Shard{}
	for _, s := range m.shards(t) {
		byID[*s.ShardId] = s
		for _, p := range []*string{s.ParentShardId, s.AdjacentParentShardId} {
			if p == nil {
				continue
			}
			children[*p] = append(children[*p], s)
			require.Greater(
				t, *s.SequenceNumberRange.StartingSequenceNumber, *byID[*p].SequenceNumberRange.EndingSequenceNumber,
			)
		}
	}
	for id, s := range byID {
		if s.SequenceNumberRange.EndingSequenceNumber == nil {
			require.Empty(t, children[id])
			continue
		}
		if merged := children[id]; len(merged) == 1 {
			var parents []keyRange
			for _, p := range []*string{merged[0].ParentShardId, merged[0].AdjacentParentShardId} {
				require.NotNil(t, p)
				parents = append(parents, rangeOf(t, byID[*p]))
			}
			requireTiles(t, parents, rangeOf(t, merged[0]))
			continue
		}
		var parts []keyRange
		for _, child := range children[id] {
			parts = append(parts, rangeOf(t, child))
		}
		requireTiles(t, parts, rangeOf(t, s))
	}
}

func rangeOf(t *rapid.T, s types.Shard) keyRange {
	first, ok := parseHashKey(*s.HashKeyRange.StartingHashKey)
	require.True(t, ok)
	last, ok := parseHashKey(*s.HashKeyRange.EndingHashKey)
	require.True(t, ok)
	return keyRange{first, last}
}

// checkDelivery follows the shards as a consumer would, by the children named at the end of each.
func (m *kinesisModel) checkDelivery(t *rapid.T) {
	var ready []string
	for _, s := range m.shards(t) {
		if s.ParentShardId == nil {
			ready = append(ready, *s.ShardId)
		}
	}
	done := map[string]bool{}
	total := 0
	byKey := map[string][]string{}
	for len(ready) > 0 {
		shard := ready[0]
		ready = ready[1:]
		got, children := m.consume(t, shard)
		done[shard] = true
		total += len(got)
		var data []string
		for _, r := range got {
			data = append(data, string(r.Data))
			byKey[*r.PartitionKey] = append(byKey[*r.PartitionKey], string(r.Data))
		}
		require.Equal(t, m.put[shard], data)
		require.True(t, slices.IsSortedFunc(
			got, func(a, b types.Record) int { return cmp.Compare(*a.SequenceNumber, *b.SequenceNumber) },
		))
		for _, child := range children {
			if !slices.ContainsFunc(child.ParentShards, func(p string) bool { return !done[p] }) {
				ready = append(ready, *child.ShardId)
			}
		}
	}
	require.Equal(t, m.total, total)
	require.Equal(t, m.keys, byKey)
}

func TestKinesisHashKeys(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(label string) hashKey {
			return hashKey{rapid.Uint64().Draw(t, label+" high"), rapid.Uint64().Draw(t, label+" low")}
		}
		a, b := draw("a"), draw("b")
		parsed, ok := parseHashKey(a.String())
		require.True(t, ok)
		require.Equal(t, a, parsed)
		if a.compare(b) > 0 {
			a, b = b, a
		}
		if a == b {
			return
		}
		r := keyRange{a, b}
		m := r.middle()
		require.True(t, r.inside(m))
		low, high := keyRange{a, m.prev()}, keyRange{m, b}
		require.True(t, low.adjacent(high))
		require.Equal(t, r, high.union(low))
		d := high.last.minus(high.first).minus(low.last.minus(low.first)).plus(1)
		require.Zero(t, d.hi, "halves differ by more than one key")
		require.LessOrEqual(t, d.lo, uint64(2), "halves differ by more than one key")
	})
}

// A shard knows its own sequence numbers and no others.
func TestKinesisSequenceNumbers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		st := New(Options{}).Kinesis.account.open(testStream, 2, modeProvisioned, time.Now())
		sh, other := st.shards[0], st.shards[1]
		n := rapid.IntRange(1, 50).Draw(t, "records")
		var sequences []string
		for range n {
			sequences = append(sequences, sh.append(time.Now(), 0, "k", nil))
		}
		require.True(t, slices.IsSorted(sequences))
		require.Greater(t, other.sequence(0), sequences[n-1])
		for i, s := range sequences {
			require.Len(t, s, 56)
			p, ok := sh.position(s)
			require.True(t, ok)
			require.EqualValues(t, i+1, p)
			_, ok = other.position(s)
			require.False(t, ok)
		}
		_, ok := sh.position(sh.sequence(int64(n + 1)))
		require.False(t, ok, "not given out yet")
		i := rapid.IntRange(0, 55).Draw(t, "digit")
		wrong := []byte(sequences[0])
		wrong[i] = '0' + (wrong[i]-'0'+rapid.ByteRange(1, 9).Draw(t, "by"))%10
		_, ok = sh.position(string(wrong))
		require.False(t, ok, "made up")
	})
}
