package forest_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/forest"
)

// TestHeartRate is AWS' sample, 60,000 records: what a fixed threshold of 3.0 finds, and an automatic one.
func TestHeartRate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		seed   uint64
		config forest.Config
	}{
		{1, forest.Config{Dimensions: 1}},
		{2, forest.Config{Dimensions: 1}},
		{3, forest.Config{Dimensions: 1}},
		{4, forest.Config{Dimensions: 1, Scoring: forest.Standard, Seed: 7}},
		{5, forest.Config{Dimensions: 1, Seed: 7}},
		{7, forest.Config{Dimensions: 1, Seed: 7}},
	} {
		c.config = c.config.WithDefaults()
		t.Run(fmt.Sprintf("%s, %d trees, seed %d", c.config.Scoring, c.config.Trees, c.seed), func(t *testing.T) {
			t.Parallel()
			random := seeded(c.seed)
			f, err := forest.New(c.config)
			require.NoError(t, err)
			auto, err := forest.NewThreshold(forest.ThresholdConfig{})
			require.NoError(t, err)
			var all, fixed, fixedFalse, found, begun, wrong int
			for range 60_000 {
				rate, high := heartRate(random)
				x := []float64{rate}
				score := f.Score(x)
				v := auto.Judge(f, x, score)
				f.Update(x)
				if !high {
					wrong += number(v.Anomaly)
					fixedFalse += number(score > 3)
					continue
				}
				all++
				fixed += number(score > 3)
				found += number(v.Anomaly)
				begun += number(v.Begins)
			}
			percent := func(n int) float64 { return 100 * float64(n) / float64(all) }
			t.Logf("of %d HIGH: 3.0 finds %.1f %% (%d false), auto %.2f %% (%d false), in %d excursions; "+
				"threshold %.2f",
				all, percent(fixed), fixedFalse, percent(found), wrong, begun, auto.Value())
			require.GreaterOrEqual(t, percent(found), 99.0)
			require.LessOrEqual(t, wrong, 5)
			require.Less(t, percent(fixed), 95.0)
			require.Greater(t, percent(fixed), 25.0)
			require.Zero(t, fixedFalse)
		})
	}
}

func number(is bool) int {
	if is {
		return 1
	}
	return 0
}
