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

	"kinesis-alerter/internal/position"
)

// The window must be closed whenever a peer may fence: in real time, a lease duration after the heartbeat was stored,
// however the two monotonic clocks drift within a tenth and however long this machine was suspended.
func TestWindowClosesBeforeAnyPeerMayFence(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lease := time.Duration(rapid.Int64Range(int64(MinLeaseDuration), int64(MaxLeaseDuration)).Draw(t, "lease"))
		real := time.Duration(rapid.Int64Range(0, int64(2*MaxLeaseDuration)).Draw(t, "real time since the attempt"))
		suspended := time.Duration(rapid.Int64Range(0, int64(real)).Draw(t, "suspended"))
		peerRate := rapid.Float64Range(0.96, 1.04).Draw(t, "peer clock rate")
		ownRate := rapid.Float64Range(0.97, 1.03).Draw(t, "own clock rate")
		setBack := time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "wall clock set back")) * time.Duration(rapid.IntRange(0, 1).Draw(t, "is set back"))
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
		rapid.Custom(func(t *rapid.T) string { return shardName(rapid.Uint64Range(0, 40).Draw(t, "n")) }),
		rapid.Custom(func(t *rapid.T) string { return shardName(rapid.Uint64Range(0, 999_999_999_999).Draw(t, "n")) }),
		rapid.StringMatching(`[a-z][a-zA-Z0-9_.-]{0,20}`),
		rapid.Just("shardId-1"), rapid.Just("shardId-0000000000001"),
	)
	rapid.Check(t, func(t *rapid.T) {
		ids := map[string]bool{}
		for _, id := range rapid.SliceOf(name).Draw(t, "ids") {
			ids[id] = true
		}
		got, err := decodeShards(encodeShards(ids))
		if err != nil || !maps.Equal(got, ids) {
			t.Fatalf("%v came back as %v, %v (%q)", ids, got, err, encodeShards(ids))
		}
	})
	_, err := decodeShards("0-99999999999")
	require.Error(t, err)
	ids := map[string]bool{}
	for i := range uint64(10_000) {
		ids[shardName(i)] = true
	}
	require.Equal(t, "0-9999", encodeShards(ids))
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
		id := shardName(next)
		next++
		s := types.Shard{ShardId: &id, SequenceNumberRange: &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1")}}
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
		s.SequenceNumberRange = &types.SequenceNumberRange{StartingSequenceNumber: aws.String("1"), EndingSequenceNumber: aws.String("9")}
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
		start := Start{Kind: rapid.SampledFrom([]StartKind{StartLatest, StartTrimHorizon, StartTime}).Draw(t, "start")}
		o := origin{open: map[string]bool{}, closed: map[string]bool{}}
		l := newLineage()
		rows := map[string]*row{}
		trimmed := map[string]bool{}
		var listing []types.Shard
		for _, id := range slices.Sorted(maps.Keys(tr.shards)) {
			s := tr.shards[id]
			// A shard is past the retention only with all its parents.
			old := !slices.ContainsFunc(tr.parents[id], func(p string) bool { return !trimmed[p] })
			if old && s.SequenceNumberRange.EndingSequenceNumber != nil && rapid.Bool().Draw(t, "trimmed "+id) {
				trimmed[id] = true
				l.sought(id, false)
				continue
			}
			listing = append(listing, s)
			if rapid.Bool().Draw(t, "at T0 "+id) {
				if s.SequenceNumberRange.EndingSequenceNumber != nil {
					o.closed[id] = true
				} else {
					o.open[id] = true
				}
			}
			switch rapid.IntRange(0, 3).Draw(t, "row "+id) {
			case 1:
				rows[id] = &row{id: id, parents: tr.parents[id]}
			case 2:
				rows[id] = &row{id: id, parents: tr.parents[id], position: position.Position{Sequence: "5"}}
			case 3:
				rows[id] = &row{id: id, parents: tr.parents[id], position: position.Position{Sequence: position.ShardEnd}}
			}
		}
		l.listed(listing, nil, time.Now(), true)
		for _, s := range listing {
			id := *s.ShardId
			want := true
			for _, p := range tr.parents[id] {
				r := rows[p]
				ended := r != nil && r.ended()
				skipped := start.Kind == StartLatest && o.closed[p] && (r == nil || r.position.IsZero())
				want = want && (trimmed[p] || ended || skipped)
			}
			if got := l.gateOpen(id, rows, &o, start); got != want {
				t.Fatalf("gate of %s (parents %v) is %v, want %v", id, tr.parents[id], got, want)
			}
			if from := o.from(start, id); !o.open[id] && !o.closed[id] && from.Type != types.ShardIteratorTypeTrimHorizon {
				t.Fatalf("%s is younger than T0 and starts at %s", id, from.Type)
			}
		}
	})
}

// A child's row of a peer may be seen before the parent's: an unknown parent blocks until Kinesis says that there is none.
func TestGateWaitsForAnUnknownParent(t *testing.T) {
	l := newLineage()
	l.learn("child", []string{"parent"})
	o := &origin{}
	require.False(t, l.gateOpen("child", nil, o, Start{}))
	child := types.Shard{ShardId: aws.String("child"), ParentShardId: aws.String("parent")}
	l.listed([]types.Shard{child}, l.known(), time.Now(), true)
	require.False(t, l.gateOpen("child", nil, o, Start{}), "one listing is no proof that the parent has left the stream")
	require.Equal(t, []string{"parent"}, l.missing())
	l.sought("parent", false)
	require.True(t, l.gateOpen("child", nil, o, Start{}))
	require.Empty(t, l.missing())
	l.learn("parent", nil)
	require.False(t, l.gateOpen("child", nil, o, Start{}))
}

