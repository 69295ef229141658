package alert_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/filter"
)

// explained is the first rule's explanation of a payload.
func explained(t *testing.T, r alert.RuleConfig, payload string) alert.RuleExplanation {
	t.Helper()
	x := newWorld(t, oneRule(r)).pipeline.Explain(record("1", payload))
	require.NotEmpty(t, x.Rules, "%s: %s", x.Outcome, x.Reason)
	return x.Rules[0]
}

func TestExplainFirstFailingTerm(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		when, payload, want string
	}{
		"by how much": {
			"ANOMALY_SCORE > 3.5", `{"ANOMALY_SCORE":2.91}`,
			"ANOMALY_SCORE 2.91 > 3.5: false by 0.59",
		},
		"equal is not more": {
			"ANOMALY_SCORE > 3.5", `{"ANOMALY_SCORE":3.5}`,
			"ANOMALY_SCORE 3.5 > 3.5: false, they are equal",
		},
		"decimals, not floats": {"x < 0.1", `{"x":0.3}`, "x 0.3 < 0.1: false by 0.2"},
		"digits beyond float64": {
			"id < 9007199254740993", `{"id":9007199254740995}`,
			"id 9007199254740995 < 9007199254740993: false by 2",
		},
		"far away": {"x > 1e300", `{"x":1}`, "x 1 > 1e+300: false by 1e+300"},
		"computed": {
			"abs(CHANGE / (PRICE - CHANGE)) * 100 > 1", `{"CHANGE":0.5,"PRICE":100.5}`,
			"abs(CHANGE / (PRICE - CHANGE)) * 100 > 1: 0.5 > 1: false by 0.5",
		},
		"texts have no distance": {
			`rateType == "HIGH"`, `{"rateType":"NORMAL"}`,
			`rateType == "HIGH": false; rateType is "NORMAL"`,
		},
		"missing": {
			"ANOMALY_SCORE > 3.5", `{}`,
			"ANOMALY_SCORE > 3.5: undefined (missing); ANOMALY_SCORE is missing",
		},
		"null": {
			"ANOMALY_SCORE > 3.5", `{"ANOMALY_SCORE":null}`,
			"ANOMALY_SCORE > 3.5: undefined (null); ANOMALY_SCORE is null",
		},
		"a number as text": {
			"heartRate > 150", `{"heartRate":"180"}`,
			`heartRate > 150: undefined (mistyped); heartRate is "180"`,
		},
		"the first of several": {"a > 1 && b > 1", `{"a":2,"b":0}`, "b 0 > 1: false by 1"},
		"nested":               {"order.price > 10", `{"order":{"price":7}}`, "order.price 7 > 10: false by 3"},
		"a division by zero":   {"1 / x > 1", `{"x":0}`, "1 / x > 1: undefined (not_finite); x is 0"},
		"all hold":             {"a > 1", `{"a":2}`, ""},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := explained(t, alert.RuleConfig{Name: "r", When: test.when}, test.payload)
			require.Equal(t, test.want, x.First)
			require.Equal(t, test.want == "", x.Verdict == alert.VerdictTrue)
		})
	}
}

// An explanation names every term with what it looked at, even after a term that failed.
func TestExplainEveryTerm(t *testing.T) {
	t.Parallel()
	x := explained(t, alert.RuleConfig{Name: "r", When: `score > 3 && kind == "HIGH" && missing < 1 && tags != nil`},
		`{"score":1.5,"kind":"HIGH","tags":{"a":[1,2]}}`)
	require.Equal(t, alert.VerdictFalse, x.Verdict)
	var lines []string
	for _, term := range x.Terms {
		lines = append(lines, term.String())
	}
	require.ElementsMatch(t, []string{
		"score 1.5 > 3: false by 1.5", `kind == "HIGH": true; kind is "HIGH"`,
		"missing < 1: undefined (missing); missing is missing",
		`tags != nil: true; tags is {"a":[1,2]}`,
	}, lines)
}

