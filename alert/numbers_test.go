package alert_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// TestNumbersInTemplates: numbers of a record compare with numbers of a template whatever their types are in Go, and
// printf writes whole ones as integers. Where fmt would report an error, the template fails and the default words are
// sent.
func TestNumbersInTemplates(t *testing.T) {
	t.Parallel()
	const payload = `{"v": 95, "half": 0.5, "big": 9007199254740993, "near": 9007199254740992, "name": "a", "bang": ` +
		`"%!d(string=x)", "yes": true, "list": [1, 2]}`
	const standIn = "Anomaly detected ..."
	for _, c := range []struct{ source, want string }{
		{`{{ gt .Value 90 }}`, "true"},
		{`{{ gt .Value 90.5 }} {{ lt .Value 95 }} {{ le .Value 95 }} {{ ge 95 .Value }}`, "true false true true"},
		{`{{ eq .Fields.v 95 }} {{ ne .Fields.v 95 }} {{ eq .Fields.v 1 2 95 }}`, "true false true"},
		{`{{ eq .Fields.half 0.5 }} {{ lt .Fields.half 1 }}`, "true true"},
		{
			`{{ eq .Fields.big .Fields.near }} {{ eq .Fields.big .Fields.big }} {{ gt .Fields.big 3 }}`,
			"false true true",
		},
		{`{{ eq .Fields.name "a" }} {{ lt .Fields.name "b" }} {{ eq .Fields.yes true }}`, "true true true"},
		{`{{ eq .Suppressed 0 }} {{ gt (len .Fields.list) 1 }} {{ eq (index .Fields.list 1) 2 }}`, "true true true"},
		{`{{ eq (get .Fields "missing") 5 }} {{ ne (get .Fields "missing") 5 }}`, "false true"},
		{`{{ gt .Fields.name 5 }}`, standIn},
		{`{{ eq .Fields.name 5 }}`, standIn},
		{`{{ lt (get .Fields "missing") 5 }}`, standIn},
		{`{{ printf "%d percent" .Value }}`, "95 percent"},
		{`{{ printf "%05d|%-5d|%+d|%x" .Fields.v .Fields.v .Fields.v .Fields.v }}`, "00095|95   |+95|5f"},
		{
			`{{ printf "%.1f|%6.2f|%g|%v|%s|%q" .Fields.v .Fields.half .Fields.v .Fields.v .Fields.half .Fields.name }}`,
			`95.0|  0.50|95|95|0.5|"a"`,
		},
		{
			`{{ printf "%d|%v|%s|%.0f" .Fields.big .Fields.big .Fields.big .Fields.big }}`,
			"9007199254740993|9007199254740993|9007199254740993|9007199254740992",
		},
		{
			`{{ printf "%20d|%-20d|%2d" .Fields.big .Fields.big .Fields.big }}`,
			"    9007199254740993|9007199254740993    |9007199254740993",
		},
		{`{{ printf "%s" .Fields.bang }} {{ printf "100 %%!" }}`, "%!d(string=x) 100 %!"},
		{`{{ printf "%d" .Fields.half }}`, standIn},
		{`{{ printf "%d" .Fields.name }}`, standIn},
		{`{{ printf "%s" }}`, standIn},
		{`{{ printf "x" .Value }}`, standIn},
		{`{{ printf "%d %s" .Fields.name .Fields.bang }}`, standIn},
		{`{{ printf "%z" .Value }}`, standIn},
	} {
		t.Run(c.source, func(t *testing.T) {
			t.Parallel()
			s := newStory(t, alert.RuleConfig{Name: "r", When: "v > 3", Value: "v", Message: c.source})
			alerts := s.at(0, "a", payload).Alerts
			require.Len(t, alerts, 1)
			m, err := alerts[0].Render()
			require.NoError(t, err)
			got, _, _ := strings.Cut(m.Body, "  {")
			require.Equal(t, c.want, got)
		})
	}
}
