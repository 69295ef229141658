package checkpoint

import (
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// The window must be closed whenever a peer may fence: in real time, a lease duration after the heartbeat was stored,
// however the two monotonic clocks drift within a tenth and however long this machine was suspended.
func TestWindowClosesBeforeAnyPeerMayFence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lease := time.Duration(rapid.Int64Range(int64(table.MinLeaseDuration), int64(table.MaxLeaseDuration)).Draw(t,
			"lease"))
		real := time.Duration(rapid.Int64Range(0, int64(2*table.MaxLeaseDuration)).Draw(t,
			"real time since the attempt"))
		suspended := time.Duration(rapid.Int64Range(0, int64(real)).Draw(t, "suspended"))
		peerRate := rapid.Float64Range(0.96, 1.04).Draw(t, "peer clock rate")
		ownRate := rapid.Float64Range(0.97, 1.03).Draw(t, "own clock rate")
		setBack := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t,
			"wall clock set back")) * time.Duration(rapid.IntRange(0, 1).Draw(t, "is set back"))
		mono := time.Duration(float64(real-suspended) * ownRate)
		wall := time.Duration(float64(real)*ownRate) - setBack
		span := newTrustWindow(time.Time{}, lease).span
		peerMayFence := time.Duration(float64(real)*peerRate) >= lease
		if setBack > 0 && suspended > 0 {
			t.Skip("a suspended machine whose wall clock was set back meanwhile is outside what clocks can tell")
		}
		if peerMayFence && remaining(span, mono, wall) > 0 {
			t.Fatalf("the window of %s is open after %s (monotonic %s, wall %s)", lease, real, mono, wall)
		}
	})
}

func TestWindowIgnoresAWallClockSetBack(t *testing.T) {
	now := time.Now()
	w := newTrustWindow(now, 10*time.Second)
	require.Equal(t, 9*time.Second, w.left(now))
	require.True(t, w.open(now.Add(8*time.Second)))
	require.False(t, w.open(now.Add(9*time.Second)))
	require.Equal(t, 4*time.Second, remaining(9*time.Second, 5*time.Second, -time.Hour))
	require.LessOrEqual(t, remaining(9*time.Second, time.Second, time.Hour), time.Duration(0))
}

func TestShardListRoundTrip(t *testing.T) {
	name := rapid.OneOf(
		rapid.Custom(func(t *rapid.T) string { return table.ShardName(rapid.Uint64Range(0, 40).Draw(t, "n")) }),
		rapid.Custom(func(t *rapid.T) string {
			return table.ShardName(rapid.Uint64Range(0, 999_999_999_999).Draw(t,
				"n"))
		}),
		rapid.StringMatching(`[a-z][a-zA-Z0-9_.-]{0,20}`),
		rapid.Just("shardId-1"), rapid.Just("shardId-0000000000001"),
	)
	rapid.Check(t, func(t *rapid.T) {
		ids := map[string]bool{}
		for _, id := range rapid.SliceOf(name).Draw(t, "ids") {
			ids[id] = true
		}
		got, err := table.DecodeShards(table.EncodeShards(ids))
		if err != nil || !maps.Equal(got, ids) {
			t.Fatalf("%v came back as %v, %v (%q)", ids, got, err, table.EncodeShards(ids))
		}
	})
	_, err := table.DecodeShards("0-99999999999")
	require.Error(t, err)
	ids := map[string]bool{}
	for i := range uint64(10_000) {
		ids[table.ShardName(i)] = true
	}
	require.Equal(t, "0-9999", table.EncodeShards(ids))
}

// tree is a random history of splits and merges.
type tree struct {
	shards  map[string]types.Shard
	parents map[string][]string
}

func drawTree(t *rapid.T) tree {
	tr := tree{shards: map[string]types.Shard{}, parents: map[string][]string{}}
	var open []string
	next := uint64(0)
	add := func(parents ...string) {
		id := table.ShardName(next)
		next++
		s := types.Shard{
			ShardId: &id,
			SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String(
				"1")},
		}
		if len(parents) > 0 {
			s.ParentShardId = &parents[0]
		}
		if len(parents) > 1 {
			s.AdjacentParentShardId = &parents[1]
		}
		tr.shards[id], tr.parents[id] = s, parents
		open = append(open, id)
	}
	closeShard := func(id string) {
		s := tr.shards[id]
		s.SequenceNumberRange = &types.SequenceNumberRange{
			StartingSequenceNumber: aws.String("1"),
			EndingSequenceNumber:   aws.String("9"),
		}
		tr.shards[id] = s
		open = slices.DeleteFunc(open, func(o string) bool { return o == id })
	}
	for range rapid.IntRange(1, 4).Draw(t, "first shards") {
		add()
	}
	for range rapid.IntRange(0, 8).Draw(t, "changes") {
		i := rapid.IntRange(0, len(open)-1).Draw(t, "shard")
		if a := open[i]; rapid.Bool().Draw(t, "merge") && len(open) > 1 {
			b := open[(i+1)%len(open)]
			closeShard(a)
			closeShard(b)
			add(a, b)
		} else {
			closeShard(a)
			add(a)
			add(a)
		}
	}
	return tr
}

