package cmd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// What a variable gave is shown as the variable, wherever and however short it is; what it did not give is not.
func TestShownConfigTellsVariablesFromOtherTexts(t *testing.T) {
	t.Parallel()
	c, err := parseConfig(t.Context(), "c.yaml", []byte(`stream: {name: "${STREAM}"}
filter:
  - data: {tenant: ["${TENANT}"], who: ["${PATIENT}", "somebody"]}
rules:
  - {name: high, when: "x > 1", for: 1, severity: info, labels: {on: "true", who: "${PATIENT}"}}
topics: {oncall: {arn: "arn:aws:sns:us-east-1:000000000000:oncall", digest: 10s}}
`), environment(map[string]string{
		"STREAM": "readings", "TENANT": "acme77", "PATIENT": `Jo "Li"`, "P": "1", "LEVEL": "info", "YES": "true", "TEN": "10s",
	}))
	require.NoError(t, err)
	text := c.shown(c.Config).text
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
