//go:build bench

package forest_test

import (
	"cmp"
	"encoding/csv"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/forest"
)

// series is one of the Numenta Anomaly Benchmark, with what the service made of it.
type series struct {
	values  []float64
	service []float64
	windows [][2]int // of anomalies: first and last record
}

// readNAB reads the benchmark from a checkout of its repository.
func readNAB(tb testing.TB, root string) []series {
	tb.Helper()
	text,
		err := os.ReadFile(filepath.Join(root, "labels", "combined_windows.json")) //nolint:gosec // by whoever runs it
	require.NoError(tb, err)
	var windows map[string][][2]string
	require.NoError(tb, json.Unmarshal(text, &windows))
	var all []series
	for name, of := range windows {
		folder, base := filepath.Split(name)
		path := filepath.Join(root, "results", "randomCutForest", folder, "randomCutForest_"+base)
		file, err := os.Open(path) //nolint:gosec // by the caller
		require.NoError(tb, err)
		rows, err := csv.NewReader(file).ReadAll()
		require.NoError(tb, err)
		require.NoError(tb, file.Close())
		var s series
		at := map[string]int{}
		for i, row := range rows[1:] {
			if _, known := at[row[0]]; !known {
				at[row[0]] = i
			}
			v, err := strconv.ParseFloat(row[1], 64)
			require.NoError(tb, err)
			k, err := strconv.ParseFloat(row[2], 64)
			require.NoError(tb, err)
			s.values, s.service = append(s.values, v), append(s.service, 8*k)
		}
		for _, w := range of {
			from, ok := at[strings.TrimSuffix(w[0], ".000000")]
			require.True(tb, ok)
			to, ok := at[strings.TrimSuffix(w[1], ".000000")]
			require.True(tb, ok)
			s.windows = append(s.windows, [2]int{from, to})
		}
		all = append(all, s)
	}
	require.Len(tb, all, 58)
	return all
}

// profile is what a false alarm and a miss cost in the benchmark; what is found is worth up to 1.
type profile struct{ wrong, missed float64 }

// detection is a record by what it is worth if its score is above the threshold.
type detection struct {
	score  float64
	worth  float64
	window int // -1: none
}

func sigmoid(x float64) float64 {
	if x > 3 {
		return -1
	}
	return 2/(1+math.Exp(5*x)) - 1
}

// grade is the benchmark's score, in percent, at the threshold, or at the best one if that is NaN. In a window the
// earliest detection counts, the sooner the better; others are false alarms, less so behind a window. The first 15 % do
// not count.
func grade(all []series, scores [][]float64, p profile, threshold float64) (best, at float64) {
	var records []detection
	windows := 0
	for i, s := range all {
		probation := math.Min(math.Floor(0.15*float64(len(s.values))), 0.15*5000)
		w := 0
		for j := range s.values {
			inside := w < len(s.windows) && j >= s.windows[w][0]
			d := detection{score: scores[i][j], window: -1}
			switch {
			case inside:
				width := float64(s.windows[w][1] - s.windows[w][0] + 1)
				d.window, d.worth = windows+w, sigmoid(-float64(s.windows[w][1]-j+1)/width)/sigmoid(-1)
			case w == 0:
				d.worth = -p.wrong
			default:
				last := s.windows[w-1]
				d.worth = p.wrong * sigmoid(float64(j-last[1])/float64(last[1]-last[0]))
			}
			if float64(j) >= probation {
				records = append(records, d)
			}
			if inside && j == s.windows[w][1] {
				w++
			}
		}
		windows += len(s.windows)
	}
	slices.SortFunc(records, func(a, b detection) int { return cmp.Compare(b.score, a.score) })
	found := make([]float64, windows)
	for i := range found {
		found[i] = -p.missed
	}
	total, nothing := -p.missed*float64(windows), -p.missed*float64(windows)
	best, at = math.Inf(-1), math.Inf(1)
	for i, d := range records {
		if i == 0 || d.score != records[i-1].score {
			if math.IsNaN(threshold) && total > best ||
				!math.IsNaN(threshold) && (i == 0 || records[i-1].score > threshold) {
				best = total
				if i > 0 {
					at = records[i-1].score
				}
			}
		}
		if d.window < 0 {
			total += d.worth
		} else if d.worth > found[d.window] {
			total += d.worth - found[d.window]
			found[d.window] = d.worth
		}
	}
	return 100 * (best - nothing) / (float64(windows) - nothing), at
}

