package cmd

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

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
