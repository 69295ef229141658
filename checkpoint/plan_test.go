package checkpoint

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// assignment is the dumb reference: who owns what, changed by carrying every worker's plan out.
type assignment map[string]planShard

func (a assignment) shards(me string) []planShard {
	var out []planShard
	for _, id := range slices.Sorted(maps.Keys(a)) {
		s := a[id]
		s.movable = s.owner == me
		out = append(out, s)
	}
	return out
}

// round lets each worker plan from the same rows, then carries the plans out; the first to take a free shard has it.
func (a assignment) round(workers []string) (changes int) {
	type move struct {
		shard, from, to string
	}
	var moves []move
	for _, me := range workers {
		take, give := plan(me, workers, a.shards(me))
		for _, id := range take {
			moves = append(moves, move{id, "", me})
		}
		for _, h := range give {
			moves = append(moves, move{h.shard, me, h.target})
		}
	}
	for _, m := range moves {
		s := a[m.shard]
		if s.owner != m.from {
			continue
		}
		s.owner = m.to
		a[m.shard] = s
		changes++
	}
	return changes
}

func (a assignment) sums(workers []string) (counts map[string]int, loads map[string]float64) {
	counts, loads = map[string]int{}, map[string]float64{}
	for _, w := range workers {
		counts[w], loads[w] = 0, 0
	}
	for _, s := range a {
		if s.owner != "" {
			counts[s.owner]++
			loads[s.owner] += s.load
		}
	}
	return counts, loads
}

func spread[V cmp.Ordered](m map[string]V) (lo, hi V) {
	v := slices.Collect(maps.Values(m))
	return slices.Min(v), slices.Max(v)
}

func TestPlanConverges(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var workers []string
		for i := range rapid.IntRange(1, 8).Draw(t, "workers") {
			workers = append(workers, fmt.Sprintf("w%d", i))
		}
		loaded := rapid.Bool().Draw(t, "loaded")
		a := assignment{}
		for i := range rapid.IntRange(0, 60).Draw(t, "shards") {
			s := planShard{id: shardName(uint64(i)), open: true}
			if k := rapid.IntRange(-1, len(workers)-1).Draw(t, "owner"); k >= 0 {
				s.owner = workers[k]
			}
			if loaded {
				s.load = float64(rapid.IntRange(0, 2<<20).Draw(t, "load"))
			}
			a[s.id] = s
		}
		rounds := 0
		for ; rounds < 300 && a.round(workers) > 0; rounds++ {
		}
		if rounds == 300 {
			t.Fatalf("the plan does not come to rest")
		}
		counts, loads := a.sums(workers)
		for id, s := range a {
			if s.owner == "" {
				t.Fatalf("%s is left free", id)
			}
		}
		if !loaded {
			lo, hi := spread(counts)
			if hi-lo > 1 {
				t.Fatalf("counts %v differ by more than one", counts)
			}
			return
		}
		lo, hi := spread(loads)
		mean := 0.0
		for _, l := range loads {
			mean += l / float64(len(loads))
		}
		if mean < negligibleLoad || hi-lo <= mean*loadTolerance {
			return
		}
		// Out of tolerance at rest: then the shards of the busiest worker would not bring the two nearer, not even all of them.
		for w, load := range loads {
			if load != hi {
				continue
			}
			help := 0.0
			for _, s := range a {
				if s.owner == w {
					help += max(0, min(s.load, hi-lo-s.load))
				}
			}
			if help > mean*loadTolerance {
				t.Fatalf("loads %v, and moving shards of %s would help by %v", loads, w, help)
			}
		}
	})
}

func TestPlanIsPureAndSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "workers")]
		var shards []planShard
		for i := range rapid.IntRange(0, 20).Draw(t, "shards") {
			shards = append(shards, planShard{
				id: shardName(uint64(i)), owner: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "owner"),
				open: rapid.Bool().Draw(t, "open"), movable: rapid.Bool().Draw(t, "movable"),
				load:   float64(rapid.IntRange(0, 1<<20).Draw(t, "load")),
				target: rapid.SampledFrom([]string{"", "", "", "b"}).Draw(t, "target"),
			})
		}
		index := map[string]planShard{}
		for _, s := range shards {
			index[s.id] = s
		}
		take, give := plan("a", workers, shards)
		take2, give2 := plan("a", workers, slices.Clone(shards))
		if !slices.Equal(take, take2) || !slices.Equal(give, give2) {
			t.Fatalf("two plans from one input differ")
		}
		for _, id := range take {
			if s := index[id]; s.owner != "" || s.target != "" || !s.open {
				t.Fatalf("plan takes %+v", s)
			}
		}
		for _, h := range give {
			s := index[h.shard]
			if s.owner != "a" || !s.movable || s.target != "" || h.target == "a" || !slices.Contains(workers, h.target) {
				t.Fatalf("plan gives %+v to %s", s, h.target)
			}
		}
	})
}

// A tenth of the shards carries most, the others little each: the little ones even out what the large ones leave.
func TestPlanMovesManySmallShards(t *testing.T) {
	workers := []string{"a"}
	for i := range 9 {
		workers = append(workers, fmt.Sprintf("b%d", i))
	}
	a := assignment{}
	for i := range 1000 {
		s := planShard{id: shardName(uint64(i)), owner: "a", open: true, load: 20 << 10}
		if i%10 == 0 {
			s.load = 400 << 10
		}
		a[s.id] = s
	}
	require.LessOrEqual(t, a.round(workers), 950, "moves")
	_, loads := a.sums(workers)
	lo, hi := spread(loads)
	require.Less(t, (hi-lo)/(hi+lo)*2, loadTolerance)
	require.Zero(t, a.round(workers))
}

// Workers that start together and see the same free shards must reach for different ones.
func TestRendezvousOrderPartsStartingWorkers(t *testing.T) {
	workers := []string{"host-1/9f2c11aa", "host-2/03de7b10", "host-3/7a11bd02", "host-4/c0ffee00"}
	var shards []planShard
	for i := range 100 {
		shards = append(shards, planShard{id: shardName(uint64(i)), open: true})
	}
	taken := map[string]int{}
	for _, me := range workers {
		take, _ := plan(me, workers, shards)
		require.Len(t, take, 25)
		for _, id := range take {
			taken[id]++
		}
	}
	collisions := 0
	for _, n := range taken {
		collisions += n - 1
	}
	require.LessOrEqual(t, collisions, 25, "of 100 first tries")
}

// A shard whose owner is on its way out counts: otherwise the others would hold back when it comes free.
func TestPlanCountsLeavingOwners(t *testing.T) {
	shards := []planShard{
		{id: "1", owner: "a", open: true},
		{id: "2", owner: "leaving", open: true},
		{id: "3", owner: "leaving", open: true},
		{id: "4", open: true},
	}
	take, _ := plan("a", []string{"a", "b"}, shards)
	require.Equal(t, []string{"4"}, take)
}

func TestSuccessorsCoverTheRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-f]{1,6}`), 1, 12, rapid.ID[string]).Draw(t, "ids")
		watched := map[string]int{}
		for _, me := range ids {
			others := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == me })
			for _, id := range successors(me, others) {
				if id == me {
					t.Fatalf("%s watches itself", me)
				}
				watched[id]++
			}
		}
		for _, id := range ids {
			if want := min(ringReach, len(ids)-1); watched[id] != want {
				t.Fatalf("%s is watched by %d, want %d", id, watched[id], want)
			}
		}
	})
}

func BenchmarkPlan(b *testing.B) {
	workers := []string{"a/1", "b/2", "c/3", "d/4", "e/5"}
	var shards []planShard
	for i := range 1000 {
		shards = append(shards, planShard{id: shardName(uint64(i)), owner: workers[i%3], open: true, movable: i%3 == 0, load: float64(i)})
	}
	b.ReportAllocs()
	for b.Loop() {
		plan("a/1", workers, shards)
	}
}
