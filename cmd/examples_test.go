package cmd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// Every example is valid, and its tests pass.
func TestExamples(t *testing.T) {
	t.Parallel()
	dirs, err := os.ReadDir("../deploy/examples")
	require.NoError(t, err)
	examples := 0
	for _, dir := range dirs {
		if !dir.IsDir() {
			continue
		}
		examples++
		t.Run(dir.Name(), func(t *testing.T) {
			t.Parallel()
			in := func(name string) string { return filepath.Join("../deploy/examples", dir.Name(), name) }
			for _, name := range []string{"README.md", "kinesis-alerter.yaml", "rules.test.yaml"} {
				require.FileExists(t, in(name))
			}
			code, _, stderr := invoke(t, "check", "--config", in("kinesis-alerter.yaml"))
			require.Equal(t, exitOK, code, stderr)
			code, stdout, stderr := invoke(t, "rules", "test", in("rules.test.yaml"))
			require.Equal(t, exitOK, code, stdout+stderr)
			require.Contains(t, stdout, " passed, 0 failed\n")
		})
	}
	require.GreaterOrEqual(t, examples, 4)
}

// Each rule of an example makes an alert in one of its tests, and the other way round each test of theirs would fail if
// nothing alerted.
func TestExamplesExerciseTheirRules(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../deploy/examples/*/rules.test.yaml")
	require.NoError(t, err)
	for _, file := range files {
		loader := &testLoader{lookup: environment(nil), configs: map[string]*LoadedConfig{}}
		tests := loader.load(t.Context(), file)
		require.Empty(t, loader.problems)
		fired := map[string]bool{}
		for i := range tests.cases {
			c := &tests.cases[i]
			require.NotNil(t, c.Expect.Alerts, "%s: %s expects nothing of alerts", file, c.Name)
			got, err := c.play(t.Context(), tests.config)
			require.NoError(t, err)
			for _, a := range got.alerts {
				fired[a.Rule] = true
			}
		}
		for _, r := range tests.config.Rules {
			require.Contains(t, fired, r.Name, file)
		}
	}
}
