package cli

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/testkit"
)

// Without a flag, a configuration is what $KINESIS_ALERTER_CONFIG names, or kinesis-alerter.yaml in the folder.
func TestConfigIsLookedFor(t *testing.T) {
	file := testkit.ConfigFile(t, testkit.ValidConfig)
	t.Chdir(t.TempDir())
	check := func(env map[string]string, args ...string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = Main(t.Context(), append([]string{"check"}, args...), testkit.Environment(env), &out, &errs)
		return code, out.String(), errs.String()
	}
	none := "kinesis-alerter: give --config FILE, or --stream NAME and --topic-arn ARN; neither " +
		"$KINESIS_ALERTER_CONFIG nor ./kinesis-alerter.yaml is there\n"
	code, _, stderr := check(nil)
	require.Equal(t, ExitUsage, code)
	require.Equal(t, none, stderr)
	_, _, stderr = check(map[string]string{configVariable: ""})
	require.Equal(t, none, stderr, "an empty one is none")

	require.NoError(t, os.Mkdir(configName, 0o700))
	code, _, stderr = check(nil)
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "./kinesis-alerter.yaml is a directory; name a file in it; give --config FILE")
	require.NoError(t, os.Remove(configName))

	require.NoError(t, os.WriteFile(configName, []byte(configText), 0o600))
	code, stdout, stderr := check(map[string]string{"STREAM": "here"}, "-v")
	require.Equal(t, ExitOK, code, stderr)
	require.Equal(t, "kinesis-alerter.yaml: valid; 0 rules, 1 topic\n", stdout)
	require.Contains(t, stderr, "reads ./kinesis-alerter.yaml\n")

	_, stdout, stderr = check(map[string]string{configVariable: file}, "--verbose")
	require.Equal(t, file+": valid; 1 rule, 1 topic\n", stdout, "the variable goes first")
	require.Contains(t, stderr, "reads "+file+", as $KINESIS_ALERTER_CONFIG says\n")
	_, stdout, _ = check(map[string]string{configVariable: "env:TEXT", "TEXT": configText, "STREAM": "s"})
	require.Equal(t, "env:TEXT: valid; 0 rules, 1 topic\n", stdout)
	code, _, stderr = check(map[string]string{configVariable: "gone.yaml"})
	require.Equal(t, ExitUsage, code)
	require.Equal(t, "gone.yaml: no such file or directory\n", stderr)
	_, stdout, _ = check(map[string]string{configVariable: "gone.yaml"}, "--stream", "s", "--topic-arn",
		testkit.TestTopicARN)
	require.Equal(t, "flags: valid; 0 rules, 1 topic\n", stdout, "flags go before both")

	p := &program{env: testkit.Environment(map[string]string{"STREAM": "s"})}
	var from configFlags
	_, err := from.Load(t.Context(), p)
	require.NoError(t, err)
	require.NotNil(t, from.reload(p), "a file that was found is read again at a reload")
}

// - is standard input, which can be read once.
func TestConfigFromStandardInput(t *testing.T) {
	t.Parallel()
	run := func(stdin string, args ...string) (string, error) {
		var out bytes.Buffer
		p := &program{
			env: testkit.Environment(map[string]string{"STREAM": "s"}), stdout: &out, stderr: &out, now: time.Now,
			stdin: strings.NewReader(stdin),
		}
		err := p.Run(t.Context(), args)
		return out.String(), err
	}
	out, err := run(configText, "check", "--config", "-")
	require.NoError(t, err)
	require.Equal(t, "standard input: valid; 0 rules, 1 topic\n", out)
	out, err = run(configText, "check", "-c-")
	require.NoError(t, err, out)
	_, err = run(configText+"rulse: []\n", "check", "-c", "-")
	require.EqualError(t, err, "standard input:3:1: rulse: unknown key; did you mean \"rules\"?")
	var faults config.FieldErrors
	require.ErrorAs(t, err, &faults)
	_, err = run(configText, "explain", "-c", "-", "--data", "-")
	require.ErrorContains(t, err, "standard input was read already")
	rules, err := os.ReadFile("testdata/rules/alerter.yaml")
	require.NoError(t, err)
	out, err = run(string(rules), "rules", "test", "-c", "-", "testdata/rules/anywhere.test.yaml")
	require.NoError(t, err, out)
	require.Contains(t, out, " passed, 0 failed")
	from := configFlags{file: "-"}
	require.Nil(t, from.reload(&program{}), "it cannot be read again")
}
