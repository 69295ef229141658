package cmd

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
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
	golden(t, "rules.golden", transcript(t,
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
		"rules: do what? test, backtest":                        {"rules"},
		`rules: no command "tset"; did you mean "test"?`:        {"rules", "tset"},
		`rules: no command "publish"; there are test, backtest`: {"rules", "publish"},
		"rules: test which files?":                              {"rules", "test"},
		"rules: test has no --from":                             {"rules", "test", "x.yaml", "--from", "-1h"},
	} {
		code, stdout, stderr := invoke(t, args...)
		require.Equal(t, exitUsage, code)
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
	code, stdout, stderr := invoke(t, "rules", "test", "--json", "testdata/rules/failing.test.yaml", "testdata/rules/passing.test.yaml")
	require.Equal(t, exitFailed, code)
	require.NotEmpty(t, stderr)
	var got struct {
		Passed, Failed int
		Tests          []struct {
			Name        string
			Differences []difference
			Alerts      []struct {
				Subject    string
				Attributes map[string]string
			}
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &got))
	require.Len(t, got.Tests, got.Passed+got.Failed)
	require.Equal(t, "fields differ", got.Tests[0].Name)
	require.Equal(t, difference{Where: `alert 1 (0s high firing to oncall, key "7b")`, Field: "at", Want: "1s", Got: "0s"}, got.Tests[0].Differences[0])
	require.Contains(t, stdout, `"at": "1m"`, "times are written as in the file")
	a := got.Tests[0].Alerts[0]
	require.Equal(t, "Ward 7b: 4", a.Subject)
	require.NotEmpty(t, a.Attributes["alert_id"])

	_, stdout, _ = invoke(t, "rules", "test", "--json", rulesFile(t, "stream: {name: s}\ntopics: {t: {arn: 'arn:aws:sns:us-east-1:000000000000:t'}}\n",
		"  - {name: nothing comes, records: [{at: 1s}]}\n"))
	require.Contains(t, stdout, `"alerts": []`)
}

// A template that fails lets the default words go out: nobody finds out from a test that expects no words.
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
	require.Equal(t, exitOK, code)
	require.Equal(t, "ok    "+file+": words\n"+
		"      note: a template for the attribute of rule r failed 2 times: it is left out\n"+
		"      note: a template for the message of rule r failed 2 times: the default words stand in for it\n1 passed, 0 failed\n", stdout)
}

// A test that has many differences does not flood the terminal.
func TestRulesTestShowsTheFirstDifferences(t *testing.T) {
	t.Parallel()
	file := rulesFile(t, "stream: {name: s}\ntopics: {t: {arn: 'arn:aws:sns:us-east-1:000000000000:t'}}\n",
		"  - {name: storm, records: [{at: 0s, data: x, times: 3000}], expect: {alerts: []}}\n")
	code, stdout, _ := invoke(t, "rules", "test", file)
	require.Equal(t, exitFailed, code)
	require.Contains(t, stdout, "and 2980 more differences\n0 passed, 1 failed\n")
	require.Less(t, strings.Count(stdout, "\n"), 50)
}

// A test that is told to stop stops.
func TestRulesTestEndsWithItsContext(t *testing.T) {
	t.Parallel()
	loader := &testLoader{lookup: environment(nil), configs: map[string]*LoadedConfig{}}
	tests := loader.load(t.Context(), "testdata/rules/passing.test.yaml")
	require.Empty(t, loader.problems)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := tests.cases[0].play(ctx, tests.config)
	require.ErrorIs(t, err, context.Canceled)
}

// word is a thing of one text, for tests of assigning.
type word string

func (w word) String() string { return string(w) }

func (w word) against(got word) []difference {
	var d fieldDiff
	d.plain("key", string(w), string(got))
	return d
}

// Whatever comes and is expected: nothing differs if all is the same, each thing that is too much or too little is told
// once, and what stands before and behind it is not blamed.
func TestAlign(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.Map(rapid.StringMatching(`[a-c]`), func(s string) word { return word(s) }), 0, 12)
		want := words.Draw(t, "want")
		if d := align("word", want, want); len(d) > 0 {
			t.Fatalf("the same differs: %v", d)
		}
		at := rapid.IntRange(0, len(want)).Draw(t, "at")
		got := append(append(append([]word{}, want[:at]...), "new"), want[at:]...)
		if d := align("word", want, got); len(d) != 1 || d[0].Where != fmt.Sprintf("word %d is not expected", at+1) || d[0].Got != "new" {
			t.Fatalf("one too many is %v", d)
		}
		if d := align("word", got, want); len(d) != 1 || d[0].Where != fmt.Sprintf("word %d of those expected is missing", at+1) || d[0].Want != "new" {
			t.Fatalf("one too few is %v", d)
		}
		got = words.Draw(t, "got")
		if len(align("word", want, got)) == 0 != (fmt.Sprint(want) == fmt.Sprint(got)) {
			t.Fatalf("%v and %v", want, got)
		}
	})
	long := make([]word, 3000)
	require.Len(t, align("word", append([]word{"x"}, long...), long), 2, "beyond a size, place by place")
}

func TestContrast(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 200)
	for _, texts := range [][2]string{{"", long}, {long, long + "x"}, {long + "x", long}, {long + "ä", long + "ö"}, {"x" + long, "y" + long}} {
		w, g := contrast(texts[0], texts[1])
		require.NotEqual(t, w, g)
		require.NotContains(t, w+g, "\uFFFD")
		require.NotContains(t, w+g, `\x`, "no character is cut: %s, %s", w, g)
	}
}

// The time that a test takes is virtual.
func TestRulesTestIsVirtual(t *testing.T) {
	t.Parallel()
	const week = 7 * 24 * time.Hour
	c := &ruleCase{Name: "a week", Start: instant(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)), Records: []caseRecord{{At: week, Times: new(1)}}}
	loader := &testLoader{lookup: environment(nil), configs: map[string]*LoadedConfig{}}
	tests := loader.load(t.Context(), "testdata/rules/passing.test.yaml")
	got, err := c.play(t.Context(), tests.config)
	require.NoError(t, err)
	watchdogs := 0
	for _, a := range got.alerts {
		if a.Kind == "watchdog" {
			watchdogs++
		}
	}
	require.Equal(t, int(week/(5*time.Minute)), watchdogs, "none is passed over")
}
