package alert_test

import (
	"cmp"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/budget"
	"kinesis-alerter/internal/testkit"
)

// numbers is a JSON list of that many.
func numbers(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ",%d", i)
	}
	return "[" + b.String()[1:] + "]"
}

// textOf is a JSON text of so many bytes.
func textOf(n int) string { return `"` + strings.Repeat("a", n) + `"` }

// allocated is how much memory fn asks for, what is given back included.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// overBudget are conditions with which a producer could stall a shard or exhaust its memory, each with the part of the
// budget that stops it.
func overBudget() map[string]struct{ when, payload, part string } {
	return map[string]struct{ when, payload, part string }{
		"replace": {
			`replace(host, ".", sep) != ""`,
			`{"host":"` + strings.Repeat(".", 300_000) + `","sep":` + textOf(300_000) + `}`, "text",
		},
		"replace of none": {`replace(s, "", s) != ""`, `{"s":` + textOf(100_000) + `}`, "text"},
		"repeat":          {`repeat(s, 100000) != ""`, `{"s":` + textOf(1000) + `}`, "text"},
		"join":            {`join(split(s, ""), s) != ""`, `{"s":` + textOf(30_000) + `}`, "text"},
		"doubling": {
			`let a = s + s; let b = a + a; let c = b + b; let d = c + c; d + d != ""`,
			`{"s":` + textOf(300_000) + `}`, "text",
		},
		"sum of fields": {`a + a + a + a != ""`, `{"a":` + textOf(1<<20) + `}`, "text"},
		"copies": {
			`upper(a) == "" || lower(a) == "" || upper(a) == "x"`, `{"a":` + textOf(1<<20) + `}`,
			"text",
		},
		"reduce": {`reduce(1..n, #acc + s, "") != ""`, `{"s":` + textOf(10_000) + `,"n":1000}`, "text"},
		"toJSON": {
			`toJSON(o) != ""`, `{"o":` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`,
			"text",
		},
		"string of shared": {`let a = [o, o, o, o]; let b = [a, a, a, a]; let c = [b, b, b, b]; let d = [c, c, c, ` +
			`c]; string([d, d, d, d]) != ""`, `{"o":` + textOf(9000) + `}`, "text"},
		"format": {
			`count(1..n, arrival.Format(s) == "") > 0`, `{"s":` + textOf(10_000) + `,"n":1000}`,
			"text",
		},
		"any in any": {`any(xs, any(xs, # == -1))`, `{"xs":` + numbers(8000) + `}`, "work"},
		"in":         {`all(xs, # in xs)`, `{"xs":` + numbers(20_000) + `}`, "work"},
		"uniq":       {`len(uniq(xs)) > 0`, `{"xs":` + numbers(20_000) + `}`, "work"},
		"pattern":    {`s matches "(a?){1000}(b?){1000}c"`, `{"s":` + textOf(1_000_000) + `}`, "work"},
		"pattern in any": {
			`any(xs, s matches "((a{0,30}){0,30})c")`, `{"s":` + textOf(100_000) + `,"xs":[1,2,3]}`,
			"work",
		},
		"comparison": {
			`count(1..n, a == b) > 0`,
			`{"a":` + textOf(400_000) + `,"b":` + textOf(400_000) + `,"n":100000}`, "work",
		},
		"group": {`len(groupBy(1..n, s)) > 0`, `{"s":` + textOf(400_000) + `,"n":100000}`, "work"},
		"numerals": {
			`count(1..n, int(s) == 5) > 0`,
			`{"s":"` + strings.Repeat("0", 100_000) + `1","n":100000}`, "work",
		},
		"range":             {`sum(1..n) > 0`, `{"n":9000000000000000}`, "lists"},
		"ranges":            {`len(map(1..n, map(1..1000, #))) > 0`, `{"n":100000}`, "lists"},
		"objects":           {`len(map(1..n, ({"a": #, "b": 2}))) > 0`, `{"n":900000}`, "lists"},
		"split":             {`len(split(s, "")) > 0`, `{"s":` + textOf(4_000_000) + `}`, "lists"},
		"objects of record": {`o[0].a == 1`, `{"o":[` + strings.Repeat(`{"a":1},`, 1_000_000) + `{}]}`, "lists"},
		"pattern of record": {
			`any(ps, s matches #)`,
			`{"s":` + textOf(10) + `,"ps":["((a{30}){30})+` + strings.Repeat("b{999}", 500) + `"]}`, "work",
		},
	}
}

// One record cannot stall its shard or exhaust its memory. A rule that would exceed its budget is counted by name and
// does not judge the record; the others do. Nothing is allocated before it is charged to the budget.
func TestOverBudget(t *testing.T) {
	for name, c := range overBudget() {
		t.Run(name, func(t *testing.T) {
			config := oneRule(alert.RuleConfig{Name: "costly", When: c.when})
			config.Rules = append(config.Rules, alert.RuleConfig{
				Name: "plain", When: "true",
				Topics: []string{"oncall"},
			})
			w := newWorld(t, config)
			rec := record("1", c.payload)
			var d alert.Decision
			made := allocated(func() { d = w.evaluator.Evaluate(rec) })
			require.Equal(t, alert.Alerted, d.Outcome)
			require.Len(t, d.Alerts, 1)
			require.Equal(t, "plain", d.Alerts[0].Rule, "the other rule is judged")
			require.True(t, d.DeadLetter)
			require.Equal(t, alert.ReasonOverBudget, d.Reason)
			require.Equal(t, map[string]uint64{"costly": 1}, w.pipeline.OverBudget())
			require.NotZero(t, w.logs.FilterField(zap.String("rule", "costly")).FilterMessageSnippet(
				"exceeded its budget").Len())
			require.Less(t, made, uint64(128<<20+12*len(c.payload)), "bytes")

			if c.part == budget.Work && name != "pattern" {
				return // it takes its time to be explained
			}
			x := w.pipeline.Explain(rec).Rules[0]
			require.Equal(t, alert.VerdictUndefined, x.Verdict)
			require.Equal(t, alert.OverBudget, x.Outcome)
			require.Equal(t, budget.Remedy(c.part), x.OverBudget, "explain agrees, and says what to do")
		})
	}
}

// costly is the price of a large regular expression that is quick to fail: a record of a few kilobytes is within the
// budget, one of 100 kB beyond it.
const costly = `s matches "^x(a?){1000}(b?){1000}c"`

// What a rule computes in addition to its condition counts against its budget, and is charged before its memory
// changes.
func TestOverBudgetLeavesMemoryAlone(t *testing.T) {
	t.Parallel()
	for name, r := range map[string]alert.RuleConfig{
		"key":         {Key: costly + ` ? "a" : "b"`, Dedup: time.Hour},
		"metered key": {Key: `let a = s; any([a], # + # == s) ? "a" : "b"`, Dedup: time.Hour},
		"value":       {Value: costly + ` ? 1 : 2`, Dedup: time.Hour},
		"severity":    {Severity: costly + ` ? "critical" : "info"`, Dedup: time.Hour},
		"window.of": {Window: alert.WindowConfig{
			Length: time.Minute, Aggregate: "sum", Of: costly + ` ? 1 : 2`,
			Is: "> 100",
		}},
		"when": {When: "!(" + costly + ")", Dedup: time.Hour},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.Name, r.When = "r", "v > 0 && ("+cmp.Or(r.When, "true")+")"
			w := newWorld(t, oneRule(r))
			w.evaluator.Evaluate(record("1", `{"v":1,"s":"a"}`))
			before := w.evaluator.State()
			beyond := record("2", `{"v":1,"s":`+textOf(3_000_000)+`}`)
			d := w.evaluator.Evaluate(beyond)
			require.Equal(t, alert.OverBudget, d.Outcome)
			require.Empty(t, d.Alerts)
			require.Equal(t, before, w.evaluator.State())
			require.Equal(t, map[string]uint64{"r": 1}, w.pipeline.OverBudget())
			require.Equal(t, alert.OverBudget, w.pipeline.Explain(beyond).Outcome)
		})
	}
}

// Whether a record exceeds the budget depends only on the rule and the record: not on what the rule remembers, on other
// rules, or on earlier records.
func TestBudgetIsOfRuleAndRecord(t *testing.T) {
	t.Parallel()
	// The condition takes most of the work, the severity the rest: also for a record that is suppressed and has no
	// severity.
	r := alert.RuleConfig{
		Name: "r", When: `kind == "k" && !(` + costly + `)`, Dedup: time.Hour,
		Severity: costly + ` ? "info" : "critical"`,
	}
	within, beyond := `{"kind":"k","s":`+textOf(8_000)+`}`, `{"kind":"k","s":`+textOf(16_000)+`}`
	for name, more := range map[string]int{"alone": 0, "indexed among others": 50} {
		config := oneRule(r)
		for i := range more {
			config.Rules = append(config.Rules, alert.RuleConfig{
				Name: fmt.Sprint("other-", i),
				When: fmt.Sprintf(`kind == "%d"`, i), Topics: []string{"oncall"},
			})
		}
		w := newWorld(t, config)
		for i := range 3 {
			require.Equal(t, alert.OverBudget, w.evaluator.Evaluate(record(fmt.Sprint(2*i), beyond)).Outcome, name)
			d := w.evaluator.Evaluate(record(fmt.Sprint(2*i+1), within))
			require.Equal(t, []alert.Outcome{alert.Alerted, alert.Suppressed, alert.Suppressed}[i], d.Outcome, name)
		}
		require.Equal(t, map[string]uint64{"r": 3}, w.pipeline.OverBudget())
	}
}

// A flood of records over budget does not flood the dead letters: one per second of event time goes there, the others
// are counted.
func TestOverBudgetLettersAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{Name: "r", When: `repeat(s, 100000000) != ""`}))
	letters := 0
	for i := range 100 {
		rec := record(fmt.Sprint(i), `{"s":"x"}`)
		rec.Arrival = noon().Add(time.Duration(i) * 100 * time.Millisecond)
		d := w.evaluator.Evaluate(rec)
		require.Equal(t, alert.OverBudget, d.Outcome)
		w.pipeline.Resolved(d)
		if d.DeadLetter {
			letters++
		}
	}
	require.Equal(t, 10, letters)
	require.EqualValues(t, 100, w.pipeline.Resolutions()[alert.OverBudget])
	require.Zero(t, w.evaluator.Evaluate(record("x", `{"s":""}`)).Reason, "the next record is judged")
}

