package alert_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/alert/payload"
)

// logEvents are rows as events of CloudWatch Logs give them: texts, JSON in texts, and what only looks like JSON.
func logEvents() []*payload.Row {
	names := payload.NewNames("message", "timestamp", "logGroup", "extractedFields", "json")
	var rows []*payload.Row
	for i, message := range []string{
		"START\n", "2026 ERROR Task timed out \u2028 é \x1b[0m", "", `{"level":"ERROR","ms":1250,"o":{"p":[1]}}` + "\n",
		`{"level":"INFO","ms":1e400}`, `{"ms":1e400,}`, `{"ms":1,"ms":2000}`, ` {"ms":9007199254740993}`,
		`{"ms":"slow"}`,
		`[1]`, `{"level":"ERR`, `{"ms":null}`, strings.Repeat(`{"ms":5000,"pad":"`+strings.Repeat("x", 70_000)+`"}`, 1),
	} {
		cell := func(kind payload.CellKind, text string) payload.Cell {
			return payload.Cell{Kind: kind, Raw: []byte(text)}
		}
		row := &payload.Row{Names: names, Cells: []payload.Cell{
			cell(payload.Text, message), cell(payload.JSON, fmt.Sprint(1796000000000+i)),
			cell(payload.JSON, `"/aws/\u00e4"`),
			{},
			cell(payload.Object, message),
		}}
		if i%2 == 0 {
			row.Cells[3] = cell(payload.JSON, `{"bytes":"7"}`)
		}
		rows = append(rows, row)
	}
	return rows
}

// TestARowIsWhatItsTextIs: whatever rules look at, the decision on a row, its alerts, what they say and what outputs
// get are those of its JSON text.
func TestARowIsWhatItsTextIs(t *testing.T) {
	t.Parallel()
	topics := map[string]alert.TopicConfig{"oncall": {}}
	when := func(conditions ...string) (rules []alert.RuleConfig) {
		for i, c := range conditions {
			rules = append(rules, alert.RuleConfig{
				Name: fmt.Sprint("r", i), When: c,
				Message: `{{ .Record.Data }} {{ .Fields.message }} {{ .Fields.json }}`,
			})
		}
		return rules
	}
	for name, config := range map[string]alert.Config{
		"members": {Rules: when(`message contains "ERROR"`, `timestamp > 1796000000003`, `logGroup == "/aws/ä"`,
			`extractedFields.bytes == "7"`, `partition_key != ""`)},
		"json": {Rules: when(`json.ms > 1000`, `json.level == "ERROR"`, `json != nil`, `json.o.p != nil`)},
		"keys and values": {Rules: []alert.RuleConfig{
			{Name: "r", When: `json.ms > 0`, Key: "json.level", Value: "json.ms", Dedup: time.Hour},
			{Name: "w", When: `message contains "ERROR"`, Key: "logGroup", Window: alert.WindowConfig{
				Length: time.Minute, Is: "> 1",
			}},
		}},
		"filter": {
			Filter: filterOf(t, `{"data":{"json":{"ms":[{"numeric":[">",1000]}]}}}`),
			Rules:  when(`message != ""`),
		},
		"score": {
			Score: []alert.ScoreConfig{{Fields: []string{"json.ms"}}},
			Rules: when(`message != "" && ANOMALY_SCORE != nil`),
		},
		"outputs": {Rules: when(`json.ms > 1000`), Outputs: map[string]alert.OutputConfig{
			"all":    {Stream: "all", When: `message != ""`},
			"fields": {Stream: "f", Fields: []string{"json.ms", "message"}},
		}},
		"without rules": {},
		"text":          {Format: alert.FormatText, Rules: when(`data contains "ERROR"`)},
	} {
		t.Run(name, func(t *testing.T) {
			config.Topics = topics
			ofRows, ofTexts := newWorld(t, config), newWorld(t, config)
			used := &payload.Row{}
			for i, row := range logEvents() {
				rec := record(fmt.Sprint(i), "")
				rec.Inner, rec.Data = true, row.AppendJSON(nil)
				want := told(t, ofTexts.evaluator.Evaluate(rec))
				require.Equal(t, explainedJSON(t, ofTexts, rec), explainedJSON(t, ofRows, withRow(rec, row)))

				used.Names, used.Cells = row.Names, used.Cells[:0]
				var buffers [][]byte
				for _, c := range row.Cells { // the memory is the decoder's, which uses it again
					c.Raw = append([]byte(nil), c.Raw...)
					buffers = append(buffers, c.Raw)
					used.Cells = append(used.Cells, c)
				}
				d := ofRows.evaluator.Evaluate(withRow(rec, used))
				for _, b := range buffers {
					clear(b)
				}
				require.Equal(t, want, told(t, d), "%s", row.AppendJSON(nil))
			}
			require.Equal(t, ofTexts.pipeline.Status(), ofRows.pipeline.Status())
		})
	}
}

