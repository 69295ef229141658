package alert_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
)

// TestTrials: check refuses templates that can only fail, and no other ones.
func TestTrials(t *testing.T) {
	t.Parallel()
	ends := alert.Stretch{Records: 1}
	hot := alert.RuleConfig{When: `state == "hot" and temp > 90`, Resolve: ends}
	window := alert.RuleConfig{
		When: `temp > 90`, Window: alert.WindowConfig{Length: time.Minute, Is: "> 5"},
		Resolve: ends,
	}
	absent := alert.RuleConfig{When: `state == "up"`, Absence: alert.AbsenceConfig{After: time.Minute}}
	for _, c := range []struct {
		rule     alert.RuleConfig
		template string
		fails    string // empty for none
	}{
		{hot, `{{ printf "%d" .Key }}`, "kind firing"},
		{hot, `{{ gt .Value "high" }}`, "no order"},
		{hot, `{{ gt .Fields.state 90 }}`, "no order"},
		{hot, `{{ gt .Fields.temp "90" }}`, "no order"},
		{hot, `{{ join "," .Fields.temp }}`, "is no list"},
		{hot, `{{ date "15:04" .Fields.temp }}`, "is no time"},
		{hot, `{{ .Fields.temp.max }}`, "can't evaluate field"},
		{hot, `{{ range .Fields.temp }}x{{ end }}`, "can't iterate over"},
		{hot, `{{ with .Fields.state }}{{ .name }}{{ end }}`, ""}, // an empty text is nothing to with
		{hot, `{{ if eq .Kind "resolved" }}{{ gt .Value "low" }}{{ else }}{{ .Value }}{{ end }}`, "kind resolved"},
		// it repeats nothing
		{hot, `{{ if eq .Kind "repeat" }}{{ gt .Value "low" }}{{ else }}{{ .Value }}{{ end }}`, ""},
		{alert.RuleConfig{When: `state == "hot"`}, `{{ gt .Value 90 }}`, "no order"},
		{alert.RuleConfig{When: `state == "hot"`}, `{{ if .Value }}{{ gt .Value 90 }}{{ else }}none{{ end }}`, ""},

		{hot, `{{ .Fields.state }} {{ .Fields.temp }} {{ .Value }} {{ .Key }}`, ""},
		{hot, `{{ printf "%d" .Fields.temp }} {{ printf "%.1f" .Fields.temp }} {{ gt .Fields.temp 95 }}`, ""},
		{hot, `{{ printf "%d" .Fields.other }} {{ upper .Fields.name }}`, ""},
		{hot, `{{ gt .Fields.other 3 }} {{ gt .Fields.name "a" }} {{ join "," .Fields.tags }} {{ date "15:04" ` +
			`.Fields.at }}`, ""},
		{hot, `{{ if .Fields.items }}{{ range .Fields.items }}{{ .price }}{{ end }}{{ end }}none`, ""},
		{hot, `{{ (index .Fields.items 3).price }}`, ""},
		{hot, `{{ index .Fields "a b" "c" }} {{ get .Fields "order" "price" }} {{ .Fields.order.price }}`, ""},
		{hot, `{{ $x := .Fields.order }}{{ $x.price }}`, ""},
		{hot, `{{ with .Fields.order }}{{ .price }}{{ end }}`, ""},
		{hot, `{{ if gt .Fields.temp 200 }}{{ date "15:04" "never" }}{{ end }}hot`, ""},
		{hot, `{{ slice .Fields.id 0 8 }}`, ""},
		{hot, `{{ round 2 .Fields.temp }} {{ duration .Fields.temp }} {{ duration .Fields.age }}`, ""},
		{hot, `{{ json . }} {{ json .Fields }}`, ""},
		{window, `{{ gt .Fields.temp 90 }} {{ .Value }} {{ printf "%d" .Value }}`, ""},
		{window, `{{ lower .Fields.state }}: {{ gt .Value 7 }}`, ""},
		{window, `{{ gt .Fields.temp "x" }}`, ""}, // a record that does not match may be the one that it is judged with
		{absent, `{{ .Fields.host }} is silent`, ""},
		{absent, `{{ .Key }} {{ if eq .Kind "resolved" }}{{ gt .Fields.state 5 }}{{ end }}`, "kind resolved"},
		{alert.RuleConfig{When: `a or b > 3`}, `{{ gt .Fields.b "x" }}`, ""},
		{alert.RuleConfig{When: `x != nil and (x == 1 or x == "a")`}, `{{ gt .Fields.x "b" }}`, ""},
		{
			alert.RuleConfig{When: `temp > 1`, For: alert.Stretch{Time: time.Minute}},
			`{{ if .Record.Data }}{{ gt .Key 1 }}{{ else }}x{{ end }}`, "",
		},
	} {
		for _, at := range []string{
			"rules[0].message", "rules[0].subject", "rules[0].attributes.a.value",
			"topics.t.message", "topics.t.bodies.sms",
		} {
			rule, topic := c.rule, alert.TopicConfig{}
			rule.Name = "r"
			switch at {
			case "rules[0].message":
				rule.Message = c.template
			case "rules[0].subject":
				rule.Subject = c.template
			case "rules[0].attributes.a.value":
				rule.Attributes = map[string]alert.AttributeConfig{"a": {Value: c.template}}
			case "topics.t.message":
				topic.Message = c.template
			case "topics.t.bodies.sms":
				topic.Bodies = map[string]string{"sms": c.template}
			}
			config := alert.Config{Topics: map[string]alert.TopicConfig{"t": topic}, Rules: []alert.RuleConfig{rule}}
			require.NoError(t, config.Validate(), c.template)
			faults := config.Trials()
			if c.fails == "" {
				require.Empty(t, faults, c.template)
				continue
			}
			require.Len(t, faults, 1, c.template)
			require.Equal(t, at, faults[0].Field)
			require.Contains(t, faults[0].Rule, c.fails)
			require.Contains(t, faults[0].Rule, "fails in every message of kind ")
			require.Positive(t, faults[0].Line)
			config.Rules = append(config.Rules, alert.RuleConfig{
				Name: "other",
				When: "temp > 90 and state > 5 and key in [1, 2]", Topics: []string{"t"},
			})
			if strings.HasPrefix(at, "topics.") && strings.Contains(c.template, "gt .Fields.state 90") {
				require.Empty(t, config.Trials(), "a topic's template that is good for another rule")
			}
		}
	}
}

