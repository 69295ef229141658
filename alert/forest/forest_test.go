package forest_test

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert/forest"
)

func TestConfig(t *testing.T) {
	t.Parallel()
	f, err := forest.New(forest.Config{Dimensions: 2})
	require.NoError(t, err)
	require.Equal(t, forest.Config{
		Dimensions: 2, Trees: 30, SampleSize: 256, Decay: 100_000, Shingle: 1, Scoring: forest.KDA,
		Seed: forest.DefaultSeed,
	}, f.Config())
	for want, c := range map[string]forest.Config{
		"dimensions must be from 1 to 30, not 0":            {},
		"dimensions must be from 1 to 30, not 31":           {Dimensions: 31},
		"trees must be from 1 to 1000, not 1001":            {Dimensions: 1, Trees: 1001},
		"sample size must be from 10 to 1000, not 9":        {Dimensions: 1, SampleSize: 9},
		"sample size must be from 10 to 1000, not 1001":     {Dimensions: 1, SampleSize: 1001},
		"decay must be from 1 to 2147483647, not -1":        {Dimensions: 1, Decay: -1},
		"sample size 256 must be less than decay 256":       {Dimensions: 1, Decay: 256},
		"shingle must be from 1 to 30, not 31":              {Dimensions: 1, Shingle: 31},
		`scoring must be kda or standard, not "best"`:       {Dimensions: 1, Scoring: "best"},
		"trees must be from 1 to 1000, not -1\nsample size": {Dimensions: 1, Trees: -1, SampleSize: -1},
	} {
		_, err := forest.New(c)
		require.ErrorContains(t, err, want)
	}
	require.NoError(t,
		forest.Config{Dimensions: 30, Trees: 1000, SampleSize: 1000, Decay: 1<<31 - 1, Shingle: 30}.Validate())
}

// TestWarmUp holds from which record on there is a score.
func TestWarmUp(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config forest.Config
		zeros  int
	}{
		{forest.Config{Dimensions: 1, Trees: 2}, 256},
		{forest.Config{Dimensions: 1, Trees: 2, Scoring: forest.Standard}, 64},
		{forest.Config{Dimensions: 1, Trees: 2, SampleSize: 10, Scoring: forest.Standard}, 2},
		{forest.Config{Dimensions: 1, Trees: 2, SampleSize: 20, Shingle: 4}, 23},
	} {
		f, err := forest.New(c.config)
		require.NoError(t, err)
		for i, x := range records("uniform", 1, c.zeros+10) {
			require.Equal(t, max(c.zeros-i, 0), f.WarmUp())
			score := f.ScoreAndUpdate(x)
			require.Equal(t, i < c.zeros, score == 0, "record %d", i)
		}
	}
}

// TestInvalid holds that values that are none leave no trace.
func TestInvalid(t *testing.T) {
	t.Parallel()
	c := forest.Config{Dimensions: 2, Trees: 5, SampleSize: 20, Shingle: 3}
	f, err := forest.New(c)
	require.NoError(t, err)
	g, err := forest.New(c)
	require.NoError(t, err)
	for _, x := range records("uniform", 2, 200) {
		for _, bad := range [][]float64{
			nil, {1}, {1, 2, 3}, {math.NaN(), 1}, {1, math.Inf(1)}, {math.Inf(-1), 1}, {1, 1.1e300}, {-1.1e300, 1},
		} {
			require.False(t, f.Valid(bad))
			require.Zero(t, f.ScoreAndUpdate(bad))
			for _, a := range f.Attribution(nil, bad) {
				require.Zero(t, a.Score)
			}
		}
		require.True(t, f.Valid(x))
		require.Equal(t, g.ScoreAndUpdate(x), f.ScoreAndUpdate(x)) //nolint:testifylint // bit for bit
	}
	require.Equal(t, encode(t, g), encode(t, f))
}

// TestExtremes holds that the greatest and the smallest values have scores and states, as have both zeros.
func TestExtremes(t *testing.T) {
	t.Parallel()
	c := forest.Config{Dimensions: 2, Trees: 10, SampleSize: 20, Decay: 50}
	f, err := forest.New(c)
	require.NoError(t, err)
	some := []float64{
		1e300, -1e300, 0, math.Copysign(0, -1), math.SmallestNonzeroFloat64, -math.SmallestNonzeroFloat64,
		1, math.Nextafter(1, 2),
	}
	random := seeded(1)
	for range 2000 {
		x := []float64{some[random.IntN(len(some))], some[random.IntN(len(some))]}
		score := f.ScoreAndUpdate(x)
		require.False(t, math.IsNaN(score) || score < 0 || score > math.Log2(20))
	}
	_, err = forest.Decode(c, encode(t, f))
	require.NoError(t, err)
	require.Equal(t, f.Score([]float64{0, 1}), //nolint:testifylint // bit for bit
		f.Score([]float64{math.Copysign(0, -1), 1}))
}

// TestDeterminism holds that a score is a function of the seed and the records before, the same in every version: the
// figures are those of the first. If they change, states of earlier versions must be refused.
func TestDeterminism(t *testing.T) {
	t.Parallel()
	run := func(c forest.Config) (last []float64) {
		random := seeded(1)
		f, err := forest.New(c)
		require.NoError(t, err)
		for range 5000 {
			rate, _ := heartRate(random)
			last = append(last, f.ScoreAndUpdate([]float64{rate}))
		}
		return last
	}
	c := forest.Config{Dimensions: 1, Trees: 10, Decay: 1000}
	first := run(c)
	require.Equal(t, first, run(c))
	c.Seed = 1
	require.NotEqual(t, first, run(c))
	require.InDeltaSlice(t, []float64{0.939076479076479, 0.775875647152811, 0.956861893838287, 0.705880724977713},
		[]float64{first[256], first[1000], first[3000], first[4999]}, 1e-12)
}

