package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/internal/testkit"
)

// A configuration is written a few rules at a time, and reads as if it had been written at once. A worker of another
// version compares the hash of it.
func TestConfigIsWrittenInParts(t *testing.T) {
	t.Parallel()
	tricky := "  - {name: tricky, when: 'x > 1', message: \"one\\nrules: []\\n\\nrules:\\n- two\"}\n"
	for name, text := range map[string]string{
		"none": testkit.LimitsHead + "filter: [{data: {a: [1]}}]\n",
		"one":  testkit.LimitsHead + "rules:\n" + tricky,
		"many": testkit.LimitsHead + "rules:\n" + testkit.Numbered(2*rulesAtOnce, "  - {name: r#, when: 'x > #'}\n") +
			tricky,
		"exact": testkit.LimitsHead + "rules:\n" + testkit.Numbered(rulesAtOnce,
			"  - {name: r#, when: 'x > #', message: 'a b'}\n"),
		"silent": testkit.LimitsHead + "rules:\n" + tricky +
			"silences: [{name: s, until: 2199-01-01T00:00:00Z, rules: [tricky]}]\nwatchdog: {interval: 1h, " +
			"topics: [t]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			loaded, err := LoadConfig(t.Context(), testkit.ConfigFile(t, text), func(string) (string, bool) {
				return "", false
			})
			require.NoError(t, err)
			marshal := func(part any, _ int) ([]byte, error) { return yaml.Marshal(part) }
			got, err := writtenInParts(loaded.Config, marshal)
			require.NoError(t, err)
			want, err := yaml.Marshal(loaded.Config)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))

			var node yaml.Node
			require.NoError(t, node.Encode(loaded.Config))
			want, err = yaml.Dump(&node)
			require.NoError(t, err)
			var paths []string
			got, err = configNodes(loaded.Config, func(path string, _ *yaml.Node) { paths = append(paths, path) })
			require.NoError(t, err)
			require.Equal(t, string(want), string(got))
			if n := len(loaded.Rules); n > 0 {
				require.Len(t, paths, n+1)
				require.True(t, strings.HasPrefix(paths[n], "rules["), paths[n])
			}
		})
	}
}