// TestTrialsAreNeverWrong: a template that makes the message of some record is not refused.
func TestTrialsAreNeverWrong(t *testing.T) {
	t.Parallel()
	conditions := []string{
		`a == 1`, `a == "x"`, `a`, `a in [1, 2]`, `not (a > 5)`, `a == 1 or b == "x"`, `a.b == 1`, `a != nil`,
		`a startsWith "x"`, `a > 0 and b > 0`, `true`,
	}
	actions := []string{
		`.Fields.a`, `gt .Fields.a 1`, `gt .Fields.b "a"`, `eq .Fields.a .Fields.b`, `.Fields.a.b`,
		`printf "%d" .Fields.a`, `printf "%s" .Fields.b`, `join "," .Fields.b`,
		`upper .Fields.a`, `date "15:04" .Fields.b`, `round 1 .Fields.b`, `len .Fields.a`, `index .Fields.b 0`,
		`gt .Value 1`, `.Value`, `get .Fields "a" "b"`, `slice .Fields.b 0 2`,
	}
	values := []string{
		`1`, `2.5`, `"x"`, `"xy"`, `"2026-01-01T00:00:00Z"`, `true`, `null`, `["x","y"]`, `{"b":1}`,
		`{"b":"x"}`, `[]`, `""`, `7`, `-3`,
	}
	rapid.Check(t, func(t *rapid.T) {
		var template strings.Builder
		for _, action := range rapid.SliceOfN(rapid.SampledFrom(actions), 1, 3).Draw(t, "actions") {
			form := rapid.SampledFrom([]string{
				"{{%s}} ", "{{if .Fields.b}}{{%s}}{{end}}.",
				`{{if eq .Kind "firing"}}{{%s}}{{end}}.`,
				"{{with .Fields.a}}{{with $}}{{%s}}{{end}}{{end}}.",
			}).Draw(t, "form")
			_, _ = fmt.Fprintf(&template, form, action)
		}
		config := alert.Config{Topics: map[string]alert.TopicConfig{"t": {}}, Rules: []alert.RuleConfig{{
			Name: "r", When: rapid.SampledFrom(conditions).Draw(t, "when"), Message: template.String() + "end",
		}}}
		registry := prometheus.NewRegistry()
		p, err := alert.NewOf(config, alert.Deps{Stream: streamARN, Log: zap.NewNop(), Registerer: registry})
		if err != nil {
			return
		}
		rec := record("1", fmt.Sprintf(`{"a":%s,"b":%s}`, rapid.SampledFrom(values).Draw(t, "a"),
			rapid.SampledFrom(values).Draw(t, "b")))
		alerts := p.Shard(shardID).Evaluate(rec).Alerts
		if len(alerts) == 0 {
			return
		}
		_, err = alerts[0].Render()
		require.NoError(t, err)
		if p.TemplateFailures()["r"] == 0 {
			require.Empty(t, config.Trials(), "%s makes a message of %s", template.String(), rec.Data)
		}
	})
}
