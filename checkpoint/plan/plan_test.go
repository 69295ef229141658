package plan

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
type assignment map[string]Shard

func (a assignment) shards(me string) []Shard {
	var out []Shard
	for _, id := range slices.Sorted(maps.Keys(a)) {
		s := a[id]
		s.Movable = s.Owner == me
		out = append(out, s)
	}
	return out
}

// unlimited are workers that may hold any number of shards.
func unlimited(ids ...string) (workers []Worker) {
	for _, id := range ids {
		workers = append(workers, Worker{ID: id})
	}
	return workers
}

// round lets each worker plan from the same rows, then carries the plans out; the first to take a free shard has it.
func (a assignment) round(ids []string) (changes int) { return a.roundOf(unlimited(ids...)) }

func (a assignment) roundOf(workers []Worker) (changes int) {
	type move struct {
		shard, from, to string
	}
	var moves []move
	for _, me := range workers {
		take, give := Decide(me.ID, workers, a.shards(me.ID))
		for _, id := range take {
			moves = append(moves, move{id, "", me.ID})
		}
		for _, h := range give {
			moves = append(moves, move{h.Shard, me.ID, h.Target})
		}
	}
	for _, m := range moves {
		s := a[m.shard]
		if s.Owner != m.from {
			continue
		}
		s.Owner = m.to
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
		if s.Owner != "" {
			counts[s.Owner]++
			loads[s.Owner] += s.Load
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
			s := Shard{ID: fmt.Sprintf("shardId-%012d", i), Open: true}
			if k := rapid.IntRange(-1, len(workers)-1).Draw(t, "owner"); k >= 0 {
				s.Owner = workers[k]
			}
			if loaded {
				s.Load = float64(rapid.IntRange(0, 2<<20).Draw(t, "load"))
			}
			a[s.ID] = s
		}
		rounds := 0
		for ; rounds < 300 && a.round(workers) > 0; rounds++ {
		}
		if rounds == 300 {
			t.Fatalf("the plan does not come to rest")
		}
		counts, loads := a.sums(workers)
		for id, s := range a {
			if s.Owner == "" {
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
		if mean < NegligibleLoad || hi-lo <= mean*LoadTolerance {
			return
		}
		// Out of tolerance at rest: then the shards of the busiest worker would not bring the two nearer, not even
		// all of them.
		for w, load := range loads {
			if load != hi {
				continue
			}
			help := 0.0
			for _, s := range a {
				if s.Owner == w {
					help += max(0, min(s.Load, hi-lo-s.Load))
				}
			}
			if help > mean*LoadTolerance {
				t.Fatalf("loads %v, and moving shards of %s would help by %v", loads, w, help)
			}
		}
	})
}

// No worker gets more than it may hold, what it may not hold is shared by the others, and a shard stays free only if
// nobody has room for it. One that has more than it may gives it away while another has room.
func TestPlanKeepsLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var workers []Worker
		var ids []string
		for i := range rapid.IntRange(1, 6).Draw(t, "workers") {
			w := Worker{ID: fmt.Sprintf("w%d", i), Most: rapid.IntRange(0, 12).Draw(t, "most")}
			workers, ids = append(workers, w), append(ids, w.ID)
		}
		loaded := rapid.Bool().Draw(t, "loaded")
		a := assignment{}
		for i := range rapid.IntRange(0, 40).Draw(t, "shards") {
			s := Shard{ID: fmt.Sprintf("shardId-%012d", i), Open: true}
			if k := rapid.IntRange(-1, len(workers)-1).Draw(t, "owner"); k >= 0 {
				s.Owner = ids[k]
			}
			if loaded {
				s.Load = float64(rapid.IntRange(0, 2<<20).Draw(t, "load"))
			}
			a[s.ID] = s
		}
		before, _ := a.sums(ids)
		for rounds := 0; a.roundOf(workers) > 0; rounds++ {
			if rounds == 300 {
				t.Fatalf("the plan does not come to rest")
			}
			counts, _ := a.sums(ids)
			for _, w := range workers {
				if n := counts[w.ID]; w.Most > 0 && n > max(w.Most, before[w.ID]) {
					t.Fatalf("%s has %d shards and may hold %d", w.ID, n, w.Most)
				}
			}
		}
		counts, _ := a.sums(ids)
		free, room, over := len(a), false, false
		lo, hi := len(a), 0
		for _, w := range workers {
			n := counts[w.ID]
			free -= n
			over = over || w.Most > 0 && n > w.Most
			hi = max(hi, n)
			if w.Most == 0 || n < w.Most {
				room, lo = true, min(lo, n)
			}
		}
		if room && (free > 0 || over) {
			t.Fatalf("%d shards are free, limits %v, counts %v", free, workers, counts)
		}
		if room && !loaded && hi-lo > 1 {
			t.Fatalf("counts %v, limits %v", counts, workers)
		}
	})
}

