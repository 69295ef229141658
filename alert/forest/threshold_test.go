package forest_test

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert/forest"
)

func newThreshold(tb testing.TB, c forest.ThresholdConfig) *forest.Threshold {
	tb.Helper()
	t, err := forest.NewThreshold(c)
	require.NoError(tb, err)
	return t
}

func emptyForest(tb testing.TB) *forest.Forest {
	tb.Helper()
	return trained(tb, forest.Config{Dimensions: 1}, nil)
}

func TestThresholdConfig(t *testing.T) {
	t.Parallel()
	require.Equal(t, forest.ThresholdConfig{Rate: 0.002, Group: 0.02, Floor: 1.5, Decay: 100_000},
		newThreshold(t, forest.ThresholdConfig{}).Config())
	require.Equal(t, 0.1, //nolint:testifylint // as it is
		newThreshold(t, forest.ThresholdConfig{Rate: 0.1}).Config().Group)
	for want, c := range map[string]forest.ThresholdConfig{
		"rate must be above 0":                {Rate: -1},
		"rate must be above 0 and at most gr": {Rate: 0.03, Group: 0.02},
		"group must be above 0":               {Rate: 0.6},
		"floor must be above 0":               {Floor: math.NaN()},
		"decay must be from 1":                {Decay: -1},
		"ignore near: amount":                 {IgnoreNear: forest.Near{Amount: -1}},
		"ignore near: ratio":                  {IgnoreNear: forest.Near{Ratio: math.Inf(1)}},
	} {
		_, err := forest.NewThreshold(c)
		require.ErrorContains(t, err, want)
	}
}

// TestQuantile compares with sorted scores: above the threshold is no more than the rate, and just below it is more.
func TestQuantile(t *testing.T) {
	t.Parallel()
	f := emptyForest(t)
	rapid.Check(t, func(r *rapid.T) {
		rate := rapid.Float64Range(0.003, 0.4).Draw(r, "rate")
		random := seeded(rapid.Uint64().Draw(r, "seed"))
		auto := newThreshold(t, forest.ThresholdConfig{Rate: rate, Group: rate, Floor: 1.0 / 64})
		var all []float64
		// A shape without gaps, so that the quantile alone decides.
		for range rapid.IntRange(400, 900).Draw(r, "scores") {
			score := 10 * random.Float64()
			all = append(all, score)
			auto.Judge(f, []float64{0}, score)
		}
		slices.Sort(all)
		value := auto.Value()
		above := func(x float64) (n int) {
			for _, s := range all {
				if s > x {
					n++
				}
			}
			return n
		}
		most := rate * float64(len(all))
		require.LessOrEqual(r, float64(above(value)), most+4)
		require.Greater(r, float64(above(value-2.0/64)), most-1)
	})
}

// TestGroup holds that anomalies are found that are a group of their own, although they are more frequent than Rate, up
// to Group; and that those beyond are taken for normal.
func TestGroup(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		every int
		found bool
	}{{1000, true}, {100, true}, {60, true}, {25, false}} {
		f, auto, random := emptyForest(t), newThreshold(t, forest.ThresholdConfig{}), seeded(1)
		found, all := 0, 0
		for i := range 30_000 {
			score := 0.6 + 0.8*random.Float64()
			high := i%c.every == c.every-1
			if high {
				score = 2.5 + random.Float64()
			}
			v := auto.Judge(f, []float64{0}, score)
			if !high {
				require.False(t, v.Anomaly)
			} else if i > 1000 {
				all++
				found += number(v.Anomaly)
			}
		}
		if c.found {
			require.Equal(t, all, found, c.every)
			require.InDelta(t, 1.85, auto.Value(), 0.4)
		} else {
			require.Less(t, found, all/4, c.every)
		}
	}
}