// A silence that costs too much silences nothing, and costs no rule its alert.
func TestSilenceOverBudget(t *testing.T) {
	t.Parallel()
	config := oneRule(alert.RuleConfig{Name: "r", When: "v > 0"})
	config.Silences = []alert.SilenceConfig{{Name: "s", When: "!(" + costly + ")", Until: "2099-01-01T00:00:00Z"}}
	w := newWorld(t, config)
	require.Equal(t, alert.Suppressed, w.evaluator.Evaluate(record("1", `{"v":1,"s":"a"}`)).Outcome)
	require.Equal(t, alert.Alerted, w.evaluator.Evaluate(record("2", `{"v":1,"s":`+textOf(100_000)+`}`)).Outcome)
}

// A template that costs too much is replaced by the default words, and the alert is sent. The memory is not allocated.
func TestTemplateOverBudget(t *testing.T) {
	for name, c := range testkit.Named(map[string]struct{ message, payload string }{
		"loops": {
			`{{range .Fields.xs}}{{range $.Fields.xs}}{{end}}{{end}}`,
			`{"xs":` + numbers(20_000) + `}`,
		},
		"continued": {
			`{{range .Fields.xs}}{{range $.Fields.xs}}{{continue}}{{end}}{{end}}`,
			`{"xs":` + numbers(3000) + `}`,
		},
		"sorted": {
			`{{range .Fields.xs}}{{range $.Fields}}{{break}}{{end}}{{end}}`,
			`{"xs":` + numbers(2000) + `,` + members(20_000) + `}`,
		},
		"texts compared": {
			`{{range .Fields.xs}}{{if eq $.Fields.s $.Fields.t}}x{{end}}{{end}}`,
			`{"xs":` + numbers(60_000) + `,"s":` + textOf(300_000) + `,"t":` + textOf(300_000) + `}`,
		},
		"printed widths": {
			`{{range .Fields.xs}}{{$x := printf "%1000000d" 5}}{{end}}`,
			`{"xs":` + numbers(1000) + `}`,
		},
		"format of record": {`{{printf .Fields.f 1 2 3}}`, `{"f":"` + strings.Repeat("%1000000d", 1000) + `"}`},
		"argument again": {
			`{{printf .Fields.f .Fields.s}}`,
			`{"f":"` + strings.Repeat("%[1]s", 1000) + `","s":` + textOf(100_000) + `}`,
		},
		"asterisks": {`{{if .Fields.x}}{{printf "%*d%*d%*d%*d%*d" 1000000 5 1000000 5 1000000 5 1000000 5 ` +
			`1000000 5}}{{end}}`, `{"x":1}`},
		"width of elements": {`{{printf "%100000v" .Fields.xs}}`, `{"xs":` + numbers(1000) + `}`},
		"doubling": {
			`{{$x := .Fields.s}}{{range .Fields.xs}}{{$x = print $x $x}}{{end}}`,
			`{"xs":` + numbers(100) + `,"s":"aaaa"}`,
		},
		"joining": {
			`{{$x := .Fields.s}}{{range .Fields.xs}}{{$x = join $x $.Fields.l}}{{end}}`,
			`{"xs":` + numbers(100) + `,"l":["","",""],"s":"aaaa"}`,
		},
		"upper": {
			`{{range .Fields.xs}}{{$x := upper $.Fields.s}}{{end}}`,
			`{"xs":` + numbers(1000) + `,"s":` + textOf(100_000) + `}`,
		},
		"json":          {`{{range .Fields.xs}}{{$x := json $.Fields}}{{end}}`, `{"xs":` + numbers(5000) + `}`},
		"html":          {`{{html .Fields.s}}`, `{"s":"` + strings.Repeat("<", 1_000_000) + `"}`},
		"small numbers": {`{{.Fields.l}}`, `{"l":[` + strings.Repeat("1e-300,", 100_000) + `1]}`},
		"date": {
			`{{range .Fields.xs}}{{$x := date $.Fields.s $.At}}{{end}}`,
			`{"xs":` + numbers(1000) + `,"s":"` + strings.Repeat("January", 10_000) + `"}`,
		},
		"fields": {`{{.Fields.a}}`, `{"a":1,"b":[` + strings.Repeat(`{"a":1},`, 1_000_000) + `1]}`},
		"payload times": {
			`{{range .Fields.xs}}{{$.Record.Data}}{{end}}`,
			`{"xs":` + numbers(9000) + `,"s":` + textOf(700_000) + `}`,
		},
	}, 6) {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, oneRule(alert.RuleConfig{Name: "r", When: "true", Message: c.message}))
			d := w.evaluator.Evaluate(record("1", c.payload))
			require.Equal(t, alert.Alerted, d.Outcome)
			var m alert.Message
			made := allocated(func() { m, _ = d.Alerts[0].Render() })
			require.Equal(t, "Anomaly detected ...  "+c.payload, m.Body)
			require.Equal(t, map[string]uint64{"r": 1}, w.pipeline.OverBudget())
			require.Less(t, made, uint64(160<<20), "bytes")
			require.NoError(t, testutil.GatherAndCompare(w.registry, strings.NewReader(`
# HELP kinesis_alerter_template_failures_total Templates that failed on an alert, which then went out with the default words.
# TYPE kinesis_alerter_template_failures_total counter
kinesis_alerter_template_failures_total{part="attribute",rule="r"} 0
kinesis_alerter_template_failures_total{part="body",rule="r"} 0
kinesis_alerter_template_failures_total{part="group",rule="r"} 0
kinesis_alerter_template_failures_total{part="link",rule="r"} 0
kinesis_alerter_template_failures_total{part="message",rule="r"} 1
kinesis_alerter_template_failures_total{part="subject",rule="r"} 0
`), "kinesis_alerter_template_failures_total"))
			x := w.pipeline.Explain(record("1", c.payload)).Rules[0].Publishes[0]
			require.Contains(t, x.OverBudget, "this record")
		})
	}
}

