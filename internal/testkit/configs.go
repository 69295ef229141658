package testkit

import (
	"fmt"
	"strings"
)

// LimitsHead is the beginning of a valid configuration.
const LimitsHead = "stream: {name: s}\ntopics: {t: {arn: \"arn:aws:sns:us-east-1:000000000000:t\"}}\n"

// Numbered makes one text of what each of n numbers gives.
func Numbered(n int, format string) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, strings.ReplaceAll(format, "#", "%[1]d"), i)
	}
	return b.String()
}

// aliasBomb is a list of lists of aliases, nine to each, nine deep.
func aliasBomb(indent string) string {
	var b strings.Builder
	b.WriteString(indent + "- &l0 [x]\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(
			&b, "%s- &l%d [%s]\n", indent, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*l%d, ", i-1), 9), ", "),
		)
	}
	return b.String()
}

// HostileConfigs are files that a person was given. None is valid.
func HostileConfigs() map[string]struct{ Text, Why string } {
	const self, many = "refers to itself", "keys and values"
	return map[string]struct{ Text, Why string }{
		"bomb in a filter":       {LimitsHead + "filter:\n  - data:\n      a:\n" + aliasBomb("        "), many},
		"bomb in silences":       {LimitsHead + "silences:\n" + aliasBomb("  "), many},
		"bomb in an unknown key": {LimitsHead + "x:\n" + aliasBomb("  "), many},
		"bomb of texts": {
			LimitsHead + "rules:\n  - {name: a, when: x, message: &m \"" + strings.Repeat("a", 500_000) +
				"\"}\n" + Numbered(9, "  - {name: r#, when: x, message: *m}\n"),
			"4 MiB of text",
		},
		"bomb of paths": {
			LimitsHead + "filter:\n  - data: {? " + strings.Repeat("a", 1000) + " : {" +
				Numbered(19_000, "b#: [1], ") + "}}\n",
			"keys that are too long",
		},
		"itself in a filter":       {LimitsHead + "filter: [{data: &d {a: *d}}]\n", self},
		"itself as a list":         {LimitsHead + "filter: &f [*f]\n", self},
		"itself in $or":            {LimitsHead + "filter: [{data: {\"$or\": &o [{a: [1]}, {b: *o}]}}]\n", self},
		"itself in labels":         {LimitsHead + "rules:\n  - {name: a, when: x > 3, labels: &l {k: *l}}\n", self},
		"itself as a key":          {LimitsHead + "rules: &r\n  ? *r\n  : 3\n", self},
		"itself by way of another": {LimitsHead + "x: &a [&b [*a]]\n", self},
		"itself as topics":         {"stream: {name: s}\ntopics: &t\n  t: *t\n", self},
		"levels": {
			LimitsHead + "filter:\n  - data: " + strings.Repeat("{a: ", 5000) + "[1]" +
				strings.Repeat("}", 5000) + "\n",
			"nested deeper than 100 levels",
		},
		"commas": {LimitsHead + "x: [" + strings.Repeat("a,", 500_000) + "]\n", many},
		"keys":   {LimitsHead + "x: {" + strings.Repeat("a,", 500_000) + "}\n", many},
		"dashes": {LimitsHead + "x:\n" + strings.Repeat("-\n", 500_000), many},
		"empty rules": {
			LimitsHead + "rules:\n" + strings.Repeat("-\n", 50_000), "at most 10000 are allowed",
		},
		"wrong rules": {
			LimitsHead + "rules:\n" + Numbered(9000, "  - {name: \"a b#\", when: x >}\n"), "or more further faults",
		},
		"unknown keys": {
			LimitsHead + "rules:\n" + Numbered(9000, "  - {name: r#, whem: x}\n"), "or more further faults",
		},
		"wrong fields of a filter": {
			LimitsHead + "filter:\n  - data: {" + Numbered(20_000, "a#: 3, ") + "}\n",
			"must be a list of alternatives",
		},
		"values of a filter": {
			LimitsHead + "filter:\n  - data: {a: [" + strings.Repeat("1,", 55_000) + "]}\n", "more than 50000 values",
		},
		"brackets of a condition": {
			LimitsHead + "rules: [{name: a, when: '" + strings.Repeat("(", 400_000) + "x" +
				strings.Repeat(")", 400_000) + "'}]\n",
			"brackets and prefixes",
		},
		"prefixes of a condition": {
			LimitsHead + "rules: [{name: a, when: '" + strings.Repeat("not ", 200_000) + "x'}]\n",
			"brackets and prefixes",
		},
		"terms of a condition": {
			LimitsHead + "rules: [{name: a, when: '" + strings.Repeat("x == 3 or ", 90_000) + "x == 3'}]\n",
			"exceeds maximum allowed nodes",
		},
		"brackets of a template": {
			LimitsHead + "rules: [{name: a, when: x, message: '{{" + strings.Repeat("(", 400_000) + "}}'}]\n", "",
		},
		"repetitions of an expression": {
			LimitsHead + "rules:\n" + Numbered(2000, "  - {name: r#, when: 'x matches \"(a{30}){33}\"'}\n"),
			"repetitions such as {1000}",
		},
		"variables": {
			LimitsHead + "rules: [{name: a, when: '" + strings.Repeat("${LONG}", 90_000) + "'}]\n",
			"what all variables give together",
		},
		"a long key": {LimitsHead + strings.Repeat("a", 1_000_000) + ": 3\n", "unknown key"},
		"too large":  {LimitsHead + strings.Repeat("#", 1<<20), "larger than 1 MiB"},
	}
}

// ReloadConfig is a valid configuration with two rules.
const ReloadConfig = `stream: {name: s}
rules:
  - {name: one, when: v > 1, topics: [a]}
  - {name: two, when: v > 2, topics: [a]}
silences: [{name: night, until: "2099-12-01T00:00:00Z"}]
topics:
  a: {arn: "arn:aws:sns:us-east-1:000000000000:a"}
`

// ValidConfig is a configuration that uses most keys.
const ValidConfig = `stream:
  name: ExampleOutputStream
  application: heart-rate-alerts
  start: 2026-11-22T09:00:00Z
  fan_out: ""
leases:
  duration: 20s
processing:
  parallelism: 20
  memory: 128MiB
  poll_interval: 1s
  checkpoint_interval: 2s
  stop_budget: 50s
format: json
rules:
  - name: high-heart-rate
    when: ANOMALY_SCORE > 3.0
    severity: critical
    topics: [oncall]
topics:
  oncall:
    arn: arn:aws:sns:us-east-1:000000000000:ExampleTopic
    subject: Anomaly detected
    message: "Anomaly detected ...  {{ .Record.Data }}"
server:
  listen: :9464
log: {level: debug, format: console}
`

// Edit replaces a line of the valid configuration.
func Edit(pairs ...string) string { return strings.NewReplacer(pairs...).Replace(ValidConfig) }
