package forest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// draw writes a tree down: cuts, leaves and their masses.
func (t *tree) draw(at reference) string {
	switch {
	case at == none:
		return "empty"
	case at.inner():
		c := t.cuts[at]
		return fmt.Sprintf("(%s %d<=%v %s)", t.draw(c.children[0]), c.dimension, c.at, t.draw(c.children[1]))
	}
	return fmt.Sprint(t.point(at), "x", t.masses[at.slot()])
}

// below are the leaves below a node.
func (t *tree) below(at reference) []reference {
	if !at.inner() {
		return []reference{at}
	}
	return append(t.below(t.cuts[at].children[0]), t.below(t.cuts[at].children[1])...)
}

// hull is the least box around the points below a node.
func (t *tree) hull(at reference) []float64 {
	box := make([]float64, 2*t.width)
	for d := range t.width {
		box[2*d], box[2*d+1] = math.Inf(1), math.Inf(-1)
		for _, r := range t.below(at) {
			box[2*d], box[2*d+1] = min(box[2*d], t.point(r)[d]), max(box[2*d+1], t.point(r)[d])
		}
	}
	return box
}

// check holds that a tree is one of these points: every box is the hull of what is below, every cut separates, and
// every point is a leaf with as many samples as there are.
func (t *tree) check(tb require.TestingT, points [][]float64) {
	if len(points) == 0 {
		require.Equal(tb, none, t.root)
		return
	}
	leaves := t.below(t.root)
	masses := map[string]int{}
	for _, p := range points {
		masses[fmt.Sprint(p)]++
	}
	require.Len(tb, leaves, len(masses))
	require.Len(tb, t.masses, len(leaves)+len(t.unused.leaves))
	require.Len(tb, t.cuts, len(leaves)-1+len(t.unused.cuts))
	for _, r := range leaves {
		require.Equal(tb, masses[fmt.Sprint(t.point(r))], int(t.masses[r.slot()]))
	}
	var walk func(at reference)
	walk = func(at reference) {
		if !at.inner() {
			return
		}
		require.Equal(tb, t.hull(at), t.box(at))
		c := t.cuts[at]
		require.LessOrEqual(tb, t.hull(c.children[0])[2*c.dimension+1], c.at)
		require.Greater(tb, t.hull(c.children[1])[2*c.dimension], c.at)
		walk(c.children[0])
		walk(c.children[1])
	}
	walk(t.root)
}

// somePoint draws points of which some are equal, some are very close, and some far off.
func somePoint(width int) *rapid.Generator[[]float64] {
	coordinate := rapid.OneOf(
		rapid.Map(rapid.IntRange(-3, 3), func(i int) float64 { return float64(i) }),
		rapid.Map(rapid.IntRange(0, 3), func(i int) float64 { return float64(i) * math.SmallestNonzeroFloat64 }),
		rapid.Map(rapid.IntRange(0, 3), func(i int) float64 { return -1e300 + float64(i)*1e285 }),
		rapid.Map(rapid.IntRange(0, 3), func(i int) float64 {
			return math.Float64frombits(math.Float64bits(1) +
				uint64(i)) //nolint:gosec // positive
		}),
		rapid.Float64Range(-maxMagnitude, maxMagnitude),
	)
	return rapid.Map(rapid.SliceOfN(coordinate, width, width), func(p []float64) []float64 {
		for d := range p {
			p[d] += 0 // there is no -0
		}
		return p
	})
}

// TestTree inserts and removes points in any order.
func TestTree(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		width := rapid.IntRange(1, 3).Draw(t, "width")
		tr := newTree(width, 20)
		var points [][]float64
		var leaves []reference
		path := make([]reference, 0, 20)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			if len(points) == 20 || len(points) > 0 && rapid.IntRange(0, 2).Draw(t, "kind") == 0 {
				i := rapid.IntRange(0, len(points)-1).Draw(t, "which")
				tr.remove(leaves[i], path)
				points, leaves = slices.Delete(points, i, i+1), slices.Delete(leaves, i, i+1)
			} else {
				p := somePoint(width).Draw(t, "point")
				chance := random(rapid.Uint64().Draw(t, "chance"))
				before := tr.draw(tr.root)
				tr.remove(tr.insert(p, chance), path)
				require.Equal(t, before, tr.draw(tr.root), "removing undoes inserting")
				tr.check(t, points)
				leaves = append(leaves, tr.insert(p, chance))
				points = append(points, p)
				require.Equal(t, p, tr.point(leaves[len(leaves)-1]))
			}
			tr.check(t, points)
		}
	})
}