// A template that costs too much for any record is refused.
func TestTemplateAlwaysOverBudget(t *testing.T) {
	t.Parallel()
	for _, message := range []string{`{{range 1000000000}}{{end}}`, `{{range 100}}{{printf "%1000000d" 5}}{{end}}`} {
		err := oneRule(alert.RuleConfig{Name: "r", When: "true", Message: message}).Validate()
		require.ErrorContains(t, err, "this record", message)
	}
	err := oneRule(alert.RuleConfig{Name: "r", When: `x > len(repeat("x", 100000000))`}).Validate()
	require.ErrorContains(t, err, `repeat("x", 100000000)) would make more than 4 MiB of text`)
}

// Ordinary rules on ordinary records stay far within the budget, even for the largest records that Kinesis accepts.
func TestWithinBudget(t *testing.T) {
	t.Parallel()
	items := strings.Repeat(`{"sku":"abc-123","qty":3,"price":12.5,"tags":["red","blue"]},`, 15_000)
	payload := `{"items":[` + items[:len(items)-1] + `],"s":` + textOf(100_000) + `,"host":"a.b.c","n":5}`
	for _, when := range []string{
		`any(items, .qty > 5)`,
		`sum(map(items, .price * .qty)) > 1e9`,
		`len(filter(items, .qty > 1 && "red" in .tags)) > 100000`,
		`all(items, .sku startsWith "abc") && n > 5`,
		`len(groupBy(items, .sku)) > 5`,
		`sortBy(items, .price)[0].price > 100`,
		`s matches "error|fatal|panic"`,
		`any(items, .sku matches "^x[0-9]+$")`,
		`upper(s) == "X" || lower(host) contains "z"`,
		`replace(s, "b", "cc") == "x"`,
		`join(map(items, .sku), ",") contains "zzz"`,
		`len(split(host, ".")) > 5`,
		`len(toJSON(items)) > 9e9`,
		`len(uniq(map(take(items, 2000), .sku))) > 5`,
	} {
		w := newWorld(t, oneRule(alert.RuleConfig{Name: "r", When: when}))
		require.Equal(t, alert.Unmatched, w.evaluator.Evaluate(record("1", payload)).Outcome, when)
	}
	w := newWorld(t, oneRule(alert.RuleConfig{
		Name: "r", When: "true",
		Message: `{{range .Fields.items}}{{.sku}} {{printf "%6.2f" .price}}{{range .tags}}, {{upper ` +
			`.}}{{end}};{{end}} {{.Record.Data}}`,
	}))
	_, err := w.evaluator.Evaluate(record("1", payload)).Alerts[0].Render()
	require.NoError(t, err)
	require.Empty(t, w.pipeline.OverBudget())
}

