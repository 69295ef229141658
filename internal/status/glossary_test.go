package status

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap/zaptest"

	"kinesis-alerter/internal/testkit"
)

// Every heading of the page leads to what it means, and docs/status-page.md says the same:
// `go test ./internal/status -run TestGlossary -update`. Its metrics and alerts exist.
func TestGlossary(t *testing.T) {
	t.Parallel()
	metrics := testkit.TextOf(t, "../../docs/reference/metrics.md")
	rules := testkit.TextOf(t, "../../deploy/prometheus/rules.yaml")
	seen := map[string]bool{}
	var docs strings.Builder
	for _, c := range Glossary() {
		fmt.Fprintf(&docs, "\n### %s\n\n| on the page | means | good | metric | alerts |\n|---|---|---|---|---|\n",
			c.Name)
		for i := range c.Terms {
			term := &c.Terms[i]
			require.False(t, seen[term.Key], "%s is there twice", term.Key)
			seen[term.Key] = true
			var names, alerts []string
			for _, m := range term.Metrics {
				require.Contains(t, metrics, "| `"+m+"` |", term.Key)
				names = append(names, "`"+m+"`")
			}
			for _, a := range term.Alerts {
				require.Contains(t, rules, "- alert: KinesisAlerter"+a+"\n", term.Key)
				alerts = append(alerts, fmt.Sprintf("[%s](../deploy/runbooks/KinesisAlerter%[1]s.md)", a))
			}
			fmt.Fprintf(&docs, "| %s | %s | %s | %s | %s |\n", term.Name, term.Means, term.Good,
				strings.Join(names, ", "),
				strings.Join(alerts, ", "))
		}
	}
	const file, heading = "../../docs/status-page.md", "## Number by number\n"
	before, _, found := strings.Cut(testkit.TextOf(t, file), heading)
	require.True(t, found, "docs/status-page.md has a section %q", heading)
	testkit.GoldenFile(t, file, before+heading+`
Each heading of the page says this on hover, and leads to the same list at its end. Metrics begin with `+"`kinesis_alerter_`"+
		`. The alerts are those of
[deploy/prometheus](../deploy/prometheus/README.md).
`+docs.String())

	page := NewPage(func() Status { return calm(at()) }, zaptest.NewLogger(t))
	w := httptest.NewRecorder()
	page.HTML(w, httptest.NewRequest(http.MethodGet, "/", http.NoBody))
	for _, link := range regexp.MustCompile(`href="#about-([a-z-]+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
		require.True(t, seen[link[1]], link[1])
		require.Contains(t, w.Body.String(), `<dt id="about-`+link[1]+`"`)
	}
	for _, head := range regexp.MustCompile(`(?s)<th scope="col"[^>]*>(.*?)</th>`).FindAllStringSubmatch(statusHTML,
		-1) {
		require.Contains(t, head[1], `{{template "col" `, "a heading without an explanation")
	}
}