func TestExplainOutcome(t *testing.T) {
	t.Parallel()
	at := record("1", "").Arrival
	rule := func(change func(*alert.RuleConfig)) alert.Config {
		r := alert.RuleConfig{Name: "r", When: "score > 3"}
		change(&r)
		return oneRule(r)
	}
	var data filter.Pattern
	require.NoError(t, json.Unmarshal([]byte(`{"data":{"kind":["HIGH"]}}`), &data))
	filtered := rule(func(*alert.RuleConfig) {})
	filtered.Filter = []filter.Pattern{data}
	silenced := rule(func(*alert.RuleConfig) {})
	silenced.Silences = []alert.SilenceConfig{{
		Name: "works", When: "score < 9",
		Until: at.Add(time.Hour).Format(time.RFC3339),
	}}
	inhibited := oneRule(alert.RuleConfig{Name: "worse", When: "score > 8"})
	inhibited.Rules = append(inhibited.Rules, alert.RuleConfig{
		Name: "r", When: "score > 3",
		InhibitedBy: []string{"worse"},
	})
	hours := []alert.QuietConfig{{
		From: at.Add(-time.Hour).UTC().Format("15:04"),
		To:   at.Add(time.Hour).UTC().Format("15:04"),
	}}
	tests := map[string]struct {
		config  alert.Config
		payload string
		want    string
		mutes   []string
		depends []string
	}{
		"matches":  {config: rule(func(*alert.RuleConfig) {}), want: "alerted"},
		"does not": {config: rule(func(*alert.RuleConfig) {}), payload: `{"score":1}`, want: "unmatched"},
		"cannot be read": {
			config: rule(func(*alert.RuleConfig) {}), payload: `{"score":`,
			want: "invalid truncated",
		},
		"filtered": {config: filtered, payload: `{"kind":"LOW","score":9}`, want: "filtered"},
		"no JSON":  {config: filtered, payload: `HIGH`, want: "filtered not_json"},
		"silenced": {
			config: silenced, want: "suppressed silenced",
			mutes: []string{"silence works, until " + at.Add(time.Hour).UTC().Format(time.RFC3339)},
		},
		"not the silence's": {config: silenced, payload: `{"score":10}`, want: "alerted"},
		"quiet": {
			config: rule(func(r *alert.RuleConfig) { r.Quiet = hours }), want: "suppressed quiet_hours",
			mutes: []string{"quiet hours " + hours[0].From + " to " + hours[0].To + " UTC"},
		},
		"inhibited by the same record": {config: inhibited, payload: `{"score":10}`, want: "alerted"},
		"shadow": {
			config: rule(func(r *alert.RuleConfig) { r.Mode = alert.ModeShadow }),
			want:   "unmatched",
		},
		"for": {
			config: rule(func(r *alert.RuleConfig) { r.For.Records = 3 }),
			want:   "unmatched", depends: []string{"for"},
		},
		"for one record": {
			config: rule(func(r *alert.RuleConfig) { r.For.Records = 1 }),
			want:   "alerted",
		},
		"window too small": {
			config: rule(func(r *alert.RuleConfig) { r.Window = alert.WindowConfig{Length: time.Minute, Is: "> 1"} }),
			want:   "unmatched", depends: []string{"window"},
		},
		"window of one": {
			config: rule(func(r *alert.RuleConfig) {
				r.Window = alert.WindowConfig{Length: time.Minute, Aggregate: "max", Of: "score", Is: "> 4"}
			}),
			want: "alerted", depends: []string{"window"},
		},
		"absence": {
			config: rule(func(r *alert.RuleConfig) { r.Absence.After = time.Minute }), want: "unmatched",
			depends: []string{"absence"},
		},
		"all that is remembered": {
			config: rule(func(r *alert.RuleConfig) {
				r.Dedup, r.Resolve.Time, r.RepeatInterval = time.Minute, time.Hour, time.Hour
				r.RateLimit = alert.Rate{Events: 1, Per: time.Hour}
			}),
			want: "alerted", depends: []string{"dedup", "resolve", "repeat_interval", "rate_limit"},
		},
		"age": {
			config: rule(func(r *alert.RuleConfig) { r.When = `score > 3 && age < duration("1s")` }),
			want:   "alerted", depends: []string{"age"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if test.payload == "" {
				test.payload = `{"score":5}`
			}
			x := newWorld(t, test.config).pipeline.Explain(record("1", test.payload))
			require.Equal(t, test.want, strings.TrimSpace(x.Outcome.String()+" "+string(x.Reason)))
			if len(x.Rules) == 0 {
				return
			}
			last := x.Rules[len(x.Rules)-1]
			if name != "inhibited by the same record" {
				require.Equal(t, test.mutes, last.Mutes)
			}
			var depends []string
			for _, d := range last.Depends {
				depends = append(depends, d.Setting)
			}
			require.Equal(t, test.depends, depends)
		})
	}
	x := newWorld(t, inhibited).pipeline.Explain(record("1", `{"score":10}`))
	require.Equal(t, []string{"rule worse matches the same record and inhibits this one"}, x.Rules[1].Mutes)
	require.Equal(t, alert.Suppressed, x.Rules[1].Outcome)
}

