package alert

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
)

const testStream = "arn:aws:kinesis:us-east-1:000000000000:stream/ExampleOutputStream"

// newRenderer is the renderer of a route that must be free of faults.
func newRenderer(tb testing.TB, topic TopicConfig, rule RuleConfig) *renderer {
	tb.Helper()
	var f faults
	r := f.render(f.topicWords("topics.oncall", topic), f.ruleWords("rules[0]", rule))
	require.Empty(tb, f)
	r.stream = testStream
	r.failed = newTemplateFailures(prometheus.NewCounterVec(
		prometheus.CounterOpts{Name: "failures_total", Help: "Failures."}, []string{"rule", "part"}), rule.Name)
	return r
}

// failures are the counters of template failures that are not zero.
func failures(r *renderer) map[string]int {
	out := make(map[string]int)
	for part, c := range r.failed {
		if n := testutil.ToFloat64(c); n > 0 {
			out[part] = int(n)
		}
	}
	return out
}

// someAlert is an alert about a record.
func someAlert(kind Kind, payload string) *Alert {
	return &Alert{
		ID: "8cf6", Rule: "heart", Topic: "oncall", Kind: kind, Severity: SeverityCritical, Key: "p 17", Value: 199.5,
		Worse: 1,
		At:    time.Date(2026, 11, 22, 9, 5, 0, 0, time.UTC),
		Since: time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC),
		Record: Record{
			Shard: "shardId-000000000006", PartitionKey: "p 17", SequenceNumber: "4959", SubSequence: 2,
			Arrival: time.Date(2026, 11, 22, 9, 4, 59, 0, time.UTC), Data: []byte(payload),
		},
	}
}

func message(tb testing.TB, r *renderer, a *Alert) Message {
	tb.Helper()
	m, err := r.message(a)
	require.NoError(tb, err)
	return m
}

func TestTemplateFunctions(t *testing.T) {
	t.Parallel()
	const payload = `{"score":3.14159,"id":12345678,"wide":9007199254740993,"name":"  Zoë Müller ","nul":null,"empty":"","zero":0,
		"order":{"price":12.5,"lines":["a","b",3,null]},"ts":"2026-11-22T10:30:00+01:00","text":"2.5","emoji":"😀\"\u0007"}`
	cases := []struct{ source, want string }{
		{
			`{{ upper .Fields.name }}|{{ lower .Fields.name }}|{{ trim .Fields.name }}`,
			"  ZOË MÜLLER |  zoë müller |Zoë Müller",
		},
		{`{{ .Rule | upper }}{{ upper .Fields.id }}`, "HEART12345678"},
		{
			`{{ .Fields.name | trim | truncate 5 }}|{{ truncate 10 (trim .Fields.name) }}|{{ truncate 1 "ab" }}`,
			"Zoë …|Zoë Müller|…",
		},
		{`{{ get .Fields "order" "price" }}|{{ get .Fields "order" "nosuch" "deep" | default "none" }}`, "12.5|none"},
		{`{{ get .Labels "team" }}|{{ get .Labels "nosuch" | default "nobody" }}`, "heart|nobody"},
		{`{{ .Fields.nul | default "n" }}{{ .Fields.empty | default "e" }}{{ .Fields.zero | default "z" }}`, "ne0"},
		{`{{ join ", " .Fields.order.lines }}|{{ join "," .Fields.nul }}`, "a, b, 3, |"},
		{`{{ round 2 .Fields.score }} {{ round 0 2.6 }} {{ round 1 7 }} {{ round 1 .Fields.text }} {{ round 1 ` +
			`.Fields.wide }}`, "3.14 3 7 2.5 9007199254740993"},
		{`{{ round 2 -0.001 }} {{ if gt (round 1 .Value) 199.0 }}high{{ end }}`, "0 high"},
		{`{{ date "15:04" .At }} {{ .At | date "15:04" "Europe/Berlin" }} {{ date "15:04 MST" "America/New_York" ` +
			`.Since }}`, "09:05 10:05 03:00 EST"},
		{`{{ date "15:04" .Fields.ts }}|{{ date "15:04" .Fields.nul }}`, "09:30|"},
		{`{{ duration (.At.Sub .Since) }}|{{ duration 90 }}|{{ duration 0.25 }}|{{ duration 200000 }}|{{ duration ` +
			`-3600 }}|{{ duration 0 }}`, "1h 5m|1m 30s|250ms|2d 7h|-1h|0s"},
		{
			`{{ json .Fields.name }} {{ json .Fields.order }} {{ json .Fields.wide }} {{ json .Fields.nul }} {{ ` +
				`json .Labels }}`,
			`"  Zoë Müller " {"lines":["a","b",3,null],"price":12.5} 9007199254740993 null {"team":"heart"}`,
		},
		{
			`{{ json .Fields.emoji }} {{ json .Fields.id }} {{ json (.At.Sub .Since) }} {{ json .At }}`,
			`"😀\"\u0007" 12345678 "1h5m0s" "2026-11-22T09:05:00Z"`,
		},
		{`{{ urlquery .Key }} {{ urlquery .Fields.id }}`, "p+17 12345678"},
	}
	for _, c := range cases {
		t.Run(c.source, func(t *testing.T) {
			t.Parallel()
			r := newRenderer(t, TopicConfig{}, RuleConfig{
				Name: "heart", Message: c.source,
				Labels: map[string]string{"team": "heart"},
			})
			require.Equal(t, c.want, message(t, r, someAlert(KindFiring, payload)).Body)
			require.Empty(t, failures(r))
		})
	}
}

// TestTemplateFunctionsFail: a function that fails fails its own template, and no other.
func TestTemplateFunctionsFail(t *testing.T) {
	t.Parallel()
	for _, source := range []string{
		`{{ truncate 0 .Key }}`, `{{ truncate .Fields.n .Key }}`, `{{ round 16 .Fields.n }}`,
		`{{ round -1 .Fields.n }}`,
		`{{ round 1 .Fields.s }}`, `{{ round 1 .Fields.list }}`, `{{ round 1 .Fields.null }}`,
		`{{ join "," .Fields.s }}`,
		`{{ date "15:04" .Fields.s }}`, `{{ date "15:04" .Fields.n }}`, `{{ date "15:04" }}`,
		`{{ date "15:04" .Fields.zone .At }}`,
		`{{ date "15:04" "Europe/Berlin" "UTC" .At }}`, `{{ duration .Fields.s }}`, `{{ duration 1e300 }}`,
		`{{ duration .Fields.list }}`,
		`{{ json (index .Fields "list" 9) }}`,
	} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			r := newRenderer(t, TopicConfig{Subject: "{{ .Rule }}"}, RuleConfig{Name: "heart", Message: source})
			m := message(t, r, someAlert(KindFiring, `{"s":"x","n":3,"list":[1],"null":null,"zone":"UTC"}`))
			require.Equal(t, "heart", m.Subject)
			require.True(t, strings.HasPrefix(m.Body, "Anomaly detected ...  {"))
			require.Equal(t, map[string]int{partMessage: 1}, failures(r))
		})
	}
}
