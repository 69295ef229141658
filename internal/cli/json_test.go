package cli

import (
	"encoding/json"
	"runtime"
	"testing"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// Every command that reads something has --json. These do not: they run, write a script or what is no result.
func TestReadingCommandsHaveJSON(t *testing.T) {
	t.Parallel()
	without := map[string]bool{
		"run": true, "completion": true, "help": true, "produce": true, "put": true, "init": true,
	}
	walk((&program{env: testkit.Environment(nil)}).tree(), func(c *cobra.Command) {
		if !c.HasSubCommands() && !without[c.Name()] {
			require.NotNil(t, c.Flags().Lookup("json"), c.CommandPath())
		}
	})
}

func TestCheckAsJSON(t *testing.T) {
	t.Parallel()
	check := func(want int, args ...string) (out map[string]any) {
		code, stdout, stderr := invoke(t, append([]string{"check", "--json"}, args...)...)
		require.Equal(t, want, code, stderr)
		require.NoError(t, json.Unmarshal([]byte(stdout), &out), stdout)
		return out
	}
	good := testkit.ConfigFile(t, testkit.ValidConfig)
	require.Equal(t, map[string]any{
		"source": good, "valid": true, "rules": 1.0, "topics": 1.0, "faults": []any{}, "warnings": []any{},
	}, check(ExitOK, good))

	bad := testkit.ConfigFile(t, testkit.Edit("severity: critical", "sevrity: critical"))
	require.Equal(t, map[string]any{
		"source": bad, "valid": false, "rules": 0.0, "topics": 0.0, "warnings": []any{},
		"faults": []any{map[string]any{
			"file": bad, "line": 18.0, "column": 5.0, "field": "rules[0].sevrity",
			"message": `unknown key; did you mean "severity"?`,
		}},
	}, check(ExitUsage, bad))

	faulty := check(ExitUsage, "testdata/sample/alerter.yaml", "--sample", "testdata/sample/records.jsonl")
	require.Equal(t, false, faulty["valid"])
	require.NotEmpty(t, faulty["faults"])
	sample, _ := faulty["sample"].(map[string]any)
	require.Equal(t, "testdata/sample/records.jsonl", sample["file"])
	require.Positive(t, sample["records"])
	require.NotEmpty(t, sample["warnings"])

	code, _, stderr := invoke(t, "check", "--json", "--print", good)
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "--print writes YAML")
}

func TestHealthcheckAsJSON(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := invoke(t, "healthcheck", "--listen", "127.0.0.1:1", "--json")
	require.Equal(t, ExitFailed, code)
	require.Contains(t, stderr, "no answer: ")
	var out healthJSON
	require.NoError(t, json.Unmarshal([]byte(stdout), &out))
	require.Equal(t, "http://127.0.0.1:1/healthz", out.URL)
	require.False(t, out.Healthy)
	require.Contains(t, out.Error, "no answer: ")
}

func TestVersionAsJSON(t *testing.T) {
	t.Parallel()
	code, stdout, _ := invoke(t, "version", "--json")
	require.Equal(t, ExitOK, code)
	var out map[string]string
	require.NoError(t, json.Unmarshal([]byte(stdout), &out))
	require.Equal(t, map[string]string{
		"version": "development", "revision": out["revision"], "go": runtime.Version(), "os": runtime.GOOS,
		"arch": runtime.GOARCH,
	}, out)
}
