package filter_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/filter"
)

// One record of a hostile producer cannot keep a filter busy: patterns times values are too many long before they are
// all tried. An ordinary record of the same filter is judged as ever, and so is a large one with few patterns.
func TestRecordHasABudget(t *testing.T) {
	list := func(n int, element string) string {
		return `{"a":[` + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + `]}`
	}
	objects := list(55_000, `{"b":"x","c":"y"}`)
	for name, c := range map[string]struct {
		patterns              int
		pattern, small, large string
	}{
		"anything-but": {400, `{"data":{"a":[{"anything-but":["zz#","z"]}]}}`, `{"a":"z"}`, list(250_000, `"z"`)},
		"wildcard in a text": {
			4000, `{"data":{"a":[{"wildcard":"*` + strings.Repeat("a", 30) + `b*a#*"}]}}`,
			`{"a":"z"}`, `{"a":"` + strings.Repeat("a", 1_000_000) + `"}`,
		},
		"elements": {
			1000, `{"data":{"a":{"b":[{"anything-but":"z#"}],"c":[{"anything-but":["y","w#"]}]}}}`,
			`{"a":[{"b":"x","c":"y"}]}`, objects,
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			patterns := make([]string, c.patterns)
			for i := range patterns {
				patterns[i] = strings.ReplaceAll(c.pattern, "#", fmt.Sprint(i))
			}
			m := compile(t, patterns...).Matcher()
			require.Equal(t, filter.OverBudget, m.Match([]byte(c.large), "k"))
			require.Equal(t, filter.NotMatched, m.Match([]byte(c.small), "k"))
			few := compile(t, patterns[:2]...)
			require.Equal(t, filter.NotMatched, few.Matcher().Match([]byte(c.large), "k"))
		})
	}
}