// Defect 34 of the KCL: one listing that lacks a shard must not end it, and neither must several within a minute.
func TestAbsenceNeedsSpacedListings(t *testing.T) {
	l := newLineage()
	s := types.Shard{ShardId: aws.String("s")}
	at := time.Unix(1000, 0)
	list := func(after time.Duration, complete bool, shards ...types.Shard) {
		at = at.Add(after)
		l.listed(shards, l.known(), at, complete)
	}
	absent := func() bool { return l.shards["s"].absent.confirmed() }
	list(0, true, s)
	list(0, false)
	list(2*apart, false)
	require.False(t, l.shards["s"].absent.any(), "an incomplete listing does not count")
	list(0, true)
	list(apart/2, true)
	require.True(t, l.shards["s"].absent.any())
	require.False(t, absent())
	list(apart/2, true)
	require.True(t, absent())
	list(0, true, s)
	require.False(t, l.shards["s"].absent.any())
	l.listed(nil, map[string]bool{}, at, true) // learned while the listing was under way
	require.False(t, l.shards["s"].absent.any())
}

// Scans are eventually consistent, and rows are written while one is under way: what was seen before stays when the scan
// shows less, and no lease is doubted for it.
func TestScanNeverGoesBack(t *testing.T) {
	bubble(t, 0, func(w *world) {
		s, _ := w.newStore("a")
		at := func(d time.Duration) time.Time { return time.Now().Add(d) }
		s.view.rows = map[string]*row{
			"newer epoch":   {id: "newer epoch", owner: "b", epoch: 5, at: at(-time.Minute)},
			"ended":         {id: "ended", epoch: 5, position: position.Position{Sequence: position.ShardEnd}, at: at(-time.Minute)},
			"just written":  {id: "just written", owner: "c", epoch: 5, at: at(time.Second)},
			"just created":  {id: "just created", epoch: 0, at: at(time.Second)},
			"deleted":       {id: "deleted", epoch: 5, at: at(-time.Minute)},
			"moved on":      {id: "moved on", owner: "b", epoch: 5, at: at(-time.Minute)},
			"moved on soon": {id: "moved on soon", owner: "b", epoch: 5, at: at(time.Second)},
		}
		s.view.merge(map[string]*row{
			"newer epoch":   {id: "newer epoch", owner: "a", epoch: 4},
			"ended":         {id: "ended", owner: "a", epoch: 5},
			"just written":  {id: "just written", owner: "b", epoch: 5},
			"moved on":      {id: "moved on", owner: "c", epoch: 6},
			"moved on soon": {id: "moved on soon", owner: "c", epoch: 6},
			"new":           {id: "new", epoch: 1},
		}, nil, time.Now(), time.Now(), s.now())
		require.Equal(w, "b", s.view.rows["newer epoch"].owner)
		require.True(w, s.view.rows["ended"].ended())
		require.Equal(w, "c", s.view.rows["just written"].owner)
		require.NotNil(w, s.view.rows["just created"])
		require.Nil(w, s.view.rows["deleted"])
		require.Equal(w, "c", s.view.rows["moved on"].owner)
		require.Equal(w, "c", s.view.rows["moved on soon"].owner)
		require.NotNil(w, s.view.rows["new"])
	})
}

func TestRowRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &row{
			id: shardName(rapid.Uint64Range(0, 1000).Draw(t, "n")), owner: rapid.SampledFrom([]string{"", "w/1"}).Draw(t, "owner"),
			epoch: rapid.Int64Range(0, mostCount).Draw(t, "epoch"), resolved: rapid.SampledFrom([]string{"", "5-7"}).Draw(t, "resolved"),
		}
		switch rapid.IntRange(0, 2).Draw(t, "position") {
		case 1:
			r.position = position.Position{Sequence: "123", Sub: rapid.Uint32().Draw(t, "sub")}
		case 2:
			r.position = position.Position{Sequence: position.ShardEnd, Sub: position.WholeRecord}
		}
		if rapid.Bool().Draw(t, "caught up") {
			r.caughtUp = time.UnixMilli(rapid.Int64Range(1, 1<<42).Draw(t, "ms"))
		}
		if rapid.Bool().Draw(t, "state") {
			r.state = snapshot{
				version: "7.b.3", chunks: 2, sum: rapid.Uint32().Draw(t, "sum"), bytes: 400_000, generation: rapid.Uint32().Draw(t, "generation"),
			}
			if rapid.Bool().Draw(t, "of records") {
				r.state.at = position.Position{Sequence: "122", Sub: rapid.Uint32().Draw(t, "state sub")}
			}
		}
		got, err := decodeRow(r.encode(), time.UnixMilli(1<<42))
		if err != nil {
			t.Fatal(err)
		}
		got.at = r.at
		require.Equal(t, r, got)
	})
}

// epochNow is the epoch of a lease, which a write that had no answer may have raised.
func (l *Lease) epochNow() int64 {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.epoch
}
