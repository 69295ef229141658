package cli

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/rehearse"
	"kinesis-alerter/internal/testkit"
)

// backtestRun is a backtest on an emulated account, or none.
type backtestRun struct {
	fake     *fakeaws.AWS
	terminal bool

	stdout, stderr bytes.Buffer
}

func (r *backtestRun) Run(ctx context.Context, args ...string) error {
	p := &program{
		env: testkit.Environment(nil), stdout: &r.stdout, stderr: &r.stderr, console: &r.stderr, terminal: r.terminal,
		now: time.Now, load: func(context.Context) (aws.Config, error) {
			if r.fake == nil {
				return aws.Config{}, errors.New("no region")
			}
			return testkit.Emulated(r.fake), nil
		},
	}
	if !slices.Contains(args, "--stream") && !slices.Contains(args, "--config") {
		args = append([]string{"--config", "testdata/backtest/candidate.yaml"}, args...)
	}
	return p.Run(ctx, append([]string{"rules", "backtest"}, args...))
}

// report is what --json printed.
func (r *backtestRun) report(t *testing.T) rehearse.BacktestReport {
	t.Helper()
	var out rehearse.BacktestReport
	require.NoError(t, json.Unmarshal(r.stdout.Bytes(), &out), r.stdout.String())
	return out
}

func TestBacktestArchive(t *testing.T) {
	t.Parallel()
	const candidate, baseline, archive = "testdata/backtest/candidate.yaml", "testdata/backtest/baseline.yaml",
		"testdata/backtest/archive.jsonl"
	testkit.Golden(t, "backtest.golden", transcript(t,
		[]string{"rules", "backtest", "--config", candidate, "--against", baseline, "--archive", archive},
		[]string{
			"rules", "backtest", "--config", candidate, "--against", candidate, "--archive", "testdata/explain.json",
		},
		[]string{"rules", "backtest", "--config", candidate, "--archive", archive, "testdata/nosuch.jsonl"},
	))
}

// Of an archive that is packed, the same comes out as of one that is not; --json says what the text says.
func TestBacktestPackedArchive(t *testing.T) {
	t.Parallel()
	plain, err := os.ReadFile("testdata/backtest/archive.jsonl")
	require.NoError(t, err)
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err = w.Write(plain)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	dir := t.TempDir()
	file := filepath.Join(dir, "archive.jsonl.gz")
	require.NoError(t, os.WriteFile(file, packed.Bytes(), 0o600))

	var fromPlain, fromPacked backtestRun
	require.NoError(t, fromPlain.Run(t.Context(), "--archive", "testdata/backtest/archive.jsonl", "--json"))
	require.NoError(t, fromPacked.Run(t.Context(), "--archive", file, "--json"))
	require.Equal(t, fromPlain.stdout.String(), strings.ReplaceAll(fromPacked.stdout.String(), file,
		"testdata/backtest/archive.jsonl"))
	require.Empty(t, fromPacked.stderr.String(), "no progress bar without a terminal")
	got := fromPacked.report(t)
	require.Equal(t, 17, got.Rules[0].Alerts)
	require.Equal(t, rehearse.TopicResult{
		Topic: "texts", Alerts: 19, Messages: 4, Digests: 1, Digested: 16,
		Busiest: rehearse.BusiestSecond{At: time.Date(2026, 11, 22, 9, 1, 20, 0, time.UTC), Alerts: 6},
	}, got.Topics[1])
	require.Equal(t, 4, got.Rules[3].Shadow, "what a rule in mode shadow would have said")

	cut := filepath.Join(dir, "cut.jsonl.gz")
	require.NoError(t, os.WriteFile(cut, packed.Bytes()[:packed.Len()-20], 0o600))
	var fromCut backtestRun
	require.ErrorContains(t, fromCut.Run(t.Context(), "--archive", cut), "unexpected EOF")
	require.Contains(t, fromCut.stdout.String(), "INCOMPLETE, what follows is of a part of the records: ")
}

