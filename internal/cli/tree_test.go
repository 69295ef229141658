package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

// walk visits the commands of a tree.
func walk(c *cobra.Command, visit func(*cobra.Command)) {
	visit(c)
	for _, child := range c.Commands() {
		walk(child, visit)
	}
}

// Every command says what it does, in a line without a full stop, and has examples that it would run: each names this
// command, and its flags and arguments are ones that the command takes.
func TestEveryCommandHasExamples(t *testing.T) {
	t.Parallel()
	seen := 0
	newTree := func() *cobra.Command {
		return (&program{env: testkit.Environment(nil), now: time.Now}).tree()
	}
	walk(newTree(), func(c *cobra.Command) {
		seen++
		path := c.CommandPath()
		require.Regexp(t, `^[A-Z][^\n]+[^.\n]$`, c.Short, path)
		require.NotEmpty(t, c.Example, "%s has no example", path)
		for line := range strings.SplitSeq(c.Example, "\n") {
			args := shellWords(line)
			require.Equal(t, "kinesis-alerter", args[0], line)
			root := newTree()
			args, err := resolve(root, args[1:])
			require.NoError(t, err, line)
			found, rest, err := root.Find(args)
			require.NoError(t, err, line)
			if !c.HasSubCommands() {
				require.Equal(t, path, found.CommandPath(), "an example of another command")
			}
			require.NoError(t, found.ParseFlags(rest), line)
			require.NoError(t, found.ValidateArgs(found.Flags().Args()), line)
		}
	})
	require.Greater(t, seen, 15)
}

// shellWords splits a line as a shell does, with single quotes.
func shellWords(line string) (words []string) {
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			words = append(words, part)
		} else {
			words = append(words, strings.Fields(strings.Split(part, " > ")[0])...)
		}
	}
	return words
}

// Flags may stand before a command, between its names, before and after its arguments.
func TestFlagsStandAnywhere(t *testing.T) {
	t.Parallel()
	file := testkit.ConfigFile(t, testkit.ValidConfig)
	for _, args := range [][]string{
		{"check", "--config", file, "--print"},
		{"check", file, "--print"},
		{"check", "--print", file},
		{"check", "--print", "--", file},
		{"--print", "check", file},
		{"--config", file, "check", "--print"},
		{"-c", file, "--print", "check"},
		{"check", "--print", "-c=" + file},
		{"check", "--print", "-c" + file},
	} {
		code, stdout, stderr := invoke(t, args...)
		require.Equal(t, ExitOK, code, "%q: %s", args, stderr)
		require.Contains(t, stdout, "poll_interval: 1s", "%q", args)
	}
	for _, args := range [][]string{
		{"leases", "--all", "--yes", "pause", "shard", "--table", "t"},
		{"--yes", "leases", "pause", "--all", "--table", "t", "shard"},
	} {
		_, _, stderr := invoke(t, args...)
		require.Contains(t, stderr, "leases pause: give either shards or --all", "%q", args)
	}
}

// A value may begin with a dash.
func TestValuesWithADash(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"--from", "-1h", "--to", "-2h"}, {"--from=-1h", "--to=-2h"}, {
			"--svg", "-from", "--from", "-1h", "--to", "-2h",
		},
	} {
		var r backtestRun
		err := r.Run(t.Context(), args...)
		require.Equal(t, config.UsageError("rules backtest: --to -2h: is not after --from -1h"), err)
	}
}
