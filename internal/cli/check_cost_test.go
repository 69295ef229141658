package cli

import (
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// largeConfig is a valid configuration of nearly the size that one may have, with thousands of rules.
func largeConfig() string {
	return testkit.LimitsHead + "rules:\n" + testkit.Numbered(4900,
		"  - {name: rule-#, when: 'device == \"dev-#\" and temperature > #.5 and status matches \"^(err|warn).*#$\"', "+
			"message: \"{{ .Fields.device }} is at {{ .Fields.temperature }}\"}\n")
}

// check may run in the daemon's own container: a configuration as large as one can be costs it little memory beside a
// small one. It took 170 MiB when it kept what it had compiled, twice.
func TestCheckOfALargeFileCostsLittle(t *testing.T) { //nolint:paralleltest // it measures another process
	if file := os.Getenv("CHECK_CHILD"); file != "" {
		require.Equal(t, ExitOK, Main(t.Context(), []string{"check", "--config", file}, os.LookupEnv, io.Discard,
			io.Discard))
		return
	}
	peak := func(text string) (mib int64, cpu time.Duration) {
		child := exec.Command(os.Args[0], //nolint:gosec // this very program
			"-test.run=^TestCheckOfALargeFileCostsLittle$")
		child.Env = append(os.Environ(), "CHECK_CHILD="+testkit.ConfigFile(t, text))
		out, err := child.CombinedOutput()
		require.NoError(t, err, "%s", out)
		usage, ok := child.ProcessState.SysUsage().(*syscall.Rusage)
		require.True(t, ok)
		return usage.Maxrss >> 10, child.ProcessState.UserTime()
	}
	large := largeConfig()
	require.Greater(t, len(large), 850_000)
	small, _ := peak(testkit.LimitsHead + "rules: [{name: a, when: x > 3}]\n")
	all, cpu := peak(large)
	t.Logf("%d MiB of memory beside %d MiB for a small file, and %s of CPU", all-small, small,
		cpu.Round(time.Millisecond))
	require.Less(t, all-small, int64(48*testkit.RaceMemory), "MiB")
	require.Equal(t, 4900, strings.Count(large, "name: rule-"))
}
