package scaffold

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/decode"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/rehearse"
)

// Request is what a configuration is made for.
type Request struct {
	Stream, TopicARN, Application string
	// Input is what was done to the records, where that is known.
	Input decode.Input
	// Name is that of the configuration file, for the tests beside it.
	Name string
	// Schema is how the file names its schema; empty leaves the line out.
	Schema string
}

// quoted is a text in YAML, whatever is in it. ${ is no variable.
func quoted(s string) string {
	s = strings.ReplaceAll(s, "${", "$${")
	if plain.Printable(s) && !strings.ContainsAny(s, "\n\r\t") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'"
	}
	b, err := json.Marshal(s)
	if err != nil {
		return `""`
	}
	return string(b)
}

// value is a text in YAML, without quotes where it needs none.
func value(s string) string {
	bare := strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-/:") == ""
	if bare && strings.ContainsAny(s[:min(len(s), 1)], "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") &&
		!strings.HasSuffix(s, ":") && !strings.Contains(s, ": ") && !ambiguous(s) {
		return s
	}
	return quoted(s)
}

// ambiguous are words that YAML reads as something else.
func ambiguous(s string) bool {
	switch strings.ToLower(s) {
	case "true", "false", "null", "yes", "no", "on", "off", "y", "n":
		return true
	}
	return false
}

func (x *idea) keyWords() string {
	if x.key == nil {
		return "partition key"
	}
	return x.key.path
}

// config is the configuration file.
func (r *Request) config(x *idea, records int) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	if r.Schema != "" {
		line("# yaml-language-server: $schema=%s", r.Schema)
	}
	line(
		"# Made by kinesis-alerter init from %s. Editors explain every key with the schema.",
		config.Plural(records, "record"),
	)
	line("stream:")
	if strings.HasPrefix(r.Stream, "arn:") {
		line("  arn: %s", value(r.Stream))
	} else {
		line("  name: %s", value(r.Stream))
	}
	if r.Application != "" {
		line("  application: %s  # names the workers that share progress, and their table", value(r.Application))
	}
	line(
		"  start: latest  # the first start begins with what arrives from then on; later ones where the last one " +
			"stopped",
	)
	if x.text {
		line("format: text")
	}
	line("")
	line("rules:")
	line("  - name: %s", value(x.name))
	line("    # %s", x.why)
	line("    when: %s", quoted(x.when))
	switch {
	case x.keyed:
		line("    # Alerts are about the partition key, which is %s here.", x.key.path)
	case x.key != nil:
		line(
			"    # What an alert is about. If it is not the partition key, each shard looks at its own part of the " +
				"records.",
		)
		line("    key: %s", value(x.key.expr))
	}
	if x.over != "" {
		line("    # One alert when it begins, and one when no record says so for 2 minutes.")
		line("    resolve: 2m")
	}
	line("    severity: warning  # critical, warning or info")
	line("    subject: %s", quoted(x.subject))
	line("    message: |")
	if x.over != "" {
		line(`      {{ if eq .Kind "resolved" -}}`)
		line("      %s", x.over)
		line("      {{ else -}}")
		line("      %s", x.firing)
		line("      Record: {{ .Record.Data }}")
		line("      {{ end -}}")
	} else {
		line("      %s", x.firing)
		line("      Record: {{ .Record.Data }}")
	}
	line("      Rule {{ .Rule }} of the stream %s", streamWords(r.Stream))
	line("")
	line("topics:")
	line("  oncall:")
	line("    arn: %s", value(r.TopicARN))
	return b.Bytes()
}

// streamWords is the name of a stream, in a message.
func streamWords(stream string) string {
	if _, name, ok := strings.Cut(stream, ":stream/"); ok {
		return name
	}
	return stream
}

// tests is the file with the tests of the rule.
func (r *Request) tests(x *idea) []byte {
	var b bytes.Buffer
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	record := func(rec Record) {
		key := rec.Key
		if key == "" {
			key = rehearse.DefaultCaseKey
		}
		line("      - {at: 0s, key: %s, data: %s}", quoted(key), quoted(string(oneLine(rec.Data))))
	}
	line("# kinesis-alerter rules test %s", TestsName)
	line("config: %s", quoted(r.Name))
	line("tests:")
	line("  - name: a record for which the rule holds alerts")
	line("    records:")
	record(x.loud)
	line("    expect:")
	line("      alerts: [{rule: %s, kind: firing, topic: oncall}]", value(x.name))
	line("  - name: another record does not")
	line("    records:")
	record(x.quiet)
	line("    expect:")
	line("      alerts: []")
	return b.Bytes()
}

// oneLine is a payload without needless blanks.
func oneLine(data []byte) []byte {
	v := jsontext.Value(bytes.Clone(data))
	if v.Compact(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)) != nil {
		return data
	}
	return v
}