func TestExplainPublications(t *testing.T) {
	t.Parallel()
	c := alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}, "archive": {Subject: "{{ .Fields.nosuch }}"}},
		Rules: []alert.RuleConfig{{
			Name: "high", When: "score > 3", Key: "ward", Severity: `score > 4 ? "critical" : "info"`,
			Subject: "{{ .Key }}: {{ .Value }}", Topics: []string{"oncall"},
		}, {Name: "other", When: "score > 3", Topics: []string{"archive"}}},
	}
	w := newWorld(t, c)
	rec := record("1", `{"score":5,"ward":"7b"}`)
	x := w.pipeline.Explain(rec)
	require.Equal(t, "7b", x.Rules[0].Key)
	require.Equal(t, "critical", x.Rules[0].Severity)
	want := w.evaluator.Evaluate(rec).Alerts
	require.Equal(t, []alert.Publication{{Topic: "oncall", Subject: "7b: 5", AlertID: want[0].ID}},
		x.Rules[0].Publishes)
	require.Equal(t, []alert.Publication{{
		Topic: "archive", Subject: "Anomaly detected", AlertID: want[1].ID,
		Failed: []string{"subject"},
	}}, x.Rules[1].Publishes)

	x = w.pipeline.Explain(record("1", `{"score":5}`))
	require.Equal(t, "missing", x.Rules[0].KeyCause)

	x = newWorld(t, alert.Config{Topics: map[string]alert.TopicConfig{"t": {}}}).pipeline.Explain(rec)
	require.Equal(t, alert.Alerted, x.Outcome)
	require.Equal(t, "Anomaly detected", x.Publishes.Subject)
}

// An explanation changes no counter and no state.
func TestExplainLeavesNoTrace(t *testing.T) {
	t.Parallel()
	c := oneRule(alert.RuleConfig{
		Name: "r", When: `shard != "x" && score > 3`, Key: "nosuch", Dedup: time.Hour,
		Subject: "{{ .Fields.nosuch }}",
	})
	w := newWorld(t, c)
	before, err := testutil.GatherAndCount(w.registry)
	require.NoError(t, err)
	for range 3 {
		w.pipeline.Explain(record("1", `{"shard":{"x":1},"score":5}`))
		w.pipeline.Explain(record("1", `{`))
	}
	after, err := testutil.GatherAndCount(w.registry)
	require.NoError(t, err)
	require.Equal(t, before, after)
	families, err := w.registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		for _, m := range f.GetMetric() {
			require.Zero(t, m.GetCounter().GetValue(), "%s %v", f.GetName(), m.GetLabel())
		}
	}
	require.Zero(t, w.logs.Len())
	require.Equal(t, alert.Alerted, w.evaluator.Evaluate(record("1", `{"score":5}`)).Outcome, "nothing was remembered")
}

