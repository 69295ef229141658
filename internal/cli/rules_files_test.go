package cli

import (
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// testFolder has three files of tests in two folders, and what is none.
func testFolder(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(folder, "deep", "er"), 0o700))
	rules := "stream: {name: s}\nrules: [{name: high, when: a > 1}]\n" +
		"topics: {t: {arn: \"arn:aws:sns:us-east-1:000000000000:t\", email: false}}\n"
	tests := func(config, name, alerts string) string {
		return "config: " + config + "\ntests:\n  - {name: " + name + " fires, records: [{at: 0s, data: {a: 2}}], " +
			"expect: {alerts: [" + alerts + "]}}\n"
	}
	for name, text := range map[string]string{
		"alerter.yaml":          rules,
		"one.test.yaml":         tests("alerter.yaml", "one", "{rule: high, topic: t}"),
		"two.test.yml":          tests("alerter.yaml", "two", "{rule: high, topic: t}"),
		"deep/er/bad.test.yaml": tests("../../alerter.yaml", "bad", ""),
		"notes.yaml":            "nothing: of this\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600))
	}
	return folder
}

// A folder stands for the files of tests in and below it, and a pattern that the shell left alone for those that match.
func TestRulesTestFoldersAndPatterns(t *testing.T) {
	t.Parallel()
	folder := testFolder(t)
	code, stdout, stderr := invoke(t, "rules", "test", folder)
	require.Equal(t, ExitFailed, code, stdout+stderr)
	require.Contains(t, stdout, "2 passed, 1 failed\n")
	code, stdout, stderr = invoke(t, "rules", "test", folder+"/*.test.*", folder+"/one.test.yaml")
	require.Equal(t, ExitOK, code, stderr)
	require.Contains(t, stdout, "2 passed, 0 failed\n", "none of them twice")
	code, stdout, _ = invoke(t, "rules", "test", folder, "--run", "^(one|two) ")
	require.Equal(t, ExitOK, code)
	require.Contains(t, stdout, "2 passed, 0 failed\n")
	require.NotContains(t, stdout, "bad")
	for want, args := range map[string][]string{
		"rules test: no file matches " + folder + "/*.tset.yaml":           {folder + "/*.tset.yaml"},
		"rules test: there is no *.test.yaml in " + folder + "/none":       {folder + "/none"},
		"rules test: no test matches --run three":                          {folder, "--run", "three"},
		"rules test: --run (: error parsing regexp: missing closing ): `(": {folder, "--run", "("},
		folder + "/gone.test.yaml: no such file or directory":              {folder + "/gone.test.yaml"},
	} {
		require.NoError(t, os.MkdirAll(folder+"/none", 0o700))
		code, _, stderr := invoke(t, append([]string{"rules", "test"}, args...)...)
		require.Equal(t, ExitUsage, code, want)
		require.Contains(t, stderr, want)
	}
}

func TestRulesTestWritesJUnit(t *testing.T) {
	t.Parallel()
	folder := testFolder(t)
	report := filepath.Join(folder, "report.xml")
	read := func() (all junitSuites) {
		text, err := os.ReadFile(report) //nolint:gosec // in the folder of the test
		require.NoError(t, err)
		require.True(t, strings.HasPrefix(string(text), xml.Header))
		require.NoError(t, xml.Unmarshal(text, &all))
		return all
	}
	code, _, stderr := invoke(t, "rules", "test", folder, "--junit", report)
	require.Equal(t, ExitFailed, code, stderr)
	all := read()
	require.Equal(t, []int{3, 1, 0}, []int{all.Tests, all.Failures, all.Errors})
	require.Len(t, all.Suites, 3, "one a file")
	bad := all.Suites[0]
	require.Equal(t, folder+"/deep/er/bad.test.yaml", bad.Name)
	require.Equal(t, 1, bad.Failures)
	require.Equal(t, "bad fires", bad.Cases[0].Name)
	require.Contains(t, bad.Cases[0].Failure.Text, "FAIL")
	require.Regexp(t, `^\d+\.\d{3}$`, bad.Cases[0].Seconds)
	require.Nil(t, all.Suites[1].Cases[0].Failure)

	require.NoError(t, os.WriteFile(filepath.Join(folder, "one.test.yaml"), []byte("tsets: []\n"), 0o600))
	code, _, _ = invoke(t, "rules", "test", folder, "--junit", report)
	require.Equal(t, ExitUsage, code)
	all = read()
	require.Positive(t, all.Errors, "a build says why nothing ran")
	require.Contains(t, all.Suites[0].Cases[0].Error.Text, "one.test.yaml:1:1: tsets: unknown key")
	require.Equal(t, []string{"0.000", "0.000"}, []string{all.Suites[0].Seconds, all.Suites[0].Cases[0].Seconds})
	before, err := os.ReadFile(folder + "/two.test.yml") //nolint:gosec // in the folder of the test
	require.NoError(t, err)
	code, _, stderr = invoke(t, "rules", "test", folder+"/two.test.yml", "--junit", folder+"/two.test.yml")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "is no JUnit report; name another file")
	code, _, stderr = invoke(t, "rules", "test", folder+"/two.test.yml", "--junit", "-")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "--junit -: name a file")
	after, err := os.ReadFile(folder + "/two.test.yml") //nolint:gosec // in the folder of the test
	require.NoError(t, err)
	require.Equal(t, before, after)
	code, _, stderr = invoke(t, "rules", "test", folder+"/two.test.yml", "--junit", folder+"/gone/x.xml")
	require.Equal(t, ExitFailed, code)
	require.Contains(t, stderr, "--junit")
}
