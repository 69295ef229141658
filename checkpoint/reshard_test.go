package checkpoint

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

func child(id string, parents ...string) types.ChildShard {
	return types.ChildShard{ShardId: aws.String(id), ParentShards: parents}
}

func startTrim(c *Config) { c.Start = table.Start{Kind: table.StartTrimHorizon} }

func isHeld(id string, ps ...*process) bool {
	for _, p := range ps {
		if slices.Contains(p.held(), id) {
			return true
		}
	}
	return false
}

// finish ends a shard on the process that holds it.
func (w *world) finish(id string, children []types.ChildShard, ps ...*process) {
	w.Helper()
	for _, p := range ps {
		if l := p.store.Lease(id); l != nil && l.Context().Err() == nil {
			require.NoError(w, l.Finish(w.Context(), children))
			require.ErrorIs(w, context.Cause(l.Context()), ErrShardEnded)
			return
		}
	}
	require.Fail(w, "nobody holds "+id)
}

// Defects 4, 5, 6 and 8 of the KCL: children are granted when the parent is at SHARD_END, at once and on any worker,
// and they start at TRIM_HORIZON under start: latest too.
func TestSplit(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a, b := w.start("a"), w.start("b")
		w.awaitHeld(5*time.Second, 2, a, b)
		parent := table.ShardName(0)
		low, high := w.aws.Kinesis.Split(testStream, parent)
		time.Sleep(3 * time.Minute) // listings have seen the children by now
		require.False(w, isHeld(low, a, b))
		require.False(w, isHeld(high, a, b))
		w.finish(parent, []types.ChildShard{child(low, parent), child(high, parent)}, a, b)
		took := w.await("children", 2*time.Second, func() bool { return isHeld(low, a, b) && isHeld(high, a, b) })
		w.Logf("children run %v after the end of their parent", took)
		require.Equal(w, position.ShardEnd, w.row(parent)[table.AttrPosition])
		for _, id := range []string{low, high} {
			for _, p := range []*process{a, b} {
				if l := p.store.Lease(id); l != nil {
					from, _, _ := l.Start()
					require.Equal(w, types.ShardIteratorTypeTrimHorizon, from.Type)
				}
			}
		}
		require.Len(w, append(a.held(), b.held()...), 3)
		a.stop()
		b.stop()
	})
}

// The end of a shard names its children before any listing knows them, and without them the next listing finds them.
func TestSplitBeforeTheListing(t *testing.T) {
	for name, tell := range map[string]bool{"told": true, "not told": false} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 1, a)
				b := w.start("b")
				time.Sleep(time.Second)
				low, high := w.aws.Kinesis.Split(testStream, table.ShardName(0))
				time.Sleep(time.Second)
				var children []types.ChildShard
				if tell {
					children = []types.ChildShard{child(low, table.ShardName(0)), child(high, table.ShardName(0))}
				}
				w.finish(table.ShardName(0), children, a, b)
				took := w.await("children", 7*time.Second,
					func() bool { return len(a.held()) == 1 && len(b.held()) == 1 })
				w.Logf("one child on each worker after %v", took)
				a.stop()
				b.stop()
			})
		})
	}
}

// Defect 7 of the KCL: a merged child waits for both parents.
func TestMerge(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a, b := w.start("a"), w.start("b")
		w.awaitHeld(5*time.Second, 2, a, b)
		merged := w.aws.Kinesis.Merge(testStream, table.ShardName(0), table.ShardName(1))
		kids := []types.ChildShard{child(merged, table.ShardName(0), table.ShardName(1))}
		time.Sleep(time.Second)
		w.finish(table.ShardName(0), kids, a, b)
		time.Sleep(2 * time.Minute)
		require.False(w, isHeld(merged, a, b))
		w.finish(table.ShardName(1), kids, a, b)
		w.await("child", 2*time.Second, func() bool { return isHeld(merged, a, b) })
		a.stop()
		b.stop()
	})
}

