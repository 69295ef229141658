package alert_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"

	"kinesis-alerter/alert"
)

func TestConfigErrors(t *testing.T) {
	t.Parallel()
	config := alert.Config{
		Format: "xml",
		Topics: map[string]alert.TopicConfig{
			"oncall": {Subject: "{{ .Record.Dta }}"},
			"a b":    {Message: "{{ if }}"},
		},
		Rules: []alert.RuleConfig{
			{Name: "one", When: "SCORE > 3", Topics: []string{"oncall"}},
			{Name: "one", When: "SCORE >\n  now()", Severity: "fatal", Topics: []string{"onkall", "oncall", "oncall"}},
			{Name: "", When: "  ", Message: "{{ template \"x\" }}"},
			{Name: "sp ace", When: "SCORE", Subject: "{{ nosuch }}", Topics: []string{"oncall"}},
			{Name: strings.Repeat("n", 65), When: "SCORE + 1", Topics: []string{"oncall"}},
		},
	}
	err := config.Validate()
	require.Error(t, err)
	require.Equal(t, strings.TrimSpace(`
format: "xml": must be json or text
topics.a b: "a b": must be 1 to 64 letters, digits or any of _-
topics.a b.message: "{{ if }}": missing value for if (line 1, column 1 of the value)
topics.oncall.subject: "{{ .Record.Dta }}": can't evaluate field Dta: a record has no such thing (line 1, column 11 of the value)
rules[1].when: "SCORE >\n  now()": now is not available: a decision depends on the record only; use arrival or age (line 2, column 3 of the value)
rules[1].severity: "fatal": must be critical, warning, info, or an expression that gives one of them
rules[1].topics[0]: "onkall": is not one of the topics: a b, oncall
rules[1].topics[2]: "oncall": is listed twice; one alert per topic is sent
rules[1].name: "one": is also the name of rules[0]; names must be unique
rules[2].name: "": must be 1 to 64 letters, digits or any of _-.
rules[2].when: "  ": must be a condition such as ANOMALY_SCORE > 3.0; "true" matches every record
rules[2].message: "{{ template \"x\" }}": template "x" not defined (line 1, column 13 of the value)
rules[2].topics: "": must name at least one of the topics: a b, oncall
rules[3].name: "sp ace": must be 1 to 64 letters, digits or any of _-.
rules[3].subject: "{{ nosuch }}": function "nosuch" not defined (line 1, column 1 of the value)
rules[4].name: "`+strings.Repeat("n", 65)+`": must be 1 to 64 letters, digits or any of _-.
rules[4].when: "SCORE + 1": SCORE + 1 is not a condition: compare it with something (line 1, column 7 of the value)
`), err.Error())

	joined, ok := err.(interface{ Unwrap() []error })
	require.True(t, ok)
	for _, e := range joined.Unwrap() {
		fault, ok := errors.AsType[*alert.ConfigError](e)
		require.True(t, ok)
		require.NotEmpty(t, fault.ConfigField())
	}
}

func TestConfigWithoutRulesNeedsOneTopic(t *testing.T) {
	t.Parallel()
	require.EqualError(t, alert.Config{}.Validate(),
		`topics: "": without rules every record alerts, so there must be exactly one topic, not 0`)
	require.EqualError(t, alert.Config{Topics: map[string]alert.TopicConfig{"b": {}, "a": {}}}.Validate(),
		`topics: "a, b": without rules every record alerts, so there must be exactly one topic, not 2`)
	require.NoError(t, alert.Config{Topics: map[string]alert.TopicConfig{"a": {}}}.Validate())
}

func TestConfigTextKnowsItsNames(t *testing.T) {
	t.Parallel()
	config := alert.Config{
		Format: alert.FormatText,
		Topics: map[string]alert.TopicConfig{"a": {}},
		Rules:  []alert.RuleConfig{{Name: "r", When: `data contains "x" && SCORE > 3`}},
	}
	require.EqualError(t, config.Validate(), `rules[0].when: "data contains \"x\" && SCORE > 3": `+
		`SCORE is unknown: format text has data, partition_key, shard, arrival and age (line 1, column 22 of the value)`)
}

func TestConfigWithDefaults(t *testing.T) {
	t.Parallel()
	config := alert.Config{
		Topics: map[string]alert.TopicConfig{"oncall": {}},
		Rules:  []alert.RuleConfig{{Name: "r", When: "true"}},
	}
	full := config.WithDefaults()
	require.Equal(t, alert.FormatJSON, full.Format)
	require.Equal(t, alert.SeverityWarning, full.Rules[0].Severity)
	require.Equal(t, []string{"oncall"}, full.Rules[0].Topics)
	require.Empty(t, config.Rules[0].Topics, "the receiver is left alone")
	require.NoError(t, config.Validate())

	full.Topics["other"] = alert.TopicConfig{}
	require.Len(t, config.Topics, 1)
}

func TestConfigYAML(t *testing.T) {
	t.Parallel()
	var config alert.Config
	require.NoError(t, yaml.Unmarshal([]byte(`
format: json
rules:
  - name: high-heart-rate
    when: ANOMALY_SCORE > 3.0
    severity: critical
    topics: [oncall]
    subject: s
    message: m
topics:
  oncall:
    arn: arn:aws:sns:us-east-1:000000000000:ExampleTopic
    subject: Anomaly detected
    message: "Anomaly detected ...  {{ .Record.Data }}"
`), &config))
	require.Equal(t, alert.Config{
		Format: "json",
		Rules: []alert.RuleConfig{{
			Name: "high-heart-rate", When: "ANOMALY_SCORE > 3.0", Severity: "critical", Topics: []string{"oncall"},
			Subject: "s", Message: "m",
		}},
		Topics: map[string]alert.TopicConfig{"oncall": {
			ARN: "arn:aws:sns:us-east-1:000000000000:ExampleTopic", Subject: "Anomaly detected",
			Message: "Anomaly detected ...  {{ .Record.Data }}",
		}},
	}, config)
	require.NoError(t, config.Validate())
}