// TestCoarse holds that a cut stays where it separates, and close to where it was.
func TestCoarse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		two := []float64{somePoint(1).Draw(t, "from")[0], somePoint(1).Draw(t, "to")[0]}
		slices.Sort(two)
		from, to := two[0], two[1]
		if from == to {
			return
		}
		at := from + rapid.Float64Range(0, 1).Draw(t, "part")*(to-from)
		c := coarse(at, from, to)
		require.GreaterOrEqual(t, c, from)
		require.Less(t, c, to)
		require.InDelta(t, at, c, max(math.Abs(at)/(1<<15), (to-from)/1000, math.SmallestNonzeroFloat64))
	})
	for _, x := range []float64{
		0, math.Copysign(0, -1), 1, -1, math.SmallestNonzeroFloat64,
		-math.SmallestNonzeroFloat64, 1e300, -1e300,
	} {
		require.Equal(t, math.Float64bits(x+0), math.Float64bits(fromOrdinal(ordinal(x))))
	}
	require.Equal(t, ordinal(0), ordinal(-math.SmallestNonzeroFloat64)+1)
}

// naive is the score of a point in a tree of these points with the cuts of at, by the definition: with the probability
// that a random cut of the box with the point separates it, it ends here; else it is on one side of the cut that is
// there. It also adds what each coordinate has in it.
func (t *tree) naive(
	at reference, points [][]float64, x []float64, depth int, weight float64, parts []float64, s Scoring,
) float64 {
	var outside, span float64
	lengths := make([]float64, len(x))
	for d := range x {
		column := make([]float64, len(points))
		for i := range points {
			column[i] = points[i][d]
		}
		lo, hi := slices.Min(column), slices.Max(column)
		span += max(hi, x[d]) - min(lo, x[d])
		lengths[d] = max(hi, x[d]) - min(lo, x[d]) - (hi - lo)
		outside += lengths[d]
	}
	if span == 0 { // all are the point
		value := 1 / (float64(depth) + math.Log2(float64(len(points))))
		switch m := float64(len(points)); {
		case s == Standard:
			value = (1 - m/float64(2*len(t.held))) / (float64(depth) + math.Log2(1+m))
		case depth == 0:
			value = 1 / (1 + m)
		}
		for d := range parts {
			parts[d] += weight * value / float64(len(parts))
		}
		return value
	}
	p := outside / span
	value := p / float64(depth+1)
	for d := range parts {
		if outside > 0 {
			parts[d] += weight * value * lengths[d] / outside
		}
	}
	if !at.inner() {
		return value
	}
	c := t.cuts[at]
	left := x[c.dimension] <= c.at
	var same [][]float64
	for _, q := range points {
		if (q[c.dimension] <= c.at) == left {
			same = append(same, q)
		}
	}
	child := c.children[1]
	if left {
		child = c.children[0]
	}
	return value + (1-p)*t.naive(child, same, x, depth+1, weight*(1-p), parts, s)
}

// TestReference compares forests with the definitions: which points a tree holds, what they score, and what each
// dimension has in it.
func TestReference(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := Config{
			Dimensions: rapid.IntRange(1, 3).Draw(t, "dimensions"),
			Trees:      rapid.IntRange(1, 5).Draw(t, "trees"),
			SampleSize: rapid.IntRange(10, 20).Draw(t, "sample size"),
			Decay:      rapid.IntRange(21, 1000).Draw(t, "decay"),
			Shingle:    rapid.IntRange(1, 3).Draw(t, "shingle"),
			Scoring:    rapid.SampledFrom([]Scoring{KDA, Standard}).Draw(t, "scoring"),
			Seed:       rapid.Uint64().Draw(t, "seed"),
		}
		f, err := New(c)
		require.NoError(t, err)
		c = f.Config()
		var points [][]float64
		var window []float64
		values := rapid.SliceOfN(rapid.Map(rapid.IntRange(-5, 5), func(i int) float64 { return float64(i) / 3 }),
			c.Dimensions, c.Dimensions)
		for range rapid.IntRange(1, 50).Draw(t, "records") {
			x := values.Draw(t, "values")
			window = append(window, x...)
			window = window[max(len(window)-c.Dimensions*c.Shingle, 0):]
			score, parts := f.Score(x), f.Attribution(nil, x)
			want, wantParts := 0.0, make([]float64, c.Dimensions)
			if uint64(len(points)) >= c.warmUp() {
				all := make([]float64, len(window))
				for i := range f.trees {
					tr := &f.trees[i]
					var held [][]float64
					for _, s := range tr.held {
						held = append(held, points[s.number])
					}
					want += tr.naive(tr.root, held, window, 0, 1, all, c.Scoring)
				}
				scale := math.Log2(float64(c.SampleSize)) / float64(c.Trees)
				if c.Scoring == Standard {
					scale = math.Log2(float64(1+f.held())) / float64(c.Trees)
				}
				want *= scale
				for i := range all {
					wantParts[i%c.Dimensions] += all[i] * scale
				}
			}
			require.InDelta(t, want, score, 1e-9)
			for d := range parts {
				require.InDelta(t, wantParts[d], parts[d].Score, 1e-9)
			}
			f.Update(x)
			if len(window) == c.Dimensions*c.Shingle {
				points = append(points, slices.Clone(window))
			}
			if f.number%7 == 0 {
				f.checkHeld(t, int(f.number/7)%c.Trees, points) //nolint:gosec // small
			}
		}
	})
}

