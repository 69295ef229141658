package forest_test

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert/forest"
)

func encode(tb testing.TB, f *forest.Forest) []byte {
	tb.Helper()
	state, err := f.AppendBinary(nil)
	require.NoError(tb, err)
	return state
}

// TestRoundTrip holds that a forest that was saved and loaded, at any point and more than once, scores as one that was
// not, bit for bit.
func TestRoundTrip(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		c := forest.Config{
			Dimensions: rapid.IntRange(1, 3).Draw(r, "dimensions"),
			Trees:      rapid.IntRange(1, 4).Draw(r, "trees"),
			SampleSize: rapid.IntRange(10, 30).Draw(r, "sample size"),
			Decay:      rapid.IntRange(31, 300).Draw(r, "decay"),
			Shingle:    rapid.IntRange(1, 3).Draw(r, "shingle"),
			Scoring:    rapid.SampledFrom([]forest.Scoring{forest.KDA, forest.Standard}).Draw(r, "scoring"),
			Seed:       rapid.Uint64().Draw(r, "seed"),
		}
		f, err := forest.New(c)
		require.NoError(r, err)
		g, err := forest.New(c)
		require.NoError(r, err)
		value := rapid.OneOf(
			rapid.Map(rapid.IntRange(-3, 3), func(i int) float64 { return float64(i) }),
			rapid.Float64Range(-1e300, 1e300),
			rapid.Float64Range(-1, 1),
		)
		for range rapid.IntRange(0, 120).Draw(r, "records") {
			x := rapid.SliceOfN(value, c.Dimensions, c.Dimensions).Draw(r, "record")
			require.Equal(r, math.Float64bits(f.Score(x)), math.Float64bits(g.Score(x)))
			require.Equal(r, f.Attribution(nil, x), g.Attribution(nil, x))
			f.Update(x)
			g.Update(x)
			if rapid.IntRange(0, 9).Draw(r, "save") == 0 {
				state := encode(t, g)
				g, err = forest.Decode(c, state)
				require.NoError(r, err)
				require.Equal(r, state, encode(t, g))
			}
			require.Equal(r, f.WarmUp(), g.WarmUp())
			require.Equal(r, f.Points(), g.Points())
			require.Equal(r, f.Expected(nil), g.Expected(nil))
			require.Equal(r, f.Size(), g.Size(), "what is forgotten for want of memory does not depend on restarts")
		}
		require.Equal(r, encode(t, f), encode(t, g))
	})
}

// TestRoundTripLong does so for records like those of real streams, far into the decay.
func TestRoundTripLong(t *testing.T) {
	t.Parallel()
	for _, kind := range []string{"heart-rate", "uniform"} {
		c := forest.Config{Dimensions: 1, Trees: 100}
		all := records(kind, 1, 105_000)
		f := trained(t, c, all[:100_000])
		state := encode(t, f)
		t.Logf("%s: state %.1f KiB, memory %.1f KiB", kind, float64(len(state))/1024, float64(f.Size())/1024)
		require.LessOrEqual(t, len(state), 400<<10)
		g, err := forest.Decode(c, state)
		require.NoError(t, err)
		for _, x := range all[100_000:101_000] {
			require.Equal(t, f.ScoreAndUpdate(x), g.ScoreAndUpdate(x)) //nolint:testifylint // bit for bit
		}
		for _, x := range all[101_000:] {
			f.Update(x)
			g.Update(x)
		}
		require.Equal(t, encode(t, f), encode(t, g))
	}
}