func TestPlanIsPureAndSafe(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		workers := []string{"a", "b", "c"}[:rapid.IntRange(1, 3).Draw(t, "workers")]
		var shards []Shard
		for i := range rapid.IntRange(0, 20).Draw(t, "shards") {
			shards = append(shards, Shard{
				ID: fmt.Sprintf("shardId-%012d", i), Owner: rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t,
					"owner"),
				Open: rapid.Bool().Draw(t, "open"), Movable: rapid.Bool().Draw(t, "movable"),
				Load:   float64(rapid.IntRange(0, 1<<20).Draw(t, "load")),
				Target: rapid.SampledFrom([]string{"", "", "", "b"}).Draw(t, "target"),
			})
		}
		index := map[string]Shard{}
		for _, s := range shards {
			index[s.ID] = s
		}
		take, give := Decide("a", unlimited(workers...), shards)
		take2, give2 := Decide("a", unlimited(workers...), slices.Clone(shards))
		if !slices.Equal(take, take2) || !slices.Equal(give, give2) {
			t.Fatalf("two plans from one input differ")
		}
		for _, id := range take {
			if s := index[id]; s.Owner != "" || s.Target != "" || !s.Open {
				t.Fatalf("plan takes %+v", s)
			}
		}
		for _, h := range give {
			s := index[h.Shard]
			if s.Owner != "a" || !s.Movable || s.Target != "" || h.Target == "a" ||
				!slices.Contains(workers, h.Target) {
				t.Fatalf("plan gives %+v to %s", s, h.Target)
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
		s := Shard{ID: fmt.Sprintf("shardId-%012d", i), Owner: "a", Open: true, Load: 20 << 10}
		if i%10 == 0 {
			s.Load = 400 << 10
		}
		a[s.ID] = s
	}
	require.LessOrEqual(t, a.round(workers), 950, "moves")
	_, loads := a.sums(workers)
	lo, hi := spread(loads)
	require.Less(t, (hi-lo)/(hi+lo)*2, LoadTolerance)
	require.Zero(t, a.round(workers))
}

// Workers that start together and see the same free shards must reach for different ones.
func TestRendezvousOrderPartsStartingWorkers(t *testing.T) {
	workers := []string{"host-1/9f2c11aa", "host-2/03de7b10", "host-3/7a11bd02", "host-4/c0ffee00"}
	var shards []Shard
	for i := range 100 {
		shards = append(shards, Shard{ID: fmt.Sprintf("shardId-%012d", i), Open: true})
	}
	taken := map[string]int{}
	for _, me := range workers {
		take, _ := Decide(me, unlimited(workers...), shards)
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
	shards := []Shard{
		{ID: "1", Owner: "a", Open: true},
		{ID: "2", Owner: "leaving", Open: true},
		{ID: "3", Owner: "leaving", Open: true},
		{ID: "4", Open: true},
	}
	take, _ := Decide("a", unlimited("a", "b"), shards)
	require.Equal(t, []string{"4"}, take)
}

func BenchmarkPlan(b *testing.B) {
	workers := []string{"a/1", "b/2", "c/3", "d/4", "e/5"}
	var shards []Shard
	for i := range 1000 {
		shards = append(shards, Shard{
			ID: fmt.Sprintf("shardId-%012d", i), Owner: workers[i%3], Open: true,
			Movable: i%3 == 0, Load: float64(i),
		})
	}
	fleet := unlimited(workers...)
	b.ReportAllocs()
	for b.Loop() {
		Decide("a/1", fleet, shards)
	}
}