// TestConstant holds what the service made of a constant stream, 8/257, and of the first other value: the most there
// is.
func TestConstant(t *testing.T) {
	t.Parallel()
	f, err := forest.New(forest.Config{Dimensions: 1, Trees: 100})
	require.NoError(t, err)
	for i := range 2000 {
		if score := f.ScoreAndUpdate([]float64{45}); i >= 256 {
			require.InDelta(t, 8.0/257, score, 1e-12)
		}
	}
	require.InDelta(t, 8, f.Score([]float64{46}), 1e-12)
}

// TestAttribution holds that what the dimensions have in a score adds up to it, and that they say where the value lies.
func TestAttribution(t *testing.T) {
	t.Parallel()
	for _, scoring := range []forest.Scoring{forest.KDA, forest.Standard} {
		for _, shingle := range []int{1, 4} {
			random := seeded(2)
			f, err := forest.New(forest.Config{Dimensions: 3, Trees: 20, Shingle: shingle, Scoring: scoring})
			require.NoError(t, err)
			var parts []forest.Attribution
			for i := range 3000 {
				x := []float64{math.Round(random.NormFloat64() * 4), random.NormFloat64(), 7}
				direction, place := forest.High, -1
				if i%1000 == 999 { // too few for the trees to know them
					place = random.IntN(2)
					if x[place] = 60; random.IntN(2) == 0 {
						x[place], direction = -60, forest.Low
					}
				}
				if place < 0 && i%20 > 0 {
					f.Update(x)
					continue
				}
				score := f.Score(x)
				parts = f.Attribution(parts[:0], x)
				sum := 0.0
				for _, a := range parts {
					sum += a.Score
					require.GreaterOrEqual(t, a.Strength, 0.0)
					require.LessOrEqual(t, a.Strength, 1.0)
				}
				require.InDelta(t, score, sum, 1e-9)
				if place >= 0 && score > 0 && shingle == 1 {
					require.Equal(t, direction, parts[place].Direction)
					require.Greater(t, parts[place].Strength, 0.8)
					require.Greater(t, parts[place].Score, 0.7*score)
				}
				f.Update(x)
			}
		}
	}
}

// TestShingle holds that records in an order that was never seen stand out, each of which was seen many times.
func TestShingle(t *testing.T) {
	t.Parallel()
	f, err := forest.New(forest.Config{Dimensions: 1, Shingle: 4})
	require.NoError(t, err)
	most := 0.0
	for i := range 2000 {
		if score := f.ScoreAndUpdate([]float64{float64(i % 8)}); i > 1000 {
			most = max(most, score)
		}
	}
	for range 3 {
		f.ScoreAndUpdate([]float64{3})
	}
	require.Greater(t, f.Score([]float64{3}), 1.3*most)
}

// TestExpected holds that the median of recent records is what is expected.
func TestExpected(t *testing.T) {
	t.Parallel()
	f, err := forest.New(forest.Config{Dimensions: 2, Decay: 1000, Shingle: 2})
	require.NoError(t, err)
	require.Empty(t, f.Expected(nil))
	random := seeded(3)
	for i := range 12_000 {
		level := 10.0
		if i > 4000 {
			level = 20
		}
		f.Update([]float64{level + random.NormFloat64(), 1000 * random.Float64()})
	}
	expected := f.Expected(nil)
	require.Len(t, expected, 2)
	require.InDelta(t, 20, expected[0], 0.2)
	require.InDelta(t, 500, expected[1], 60)
}

// TestAllocations holds that neither scoring nor updating, nor a judgement, takes memory once the trees are full.
func TestAllocations(t *testing.T) {
	for _, dimensions := range []int{1, 3} {
		all := records("uniform", dimensions, 20_000)
		f := trained(t, forest.Config{Dimensions: dimensions, Decay: 5000, Shingle: 2}, all)
		auto, err := forest.NewThreshold(forest.ThresholdConfig{IgnoreNear: forest.Near{Amount: 1e-6}})
		require.NoError(t, err)
		f.Expected(nil)
		i := 0
		require.Zero(t, testing.AllocsPerRun(5000, func() {
			x := all[i%len(all)]
			auto.Judge(f, x, f.Score(x))
			f.Update(x)
			i++
		}))
	}
}

// TestSize holds that a forest of few records takes little memory, and that Size is about what it takes.
func TestSize(t *testing.T) {
	t.Parallel()
	c := forest.Config{Dimensions: 1}
	few := trained(t, c, records("uniform", 1, 10)).Size()
	full := trained(t, c, records("uniform", 1, 2000)).Size()
	t.Logf("30 trees: %.1f KiB of 10 records, %.1f KiB of 2000", float64(few)/1024, float64(full)/1024)
	require.Less(t, few, 50<<10)
	require.Less(t, full, 600<<10)
}

// TestBounds holds that scores stay between 0 and the logarithm of the sample.
func TestBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		c := forest.Config{
			Dimensions: 1, Trees: 3, SampleSize: 16, Decay: 40,
			Scoring: rapid.SampledFrom([]forest.Scoring{forest.KDA, forest.Standard}).Draw(r, "scoring"),
		}
		f, err := forest.New(c)
		require.NoError(r, err)
		most := 4.0
		if c.Scoring == forest.Standard {
			most = math.Log2(17)
		}
		for _, x := range rapid.SliceOfN(rapid.Float64Range(-10, 10), 30, 100).Draw(r, "values") {
			score := f.ScoreAndUpdate([]float64{math.Round(x)})
			require.GreaterOrEqual(r, score, 0.0)
			require.LessOrEqual(r, score, most+1e-9)
		}
	})
}