// What is text to the rules is text in an archive; a line that is too long costs only itself.
func TestBacktestLines(t *testing.T) {
	t.Parallel()
	config := testkit.ConfigFile(t,
		"stream: {name: s}\ntopics: {t: {arn: 'arn:aws:sns:us-east-1:000000000000:t', rate: unlimited, email: false}}\n")
	file := filepath.Join(t.TempDir(), "lines.txt")
	long := strings.Repeat("x", rehearse.MostLine+1)
	require.NoError(t,
		os.WriteFile(file, []byte("one\r\n"+long+"\n\n  \ntwo\n"+`{"partitionKey":"k","data":"dGhyZWU=","other":1}`),
			0o600))
	var r backtestRun
	require.NoError(t, r.Run(t.Context(), "--config", config, "--archive", file, "--every", "1h", "--json"))
	got := r.report(t)
	require.Equal(t, 3, got.Records)
	require.Equal(t, map[string]int{"alerted": 3}, got.Outcomes)
	require.Equal(t, []rehearse.BadLine{{File: file, Line: 2, Why: "is longer than 16 MiB"}}, got.BadExamples)
	require.Len(t, got.Hours, 3, "one an hour")
	require.Empty(t, got.Rules[0].Rule)

	// A payload may look like a record; only what has nothing else is one.
	_, whole := rehearse.Wrapped([]byte(`{"partitionKey":"k","data":{},"sequenceNumber":"1","approximateArrivalTimestamp":1}`))
	require.True(t, whole)
	for _, line := range []string{
		`{"partitionKey":"k","data":{},"x":1}`, `{"partitionKey":"k","data":{}} {}`,
		`{"data":{},"key":"\"partitionKey\""}`,
	} {
		_, whole = rehearse.Wrapped([]byte(line))
		require.False(t, whole, line)
	}
}

func TestBacktestUsage(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"which records? give --from TIME, for what the stream retains, or --archive FILE": {},
		`--config "": names no file; see kinesis-alerter help rules backtest`: {
			"--config", "", "--from", "-1h",
		},
		`unexpected argument "it"; files with records follow --archive`: {
			"it", "--from",
			"-1h",
		},
		"give either --from, for the stream, or --archive": {
			"--from", "-1h", "--archive", "x",
		},
		"--to and --fast go with --from; an archive is read as a whole": {
			"--archive",
			"x", "--fast",
		},
		"--every -1s: want a duration above 0": {
			"--archive", "x", "--every", "-1s",
		},
		"--from 24h: want a time such as 2026-11-22T09:00:00Z, or a duration before now such as -2h": {
			"--from",
			"24h",
		},
		"--to noon: want a time such as 2026-11-22T09:00:00Z, or a duration before now such as -2h": {
			"--from", "-24h", "--to", "noon",
		},
		"--to -2h: is not after --from -1h":                                        {"--from", "-1h", "--to", "-2h"},
		"--from 2999-01-01T00:00:00Z: is in the future, and nothing was there yet": {"--from", "2999-01-01T00:00:00Z"},
	} {
		var r backtestRun
		err := r.Run(t.Context(), args...)
		var usage config.UsageError
		require.ErrorAs(t, err, &usage)
		require.Equal(t, "rules backtest: "+want, err.Error())
	}
	var r backtestRun
	var faults config.FieldErrors
	require.ErrorAs(t, r.Run(t.Context(), "--from", "-1h"), &faults, "AWS is not configured")
	require.ErrorAs(t, r.Run(t.Context(), "--against", "testdata/nosuch.yaml", "--archive", "x"), &faults)
}

// stopAfter ends a context when so much was written to it.
type stopAfter struct {
	left int
	stop context.CancelFunc
}

func (w *stopAfter) Write(p []byte) (int, error) {
	if w.left--; w.left == 0 {
		w.stop()
	}
	return len(p), nil
}

// Who is tired of waiting gets what was found so far.
func TestBacktestInterrupted(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "long.jsonl")
	require.NoError(t, os.WriteFile(file, bytes.Repeat([]byte(`{"kind":"reading","score":9}`+"\n"), 2000), 0o600))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out bytes.Buffer
	clock := time.Unix(0, 0)
	p := &program{
		env: testkit.Environment(nil), stdout: &out, console: &stopAfter{2, cancel}, terminal: true,
		now: func() time.Time { clock = clock.Add(time.Second); return clock },
	}
	err := p.Run(ctx, []string{
		"rules", "backtest", "--config", "testdata/backtest/candidate.yaml", "--archive", file,
	})
	require.EqualError(t, err, "rules backtest: interrupted after 128 records")
	require.True(t,
		strings.HasPrefix(out.String(),
			"INCOMPLETE, what follows is of a part of the records: interrupted\n\n128 records, "), out.String())
	require.Regexp(t, `(?m)^high +3 `, out.String(), "one a minute")
}
