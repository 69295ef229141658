package status

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

// Every problem that can be shown has a section in the runbook, and every section is about one.
func TestEveryProblemHasASection(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../deploy/runbooks/problems.md")
	require.NoError(t, err)
	var sections []string
	for _, m := range regexp.MustCompile(`(?m)^## (.+)\n\n\S`).FindAllStringSubmatch(string(text), -1) {
		sections = append(sections, m[1])
	}
	slices.Sort(sections)
	require.Equal(t, slices.Sorted(maps.Keys(ProblemSubjects())), sections, "deploy/runbooks/problems.md")
	for _, subject := range ProblemSubjects() {
		require.Contains(t, subjects(), subject)
	}
}

// A problem has one line when it appears, one when it gets worse, and one when it is over, however often the page is
// looked at.
func TestProblemLog(t *testing.T) {
	t.Parallel()
	core, logs := observer.New(zapcore.InfoLevel)
	l, now := NewProblemLog(zap.New(core)), time.Unix(0, 0)
	look := func(list ...Problem) (lines []string) {
		now = now.Add(5 * time.Second)
		l.Look(now, list)
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
		return Problem{
			Level: level, Code: "topic_failing", Object: object, Text: "topic " + object + ": SNS has failed",
		}
	}
	require.Empty(t, look())
	require.Equal(t, []string{"warn problem appeared topic_failing a"}, look(failing(LevelWarning, "a")))
	require.Empty(t, look(failing(LevelWarning, "a")))
	require.Equal(
		t, []string{"warn problem appeared topic_failing b"},
		look(failing(LevelWarning, "a"), failing(LevelWarning, "b")),
	)
	require.Equal(
		t, []string{"error problem changed its level topic_failing a"},
		look(failing(LevelCritical, "a"), failing(LevelWarning, "b")),
	)
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
