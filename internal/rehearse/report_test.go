package rehearse

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// The table of hours has a column for each rule: on a terminal there are as many tables as fit.
func TestHoursFitTheTerminal(t *testing.T) {
	t.Parallel()
	r := BacktestReport{Hours: []*hourTally{{time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), map[string]int{}}}}
	for name := range strings.FieldsSeq("latency errors saturation traffic disk memory queue quiet") {
		n := 7
		if name == "quiet" {
			n = 0
		}
		r.Rules = append(r.Rules, &ruleTally{Rule: name, Alerts: n})
		r.Hours[0].Alerts[name] = n
	}
	show := func(width int) string {
		var b bytes.Buffer
		r.Width = width
		r.writeHours(&b)
		return b.String()
	}
	require.Equal(t, 1, strings.Count(show(0), "ALERTS IN THE HOUR FROM"), "a pipe has no width")
	narrow := show(50)
	require.Equal(t, 3, strings.Count(narrow, "ALERTS IN THE HOUR FROM"))
	require.Equal(t, 7, strings.Count(narrow, "7"))
	require.NotContains(t, narrow, "quiet")
	for line := range strings.Lines(narrow) {
		require.LessOrEqual(t, len(line), 51)
	}
	require.Equal(t, 7, strings.Count(show(5), "ALERTS IN THE HOUR FROM"), "a rule each, where nothing fits")
}
