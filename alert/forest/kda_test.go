package forest_test

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/forest"
)

// readKDA returns the values of a series, and the scores that the service gave them.
func readKDA(tb testing.TB, path string) (values, scores []float64) {
	tb.Helper()
	file, err := os.Open(path) //nolint:gosec // of the package
	require.NoError(tb, err)
	defer func() { require.NoError(tb, file.Close()) }()
	text, err := gzip.NewReader(file)
	require.NoError(tb, err)
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		var v, s float64
		_, err := fmt.Sscanf(lines.Text(), "%g,%g", &v, &s)
		require.NoError(tb, err)
		values, scores = append(values, v), append(scores, s)
	}
	require.NoError(tb, lines.Err())
	return values, scores
}

// agreement is the correlation of two series, and the root of the mean square of their difference.
func agreement(a, b []float64) (r, rmse float64) {
	var n, sa, sb, saa, sbb, sab, square float64
	for i := range a {
		n++
		sa, sb = sa+a[i], sb+b[i]
		saa, sbb, sab = saa+a[i]*a[i], sbb+b[i]*b[i], sab+a[i]*b[i]
		square += (a[i] - b[i]) * (a[i] - b[i])
	}
	return (n*sab - sa*sb) / math.Sqrt((n*saa-sa*sa)*(n*sbb-sb*sb)), math.Sqrt(square / n)
}

// TestServiceScores compares with the scores that Kinesis Data Analytics gave.
func TestServiceScores(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("testdata/kda/*.csv.gz")
	require.NoError(t, err)
	require.Len(t, paths, 6)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".csv.gz"), func(t *testing.T) {
			t.Parallel()
			values, theirs := readKDA(t, path)
			f,
				err := forest.New(forest.Config{
				Dimensions: 1, Trees: 100, SampleSize: 256, Decay: 100_000,
				Scoring: forest.KDA,
			})
			require.NoError(t, err)
			ours := make([]float64, len(values))
			for i, v := range values {
				ours[i] = f.ScoreAndUpdate([]float64{v})
			}
			require.Equal(t, theirs[:256], ours[:256], "warm-up")
			require.NotContains(t, ours[256:], 0.0)
			r, rmse := agreement(ours[256:], theirs[256:])
			t.Logf("%5d scores: r %.4f, RMSE %.4f", len(values)-256, r, rmse)
			require.GreaterOrEqual(t, r, 0.98)
			require.LessOrEqual(t, rmse, 0.08)
		})
	}
}
