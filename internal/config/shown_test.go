package config

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// What a variable gave is shown as the variable, wherever and however short it is; what it did not give is not.
func TestShownConfigTellsVariablesFromOtherTexts(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig(t.Context(), "c.yaml", []byte(`stream: {name: "${STREAM}"}
filter:
  - data: {tenant: ["${TENANT}"], who: ["${PATIENT}", "somebody"]}
rules:
  - {name: high, when: "x > 1", for: 1, severity: info, labels: {on: "true", who: "${PATIENT}"}}
topics: {oncall: {arn: "arn:aws:sns:us-east-1:000000000000:oncall", digest: 10s}}
`), testkit.Environment(map[string]string{
		"STREAM": "readings", "TENANT": "acme77", "PATIENT": `Jo "Li"`, "P": "1", "LEVEL": "info", "YES": "true",
		"TEN": "10s",
	}))
	require.NoError(t, err)
	text := c.Shown(c.Config).Text
	for _, hidden := range []string{"acme77", "Jo ", "readings"} {
		require.NotContains(t, text, hidden)
	}
	for _, said := range []string{"${STREAM}", "${TENANT}", "${PATIENT}", "somebody", "severity: info", "digest: 10s"} {
		require.Contains(t, text, said)
	}
	for _, invented := range []string{"${P}", "${LEVEL}", "${YES}", "${TEN}"} {
		require.NotContains(t, text, invented)
	}
}

func TestNamesThatTellOfSecrets(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"API_TOKEN", "db_password", "DB_PASS", "PIN", "SMTP_AUTH", "AWS_SECRET_ACCESS_KEY"} {
		require.True(t, looksSecret(name), name)
	}
	for _, name := range []string{"COMPASS", "SHIPPING", "AUTHOR", "STREAM"} {
		require.False(t, looksSecret(name), name)
	}
}

// No message shows what a variable gave, nor a part of it, wherever it stands and whatever is wrong with it.
func TestErrorsShowNoVariables(t *testing.T) {
	t.Parallel()
	env := map[string]string{"A": "hunter2-alpha!", "B": `7xq"zz`, "C": "passw0rd openses4me (", "N": "49"}
	for _, text := range []string{
		`stream: {name: "${A}!", start: "${A}"}`,
		`stream: {arn: "${A}"}`,
		`leases: {duration: "${A}"}`,
		`processing: {parallelism: "${A}", memory: "${A}", stop_budget: "${A}"}`,
		`rules: [{name: a, when: "x = ${A}"}]`,
		`rules: [{name: a, when: "${A} ~ 3"}]`,
		`rules: [{name: a, when: "x == ${C}"}]`,
		`rules: [{name: a, when: x, message: "{{ ${C} }}", key: "${C}"}]`,
		`silences: [{name: a, until: 2030-01-01T00:00:00Z, when: "${C}"}]`,
		`rules: [{name: a, when: "x == '${B}"}]`,
		`rules: [{name: a, when: "${B}("}]`,
		`rules: [{name: a, when: "x matches '[${A}'"}]`,
		`rules: [{name: "${A}", when: x}, {name: "${A}", when: x}]`,
		`rules: [{name: a, when: x, key: "${A}.", severity: "${A}", value: "${B}", for: "${A}", topics: ["${A}", "${A}"]}]`,
		`rules: [{name: a, when: x, window: {length: "${A}", is: "${A}", of: "${B}"}, quiet: [{days: ["${A}"], from: "${A}", to: "1", zone: "${A}"}]}]`,
		`rules: [{name: a, when: x, inhibited_by: ["${A}"], labels: {k: "${A}", k: "${B}"}, attributes: {"a b": {value: "${A}"}}}]`,
		`rules: [{name: a, when: x, message: "{{ .Nothing ${A} }}", subject: "{{ ${B} }}"}]`,
		`rules: "${A}"`,
		`rules: [{when: ["${A}"]}]`,
		`topics: {t: {arn: "${A}", rate: "${A}", email: "${A}", bodies: {sms: "{{${A}"}}}`,
		`silences: [{name: "${A}", until: "${A}", when: "x = ${A}", rules: ["${A}"]}]`,
		`filter: [{data: {a: [{numeric: [">", "${A}"]}], b: [{prefix: ["${A}"]}], "${A}": ["${A}"], c: [{cidr: "${A}"}]}}]`,
		`filter: [{data: {a: "${A}"}}]`,
		`filter: ["${A}"]`,
		`filter_file: "${A}"`,
		`dead_letter: {sqs: "${A}", s3: "${A}"}`,
		`dead_letter: {s3: "${B}"}`,
		`server: {listen: "${A}"}`,
		`log: {level: "${A}", format: "${B}"}`,
		`format: "${A}"`,
		`watchdog: {interval: "${A}", topics: ["${A}"]}`,
		`state: {max_keys: "${A}"}`,
		`unknown: "${A}"`,
		`score: {fields: ["${A} ="], as: "${A}", threshold: "${A}"}`,
	} {
		_, err := ParseConfig(t.Context(), "c.yaml", []byte(text), testkit.Environment(env))
		require.Error(t, err, text)
		for _, part := range []string{"hunter2", "hunter", "alpha!", "7xq", "passw", "w0rd", "opense", "ses4me"} {
			require.NotContains(t, err.Error(), part, text)
		}
	}
	_, err := ParseConfig(t.Context(), "c.yaml", []byte(testkit.LimitsHead+
		`rules: [{name: a, when: "x = ${N}"}, {name: b, when: "x > ${N} and"}]`), testkit.Environment(env))
	require.ErrorContains(t, err, `rules[0].when: x = ${N}: unexpected token Operator("="); did you mean ==?`)
	require.NotContains(t, err.Error(), "49")
}