// members are that many of an object.
func members(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"k%d":1`, i)
	}
	return b.String()[1:]
}

// The parts of a budget, each just exceeded.
func TestEachPartOfABudgetIsCounted(t *testing.T) {
	t.Parallel()
	over := func(r alert.RuleConfig, payload string) uint64 {
		r.Name = "r"
		w := newWorld(t, oneRule(r))
		for _, a := range w.evaluator.Evaluate(record("1", payload)).Alerts {
			_, err := a.Render()
			require.NoError(t, err)
		}
		return w.pipeline.OverBudget()["r"]
	}
	require.EqualValues(t, 1, over(alert.RuleConfig{When: `repeat(s, 5) != ""`}, `{"s":`+textOf(1<<20)+`}`))
	require.EqualValues(t, 0, over(alert.RuleConfig{When: `repeat(s, 4) != ""`}, `{"s":`+textOf(1<<20)+`}`))
	require.EqualValues(t, 1, over(alert.RuleConfig{When: `len(split(s, "")) > 0`}, `{"s":`+textOf(2<<20)+`}`))
	require.EqualValues(t, 1, over(alert.RuleConfig{
		When:    "true",
		Message: `{{range .Fields.xs}}{{printf "%1000000d" 1}}{{end}}`,
	}, `{"xs":[1,2,3,4,5]}`))
	require.EqualValues(t, 0, over(alert.RuleConfig{
		When:    "true",
		Message: `{{range .Fields.xs}}{{printf "%100000d" 1}}{{end}}`,
	}, `{"xs":[1,2,3,4,5]}`))
	require.EqualValues(t, 1, over(alert.RuleConfig{
		When:    "true",
		Message: `{{range .Fields.xs}}{{range $.Fields.xs}}{{end}}{{end}}`,
	}, `{"xs":`+numbers(4000)+`}`))
}
