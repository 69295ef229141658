package cmd

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A thousand faults of one kind are told a few times, then counted.
func TestAlikeFaultsAreCounted(t *testing.T) {
	t.Parallel()
	code, _, stderr := invoke(t, "check", configFile(t, limitsHead+"rules:\n  - &r {name: a, when: x > 3}\n"+strings.Repeat("  - *r\n", 150)+"log: {level: x}\n"))
	require.Equal(t, exitUsage, code)
	lines := strings.Split(strings.TrimSpace(stderr), "\n")
	require.Len(t, lines, mostAlike+2)
	require.Contains(t, lines[mostAlike], "log.level")
	require.Equal(t, "and 140 further faults of these kinds", lines[mostAlike+1])
}
