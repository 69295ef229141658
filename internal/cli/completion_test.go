package cli

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// complete returns what a shell would offer for the last of the words, without their explanations.
func complete(t *testing.T, words ...string) []string {
	t.Helper()
	code, stdout, stderr := invoke(t, append([]string{"__complete"}, words...)...)
	require.Equal(t, ExitOK, code, stderr)
	lines := strings.Split(strings.TrimSuffix(stdout, "\n"), "\n")
	require.Regexp(t, `^:\d+$`, lines[len(lines)-1])
	var offers []string
	for _, line := range lines {
		offer, _, _ := strings.Cut(line, "\t")
		offers = append(offers, offer)
	}
	return offers
}

func TestCompletion(t *testing.T) {
	t.Parallel()
	const files, noFiles = ":0", ":4"
	file := testkit.ConfigFile(t, `stream: {name: s}
rules: [{name: high, when: a > 1, topics: [oncall]}, {name: low, when: a < 1, topics: [night]}]
topics:
  oncall: {arn: "arn:aws:sns:us-east-1:000000000000:a"}
  night: {arn: "arn:aws:sns:us-east-1:000000000000:b"}
`)
	require.Subset(t, complete(t, ""), []string{"run", "check", "leases", "rules", "completion", noFiles})
	require.Equal(t, []string{"release", "reset", "resume", "rewind", noFiles}, complete(t, "leases", "re"))
	require.Subset(t, complete(t, "leases", "rewind", "--"), []string{"--to", "--all", "--config", "--verbose"})
	require.NotContains(t, complete(t, "leases", "list", "--"), "--force")
	require.Equal(t, []string{"night", "oncall", noFiles}, complete(t, "drill", "--config", file, "--topic", ""))
	require.Equal(t, []string{"high", "low", noFiles}, complete(t, "explain", "-c", file, "--rule", ""))
	require.Equal(t, []string{noFiles}, complete(t, "drill", "-c", "gone.yaml", "--topic", ""))
	require.Equal(t, []string{"heart-rate", "stock-ticker", noFiles}, complete(t, "produce", ""))
	require.Equal(t, []string{
		"latest", "trim_horizon", "-5m", "-1h", noFiles,
	}, complete(t, "leases", "rewind", "--to", ""))
	require.Equal(t, []string{"latest", "trim_horizon", "-5m", "-1h", noFiles},
		complete(t, "leases", "reset", "--to", ""))
	require.Equal(t, []string{"yaml", "yml", ":8"}, complete(t, "run", "--config", ""), "files of these kinds")
	require.Equal(t, []string{files}, complete(t, "check", "--sample", ""))
	require.Equal(t, []string{files}, complete(t, "rules", "test", ""))
	require.Equal(t, []string{noFiles}, complete(t, "run", "--stream", ""))
	require.Equal(t, []string{noFiles}, complete(t, "leases", "pause", ""))
	require.Equal(t, []string{"bash", "zsh", "fish", noFiles}, complete(t, "completion", ""))
}

// The scripts reach the shell as cobra made them, and a shell that is here takes them.
func TestCompletionScripts(t *testing.T) {
	t.Parallel()
	for shell, want := range map[string]string{
		"bash": "complete -o default", "zsh": "#compdef kinesis-alerter", "fish": "complete -c kinesis-alerter",
	} {
		code, stdout, stderr := invoke(t, "completion", shell)
		require.Equal(t, ExitOK, code, stderr)
		require.Contains(t, stdout, want)
		require.Contains(t, stdout, "__complete")
		if path, err := exec.LookPath(shell); err == nil {
			check := exec.CommandContext(t.Context(), path, "-n") //nolint:gosec // one of three shells
			check.Stdin = strings.NewReader(stdout)
			out, err := check.CombinedOutput()
			require.NoError(t, err, string(out))
		}
		var raw bytes.Buffer
		p := &program{env: testkit.Environment(nil), stdout: &raw}
		require.NoError(t, p.Run(t.Context(), []string{"completion", shell}))
		require.Equal(t, raw.String(), stdout)
	}
	code, _, stderr := invoke(t, "completion", "tcsh")
	require.Equal(t, ExitUsage, code)
	require.Equal(t, "kinesis-alerter: completion: of which shell? bash, zsh, fish\n", stderr)
}