func profiles() [3]profile { return [3]profile{{0.11, 1}, {0.22, 1}, {0.11, 2}} }

// TestNAB reports how the forest does in the Numenta Anomaly Benchmark, and beside it the service by its own scores.
// NAB is a checkout of the benchmark's repository.
func TestNAB(t *testing.T) {
	root := os.Getenv("NAB")
	if root == "" {
		t.Skip("NAB is not set")
	}
	all := readNAB(t, root)
	report := func(name string, scores [][]float64, threshold float64) {
		var g [3]float64
		for i, p := range profiles() {
			var at float64
			g[i], at = grade(all, scores, p, threshold)
			if i == 0 {
				t.Logf("%-40s threshold %.3f", name, at)
			}
		}
		t.Logf("%-40s standard %.2f, low FP %.2f, low FN %.2f", name, g[0], g[1], g[2])
	}
	service := make([][]float64, len(all))
	for i, s := range all {
		service[i] = s.service
	}
	report("service", service, math.NaN())
	for _, fixed := range []float64{2.5, 3, 3.5, 4} {
		report("service above "+strconv.FormatFloat(fixed, 'f', 1, 64), service, fixed)
	}
	for _, c := range []forest.Config{
		{Trees: 100},
		{Trees: 100, Seed: 1},
		{Trees: 100, Scoring: forest.Standard},
		{Trees: 100, Scoring: forest.Standard, Seed: 1},
		{Trees: 30},
		{Trees: 30, Seed: 1},
		{Trees: 30, Seed: 2},
		{Trees: 30, Scoring: forest.Standard},
		{Trees: 100, SampleSize: 512},
	} {
		c.Dimensions = 1
		c = c.WithDefaults()
		name := string(c.Scoring) + " " + strconv.Itoa(c.Trees) + "x" + strconv.Itoa(c.SampleSize) + " seed " +
			strconv.FormatUint(c.Seed, 10)
		scores := make([][]float64, len(all))
		var ours, theirs []float64
		for i, s := range all {
			f, err := forest.New(c)
			require.NoError(t, err)
			for _, v := range s.values {
				scores[i] = append(scores[i], f.ScoreAndUpdate([]float64{v}))
			}
			ours, theirs = append(ours, scores[i][256:]...), append(theirs, s.service[256:]...)
		}
		r, rmse := agreement(ours, theirs)
		t.Logf("%-40s %d scores: r %.4f, RMSE %.4f", name, len(ours), r, rmse)
		report(name, scores, math.NaN())
		report(name+" above 3.0", scores, 3)
		report(name+" above 3.5", scores, 3.5)
		if c.SampleSize != 256 || c.Seed != forest.DefaultSeed {
			continue
		}
		for _, a := range []forest.ThresholdConfig{
			{}, {Floor: 2.5}, {Rate: 0.001}, {Rate: 0.005}, {Rate: 0.02}, {IgnoreNear: forest.Near{Ratio: 0.2}},
		} {
			alerts, excursions := make([][]float64, len(all)), make([][]float64, len(all))
			above, begun := 0, 0
			for i, s := range all {
				f, err := forest.New(c)
				require.NoError(t, err)
				auto, err := forest.NewThreshold(a)
				require.NoError(t, err)
				for j, v := range s.values {
					verdict := auto.Judge(f, []float64{v}, scores[i][j])
					f.Update([]float64{v})
					alerts[i] = append(alerts[i], float64(number(verdict.Anomaly)))
					excursions[i] = append(excursions[i], float64(number(verdict.Begins)))
					above += number(verdict.Anomaly)
					begun += number(verdict.Begins)
				}
			}
			t.Logf("%s: auto %+v: %d anomalies, %d excursions", name, a, above, begun)
			report(name+" auto, all", alerts, 0.5)
			report(name+" auto, excursions", excursions, 0.5)
		}
	}
}
