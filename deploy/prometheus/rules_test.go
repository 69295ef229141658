// Package prometheus_test holds the rules, their tests and their runbooks against each other and against the daemon: an
// alert without a page, a page about a metric or a log line that is no more, or a rule that nothing tests, is a
// failure.
package prometheus_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

const (
	runbooks    = "../runbooks"
	runbookBase = "https://runbooks.example.com/kinesis-alerter/"
)

type rule struct {
	Record, Alert, Expr string
	Labels, Annotations map[string]string
}

type ruleFile struct {
	Groups []struct {
		Name  string
		Rules []rule
	}
}

type testFile struct {
	Tests []struct {
		Name        string
		InputSeries []struct{ Series string } `yaml:"input_series"`
		Alerts      []struct {
			Alert string `yaml:"alertname"`
			Want  []any  `yaml:"exp_alerts"`
		} `yaml:"alert_rule_test"`
	}
}

func load(t *testing.T, path string, into any) {
	t.Helper()
	require.NoError(t, yaml.Unmarshal([]byte(read(t, path)), into), path)
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path) //nolint:gosec // a file of this repository
	require.NoError(t, err)
	return string(text)
}

func allRules(t *testing.T) (alerts map[string]rule, all []rule) {
	t.Helper()
	var f ruleFile
	load(t, "rules.yaml", &f)
	alerts = map[string]rule{}
	for _, g := range f.Groups {
		for _, r := range g.Rules {
			all = append(all, r)
			if r.Alert != "" {
				require.NotContains(t, alerts, r.Alert, "two alerts of one name")
				alerts[r.Alert] = r
			}
		}
	}
	require.NotEmpty(t, alerts)
	return alerts, all
}

// pages are the runbooks by the alert that they are about.
func pages(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(runbooks, "*.md"))
	require.NoError(t, err)
	out := map[string]string{}
	for _, f := range files {
		if name := strings.TrimSuffix(filepath.Base(f), ".md"); name != "README" && name != "problems" {
			out[name] = read(t, f)
		}
	}
	return out
}

func TestEveryAlertHasAPageAndEveryPageAnAlert(t *testing.T) {
	t.Parallel()
	alerts, _ := allRules(t)
	pages := pages(t)
	require.Equal(t, slices.Sorted(maps.Keys(alerts)), slices.Sorted(maps.Keys(pages)))
	index := read(t, filepath.Join(runbooks, "README.md"))
	for name, a := range alerts {
		severity := a.Labels["severity"]
		require.Contains(t, []string{"page", "ticket"}, severity, name)
		require.Equal(t, runbookBase+name+".md", a.Annotations["runbook_url"])
		require.NotEmpty(t, a.Annotations["summary"], name)
		require.Regexp(t, `(Look|Run|Do) first`, a.Annotations["description"], "%s does not say what to do first", name)

		page := pages[name]
		require.True(t, strings.HasPrefix(page, "# "+name+"\n\n"+map[string]string{
			"page": "Page. ", "ticket": "Ticket. ",
		}[severity]), "%s.md begins with its name and severity", name)
		for _, section := range []string{"\n## Look at\n", "\n## Do", "\n## It resolves\n"} {
			require.Contains(t, page, section, name)
		}
		require.Contains(t, index, "["+name+"]("+name+".md)", "the index of the runbooks")
	}
}

func TestEveryAlertIsSeenToFireAndNotToFire(t *testing.T) {
	t.Parallel()
	alerts, _ := allRules(t)
	fires, quiet := map[string]bool{}, map[string]bool{}
	files, err := filepath.Glob("*.test.yaml")
	require.NoError(t, err)
	for _, f := range files {
		var tests testFile
		load(t, f, &tests)
		for _, test := range tests.Tests {
			for _, a := range test.Alerts {
				require.Contains(t, alerts, a.Alert, "%s: %s", f, test.Name)
				if len(a.Want) > 0 {
					fires[a.Alert] = true
				} else {
					quiet[a.Alert] = true
				}
			}
		}
	}
	want := slices.Sorted(maps.Keys(alerts))
	require.Equal(t, want, slices.Sorted(maps.Keys(fires)), "alerts that fire in a test")
	require.Equal(t, want, slices.Sorted(maps.Keys(quiet)), "alerts that do not fire in a near miss")
}