// The gate, against the rule in one sentence: no parent that is still in the stream has anything left to read.
func TestGate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		tr := drawTree(t)
		start := table.Start{Kind: rapid.SampledFrom([]table.StartKind{
			table.StartLatest, table.StartTrimHorizon,
			table.StartTime,
		}).Draw(t, "start")}
		o := table.Origin{Open: map[string]bool{}, Closed: map[string]bool{}}
		l := lineage.New()
		rows := map[string]*table.Row{}
		trimmed := map[string]bool{}
		var listing []types.Shard
		for _, id := range slices.Sorted(maps.Keys(tr.shards)) {
			s := tr.shards[id]
			// A shard is past the retention only with all its parents.
			old := !slices.ContainsFunc(tr.parents[id], func(p string) bool { return !trimmed[p] })
			if old && s.SequenceNumberRange.EndingSequenceNumber != nil && rapid.Bool().Draw(t, "trimmed "+id) {
				trimmed[id] = true
				l.Sought(id, false)
				continue
			}
			listing = append(listing, s)
			if rapid.Bool().Draw(t, "at T0 "+id) {
				if s.SequenceNumberRange.EndingSequenceNumber != nil {
					o.Closed[id] = true
				} else {
					o.Open[id] = true
				}
			}
			switch rapid.IntRange(0, 3).Draw(t, "row "+id) {
			case 1:
				rows[id] = &table.Row{ID: id, Parents: tr.parents[id]}
			case 2:
				rows[id] = &table.Row{ID: id, Parents: tr.parents[id], Position: position.Position{Sequence: "5"}}
			case 3:
				rows[id] = &table.Row{
					ID: id, Parents: tr.parents[id],
					Position: position.Position{Sequence: position.ShardEnd},
				}
			}
		}
		l.Listed(listing, nil, time.Now(), true)
		for _, s := range listing {
			id := *s.ShardId
			want := true
			for _, p := range tr.parents[id] {
				r := rows[p]
				ended := r != nil && r.Ended()
				skipped := start.Kind == table.StartLatest && o.Closed[p] && (r == nil || r.Position.IsZero())
				want = want && (trimmed[p] || ended || skipped)
			}
			if got := l.GateOpen(id, rows, &o, start); got != want {
				t.Fatalf("gate of %s (parents %v) is %v, want %v", id, tr.parents[id], got, want)
			}
			if from := o.From(start, id); !o.Open[id] && !o.Closed[id] &&
				from.Type != types.ShardIteratorTypeTrimHorizon {
				t.Fatalf("%s is younger than T0 and starts at %s", id, from.Type)
			}
		}
	})
}

// A child's row of a peer may be seen before the parent's: an unknown parent blocks until Kinesis says that there is
// none.
func TestGateWaitsForAnUnknownParent(t *testing.T) {
	l := lineage.New()
	l.Learn("child", []string{"parent"})
	o := &table.Origin{}
	require.False(t, l.GateOpen("child", nil, o, table.Start{}))
	child := types.Shard{ShardId: aws.String("child"), ParentShardId: aws.String("parent")}
	l.Listed([]types.Shard{child}, l.Known(), time.Now(), true)
	require.False(t, l.GateOpen("child", nil, o, table.Start{}),
		"one listing is no proof that the parent has left the stream")
	require.Equal(t, []string{"parent"}, l.Missing())
	l.Sought("parent", false)
	require.True(t, l.GateOpen("child", nil, o, table.Start{}))
	require.Empty(t, l.Missing())
	l.Learn("parent", nil)
	require.False(t, l.GateOpen("child", nil, o, table.Start{}))
}

