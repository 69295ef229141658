package forest_test

import (
	"fmt"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/forest"
)

// cpuTime is what the process has used so far, collector included. Run with -cpu 1, it is what a record costs on a busy
// machine, too.
func cpuTime(tb testing.TB) time.Duration {
	tb.Helper()
	var u syscall.Rusage
	require.NoError(tb, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// heartRate is AWS' sample: one in a hundred is HIGH, 150 to 200, all others are 60 to 100.
func heartRate(random *rand.Rand) (rate float64, high bool) {
	if random.Float64() < 0.01 {
		return float64(150 + random.IntN(51)), true
	}
	return float64(60 + random.IntN(41)), false
}

func seeded(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, seed)) } //nolint:gosec // reproducible

// records makes records of a kind: heart-rate, or uniform in so many dimensions.
func records(kind string, dimensions, n int) [][]float64 {
	random := seeded(1)
	all := make([][]float64, n)
	for i := range all {
		all[i] = make([]float64, dimensions)
		for d := range all[i] {
			all[i][d] = random.Float64()
			if kind == "heart-rate" {
				all[i][d], _ = heartRate(random)
			}
		}
	}
	return all
}

// trained is a forest that has seen some records.
func trained(tb testing.TB, config forest.Config, all [][]float64) *forest.Forest {
	tb.Helper()
	f, err := forest.New(config)
	require.NoError(tb, err)
	for _, x := range all {
		f.Update(x)
	}
	return f
}

// BenchmarkScoreAndUpdate is the cost of a record, after 100,000.
func BenchmarkScoreAndUpdate(b *testing.B) {
	for _, c := range []struct {
		kind              string
		dimensions, trees int
	}{
		{"heart-rate", 1, 100},
		{"heart-rate", 1, 30},
		{"uniform", 1, 100},
		{"uniform", 1, 30},
		{"uniform", 2, 100},
		{"uniform", 8, 100},
		{"uniform", 8, 30},
	} {
		b.Run(fmt.Sprintf("%s/dimensions=%d/trees=%d", c.kind, c.dimensions, c.trees), func(b *testing.B) {
			all := records(c.kind, c.dimensions, 100_000)
			f := trained(b, forest.Config{Dimensions: c.dimensions, Trees: c.trees}, all)
			b.ReportAllocs()
			began := cpuTime(b)
			i := 0
			for b.Loop() {
				f.ScoreAndUpdate(all[i%len(all)])
				i++
			}
			b.ReportMetric(float64(cpuTime(b)-began)/float64(b.N), "cpu-ns/op")
			b.ReportMetric(float64(f.Size())/1024, "KiB")
		})
	}
}
