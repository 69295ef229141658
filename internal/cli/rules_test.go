package cli

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/rehearse"
	"kinesis-alerter/internal/testkit"
)

// transcript runs command lines and writes down what came of them.
func transcript(t *testing.T, lines ...[]string) string {
	t.Helper()
	var all strings.Builder
	for _, args := range lines {
		code, stdout, stderr := invoke(t, args...)
		fmt.Fprintf(&all, "$ kinesis-alerter %s\n%s%s[exit code %d]\n\n", strings.Join(args, " "), stdout, stderr, code)
	}
	return all.String()
}

func TestRulesTest(t *testing.T) {
	t.Parallel()
	file := func(name string) string { return "testdata/rules/" + name + ".test.yaml" }
	testkit.Golden(t, "rules.golden", transcript(t,
		[]string{"rules", "test", file("passing")},
		[]string{"rules", "test", file("failing"), file("passing")},
		[]string{"rules", "test", file("broken")},
		[]string{"rules", "test", file("lost"), file("faulty"), file("nosuch"), file("passing")},
		[]string{"rules", "test", file("anywhere")},
		[]string{"rules", "test", "--config", "testdata/rules/alerter.yaml", file("anywhere")},
		[]string{"rules", "test", "--config", "testdata/rules/nosuch.yaml", file("anywhere"), file("passing")},
	))
}

func TestRulesUsage(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"rules: do what? backtest, test":                                  {"rules"},
		`rules: no command "tset"; did you mean "test"?`:                  {"rules", "tset"},
		`rules: no command "publish"; there are backtest, test`:           {"rules", "publish"},
		"rules test: which files?":                                        {"rules", "test"},
		"rules test: no flag --from; see kinesis-alerter help rules test": {"rules", "test", "x.yaml", "--from", "-1h"},
	} {
		code, stdout, stderr := invoke(t, args...)
		require.Equal(t, ExitUsage, code)
		require.Empty(t, stdout)
		require.Equal(t, "kinesis-alerter: "+want+"\n", stderr)
	}
}

// rulesFile writes a file of tests beside a configuration, and returns its name.
func rulesFile(t *testing.T, config, tests string) string {
	t.Helper()
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "alerter.yaml"), []byte(config), 0o600))
	file := filepath.Join(dir, "rules.test.yaml")
	require.NoError(t, os.WriteFile(file, []byte("config: alerter.yaml\ntests:\n"+tests), 0o600))
	return file
}

// What a program reads says the same as what people read, and has all that came.
func TestRulesTestJSON(t *testing.T) {
	t.Parallel()
	code, stdout, stderr := invoke(t, "rules", "test", "--json", "testdata/rules/failing.test.yaml",
		"testdata/rules/passing.test.yaml")
	require.Equal(t, ExitFailed, code)
	require.NotEmpty(t, stderr)
	var got struct {
		Passed, Failed int
		Tests          []struct {
			Name        string
			Differences []rehearse.Difference
			Alerts      []struct {
				Subject    string
				Attributes map[string]string
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	require.Len(t, got.Tests, got.Passed+got.Failed)
	require.Equal(t, "fields differ", got.Tests[0].Name)
	require.Equal(t, rehearse.Difference{
		Where: `alert 1 (0s high firing to oncall, key "7b")`, Field: "at", Want: "1s", Got: "0s",
	}, got.Tests[0].Differences[0])
	require.Contains(t, stdout, `"at": "1m"`, "times are written as in the file")
	a := got.Tests[0].Alerts[0]
	require.Equal(t, "Ward 7b: 4", a.Subject)
	require.NotEmpty(t, a.Attributes["alert_id"])

	_, stdout, _ = invoke(t, "rules", "test", "--json", rulesFile(t,
		"stream: {name: s}\ntopics: {t: {arn: 'arn:aws:sns:us-east-1:000000000000:t'}}\n",
		"  - {name: nothing comes, records: [{at: 1s}]}\n"))
	require.Contains(t, stdout, `"alerts": []`)
}

// A template that fails lets the default words go out: a test that expects no words does not show it.
func TestRulesTestTellsOfFailedTemplates(t *testing.T) {
	t.Parallel()
	file := rulesFile(t, `
stream: {name: s}
rules: [{name: r, when: x > 0, message: "{{ .Fields.y }}", attributes: {y: {value: "{{ round 1 .Fields.y }}"}}}]
topics: {t: {arn: "arn:aws:sns:us-east-1:000000000000:t"}}
`, `
  - name: words
    records: [{at: 0s, data: {x: 1}, times: 2}, {at: 1s, data: {x: 1, y: 2}}]
    expect: {outcomes: {alerted: 3}}
`)
	code, stdout, _ := invoke(t, "rules", "test", file)
	require.Equal(t, ExitOK, code)
	require.Equal(t, "ok    "+file+": words\n"+
		"      note: a template for the attribute of rule r failed 2 times: it is left out\n"+
		"      note: a template for the message of rule r failed 2 times: the default words stand in for it\n1 "+
		"passed, 0 failed\n", stdout)
}

// A test that has many differences does not flood the terminal.
func TestRulesTestShowsTheFirstDifferences(t *testing.T) {
	t.Parallel()
	file := rulesFile(t, "stream: {name: s}\ntopics: {t: {arn: 'arn:aws:sns:us-east-1:000000000000:t'}}\n",
		"  - {name: storm, records: [{at: 0s, data: x, times: 3000}], expect: {alerts: []}}\n")
	code, stdout, _ := invoke(t, "rules", "test", file)
	require.Equal(t, ExitFailed, code)
	require.Contains(t, stdout, "and 2980 more differences\n0 passed, 1 failed\n")
	require.Less(t, strings.Count(stdout, "\n"), 50)
}
