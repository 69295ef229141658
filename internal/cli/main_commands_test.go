package cli

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// invoke runs a command line.
func invoke(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = Main(t.Context(), args, testkit.Environment(nil), &out, &errs)
	return code, out.String(), errs.String()
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, args := range [][]string{
		{"help"},
		{"help", "run"},
		{"check", "--help"},
		{"produce", "-h"},
		{"help", "rules"},
		{"help", "explain"},
		{"help", "rules", "backtest"},
		{"help", "leases"},
		{"help", "leases", "rewind"},
		{"help", "healthcheck"},
	} {
		code, stdout, stderr := invoke(t, args...)
		require.Equal(t, ExitOK, code, stderr)
		require.Empty(t, stderr)
		all.WriteString("$ kinesis-alerter " + strings.Join(args, " ") + "\n" + stdout + "\n")
	}
	testkit.Golden(t, "help.golden", all.String())
}

func TestWrongUsage(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		args []string
		want string
	}{
		"no such command": {[]string{"rnu"}, `no command "rnu"; did you mean "run"?`},
		"nothing like it": {[]string{"deploy"}, `no command "deploy"; see kinesis-alerter help`},
		"misspelt flag": {
			[]string{"run", "--confg", "x"},
			"run: no flag --confg; did you mean --config?; see kinesis-alerter help run",
		},
		"misspelt flag of none": {
			[]string{"--verson"}, "no flag --verson; did you mean --version?; see kinesis-alerter help",
		},
		"nothing to run": {
			[]string{"run"},
			"give --config FILE, or --stream NAME and --topic-arn ARN; neither $KINESIS_ALERTER_CONFIG nor " +
				"./kinesis-alerter.yaml is there",
		},
		"both": {
			[]string{
				"run", "--config", "x", "--stream", "y",
			}, "give either --config, or --stream, --topic-arn, --application and --when, not both",
		},
		"argument too many": {[]string{"run", "now"}, `run: unexpected argument "now"`},
		"no sample": {
			[]string{"produce", "--stream", "s"}, "produce: which records? heart-rate or stock-ticker",
		},
		"another sample": {
			[]string{
				"produce", "weather", "--stream", "s",
			}, `produce: no sample "weather"; there are heart-rate and stock-ticker`,
		},
		"no stream": {[]string{"produce", "heart-rate"}, "produce: give --stream NAME"},
		"backwards": {
			[]string{
				"produce", "heart-rate", "--stream", "s", "--rate", "-1",
			}, "produce: --rate, --count, --for and --keys cannot be negative",
		},
		"leases, but what": {
			[]string{"leases"}, "leases: do what? export, import, list, pause, release, reset, resume, rewind",
		},
		"misspelt verb": {[]string{"leases", "rewnd"}, `leases: no command "rewnd"; did you mean "rewind"?`},
		"no table": {
			[]string{"leases", "list"},
			"give --config FILE, or --table NAME; neither $KINESIS_ALERTER_CONFIG nor ./kinesis-alerter.yaml is there",
		},
		"no shards": {
			[]string{"leases", "pause", "--table", "t"}, "leases pause: which shards? name them, or give --all",
		},
		"shards and all": {
			[]string{"leases", "pause", "s", "--all", "--table", "t"}, "leases pause: give either shards or --all",
		},
		"rewind to nowhere": {
			[]string{
				"leases", "rewind", "s", "--table", "t",
			},
			`leases rewind: --to "": want a time such as 2026-11-22T09:00:00Z, or a duration before now such as -2h, or trim_horizon or latest`,
		},
		"rewind to the future": {
			[]string{
				"leases", "rewind", "s", "--table", "t", "--to", "2999-01-01T00:00:00Z",
			}, "leases rewind: --to 2999-01-01T00:00:00Z: is in the future, and nothing was there yet",
		},
		"stray flag": {
			[]string{
				"leases", "list", "--table", "t", "--force",
			}, "leases list: no flag --force; see kinesis-alerter help leases list",
		},
		"import what": {
			[]string{
				"leases", "import", "--table", "t",
			}, "leases import: what? a FILE that leases export wrote, or --from TABLE",
		},
		"export without file": {
			[]string{
				"leases", "export", "--table", "t",
			}, "leases export: needs --config: where shards without a checkpoint start is not in the table",
		},
		"one dash": {
			[]string{"check", "-config", "x"}, "check: -config: write --config; see kinesis-alerter help check",
		},
		"one dash, with a value": {
			[]string{
				"rules", "backtest", "-from=-1h",
			}, "rules backtest: -from: write --from; see kinesis-alerter help rules backtest",
		},
		"one dash, misspelt": {
			[]string{"check", "-confg", "x"}, "check: -confg: write --config; see kinesis-alerter help check",
		},
		"no value": {[]string{"check", "--config"}, "check: --config: give its FILE; see kinesis-alerter help check"},
		"no number": {
			[]string{
				"produce", "heart-rate", "--rate", "fast",
			}, "produce: --rate fast: want a number; see kinesis-alerter help produce",
		},
		"no short flag": {[]string{"check", "-x"}, "check: no flag -x; see kinesis-alerter help check"},
		"misspelt verb after flags": {
			[]string{
				"leases", "--table", "t", "--yes", "rewnd", "s",
			}, `leases: no command "rewnd"; did you mean "rewind"?`,
		},
		"help below a command": {[]string{"help", "run", "now"}, `run: has no commands, so there is no "now"`},
		"help of nothing": {
			[]string{"help", "leases", "rewnd"}, `leases: no command "rewnd"; did you mean "rewind"?`,
		},
		"address without port": {
			[]string{"healthcheck", "--listen", "localhost"}, "healthcheck: --listen localhost: want HOST:PORT",
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := invoke(t, test.args...)
			require.Equal(t, ExitUsage, code)
			require.Empty(t, stdout)
			require.Equal(t, "kinesis-alerter: "+test.want+"\n", stderr)
		})
	}
	code, _, stderr := invoke(t)
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "Usage: ")
}