// TestExcursion holds that an excursion begins once, and that a record without a score ends it.
func TestExcursion(t *testing.T) {
	t.Parallel()
	f, auto := emptyForest(t), newThreshold(t, forest.ThresholdConfig{})
	for i := range 1000 {
		v := auto.Judge(f, []float64{0}, 0.8)
		require.False(t, v.Anomaly)
		require.Equal(t, i >= 50, v.Threshold > 0, "there is a threshold after 1/Group scores")
	}
	require.InDelta(t, 1.5, auto.Value(), 0)
	for _, step := range []struct {
		score           float64
		anomaly, begins bool
	}{
		{3, true, true},
		{3, true, false},
		{1.5, false, false},
		{3, true, true},
		{0, false, false},
		{3, true, true},
		{math.NaN(), false, false},
		{3, true, true},
	} {
		v := auto.Judge(f, []float64{0}, step.score)
		require.Equal(t, step.anomaly, v.Anomaly)
		require.Equal(t, step.begins, v.Begins)
	}
}

// TestIgnoreNear holds that records near the median are no anomalies, whatever their score.
func TestIgnoreNear(t *testing.T) {
	t.Parallel()
	random := seeded(4)
	var all [][]float64
	for range 2000 {
		all = append(all, []float64{100 + random.NormFloat64(), 5 + random.NormFloat64()})
	}
	f := trained(t, forest.Config{Dimensions: 2}, all)
	for _, c := range []struct {
		near    forest.Near
		values  []float64
		anomaly bool
	}{
		{forest.Near{}, []float64{100, 5}, true},
		{forest.Near{Amount: 10}, []float64{108, 5}, false},
		{forest.Near{Amount: 10}, []float64{92, -4}, false},
		{forest.Near{Amount: 10}, []float64{112, 5}, true},
		{forest.Near{Amount: 10}, []float64{108, 17}, true},
		{forest.Near{Ratio: 0.2}, []float64{115, 5.5}, false},
		{forest.Near{Ratio: 0.2}, []float64{115, 7}, true},
		{forest.Near{Ratio: 0.2, Amount: 3}, []float64{115, 7}, false},
		{forest.Near{Amount: 10}, []float64{100}, true},
	} {
		auto := newThreshold(t, forest.ThresholdConfig{IgnoreNear: c.near})
		for range 100 {
			auto.Judge(f, c.values, 0.8)
		}
		require.Equal(t, c.anomaly, auto.Judge(f, c.values, 5).Anomaly, c)
	}
}

// TestThresholdDecay holds that the threshold follows scores that have changed.
func TestThresholdDecay(t *testing.T) {
	t.Parallel()
	f, auto, random := emptyForest(t), newThreshold(t, forest.ThresholdConfig{Decay: 1000}), seeded(5)
	for range 10_000 {
		auto.Judge(f, []float64{0}, 4+random.Float64())
	}
	require.InDelta(t, 5, auto.Value(), 0.05)
	for range 20_000 {
		auto.Judge(f, []float64{0}, 2+random.Float64())
	}
	require.InDelta(t, 3, auto.Value(), 0.05)
}

// TestThresholdRoundTrip holds that a threshold that was saved and loaded decides as one that was not.
func TestThresholdRoundTrip(t *testing.T) {
	t.Parallel()
	f := emptyForest(t)
	rapid.Check(t, func(r *rapid.T) {
		c := forest.ThresholdConfig{
			Decay: rapid.IntRange(1, 300).Draw(r, "decay"),
			Rate:  rapid.Float64Range(0.001, 0.4).Draw(r, "rate"),
		}
		a, b := newThreshold(t, c), newThreshold(t, c)
		for range rapid.IntRange(1, 150).Draw(r, "records") {
			score := rapid.Float64Range(0, 10).Draw(r, "score")
			require.Equal(r, a.Judge(f, []float64{0}, score), b.Judge(f, []float64{0}, score))
			if rapid.IntRange(0, 9).Draw(r, "save") == 0 {
				state, err := b.AppendBinary(nil)
				require.NoError(r, err)
				b, err = forest.DecodeThreshold(c, state)
				require.NoError(r, err)
				require.Equal(r, math.Float64bits(a.Value()), math.Float64bits(b.Value()))
			}
		}
	})
}