// metrics are the daemon's own, with their labels. metrics.golden has the labels as they are served; the reference
// has what exists with some configurations only, without the label stream, which everything about a stream has.
func metrics(t *testing.T) map[string][]string {
	t.Helper()
	split := func(s string) []string {
		return strings.FieldsFunc(s, func(r rune) bool { return r == ',' || r == ' ' })
	}
	table := read(t, "../../docs/reference/metrics.md")
	out := map[string][]string{}
	row := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| \\w+ \\| ([a-z_, ]*) \\|")
	for _, m := range row.FindAllStringSubmatch(table, -1) {
		labels := split(m[2])
		if !slices.Contains(labels, "stream") {
			labels = append(labels, "stream")
		}
		out["kinesis_alerter_"+m[1]] = labels
	}
	for _, m := range regexp.MustCompile(`(?m)^(kinesis_alerter_[a-z_]+) \w+ \{([a-z_,]*)\}`).FindAllStringSubmatch(read(t, "../../internal/system/testdata/metrics.golden"), -1) {
		require.Contains(t, out, m[1], "metrics.golden has it, docs/reference/metrics.md has not")
		out[m[1]] = append([]string{}, split(m[2])...)
	}
	require.Greater(t, len(out), 50)
	return out
}

var (
	ourMetric = regexp.MustCompile(`\bkinesis_alerter_[a-z_]+`)
	ofBuckets = regexp.MustCompile(`_(bucket|sum|count)$`)
	recorded  = regexp.MustCompile(`\b[a-z_]+:kinesis_alerter_[a-z_]+:[a-z0-9_]+`)
)

// unknownMetrics returns the names of the daemon's metrics in a text that it does not have.
func unknownMetrics(text string, known map[string][]string) []string {
	var out []string
	text = recorded.ReplaceAllString(text, "")
	text = strings.ReplaceAll(text, "kinesis_alerter_(", "")
	for _, name := range ourMetric.FindAllString(text, -1) {
		if known[name] == nil && known[ofBuckets.ReplaceAllString(name, "")] == nil {
			out = append(out, name)
		}
	}
	return out
}

func TestEveryMetricExists(t *testing.T) {
	t.Parallel()
	known := metrics(t)
	_, rules := allRules(t)
	names := map[string]bool{}
	for _, r := range rules {
		require.Empty(t, unknownMetrics(r.Expr, known), "rule %s%s", r.Alert, r.Record)
		if r.Record != "" {
			require.Regexp(t, `^[a-z_]+:kinesis_alerter_[a-z_]+:[a-z0-9_]+$`, r.Record, "level:metric:operations")
			names[r.Record] = true
		}
	}
	for _, r := range rules {
		for _, used := range recorded.FindAllString(r.Expr, -1) {
			require.Contains(t, names, used, "rule %s uses a recorded name that is not recorded", r.Alert)
		}
	}
	for page, text := range pages(t) {
		require.Empty(t, unknownMetrics(text, known), "%s.md", page)
		for _, used := range recorded.FindAllString(text, -1) {
			require.Contains(t, names, used, "%s.md", page)
		}
	}
	require.Empty(t, unknownMetrics(read(t, "../grafana/kinesis-alerter.json"), known), "the dashboard")

	// What the tests feed to the rules has the labels that the daemon gives, or the tests would test a world of their
	// own.
	files, err := filepath.Glob("*.test.yaml")
	require.NoError(t, err)
	series := regexp.MustCompile(`^([a-z_]+)\{(.*)\}$`)
	label := regexp.MustCompile(`(\w+)="`)
	for _, f := range files {
		var tests testFile
		load(t, f, &tests)
		for _, test := range tests.Tests {
			for _, in := range test.InputSeries {
				m := series.FindStringSubmatch(in.Series)
				require.NotNil(t, m, in.Series)
				if !strings.HasPrefix(m[1], "kinesis_alerter_") {
					continue
				}
				require.Contains(t, known, m[1], f)
				if m[1] == "kinesis_alerter_build_info" {
					continue
				}
				var got []string
				for _, l := range label.FindAllStringSubmatch(m[2], -1) {
					if l[1] != "job" && l[1] != "instance" {
						got = append(got, l[1])
					}
				}
				require.ElementsMatch(t, known[m[1]], got, "%s: labels of %s", f, in.Series)
			}
		}
	}
}

