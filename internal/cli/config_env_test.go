package cli

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

const configText = `stream: {name: "${STREAM}"}
topics: {a: {arn: "arn:aws:sns:us-east-1:000000000000:a"}}
`

func TestConfigInTheEnvironment(t *testing.T) {
	t.Parallel()
	check := func(t *testing.T, env map[string]string) (code int, stdout, stderr string) {
		t.Helper()
		var out, errs bytes.Buffer
		code = Main(t.Context(), []string{"check", "--config", "env:ALERTER"}, testkit.Environment(env), &out, &errs)
		return code, out.String(), errs.String()
	}

	t.Run("valid, with a variable in it", func(t *testing.T) {
		t.Parallel()
		code, stdout, stderr := check(t, map[string]string{"ALERTER": configText, "STREAM": "readings"})
		require.Equal(t, ExitOK, code, stderr)
		require.Equal(t, "env:ALERTER: valid; 0 rules, 1 topic\n", stdout)
	})
	t.Run("faults have their place", func(t *testing.T) {
		t.Parallel()
		code, _, stderr := check(t, map[string]string{"ALERTER": configText + "rulse: []\n", "STREAM": "readings"})
		require.Equal(t, ExitUsage, code)
		require.Equal(t, "env:ALERTER:3:1: rulse: unknown key; did you mean \"rules\"?\n", stderr)
	})
	for name, c := range map[string]struct {
		env  map[string]string
		says string
	}{
		"no variable": {
			nil,
			"env:ALERTER: the environment has no variable \"ALERTER\"; set it to the text of a configuration, or " +
				"name a file\n",
		},
		"an empty one": {
			map[string]string{"ALERTER": ""},
			"env:ALERTER: the variable \"ALERTER\" is set, but empty; set it to the text of a configuration\n",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, _, stderr := check(t, c.env)
			require.Equal(t, ExitUsage, code)
			require.Equal(t, c.says, stderr)
		})
	}
}

func TestOnlyFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	require.Nil(t, (&configFlags{}).reload(&program{env: testkit.Environment(nil)}))
	require.Nil(t, (&configFlags{file: "env:ALERTER"}).reload(&program{env: testkit.Environment(nil)}))
	require.NotNil(t, (&configFlags{file: "alerter.yaml"}).reload(&program{env: testkit.Environment(nil)}))
}