// checkHeld holds that a tree has the points of least weight, and that it is a tree of these.
func (f *Forest) checkHeld(t *rapid.T, place int, points [][]float64) {
	type weighed struct {
		number uint64
		weight float64
	}
	var all []weighed
	for i := range points {
		n := uint64(i)
		all = append(all, weighed{n, f.logs.weigh(pointRandom(f.config.Seed, n).draw(place), n, f.config.Decay)})
	}
	slices.SortFunc(all, func(a, b weighed) int { return cmp.Compare(a.weight, b.weight) })
	var want, have []uint64
	for _, w := range all[:min(len(all), f.config.SampleSize)] {
		want = append(want, w.number)
	}
	var held [][]float64
	tr := &f.trees[place]
	for _, s := range tr.held {
		have = append(have, s.number)
		held = append(held, points[s.number])
		require.Equal(t, points[s.number], tr.point(s.leaf))
	}
	slices.Sort(want)
	slices.Sort(have)
	require.Equal(t, want, have)
	tr.check(t, held)
}

// TestDecay holds that the trees hold what Decay says: a point of age a with a probability that falls with
// e^(-a/decay).
func TestDecay(t *testing.T) {
	t.Parallel()
	const decay, n = 1000, 8000
	f, err := New(Config{Dimensions: 1, Trees: 200, Decay: decay})
	require.NoError(t, err)
	for i := range n {
		f.Update([]float64{float64(i % 100)})
	}
	mean, held := 0.0, 0
	for i := range f.trees {
		for _, s := range f.trees[i].held {
			mean += float64(n - 1 - s.number)
			held++
		}
	}
	mean /= float64(held)
	// A point is held if an exponential variate is below T e^(-a/decay), with T = 0.275 for 256 of 1000 points: a mean
	// of decay (1 + T/8).
	require.InDelta(t, decay*1.034, mean, decay*0.03)
}

// TestLogarithm compares with package math.
func TestLogarithm(t *testing.T) {
	t.Parallel()
	l := newLogarithm()
	rapid.Check(t, func(t *rapid.T) {
		x := rapid.OneOf(rapid.Float64Range(0x1p-1022, math.MaxFloat64), rapid.Float64Range(0x1p-54, 1),
			rapid.Float64Range(0.99, 1.01)).Draw(t, "x")
		require.InDelta(t, math.Log(x), l.of(x), 1e-15*max(1, math.Abs(math.Log(x))))
	})
	for n := 1; n <= 1024; n++ {
		require.InDelta(t, math.Log2(float64(n)), l.log2(n), 1e-14)
	}
	require.Equal(t, 8.0, l.log2(256)) //nolint:testifylint // exactly
	require.Zero(t, l.log2(1))
}

// TestDamage damages every byte of a state: it is refused, or makes whole trees all the same.
func TestDamage(t *testing.T) {
	t.Parallel()
	for _, points := range []int{5, 40} {
		c := Config{Dimensions: 2, Trees: 2, SampleSize: 12, Decay: 100}
		f, err := New(c)
		require.NoError(t, err)
		for i := range points {
			f.Update([]float64{float64(i % 9), float64(i*i%7) / 3})
		}
		state, err := f.AppendBinary(nil)
		require.NoError(t, err)
		accepted := 0
		for i := range state {
			for _, by := range []byte{1, 2, 0x40, 0x7f, 0x80, 0xff} {
				damaged := slices.Clone(state)
				damaged[i] ^= by
				g, err := Decode(c, damaged)
				if err != nil {
					require.ErrorIs(t, err, ErrState)
					continue
				}
				accepted++
				g.checkWhole(t)
			}
		}
		require.NotZero(t, accepted)
	}
}

// checkWhole holds that every tree is one of as many samples as it must have.
func (f *Forest) checkWhole(t *testing.T) {
	t.Helper()
	for i := range f.trees {
		tr := &f.trees[i]
		require.Len(t, tr.held, f.held())
		var points [][]float64
		for _, s := range tr.held {
			require.Less(t, s.number, f.number)
			require.True(t, f.Valid(tr.point(s.leaf)))
			points = append(points, tr.point(s.leaf))
		}
		tr.check(t, points)
	}
}