// Defect 34 of the KCL: one listing that lacks a shard must not end it, and neither must several within a minute.
func TestAbsenceNeedsSpacedListings(t *testing.T) {
	l := lineage.New()
	s := types.Shard{ShardId: aws.String("s")}
	at := time.Unix(1000, 0)
	list := func(after time.Duration, complete bool, shards ...types.Shard) {
		at = at.Add(after)
		l.Listed(shards, l.Known(), at, complete)
	}
	absent := func() bool { return l.Shards["s"].Absent.Confirmed() }
	list(0, true, s)
	list(0, false)
	list(2*lineage.Apart, false)
	require.False(t, l.Shards["s"].Absent.Any(), "an incomplete listing does not count")
	list(0, true)
	list(lineage.Apart/2, true)
	require.True(t, l.Shards["s"].Absent.Any())
	require.False(t, absent())
	list(lineage.Apart/2, true)
	require.True(t, absent())
	list(0, true, s)
	require.False(t, l.Shards["s"].Absent.Any())
	l.Listed(nil, map[string]bool{}, at, true) // learned while the listing was under way
	require.False(t, l.Shards["s"].Absent.Any())
}

// Scans are eventually consistent, and rows are written while one is under way: what was seen before stays when the
// scan shows less, and no lease is suspected for it.
func TestScanNeverGoesBack(t *testing.T) {
	bubble(t, 0, func(w *world) {
		s, _ := w.newStore("a")
		at := func(d time.Duration) time.Time { return time.Now().Add(d) }
		s.view.rows = map[string]*table.Row{
			"newer epoch": {ID: "newer epoch", Owner: "b", Epoch: 5, At: at(-time.Minute)},
			"ended": {
				ID: "ended", Epoch: 5, Position: position.Position{Sequence: position.ShardEnd},
				At: at(-time.Minute),
			},
			"just written":  {ID: "just written", Owner: "c", Epoch: 5, At: at(time.Second)},
			"just created":  {ID: "just created", Epoch: 0, At: at(time.Second)},
			"deleted":       {ID: "deleted", Epoch: 5, At: at(-time.Minute)},
			"moved on":      {ID: "moved on", Owner: "b", Epoch: 5, At: at(-time.Minute)},
			"moved on soon": {ID: "moved on soon", Owner: "b", Epoch: 5, At: at(time.Second)},
		}
		s.view.merge(map[string]*table.Row{
			"newer epoch":   {ID: "newer epoch", Owner: "a", Epoch: 4},
			"ended":         {ID: "ended", Owner: "a", Epoch: 5},
			"just written":  {ID: "just written", Owner: "b", Epoch: 5},
			"moved on":      {ID: "moved on", Owner: "c", Epoch: 6},
			"moved on soon": {ID: "moved on soon", Owner: "c", Epoch: 6},
			"new":           {ID: "new", Epoch: 1},
		}, nil, time.Now(), time.Now(), s.now())
		require.Equal(w, "b", s.view.rows["newer epoch"].Owner)
		require.True(w, s.view.rows["ended"].Ended())
		require.Equal(w, "c", s.view.rows["just written"].Owner)
		require.NotNil(w, s.view.rows["just created"])
		require.Nil(w, s.view.rows["deleted"])
		require.Equal(w, "c", s.view.rows["moved on"].Owner)
		require.Equal(w, "c", s.view.rows["moved on soon"].Owner)
		require.NotNil(w, s.view.rows["new"])
	})
}

func TestRowRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &table.Row{
			ID:       table.ShardName(rapid.Uint64Range(0, 1000).Draw(t, "n")),
			Owner:    rapid.SampledFrom([]string{"", "w/1"}).Draw(t, "owner"),
			Epoch:    rapid.Int64Range(0, table.MostCount).Draw(t, "epoch"),
			Resolved: rapid.SampledFrom([]string{"", "5-7"}).Draw(t, "resolved"),
		}
		switch rapid.IntRange(0, 2).Draw(t, "position") {
		case 1:
			r.Position = position.Position{Sequence: "123", Sub: rapid.Uint32().Draw(t, "sub")}
		case 2:
			r.Position = position.Position{Sequence: position.ShardEnd, Sub: position.WholeRecord}
		}
		if rapid.Bool().Draw(t, "caught up") {
			r.CaughtUp = time.UnixMilli(rapid.Int64Range(1, 1<<42).Draw(t, "ms"))
		}
		if rapid.Bool().Draw(t, "state") {
			r.State = table.Saved{
				Version: "7.b.3", Chunks: 2, Sum: rapid.Uint32().Draw(t, "sum"), Bytes: 400_000,
				Generation: rapid.Uint32().Draw(t, "generation"),
			}
			if rapid.Bool().Draw(t, "of records") {
				r.State.At = position.Position{Sequence: "122", Sub: rapid.Uint32().Draw(t, "state sub")}
			}
		}
		got, err := table.DecodeRow(r.Encode(), time.UnixMilli(1<<42))
		if err != nil {
			t.Fatal(err)
		}
		got.At = r.At
		require.Equal(t, r, got)
	})
}

// epochNow is the epoch of a lease, which a write that had no answer may have raised.
func (l *Lease) epochNow() int64 {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.epoch
}