// For a rule without memory, an explanation agrees with evaluation.
func TestExplainAgreesWithEvaluation(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		operand := rapid.SampledFrom([]string{"a", "b", "1", "2.5", `"x"`, "o.c", "true"})
		comparison := rapid.Custom(func(rt *rapid.T) string {
			return operand.Draw(rt, "left") + rapid.SampledFrom([]string{" == ", " != ", " > ", " <= "}).Draw(rt,
				"op") + operand.Draw(rt, "right")
		})
		when := strings.Join(rapid.SliceOfN(comparison, 1, 4).Draw(rt, "terms"),
			rapid.SampledFrom([]string{" && ", " || "}).Draw(rt, "join"))
		c := oneRule(alert.RuleConfig{Name: "r", When: when})
		if c.Validate() != nil {
			rt.Skip("no condition")
		}
		payload := rapid.SampledFrom([]string{
			`{}`, `{"a":1}`, `{"a":2.5,"b":"x"}`, `{"a":null,"b":3}`, `{"o":{"c":true},"b":1}`, `{"a":"x","o":{"c":3}}`,
			`[]`, `{"a":1e400}`,
		}).Draw(rt, "payload")
		w := newWorld(t, c)
		x, d := w.pipeline.Explain(record("1", payload)), w.evaluator.Evaluate(record("1", payload))
		if x.Outcome != d.Outcome || x.Reason != d.Reason {
			rt.Fatalf("%s of %s: explained as %s %s, evaluated as %s %s", when, payload, x.Outcome, x.Reason, d.Outcome,
				d.Reason)
		}
	})
}

func TestMentions(t *testing.T) {
	t.Parallel()
	var patterns []filter.Pattern
	require.NoError(t, json.Unmarshal([]byte(`[
		{"data":{"a.b":["x"],"c":{"d":[{"exists":false}],"$or":[{"e":[1]},{"f":["exists",false]}]}},"partitionKey":["k"]},
		"{\"data\":{\"g\":[null]}}"]`), &patterns))
	c := alert.Config{
		Filter: patterns,
		Topics: map[string]alert.TopicConfig{"t": {}},
		Rules: []alert.RuleConfig{{
			Name: "r", When: "shard != \"x\" &&\n order.price > 3 && $env[\"heart rate\"] > order.price && (note ?? " +
				"\"\") == \"\"",
			Key: "ward", Value: "order", Window: alert.WindowConfig{
				Length: time.Minute, Aggregate: "sum", Of: "n",
				Is: "> 1",
			},
			Severity: `ward == "7b" ? "info" : "warning"`,
		}, {Name: "s", When: "any(list, .x > 1)", Severity: "info"}},
		Silences: []alert.SilenceConfig{{Name: "x", When: "quiet", Until: "2027-01-01T00:00:00Z"}},
	}
	require.NoError(t, c.Validate())
	type place struct {
		field, name string
		optional    bool
		line, col   int
	}
	var got []place
	for _, m := range c.Mentions() {
		require.Equal(t, strings.HasPrefix(m.Field, "filter"), m.Filter)
		got = append(got, place{m.Field, m.Name(), m.Optional, m.Line, m.Col})
	}
	require.Equal(t, []place{
		{"filter[0].data.a.b", "a.b", false, 0, 0},
		{"filter[0].data.c.d", "c.d", true, 0, 0},
		{"filter[0].data.c.$or[0].e", "c.e", false, 0, 0},
		{"filter[0].data.c.$or[1].f", "c.f", false, 0, 0},
		{"filter[1].data.g", "g", false, 0, 0},
		{"rules[0].when", "order.price", false, 2, 2},
		{"rules[0].when", "heart rate", false, 2, 25},
		{"rules[0].when", "note", true, 2, 58},
		{"rules[0].key", "ward", false, 1, 1},
		{"rules[0].value", "order", false, 1, 1},
		{"rules[0].window.of", "n", false, 1, 1},
		{"rules[0].severity", "ward", false, 1, 1},
		{"rules[1].when", "list", false, 1, 5},
		{"silences[0].when", "quiet", false, 1, 1},
	}, got)
}

// What is due at a moment is done once that moment has elapsed, without an allowance for late records.
func TestElapse(t *testing.T) {
	t.Parallel()
	c := oneRule(alert.RuleConfig{
		Name:    "silence",
		Absence: alert.AbsenceConfig{After: time.Minute, Of: alert.AbsenceOfStream},
	})
	c.Watchdog = alert.WatchdogConfig{Interval: time.Minute, Topics: []string{"oncall"}}
	w := newWorld(t, c)
	start := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	require.Empty(t, w.evaluator.Elapse(start))
	require.Empty(t, w.evaluator.Elapse(start.Add(time.Minute-time.Millisecond)))
	alerts := w.evaluator.Elapse(start.Add(time.Minute))
	require.Len(t, alerts, 2)
	for _, a := range alerts {
		require.Equal(t, start.Add(time.Minute), a.At, a.Rule)
	}
}

