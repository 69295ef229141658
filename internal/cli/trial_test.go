package cli

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

// check refuses a template that can only fail, with its place, and the daemon does not: words are no reason to stay
// down.
func TestCheckTriesTemplates(t *testing.T) {
	t.Parallel()
	withRule := func(rule string) string {
		return testkit.ConfigFile(t,
			"stream: {name: s}\ntopics: {oncall: {arn: \"arn:aws:sns:us-east-1:000000000000:t\"}}\nrules:\n  - "+rule+
				"\n")
	}
	bad := withRule(`{name: r, when: 'state == "hot"', message: '{{ gt .Fields.state 90 }}'}`)
	code, stdout, stderr := invoke(t, "check", "--config", bad)
	require.Equal(t, ExitUsage, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, ":4:")
	require.Contains(t, stderr,
		`rules[0].message: {{ gt .Fields.state 90 }}: fails in every message of kind firing, for any record: `)
	_, err := config.LoadConfig(t.Context(), bad, testkit.Environment(nil))
	require.NoError(t, err)
	code, stdout, stderr = invoke(t, "check", "--config",
		withRule(`{name: r, when: 'state == "hot"', message: '{{ upper .Fields.state }}'}`))
	require.Equal(t, ExitOK, code, stderr)
	require.Contains(t, stdout, "valid; 1 rule, 1 topic")
}

// A window whose key is not the partition key sees a part of its records in each shard.
func TestCheckWarnsOfWindowsByOtherKeys(t *testing.T) {
	t.Parallel()
	for rule, warns := range map[string]bool{
		`{name: r, when: 'v > 1', key: host, window: {length: 1m, is: "> 5"}}`:          true,
		`{name: r, when: 'v > 1', key: '"all"', window: {length: 1m, is: "> 5"}}`:       true,
		`{name: r, when: 'v > 1', key: partition_key, window: {length: 1m, is: "> 5"}}`: false,
		`{name: r, when: 'v > 1', window: {length: 1m, is: "> 5"}}`:                     false,
		`{name: r, when: 'v > 1', key: host, dedup: 1m}`:                                false,
	} {
		code, stdout, stderr := invoke(t, "check", "--config",
			testkit.ConfigFile(t,
				"stream: {name: s}\ntopics: {oncall: {arn: \"arn:aws:sns:us-east-1:000000000000:t\"}}\nrules:\n  - "+
					rule+"\n"))
		require.Equal(t, ExitOK, code, stderr)
		if warns {
			require.Contains(t, stdout, "1 warning", rule)
			require.Contains(t, stderr, "each shard has a window of its own", rule)
		} else {
			require.NotContains(t, stdout, "warning", rule)
		}
	}
}
