package status

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

const problemsHead = `# Problems

Every problem that the status page can report, from the daemon's catalog. The code is the label of the metric
` + "`kinesis_alerter_problem`, a field of the log lines that report the change, and `code` in `/api/v1/status`" + `.

- **critical** means that alerts or records wait until somebody acts, or that some were lost.
- **warning** needs a look.
- **info** needs nothing.

Problems of one level are in the order of this page, causes before what they cause. A problem that another one explains is
hidden while that one is shown.
`

// The page of problems is made from the catalog and the runbooks:
// `go test ./internal/status -run TestReferenceOfProblems -update`.
func TestReferenceOfProblems(t *testing.T) {
	t.Parallel()
	runbook := map[string]string{} // code -> first paragraph
	for _, section := range strings.Split(testkit.TextOf(t, "../../deploy/runbooks/problems.md"), "\n## ")[1:] {
		code, text, _ := strings.Cut(section, "\n")
		text, _, _ = strings.Cut(strings.TrimSpace(text), "\n\n")
		runbook[code] = strings.ReplaceAll(text, "](Kinesis", "](../../deploy/runbooks/Kinesis")
	}
	var page strings.Builder
	page.WriteString(problemsHead)
	for _, subject := range catalog() {
		fmt.Fprintf(&page, "\n## About: %s\n", strings.ReplaceAll(subject.name, "_", " "))
		for _, k := range subject.kinds {
			require.NotEmpty(t, runbook[k.code], "a section of deploy/runbooks/problems.md")
			fmt.Fprintf(&page, "\n### %s\n\n%s\n\n", k.code, runbook[k.code])
			if k.remedy != "" {
				fmt.Fprintf(&page, "- To do: %s.\n", strings.TrimSuffix(k.remedy, "."))
			}
			if levels := k.after.words(); levels != "" {
				fmt.Fprintf(&page, "- Level: %s.\n", levels)
			}
			if len(k.symptomOf) > 0 {
				fmt.Fprintf(&page, "- Hidden while one of these is shown: `%s`.\n", strings.Join(k.symptomOf, "`, `"))
			}
			fmt.Fprintf(&page, "- [Runbook](../../deploy/runbooks/problems.md#%s)\n", k.code)
		}
	}
	testkit.Golden(t, "../../../docs/reference/problems.md", page.String())
}

// words say from when on a problem is of which level.
func (t thresholds) words() string {
	var words []string
	short := strings.NewReplacer("744h0m0s", "31 days", "h0m0s", " h", "m0s", " min", "s", " s")
	for _, level := range []struct {
		name  Level
		after time.Duration
	}{{LevelInfo, t.info}, {LevelWarning, t.warning}, {LevelCritical, t.critical}} {
		if level.after > 0 {
			words = append(words, fmt.Sprintf("%s after %s", level.name,
				short.Replace(level.after.Round(time.Second).String())))
		}
	}
	return strings.Join(words, ", ")
}
