package cmd

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/internal/fakeaws"
)

// Every problem that can be shown has a section in the runbook, and every section is about one.
func TestEveryProblemHasASection(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../deploy/runbooks/problems.md")
	require.NoError(t, err)
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^## (.+)\n\n\S`).FindAllStringSubmatch(string(text), -1) {
		sections = append(sections, m[1])
	}
	slices.Sort(sections)
	require.Equal(t, slices.Sorted(maps.Keys(problemSubjects())), sections, "deploy/runbooks/problems.md")
	for _, subject := range problemSubjects() {
		require.Contains(t, subjects(), subject)
	}
}

// Every code has all its series from the start, and those of the problems that are there are 1.
func TestProblemMetric(t *testing.T) {
	t.Parallel()
	reg := prometheus.NewPedanticRegistry()
	st := exampleStatus()
	registerProblems(reg, func() Status { return st })
	families, err := reg.Gather()
	require.NoError(t, err)
	require.Len(t, families, 1)
	require.Len(t, families[0].GetMetric(), 3*len(problemSubjects()))
	shown, want := map[string]bool{}, map[string]bool{}
	for _, m := range families[0].GetMetric() {
		if m.GetGauge().GetValue() == 1 {
			shown[m.GetLabel()[0].GetValue()+" "+m.GetLabel()[1].GetValue()] = true
		}
	}
	for _, p := range st.Problems {
		want[p.Code+" "+string(p.Level)] = true
	}
	require.Greater(t, len(want), 5)
	require.Equal(t, want, shown)
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}

// A problem has one line when it appears, one when it gets worse, and one when it is over, however often the page is looked at.
func TestProblemLog(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.InfoLevel)
	l, now := newProblemLog(zap.New(core)), time.Unix(0, 0)
	look := func(list ...Problem) (lines []string) {
		now = now.Add(5 * time.Second)
		l.look(now, list)
		for _, e := range logs.TakeAll() {
			m := e.ContextMap()
			line := e.Level.String() + " " + e.Message + " " + m["code"].(string)
			if object, ok := m["object"]; ok {
				line += " " + object.(string)
			}
			lines = append(lines, line)
		}
		slices.Sort(lines)
		return lines
	}
	failing := func(level Level, object string) Problem {
		return Problem{Level: level, Code: "topic_failing", Object: object, Text: "topic " + object + ": SNS has failed"}
	}
	require.Empty(t, look())
	require.Equal(t, []string{"warn problem appeared topic_failing a"}, look(failing(LevelWarning, "a")))
	require.Empty(t, look(failing(LevelWarning, "a")))
	require.Equal(t, []string{"warn problem appeared topic_failing b"}, look(failing(LevelWarning, "a"), failing(LevelWarning, "b")))
	require.Equal(t, []string{"error problem changed its level topic_failing a"}, look(failing(LevelCritical, "a"), failing(LevelWarning, "b")))
	require.Equal(t, []string{"info problem is over topic_failing a", "info problem is over topic_failing b"}, look())
	require.Empty(t, look())

	// One that comes and goes at every look has a bounded rate, and the last word is the truth.
	lines, final := 0, ""
	note := func(said []string) {
		for _, line := range said {
			lines, final = lines+1, line
		}
	}
	for range 10 * 6 { // ten minutes
		note(look(failing(LevelWarning, "a")))
		note(look())
	}
	require.LessOrEqual(t, lines, problemLines+10)
	require.GreaterOrEqual(t, lines, 10, "it is told as long as it lasts")
	for range 60 {
		note(look(failing(LevelWarning, "a")))
	}
	require.Equal(t, "warn problem appeared topic_failing a", final)
	for range 60 {
		note(look())
	}
	require.Equal(t, "info problem is over topic_failing a", final)
	for range 60 {
		look()
	}
	require.Empty(t, l.known, "what has been over for long is forgotten")
}

// The daemon's own problems reach the log and the metric.
func TestProblemsOfTheDaemon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testStream, 1)
		createTopic(t, fake)
		d := startDaemon(t, fake, nil)
		problem := func() float64 {
			families, err := d.reg.Gather()
			require.NoError(t, err)
			for _, f := range families {
				for _, m := range f.GetMetric() {
					if f.GetName() == "kinesis_alerter_problem" && strings.Contains(m.String(), `"topic_held"`) && strings.Contains(m.String(), `"critical"`) {
						return m.GetGauge().GetValue()
					}
				}
			}
			t.Fatal("no series")
			return 0
		}
		time.Sleep(10 * time.Second)
		require.Zero(t, problem())
		denied := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Operation: "PublishBatch", Err: &fakeaws.Error{Code: "AuthorizationError", Status: 403},
		})
		fake.Kinesis.Put(testStream, "patient-1", []byte(`{"heartRate":180}`))
		time.Sleep(10 * time.Second)
		require.InDelta(t, 1, problem(), 0)
		denied()
		time.Sleep(2 * time.Minute)
		require.Zero(t, problem())
		require.NoError(t, d.end())
		require.Equal(t, 1, strings.Count(d.log.String(), `"code":"topic_held","object":"oncall","problem_level":"critical"`))
		require.Contains(t, d.log.String(), `"msg":"problem is over","code":"topic_held"`)
	})
}