// fences are the blocks of code in a page, by language.
func fences(page string) map[string][]string {
	out := map[string][]string{}
	for _, m := range regexp.MustCompile("(?s)```(\\w+)\n(.*?)\n```").FindAllStringSubmatch(page, -1) {
		out[m[1]] = append(out[m[1]], strings.Split(m[2], "\n")...)
	}
	return out
}

// source is the daemon's own code, without tests. Texts that are broken over lines are joined.
func source(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	for _, dir := range []string{"alert", "checkpoint", "consumer", "internal"} {
		require.NoError(t, filepath.WalkDir(filepath.Join("../..", dir),
			func(path string, _ fs.DirEntry, err error) error {
				if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
					b.WriteString(read(t, path))
				}
				return err
			}))
	}
	return regexp.MustCompile(`"\s*\+\s*"`).ReplaceAllString(b.String(), "")
}

// Somebody reads a runbook at three in the morning: what it tells to search for, to type and to ask must exist.
func TestRunbooksTellOfWhatExists(t *testing.T) {
	t.Parallel()
	source := source(t)
	reference := read(t, "../../docs/reference/commands.md")
	command := regexp.MustCompile(`^kinesis-alerter ([a-z]+)(?: ([a-z]+))?`)
	flags := regexp.MustCompile(` --([a-z-]+)`)
	books := pages(t)
	books["problems"] = read(t, filepath.Join(runbooks, "problems.md"))
	for name, page := range books {
		blocks := fences(page)
		require.NotEmpty(t, blocks["promql"], "%s.md has no query", name)
		require.NotEmpty(t, blocks["log"], "%s.md has no log line", name)
		for _, line := range blocks["log"] {
			require.True(t, //nolint:testifylint // Contains would print the whole source
				strings.Contains(source, `"`+line),
				"%s.md tells to look for a log line that the daemon does not write: %s", name, line)
		}
		for _, line := range blocks["sh"] {
			m := command.FindStringSubmatch(line)
			if m == nil {
				continue
			}
			require.True(t, strings.Contains(reference, "| `"+m[1]), "%s.md: %s", name, //nolint:testifylint // as above
				line)
			if m[2] != "" {
				require.True(t, strings.Contains(reference, m[1]+" "+m[2]), //nolint:testifylint // as above
					"%s.md: %s",
					name, line)
			}
			for _, flag := range flags.FindAllStringSubmatch(line, -1) {
				require.True(t, strings.Contains(source, `"`+flag[1]+`"`), //nolint:testifylint // as above
					"%s.md: %s: no flag --%s", name, line, flag[1])
			}
		}
		for _, link := range regexp.MustCompile(`\]\(([^)]+)\)`).FindAllStringSubmatch(page, -1) {
			file, _, _ := strings.Cut(link[1], "#")
			require.FileExists(t, filepath.Join(runbooks, file), "%s.md", name)
		}
		for _, alert := range regexp.MustCompile(`KinesisAlerter[A-Za-z]+`).FindAllString(page, -1) {
			require.FileExists(t, filepath.Join(runbooks, alert+".md"), "%s.md", name)
		}
	}
}

// Prometheus itself says whether the queries of the runbooks are any.
func TestRunbookQueriesParse(t *testing.T) {
	t.Parallel()
	promtool, err := exec.LookPath("promtool")
	if err != nil {
		if os.Getenv("CI") != "" {
			require.NoError(t, err, "install Prometheus (Debian: prometheus)")
		}
		t.Skip("promtool is not on the PATH (Debian: prometheus); make deploy-check needs it")
	}
	var b bytes.Buffer
	b.WriteString("groups:\n  - name: runbooks\n    rules:\n")
	for _, name := range slices.Sorted(maps.Keys(pages(t))) {
		for i, query := range fences(pages(t)[name])["promql"] {
			text, err := yaml.Marshal(query)
			require.NoError(t, err)
			fmt.Fprintf(&b, "      - record: %s:line%d\n        expr: %s", name, i+1, text)
		}
	}
	file := filepath.Join(t.TempDir(), "runbooks.yaml")
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o600))
	out, err := exec.CommandContext(t.Context(), promtool, "check", "rules", //nolint:gosec // the promtool on the PATH
		file).CombinedOutput()
	require.NoError(t, err, "%s", out)
}
