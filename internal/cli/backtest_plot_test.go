package cli

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/rehearse"
	"kinesis-alerter/internal/testkit"
)

func svgOf(t *testing.T, config, archive string) (marks int, texts []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "plot.svg")
	var r backtestRun
	require.NoError(t, r.Run(t.Context(), "--config", config, "--archive", archive, "--svg", file))
	svg, err := os.ReadFile(file) //nolint:gosec // in the test's own folder
	require.NoError(t, err)
	return testkit.Plotted(t, svg)
}

// Without scores there is a chart for each rule with alerts, each of which is marked.
func TestBacktestPlotOfValues(t *testing.T) {
	t.Parallel()
	marks, texts := svgOf(t, "testdata/backtest/candidate.yaml", "testdata/backtest/archive.jsonl")
	require.Equal(t, 17+1+1+2, marks)
	for _, want := range []string{"value of high", "high: 17 alerts", "value of silence", "silence: 2 alerts"} {
		require.Contains(t, texts, want)
	}
	require.NotContains(t, texts, "value of tried")

	nothing := filepath.Join(t.TempDir(), "empty.jsonl")
	require.NoError(t, os.WriteFile(nothing, nil, 0o600))
	marks, texts = svgOf(t, "testdata/backtest/candidate.yaml", nothing)
	require.Zero(t, marks)
	require.Contains(t, texts, "no alerts")

	var r backtestRun
	require.ErrorContains(t, r.Run(t.Context(), "--archive", nothing, "--svg", nothing),
		"want a name that ends with .svg")
	require.ErrorContains(t, r.Run(t.Context(), "--archive", nothing, "--svg", filepath.Join(nothing, "x.svg")),
		"x.svg: not a directory")
}

// Where records have scores, these are drawn, with the alerts of all rules at them.
func TestBacktestPlotOfScores(t *testing.T) {
	t.Parallel()
	config := testkit.ConfigFile(t, `
stream: {name: s}
rules:
  - {name: high, when: ANOMALY_SCORE > 3, topics: [t]}
  - {name: highest, when: ANOMALY_SCORE > 5, topics: [t]}
topics: {t: {arn: "arn:aws:sns:us-east-1:000000000000:t"}}
`)
	var lines strings.Builder
	for i := range 5000 {
		score := 1 + math.Sin(float64(i))/2
		if i%500 == 250 {
			score = 4 + float64(i)/2500
		}
		fmt.Fprintf(&lines, `{"ANOMALY_SCORE":%.3f}`+"\n", score)
	}
	lines.WriteString(`{"ANOMALY_SCORE":"1"}` + "\n" + `{"ANOMALY_SCORE":null}` + "\n" + `{"NOTE":"ANOMALY_SCORE"}` +
		"\n")
	archive := filepath.Join(t.TempDir(), "scores.jsonl")
	require.NoError(t, os.WriteFile(archive, []byte(lines.String()), 0o600))
	marks, texts := svgOf(t, config, archive)
	require.Equal(t, 10+5, marks)
	for _, want := range []string{rehearse.ScoreField, "records", "high: 10 alerts", "highest: 5 alerts"} {
		require.Contains(t, texts, want)
	}
}

// Scores that the configuration computes are drawn like those that records bring along.
func TestBacktestPlotOfComputedScores(t *testing.T) {
	t.Parallel()
	config := testkit.ConfigFile(t, `
stream: {name: s}
score: {as: HEART_SCORE, fields: [heartRate], trees: 20, samples: 64}
rules:
  - {name: high, when: HEART_SCORE > 2.5, topics: [t]}
topics: {t: {arn: "arn:aws:sns:us-east-1:000000000000:t"}}
`)
	var lines strings.Builder
	for i := range 600 {
		rate := 60 + i*7%40
		if i == 500 {
			rate = 190
		}
		fmt.Fprintf(&lines, `{"heartRate":%d}`+"\n", rate)
	}
	lines.WriteString(`{"heartRate":"none"}` + "\n")
	archive := filepath.Join(t.TempDir(), "rates.jsonl")
	require.NoError(t, os.WriteFile(archive, []byte(lines.String()), 0o600))
	marks, texts := svgOf(t, config, archive)
	require.Equal(t, 1, marks)
	for _, want := range []string{"HEART_SCORE", "records", "high: 1 alert"} {
		require.Contains(t, texts, want)
	}
	var r backtestRun
	require.NoError(t, r.Run(t.Context(), "--config", config, "--archive", archive))
	require.Contains(t, r.stdout.String(), "note: 1 record without HEART_SCORE (field)\n")
}
