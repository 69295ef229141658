package cli

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every example is valid, and its tests pass.
func TestExamples(t *testing.T) {
	t.Parallel()
	dirs, err := os.ReadDir("../../deploy/examples")
	require.NoError(t, err)
	examples := 0
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		examples++
		t.Run(dir.Name(), func(t *testing.T) {
			t.Parallel()
			in := func(name string) string { return filepath.Join("../../deploy/examples", dir.Name(), name) }
			for _, name := range []string{"README.md", "kinesis-alerter.yaml", "rules.test.yaml"} {
				require.FileExists(t, in(name))
			}
			code, _, stderr := invoke(t, "check", "--config", in("kinesis-alerter.yaml"))
			require.Equal(t, ExitOK, code, stderr)
			code, stdout, stderr := invoke(t, "rules", "test", in("rules.test.yaml"))
			require.Equal(t, ExitOK, code, stdout+stderr)
			require.Contains(t, stdout, " passed, 0 failed\n")
		})
	}
	require.GreaterOrEqual(t, examples, 4)
}