// Shards that were closed before the application began are skipped under latest and block no child; read from
// trim_horizon they come first.
func TestStartOnAReshardedStream(t *testing.T) {
	bubble(t, 1, func(w *world) {
		low, high := w.aws.Kinesis.Split(testStream, table.ShardName(0))
		time.Sleep(time.Second)
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		require.ElementsMatch(w, []string{low, high}, a.held())
		from, _, _ := a.store.Lease(low).Start()
		require.Equal(w, types.ShardIteratorTypeAtTimestamp, from.Type)
		require.Equal(w, a.store.Status().T0, *from.Timestamp)
		a.stop()
	})
	bubble(t, 1, func(w *world) {
		low, high := w.aws.Kinesis.Split(testStream, table.ShardName(0))
		time.Sleep(time.Second)
		a := w.start("a", startTrim)
		w.awaitHeld(5*time.Second, 1, a)
		time.Sleep(time.Minute)
		require.Equal(w, []string{table.ShardName(0)}, a.held())
		from, _, _ := a.store.Lease(table.ShardName(0)).Start()
		require.Equal(w, types.ShardIteratorTypeTrimHorizon, from.Type)
		w.finish(table.ShardName(0), nil, a)
		w.await("children", time.Second, func() bool { return isHeld(low, a) && isHeld(high, a) })
		a.stop()
	})
}

// T0 is fixed once: a shard without a commit starts there after a restart days later, and a shard that was
// made in between starts at its beginning.
func TestT0SurvivesRestarts(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		t0 := a.store.Status().T0
		require.WithinDuration(w, time.Now(), t0, 3*time.Second)
		require.False(w, t0.After(time.Now()))
		a.kill()
		w.aws.Faults.Clear()
		low, _ := w.aws.Kinesis.Split(testStream, table.ShardName(1))
		time.Sleep(5 * time.Hour)
		b := w.start("b")
		w.awaitHeld(15*time.Second, 2, b)
		require.ElementsMatch(w, []string{table.ShardName(0), table.ShardName(1)}, b.held(),
			"the parent first: it was open at T0")
		from, _, _ := b.store.Lease(table.ShardName(0)).Start()
		require.Equal(w, types.ShardIteratorTypeAtTimestamp, from.Type)
		require.Equal(w, t0, *from.Timestamp)
		w.finish(table.ShardName(1), nil, b)
		w.await("child", time.Second, func() bool { return isHeld(low, b) })
		from, _, _ = b.store.Lease(low).Start()
		require.Equal(w, types.ShardIteratorTypeTrimHorizon, from.Type)
		b.stop()
	})
}

// Defects 34 and 35 of the KCL: rows go when the stream lists the shard no more, its children are under way, and not
// before.
func TestRowsOfTrimmedShardsAreCollected(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		parent := table.ShardName(0)
		low, high := w.aws.Kinesis.Split(testStream, parent)
		w.finish(parent, []types.ChildShard{child(low, parent), child(high, parent)}, a)
		w.awaitHeld(5*time.Second, 2, a)
		time.Sleep(5 * time.Minute)
		require.NotNil(w, w.row(parent), "still listed")
		a.stop()
		time.Sleep(26 * time.Hour) // past the retention of a day
		b := w.start("b")
		w.awaitHeld(5*time.Second, 2, b)
		time.Sleep(5 * time.Minute)
		require.NotNil(w, w.row(parent), "its children have no checkpoint")
		b.store.Lease(low).Commit(position.Progress{Settled: true, At: position.Past("1"), CaughtUp: time.Now()})
		b.store.Lease(high).Commit(position.Progress{Settled: true, At: position.Past("1"), CaughtUp: time.Now()})
		time.Sleep(5 * time.Minute)
		require.Nil(w, w.row(parent))
		require.Len(w, b.held(), 2)
		b.stop()
	})
}
