package alert

import (
	"math"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// TestSumsAreCompensated holds sums and means of windows against exact arithmetic.
func TestSumsAreCompensated(t *testing.T) {
	t.Parallel()
	numbers := rapid.OneOf(
		rapid.Float64Range(-1000, 1000), rapid.SampledFrom([]float64{0.1, -0.1, 1, 1e16, -1e16, 1e-9, 3e7}),
	)
	rapid.Check(t, func(r *rapid.T) {
		sum, mean := &windowRule{aggregate: AggregateSum}, &windowRule{aggregate: AggregateAvg}
		s, exact, size := &window{size: 12}, new(big.Rat), 0.0
		values := rapid.SliceOfN(numbers, 1, 200).Draw(r, "values")
		for i, v := range values {
			s.last = int64(i / 20)
			s.add(v)
			exact.Add(exact, new(big.Rat).SetFloat64(v))
			size += math.Abs(v)
		}
		want, _ := exact.Float64()
		got, _ := sum.value(new(s.all()), 0)
		const ulp = 0x1p-52
		allowed := math.Abs(want)*ulp + size*float64(len(values))*ulp*ulp*4 +
			float64(len(values))*math.SmallestNonzeroFloat64*sumUnit // where a unit makes it subnormal
		require.InDelta(r, want, got, allowed, "sum")
		want, _ = exact.Quo(exact, new(big.Rat).SetInt64(int64(len(values)))).Float64()
		got, _ = mean.value(new(s.all()), 0)
		require.InDelta(r, want, got, math.Abs(want)*ulp+allowed/float64(len(values)), "mean")
	})
}

func TestMeanOfLargeNumbers(t *testing.T) {
	t.Parallel()
	s := &window{size: 1}
	for range 1000 {
		s.add(math.MaxFloat64)
	}
	mean, ok := (&windowRule{aggregate: AggregateAvg}).value(new(s.all()), 0)
	require.True(t, ok)
	require.InDelta(t, 1, mean/math.MaxFloat64, 1e-15)
	sum, _ := (&windowRule{aggregate: AggregateSum}).value(new(s.all()), 0)
	require.True(t, math.IsInf(sum, 1))
}