// TestDecodeOther refuses what is no state of this configuration; another scoring has the same state.
func TestDecodeOther(t *testing.T) {
	t.Parallel()
	c := forest.Config{Dimensions: 2, Trees: 3, SampleSize: 20, Decay: 1000, Shingle: 2, Seed: 5}
	state := encode(t, trained(t, c, records("uniform", 2, 100)))
	for name, change := range map[string]func(*forest.Config){
		"dimensions":  func(c *forest.Config) { c.Dimensions = 1 },
		"trees":       func(c *forest.Config) { c.Trees = 4 },
		"sample size": func(c *forest.Config) { c.SampleSize = 21 },
		"decay":       func(c *forest.Config) { c.Decay = 999 },
		"shingle":     func(c *forest.Config) { c.Shingle = 1 },
		"seed":        func(c *forest.Config) { c.Seed = 6 },
	} {
		other := c
		change(&other)
		_, err := forest.Decode(other, state)
		require.ErrorIs(t, err, forest.ErrState, name)
		require.ErrorContains(t, err, name)
	}
	_, err := forest.Decode(forest.Config{}, state)
	require.ErrorContains(t, err, "dimensions")
	for i := range state {
		_, err := forest.Decode(c, state[:i])
		require.ErrorIs(t, err, forest.ErrState, i)
	}
	_, err = forest.Decode(c, append(slices.Clip(state), 0))
	require.ErrorIs(t, err, forest.ErrState)
	later := append([]byte(nil), state...)
	later[3] = 2
	_, err = forest.Decode(c, later)
	require.ErrorContains(t, err, "version 2")
	c.Scoring = forest.Standard
	f, err := forest.Decode(c, state)
	require.NoError(t, err)
	require.Equal(t, forest.Standard, f.Config().Scoring)
}

// TestDecodeBounds holds that damage costs no memory: a few bytes that claim a forest of the greatest size.
func TestDecodeBounds(t *testing.T) {
	c := forest.Config{Dimensions: 30, Trees: 1, SampleSize: 1000, Shingle: 30}
	empty, err := forest.New(c)
	require.NoError(t, err)
	state := encode(t, empty)
	damaged := append([]byte(nil), state[:len(state)-1-29*30*8-2]...)
	damaged = append(damaged, 29, 0xff, 0xff, 0x7f)      // records, points
	damaged = append(damaged, make([]byte, 29*30*8)...)  // window
	damaged = append(damaged, 0xe8, 0x07)                // 1000 leaves
	damaged = append(damaged, make([]byte, 250)...)      // shape
	damaged = append(damaged, make([]byte, 900*1000)...) // too few
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err = forest.Decode(c, damaged)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, forest.ErrState)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(1<<20))
}

// FuzzDecode holds that no state is too much, and that one that is accepted is a whole forest.
func FuzzDecode(f *testing.F) {
	c := forest.Config{Dimensions: 2, Trees: 2, SampleSize: 12, Decay: 100, Shingle: 2, Seed: 5}
	for _, n := range []int{0, 1, 2, 8, 50} {
		for _, kind := range []string{"heart-rate", "uniform"} {
			f.Add(encode(f, trained(f, c, records(kind, 2, n))))
		}
	}
	f.Fuzz(func(t *testing.T, state []byte) {
		g, err := forest.Decode(c, state)
		if err != nil {
			require.ErrorIs(t, err, forest.ErrState)
			return
		}
		again, err := forest.Decode(c, encode(t, g))
		require.NoError(t, err)
		for i, x := range records("uniform", 2, 40) {
			x[0] += float64(i % 3)
			score := g.Score(x)
			require.False(t, math.IsNaN(score) || score < 0 || score > 8)
			require.Equal(t, score, again.Score(x)) //nolint:testifylint // bit for bit
			g.Update(x)
			again.Update(x)
		}
	})
}

// BenchmarkState is the cost of saving and loading a forest.
func BenchmarkState(b *testing.B) {
	for _, c := range []struct {
		kind  string
		trees int
	}{{"uniform", 100}, {"uniform", 30}, {"heart-rate", 100}, {"heart-rate", 30}} {
		config := forest.Config{Dimensions: 1, Trees: c.trees}
		f := trained(b, config, records(c.kind, 1, 300_000))
		state := encode(b, f)
		b.Run(fmt.Sprintf("save/%s/trees=%d", c.kind, c.trees), func(b *testing.B) {
			began := cpuTime(b)
			for b.Loop() {
				state, _ = f.AppendBinary(state[:0])
			}
			b.ReportMetric(float64(len(state))/1024, "KiB") // here: Loop resets what was reported before
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N)/1e6, "cpu-ms/op")
		})
		b.Run(fmt.Sprintf("load/%s/trees=%d", c.kind, c.trees), func(b *testing.B) {
			began := cpuTime(b)
			for b.Loop() {
				if _, err := forest.Decode(config, state); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N)/1e6, "cpu-ms/op")
		})
	}
}