func TestCheck(t *testing.T) {
	t.Parallel()
	file := testkit.ConfigFile(t, testkit.ValidConfig)
	code, stdout, stderr := invoke(t, "check", "--config", file)
	require.Equal(t, ExitOK, code, stderr)
	require.Equal(t, file+": valid; 1 rule, 1 topic\n", stdout)

	code, stdout, _ = invoke(t, "check", file, "--print")
	require.Equal(t, ExitOK, code)
	require.Contains(t, stdout, "poll_interval: 1s")

	bad := testkit.ConfigFile(t, testkit.Edit("poll_interval: 1s", "poll_interval: 1ms", "severity: critical",
		"sevrity: critical"))
	code, stdout, stderr = invoke(t, "check", "--config", bad)
	require.Equal(t, ExitUsage, code)
	require.Empty(t, stdout)
	require.Equal(t,
		bad+
			":11:18: processing.poll_interval: 1ms: must be 200ms to 1m: Kinesis allows five reads a second and "+
			"shard, to all readers together\n"+
			bad+`:18:5: rules[0].sevrity: unknown key; did you mean "severity"?`+"\n", stderr)

	code, _, _ = invoke(t, "run", "--config", bad)
	require.Equal(t, ExitUsage, code, "run refuses what check refuses")
}

func TestVersion(t *testing.T) {
	t.Parallel()
	code, stdout, _ := invoke(t, "version")
	require.Equal(t, ExitOK, code)
	require.Regexp(t, `^kinesis-alerter \S+ \(revision \S+, go1\.\S+, \w+/\w+\)\n$`, stdout)
}

func TestHealthcheckWithoutDaemon(t *testing.T) {
	t.Parallel()
	code, _, stderr := invoke(t, "healthcheck", "--listen", "0.0.0.0:1")
	require.Equal(t, ExitFailed, code)
	require.Contains(t, stderr, "http://127.0.0.1:1/healthz", "all addresses means this machine")
}