func withRow(rec *alert.Record, row *payload.Row) *alert.Record {
	out := *rec
	out.Data, out.Row = nil, row
	return &out
}

func explainedJSON(t *testing.T, w *world, rec *alert.Record) string {
	t.Helper()
	x, err := json.Marshal(w.pipeline.Explain(rec))
	require.NoError(t, err)
	return string(x)
}

// told is all that a decision says.
func told(t *testing.T, d alert.Decision) (lines []string) {
	t.Helper()
	lines = append(lines, fmt.Sprint(d.Outcome, " ", d.Reason, " ", d.DeadLetter))
	for _, a := range d.Alerts {
		m, err := a.Render()
		require.NoError(t, err)
		require.Nil(t, a.Record.Row)
		lines = append(lines, fmt.Sprint(a.ID, a.Key, a.Value, string(a.Record.Data), m))
	}
	for _, o := range d.Outputs {
		lines = append(lines, fmt.Sprint(o.Name, o.Key, string(o.Data), o.Reason, o.Detail))
	}
	return lines
}

// TestBorrowedMemoryIsCopied: an alert outlives the memory that its record was decoded into.
func TestBorrowedMemoryIsCopied(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{Name: "r", When: "n > 1"}))
	rec := record("1", `{"n":2}`)
	rec.Borrowed = true
	d := w.evaluator.Evaluate(rec)
	clear(rec.Data)
	require.Len(t, d.Alerts, 1)
	require.Equal(t, `{"n":2}`, string(d.Alerts[0].Record.Data))
	require.False(t, d.Alerts[0].Record.Borrowed)
}

// TestBlankRecords: a Kinesis record in which there is nothing is no mistake, as the tombstones of Debezium. Inside of
// another record it is one, and a text may be blank.
func TestBlankRecords(t *testing.T) {
	t.Parallel()
	rules := oneRule(alert.RuleConfig{Name: "r", When: "n > 1"})
	filtered := rules
	filtered.Filter = filterOf(t, `{"data":{"n":[1]}}`)
	text := oneRule(alert.RuleConfig{Name: "r", When: `data == ""`})
	text.Format = alert.FormatText
	every := alert.Config{Topics: rules.Topics}
	for _, c := range []struct {
		name    string
		config  alert.Config
		data    string
		inner   bool
		outcome alert.Outcome
		reason  alert.Reason
	}{
		{"nothing", rules, "", false, alert.Filtered, alert.ReasonEmpty},
		{"white space", rules, " \r\n\t", false, alert.Filtered, alert.ReasonEmpty},
		{"behind a filter on data", filtered, "\n", false, alert.Filtered, alert.ReasonEmpty},
		{"inside of another", rules, "", true, alert.Invalid, alert.ReasonEmpty},
		{"text", text, "", false, alert.Alerted, ""},
		{"without rules", every, "", false, alert.Alerted, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t, c.config)
			rec := record("1", c.data)
			rec.Inner = c.inner
			x := w.pipeline.Explain(rec)
			d := w.evaluator.Evaluate(rec)
			require.Equal(t, c.outcome, d.Outcome)
			require.Equal(t, c.reason, d.Reason)
			require.Equal(t, []any{d.Outcome, d.Reason}, []any{x.Outcome, x.Reason})
			if c.outcome == alert.Filtered {
				require.Empty(t, w.pipeline.Status().Unreadable, "it is not unreadable")
			}
		})
	}
}

// TestRowsCostNoAllocation holds the bar for events that match no rule.
func TestRowsCostNoAllocation(t *testing.T) {
	w := newWorld(t, oneRule(alert.RuleConfig{Name: "r", When: `message contains "PANIC" || json.ms > 1e6`}))
	for _, row := range logEvents()[:4] {
		rec := withRow(record("1", ""), row)
		require.Zero(t, testing.AllocsPerRun(10, func() { w.evaluator.Evaluate(rec) }), "%s", row.AppendJSON(nil))
	}
}

func filterOf(t *testing.T, text string) []filter.Pattern {
	t.Helper()
	var p filter.Pattern
	require.NoError(t, p.UnmarshalJSON([]byte(text)))
	return []filter.Pattern{p}
}