// FuzzDecodeThreshold holds that no state is too much.
func FuzzDecodeThreshold(f *testing.F) {
	auto := newThreshold(f, forest.ThresholdConfig{})
	for i := range 300 {
		if i%100 == 0 {
			state, err := auto.AppendBinary(nil)
			require.NoError(f, err)
			f.Add(state)
		}
		auto.Judge(emptyForest(f), []float64{0}, float64(i%77)/10)
	}
	f.Add([]byte("KAT\x01\xc50\x00\x0100 ")) // a score that is above it
	f.Fuzz(func(t *testing.T, state []byte) {
		auto, err := forest.DecodeThreshold(forest.ThresholdConfig{Decay: 10}, state)
		if err != nil {
			require.ErrorIs(t, err, forest.ErrState)
			return
		}
		empty := emptyForest(t)
		for range 30 {
			auto.Judge(empty, []float64{0}, 3)
		}
		require.GreaterOrEqual(t, auto.Value(), 0.0)
		again, err := auto.AppendBinary(nil)
		require.NoError(t, err)
		_, err = forest.DecodeThreshold(forest.ThresholdConfig{}, again)
		require.NoError(t, err)
	})
}

// TestConstantHasNoScale: whatever leaves a constant has the highest score there is; only what leaves it by more than a
// hair is an anomaly.
func TestConstantHasNoScale(t *testing.T) {
	t.Parallel()
	noise := func(i int) float64 { return 50 + float64(i*7919%100)/10 } // 50 to 60
	for name, test := range map[string]struct {
		before func(i int) []float64
		value  []float64
		near   forest.Near
		want   bool
	}{
		"a hair": {
			func(int) []float64 { return []float64{72} },
			[]float64{72.001},
			forest.Near{},
			false,
		},
		"just within 1 %": {
			func(int) []float64 { return []float64{72} },
			[]float64{72.7},
			forest.Near{},
			false,
		},
		"below by a hair": {
			func(int) []float64 { return []float64{-72} },
			[]float64{-72.01},
			forest.Near{},
			false,
		},
		"beyond 1 %": {
			func(int) []float64 { return []float64{72} },
			[]float64{73},
			forest.Near{},
			true,
		},
		"ten times as much": {
			func(int) []float64 { return []float64{72} },
			[]float64{720},
			forest.Near{},
			true,
		},
		"zero has no band": {
			func(int) []float64 { return []float64{0} },
			[]float64{0.001},
			forest.Near{},
			true,
		},
		"a scale of one's own": {
			func(int) []float64 { return []float64{72} },
			[]float64{72.001},
			forest.Near{Amount: 0.0001},
			true,
		},
		"nearly constant": {
			func(i int) []float64 { return []float64{72 + float64(i%3)*0.001} },
			[]float64{72.01},
			forest.Near{},
			false,
		},
		"a hair beside noise": {
			func(i int) []float64 { return []float64{noise(i), 72} },
			[]float64{55, 72.001},
			forest.Near{},
			false,
		},
		"a hair, and beyond noise": {
			func(i int) []float64 { return []float64{noise(i), 72} },
			[]float64{500, 72.001},
			forest.Near{},
			true,
		},
		"constant, and beyond noise": {
			func(i int) []float64 { return []float64{noise(i), 72} },
			[]float64{500, 72},
			forest.Near{},
			true,
		},
		"a step of a steady dimension": {
			func(i int) []float64 { return []float64{noise(i), 72} },
			[]float64{55, 90},
			forest.Near{},
			true,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := forest.New(forest.Config{Dimensions: len(test.value), Trees: 30})
			require.NoError(t, err)
			auto := newThreshold(t, forest.ThresholdConfig{IgnoreNear: test.near})
			for i := range 1000 {
				x := test.before(i)
				auto.Judge(f, x, f.Score(x))
				f.Update(x)
			}
			require.Equal(t, test.want, auto.Judge(f, test.value, f.Score(test.value)).Anomaly, "score %.2f",
				f.Score(test.value))
		})
	}
}
