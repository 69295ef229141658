package alert_test

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// render returns the message of the first alert about a payload.
func render(t *testing.T, w *world, payload string) alert.Message {
	t.Helper()
	d := w.evaluator.Evaluate(record("1", payload))
	require.Equal(t, alert.Alerted, d.Outcome)
	m, err := d.Alerts[0].Render()
	require.NoError(t, err)
	return m
}

func TestMessageTemplates(t *testing.T) {
	t.Parallel()
	const payload = `{"score":3.14,"id":12345678,"wide":9007199254740993,"name":"Müller","order":{"lines":[{"qty":2}` +
		`]},"tiny":1e-9}`
	cases := []struct{ name, source, want string }{
		{"record", `{{ .Record.PartitionKey }} {{ .Record.SequenceNumber }} {{ .Record.SubSequence }} {{ ` +
			`.Record.Shard }}`, "partitionkey 1 0 " + shardID},
		{"arrival", `{{ .Record.Arrival.Format "2006-01-02T15:04:05Z07:00" }}`, "2026-11-22T09:00:00Z"},
		{"rule", `{{ .Rule }}: {{ .Severity }}`, "any: critical"},
		{"data", `{{ .Record.Data }}`, payload},
		{"number", `{{ .Fields.score }} {{ printf "%.1f" .Fields.score }} {{ .Fields.tiny }}`, "3.14 3.1 0.000000001"},
		{"number without exponent", `{{ .Fields.id }}`, "12345678"},
		{"number beyond 2^53", `{{ .Fields.wide }}`, "9007199254740993"},
		{"nested", `{{ range .Fields.order.lines }}{{ .qty }}{{ end }}`, "2"},
		{"comparison", `{{ if gt .Fields.score 3.0 }}high{{ end }}`, "high"},
		{"absent, asked for", `{{ with index .Fields "nosuch" }}{{ . }}{{ else }}none{{ end }}`, "none"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, oneRule(alert.RuleConfig{
				Name: "any", When: "true", Severity: "critical",
				Message: c.source,
			}))
			require.Equal(t, c.want, render(t, w, payload).Body)
		})
	}
}

// TestMessageFallsBack: an alert whose template fails goes out with the default words, and is counted.
func TestMessageFallsBack(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, source string }{
		{"absent field", `{{ .Fields.nosuch }}`},
		{"index out of range", `{{ index .Fields.list 7 }}`},
		{"wrong type", `{{ if gt .Fields.name 3.0 }}x{{ end }}`},
		{"nothing left", `  {{ if false }}x{{ end }}  `},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, oneRule(alert.RuleConfig{Name: "any", When: "true", Subject: c.source, Message: c.source}))
			m := render(t, w, `{"name":"x","list":[]}`)
			require.Equal(t, "Anomaly detected", m.Subject)
			require.Equal(t, `Anomaly detected ...  {"name":"x","list":[]}`, m.Body)
			require.NoError(t, testutil.GatherAndCompare(w.registry, strings.NewReader(`
# HELP kinesis_alerter_template_failures_total Templates that failed on an alert, which then went out with the default words.
# TYPE kinesis_alerter_template_failures_total counter
kinesis_alerter_template_failures_total{part="attribute",rule="any"} 0
kinesis_alerter_template_failures_total{part="body",rule="any"} 0
kinesis_alerter_template_failures_total{part="group",rule="any"} 0
kinesis_alerter_template_failures_total{part="link",rule="any"} 0
kinesis_alerter_template_failures_total{part="message",rule="any"} 1
kinesis_alerter_template_failures_total{part="subject",rule="any"} 1
`), "kinesis_alerter_template_failures_total"))
		})
	}
}

func TestMessageSubjectIsValid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, oneRule(alert.RuleConfig{Name: "any", When: "true", Subject: "{{ .Record.PartitionKey }}"}))
	cases := []struct{ name, made, want string }{
		{"plain", "Heart rate", "Heart rate"},
		{"line break", "Heart\r\nrate", "Heart  rate"},
		{"control", "a\x00b\x1bc\u2028d", "a b c d"},
		{"space around", " \tHeart rate\n", "Heart rate"},
		{"99 characters stay", strings.Repeat("ä", 99), strings.Repeat("ä", 99)},
		{"100 characters are cut", strings.Repeat("ä", 100), strings.Repeat("ä", 99)},
		{"no space at the cut", strings.Repeat("a", 98) + " bcd", strings.Repeat("a", 98)},
		{"invalid UTF-8", "a\xffb", "a\uFFFDb"},
		{"only control characters", "\x01\x02", "Anomaly detected"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			rec := record("1", `{}`)
			rec.PartitionKey = c.made
			m, err := w.evaluator.Evaluate(rec).Alerts[0].Render()
			require.NoError(t, err)
			require.Equal(t, c.want, m.Subject)
		})
	}
}

func TestMessageRuleWinsOverTopic(t *testing.T) {
	t.Parallel()
	config := alert.Config{
		Topics: map[string]alert.TopicConfig{"a": {Subject: "topic's", Message: "topic's"}, "b": {}},
		Rules:  []alert.RuleConfig{{Name: "r", When: "true", Topics: []string{"a", "b"}, Message: "rule's"}},
	}
	w := newWorld(t, config)
	d := w.evaluator.Evaluate(record("1", `{}`))
	require.Len(t, d.Alerts, 2)
	a, err := d.Alerts[0].Render()
	require.NoError(t, err)
	b, err := d.Alerts[1].Render()
	require.NoError(t, err)
	require.Equal(t, []string{"topic's", "rule's"}, []string{a.Subject, a.Body})
	require.Equal(t, []string{"Anomaly detected", "rule's"}, []string{b.Subject, b.Body})
}

// FuzzSubject: no record can make a subject that SNS refuses.
func FuzzSubject(f *testing.F) {
	f.Add("x")
	f.Add(strings.Repeat("\n", 300))
	f.Add("\xffabc")
	w := newWorld(f, oneRule(alert.RuleConfig{Name: "any", When: "true", Subject: "{{ .Record.PartitionKey }}"}))
	f.Fuzz(func(t *testing.T, key string) {
		rec := record("1", `{}`)
		rec.PartitionKey = key
		m, err := w.evaluator.Evaluate(rec).Alerts[0].Render()
		require.NoError(t, err)
		require.NotEmpty(t, m.Subject)
		require.True(t, utf8.ValidString(m.Subject))
		require.LessOrEqual(t, utf8.RuneCountInString(m.Subject), 99)
		require.Equal(t, -1, strings.IndexFunc(m.Subject, unicode.IsControl))
		require.Equal(t, strings.TrimSpace(m.Subject), m.Subject)
	})
}

func record(sequence, payload string) *alert.Record {
	return &alert.Record{
		Shard: shardID, PartitionKey: "partitionkey", SequenceNumber: sequence,
		Arrival: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), Data: []byte(payload),
	}
}