// A window's figure depends on earlier records, too, so its bound is shown in its place: a template that uses it is not
// reported as failing.
func TestExplainHasAFigureForWindows(t *testing.T) {
	t.Parallel()
	config := oneRule(alert.RuleConfig{
		Name: "sum", When: "v > 0", Message: "sum {{ round 1 .Value }}",
		Window: alert.WindowConfig{Length: time.Minute, Tumbling: true, Aggregate: "sum", Of: "v", Is: "> 40"},
	})
	x := newWorld(t, config).pipeline.Explain(record("1", `{"v":1}`)).Rules[0]
	require.Len(t, x.Publishes, 1)
	require.Empty(t, x.Publishes[0].Failed)
}

// TestExplainOfScores: a score depends on earlier records, so what depends on it is left open and never reported as
// missing.
func TestExplainOfScores(t *testing.T) {
	t.Parallel()
	scored := func(when string) alert.Config {
		c := oneRule(alert.RuleConfig{Name: "r", When: when})
		c.Score = []alert.ScoreConfig{{Fields: []string{"v"}, Threshold: "auto"}}
		return c
	}
	for name, test := range map[string]struct {
		when, payload string
		verdict       alert.Verdict
		on            []string
	}{
		"a score":            {`ANOMALY_SCORE > 3`, `{"v":1}`, alert.VerdictDepends, []string{"ANOMALY_SCORE"}},
		"a verdict":          {`ANOMALY_BEGINS`, `{"v":1}`, alert.VerdictDepends, []string{"ANOMALY_BEGINS"}},
		"not a verdict":      {`not ANOMALY`, `{"v":1}`, alert.VerdictDepends, []string{"ANOMALY"}},
		"whether it has one": {`ANOMALY_SCORE == nil`, `{"v":1}`, alert.VerdictDepends, []string{"ANOMALY_SCORE"}},
		"two": {
			`ANOMALY and ANOMALY_SCORE > 3`, `{"v":1}`, alert.VerdictDepends,
			[]string{"ANOMALY_SCORE", "ANOMALY"},
		},
		"another term is false": {`v > 3 and ANOMALY_SCORE > 3`, `{"v":1}`, alert.VerdictFalse, nil},
		"another is true":       {`v > 3 or ANOMALY_SCORE > 3`, `{"v":5}`, alert.VerdictTrue, nil},
		"another may be": {
			`v > 3 or ANOMALY_SCORE > 3`, `{"v":1}`, alert.VerdictDepends,
			[]string{"ANOMALY_SCORE"},
		},
		"its own":        {`ANOMALY_SCORE > 3`, `{"v":1,"ANOMALY_SCORE":5}`, alert.VerdictTrue, nil},
		"no point":       {`ANOMALY_SCORE > 3`, `{"v":"x"}`, alert.VerdictUndefined, nil},
		"no score in it": {`v > 0`, `{"v":1}`, alert.VerdictTrue, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := newWorld(t, scored(test.when)).pipeline.Explain(record("1", test.payload))
			require.Equal(t, test.verdict, x.Rules[0].Verdict)
			require.Equal(t, test.on, x.DependsOn)
			require.Len(t, x.Rules[0].Depends, len(test.on))
			if test.verdict == alert.VerdictDepends {
				require.Contains(t, x.Rules[0].First, "depends on earlier records")
			}
		})
	}
	c := scored("v > 0")
	var p filter.Pattern
	require.NoError(t, p.UnmarshalJSON([]byte(`{"data":{"ANOMALY_SCORE":[{"numeric":[">",3]}]}}`)))
	c.Filter = []filter.Pattern{p}
	x := newWorld(t, c).pipeline.Explain(record("1", `{"v":1}`))
	require.Equal(t, []string{"ANOMALY_SCORE"}, x.DependsOn)
}
