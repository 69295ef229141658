package cli

import (
	"encoding/json"
	"testing"

	"github.com/stretchr/testify/require"
)

// The schema can be printed, alone.
func TestCheckPrintsTheSchema(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := invoke(t, "check", "--schema")
	require.Equal(t, ExitOK, code, stderr)
	var schema struct {
		Dialect    string         `json:"$schema"`
		Properties map[string]any `json:"properties"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &schema))
	require.Equal(t, "https://json-schema.org/draft/2020-12/schema", schema.Dialect)
	require.Contains(t, schema.Properties, "rules")
	code, _, stderr = invoke(t, "check", "--schema", "--config", "x.yaml")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "--schema goes alone")
}

// A rate that no process reaches is refused: 1e300 put nothing at all.
func TestProduceHasARange(t *testing.T) {
	t.Parallel()
	for _, rate := range []string{"1e300", "NaN", "1000001", "+Inf"} {
		code, _, stderr := invoke(t, "produce", "heart-rate", "--stream", "s", "--rate", rate)
		require.Equal(t, ExitUsage, code, rate)
		require.Contains(t, stderr, "must be 0 to 1000000 records a second")
	}
}
