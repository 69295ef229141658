package cli

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

// A thousand faults of one kind are listed a few times, then counted.
func TestAlikeFaultsAreCounted(t *testing.T) {
	t.Parallel()
	code, _, stderr := invoke(t, "check", testkit.ConfigFile(t,
		testkit.LimitsHead+"rules:\n  - &r {name: a, when: x > 3}\n"+strings.Repeat("  - *r\n", 150)+
			"log: {level: x}\n"))
	require.Equal(t, ExitUsage, code)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	require.Len(t, lines, config.MostAlike+2)
	require.Contains(t, lines[config.MostAlike], "log.level")
	require.Equal(t, "and 140 further faults of these kinds", lines[config.MostAlike+1])
}
