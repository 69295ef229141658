package rehearse

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// Each rule of an example makes an alert in one of its tests, each output is written to, and the other way round each
// test of theirs would fail if nothing alerted.
func TestExamplesExerciseTheirRules(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../deploy/examples/*/rules.test.yaml")
	require.NoError(t, err)
	for _, file := range files {
		loader := &TestLoader{Lookup: testkit.Environment(nil)}
		tests := loader.Load(t.Context(), file)
		require.Empty(t, loader.Problems)
		fired, written := map[string]bool{}, map[string]bool{}
		for i := range tests.Cases {
			c := &tests.Cases[i]
			require.NotNil(t, c.Expect.Alerts, "%s: %s expects nothing of alerts", file, c.Name)
			got, err := tests.Play(t.Context(), c)
			require.NoError(t, err)
			for _, a := range got.Alerts {
				fired[a.Rule] = true
			}
			for _, o := range got.Outputs {
				written[o.Output] = true
			}
		}
		for _, r := range tests.stage.config.Rules {
			require.Contains(t, fired, r.Name, file)
		}
		for output := range tests.stage.config.Outputs {
			require.Contains(t, written, output, file)
		}
	}
}
