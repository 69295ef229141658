package schema

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// node is a schema.
type node map[string]any

// variable is a value that the environment gives: its type shows when the variable is replaced.
const variable = `\$\{`

// How values are written. Each pattern takes whatever the decoder takes.
const (
	units           = `(ns|us|µs|μs|ms|s|m|h)`
	durationPattern = `^[-+]?([0-9.]+` + units + `)+$|^[-+]?0$`
	sizePattern     = `^\s*[-+]?[0-9]+\s*(B|KiB|MiB|GiB)?$`
	ratePattern     = `^\s*\+?[0-9]+\s*/\s*([0-9.]*` + units + `)+\s*$|^unlimited$`
	stretchPattern  = `^\+?[0-9]+$|^\+?([0-9.]+` + units + `)+$`
	timePattern     = `^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]`
	clockPattern    = `^([01]?[0-9]|2[0-3]):[0-5][0-9]$`
	mostEntries     = 10_000
)

// patterns are what texts look like, and examples of them.
func patterns() map[string]struct{ pattern, example string } {
	const name = `^[A-Za-z0-9_.-]{1,64}$`
	return map[string]struct{ pattern, example string }{
		"stream.name": {`^[A-Za-z0-9_.-]{1,128}$`, "orders"},
		"stream.arn": {
			`^arn:[a-z0-9-]+:kinesis:[a-z0-9-]+:[0-9]{12}:stream/[A-Za-z0-9_.-]{1,128}$`,
			"arn:aws:kinesis:us-east-1:123456789012:stream/orders",
		},
		"stream.application": {`^[A-Za-z0-9_.-]{3,249}$`, "orders-alerts"},
		"stream.start":       {`^latest$|^trim_horizon$|` + timePattern, "latest"},
		"topics.NAME.arn":    {`^arn:[^:]*:sns:[^:]+:[^:]+:[^:]+$`, "arn:aws:sns:us-east-1:123456789012:oncall"},
		"outputs.NAME.stream": {
			`^[A-Za-z0-9_.-]{1,128}$|^arn:[a-z0-9-]+:kinesis:[a-z0-9-]+:[0-9]{12}:stream/[A-Za-z0-9_.-]{1,128}$`,
			"orders-scored",
		},
		"outputs.NAME.when":    {"", "ANOMALY_SCORE > 3.0"},
		"outputs.NAME.key":     {"", "order.customer"},
		"rules[].name":         {name, "high-latency"},
		"silences[].name":      {name, "maintenance"},
		"silences[].from":      {timePattern, "2026-11-22T09:00:00Z"},
		"silences[].until":     {timePattern, "2026-11-22T17:00:00Z"},
		"rules[].quiet[].from": {clockPattern, "22:00"},
		"rules[].quiet[].to":   {clockPattern, "06:00"},
		"rules[].quiet[].zone": {"", "Europe/Berlin"},
		"rules[].when":         {"", "latency > 500"},
		"rules[].key":          {"", "host"},
		"rules[].window.is":    {`^\s*(>=|<=|==|!=|>|<)`, "> 100"},
		"rules[].window.of":    {"", "latency"},
		"rules[].subject":      {"", "{{ .Key }}: {{ .Value }}"},
		"score[].as":           {`^[A-Za-z0-9_]{1,64}$`, "ANOMALY_SCORE"},
		"score[].key":          {"", "partition_key"},
		"dead_letter.sqs":      {"", "https://sqs.us-east-1.amazonaws.com/123456789012/dead-letters"},
		"dead_letter.sns":      {`^arn:`, "arn:aws:sns:us-east-1:123456789012:dead-letters"},
		"dead_letter.s3":       {"", "s3://bucket/prefix"},
		"server.listen":        {`:[-+]?[0-9]+$`, "127.0.0.1:9464"},
	}
}

// generate is the schema of the configuration.
func generate(t *testing.T) []byte {
	t.Helper()
	keys := allKeys(t)
	top := section(keys, []string{"stream", "topics"})
	top["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	top["title"] = "Configuration of kinesis-alerter"
	top["description"] = "What kinesis-alerter reads, which records alert, and where alerts go. Wherever a value can " +
		"stand, ${VAR} and ${VAR:-default} can stand for it."
	top["type"] = "object"
	top["$defs"] = node{"unset": node{
		"description": "Nothing, which is the default, or a variable of the environment.",
		"type":        []string{"string", "null"}, "pattern": "^$|" + variable,
	}}
	text, err := json.MarshalIndent(top, "", "  ")
	require.NoError(t, err)
	return append([]byte(strings.NewReplacer(`\u003c`, "<", `\u003e`, ">", `\u0026`, "&").Replace(string(text))), '\n')
}

// section is a mapping with given keys and no others.
func section(keys []key, required []string) node {
	properties := node{}
	for i := range keys {
		k := &keys[i]
		properties[k.name] = k.schema()
		if k.tag.Get("required") != "" {
			required = append(required, k.name)
		}
	}
	n := node{"type": []string{"object", "null"}, "properties": properties, "additionalProperties": false}
	if len(required) > 0 {
		n["required"] = required
	}
	return n
}

// schema is what a key can have.
func (k *key) schema() node {
	n := k.value()
	n["description"] = k.words + " (" + k.facts() + ")"
	if text := k.tag.Get("default"); text != "" {
		n["default"], _ = valueOf(k.typ, text)
	}
	if example := patterns()[k.path].example; example != "" {
		n["examples"] = []string{example}
	}
	return n
}

func (k *key) value() node {
	switch f := formOf(k.typ); f { //nolint:exhaustive // the others are scalars
	case formSection:
		return k.entry()
	case formInput:
		words, _ := k.enum()
		return anyOf(node{"enum": words}, node{"type": "array", "items": k.entry(), "maxItems": 8})
	case formList:
		list := node{"type": []string{"array", "null"}, "items": k.entry()}
		if len(k.below) > 0 {
			list["maxItems"] = mostEntries
		}
		if k.path == "score[].fields" {
			list["minItems"], list["maxItems"] = 1, 30
		}
		if k.tag.Get("form") == "one" {
			one := k.entry()
			one["type"] = "object"
			return node{"anyOf": []node{one, list}}
		}
		return list
	case formMap:
		n := node{"type": []string{"object", "null"}, "additionalProperties": k.entry()}
		if len(k.below) > 0 {
			n["maxProperties"] = mostEntries
		}
		switch k.name {
		case "topics", "outputs":
			n["propertyNames"] = node{"pattern": `^[A-Za-z0-9_-]{1,64}$`}
		case "bodies":
			n["propertyNames"] = node{"enum": []string{
				"email", "email-json", "sms", "sqs", "http", "https", "lambda", "application", "firehose",
			}}
		}
		return n
	default:
		return k.scalar(f)
	}
}

// entry is a section, or what a list or a mapping has.
func (k *key) entry() node {
	if len(k.below) > 0 {
		n := section(k.below, nil)
		k.relate(n)
		return n
	}
	if formOf(k.typ.Elem()) == formPattern {
		return node{
			"type":       []string{"object", "string", "null"},
			"properties": node{"partitionKey": node{"type": "array"}, "Pattern": node{}},
			"patternProperties": node{
				`^data(\.|$)`: node{"type": []string{"object", "array"}}, `^\$or$`: node{"type": "array"},
			},
			"additionalProperties": false,
		}
	}
	if words, given := k.enum(); given { // in any case
		return anyOf(node{"enum": words}, node{"type": "string", "pattern": inAnyCase(words)})
	}
	return node{"type": []string{"string", "null"}}
}

// relate adds what keys want of each other.
func (k *key) relate(n node) {
	requires := func(one string) node { return node{"required": []string{one}} }
	// given says that a key has a value that is not what it would be if left out.
	given := func(name string, value node) node {
		return node{"required": []string{name}, "properties": node{name: value}}
	}
	switch k.path {
	case "stream":
		n["anyOf"] = []node{requires("name"), requires("arn")}
	case "rules":
		n["anyOf"] = []node{requires("when"), requires("absence")}
	case "input": // each step is one thing
		n["minProperties"], n["maxProperties"] = 1, 1
	case "rules[].window":
		n["allOf"] = []node{
			{"if": given("is", node{"type": "string", "pattern": `^[^$]+$`}), "then": requires("length")},
			{"if": given("length", node{"type": "string", "pattern": `^[0-9.a-z]*[1-9]`}), "then": requires("is")},
		}
	case "rules[].absence":
		n["if"] = given("of", node{"enum": []string{"key", "shard", "stream"}})
		n["then"] = requires("after")
	}
}

func (k *key) scalar(f form) node {
	typed := func(pattern string, types ...string) node {
		return node{"type": append(types, "string", "null"), "pattern": pattern}
	}
	least, most := k.rangeOf()
	switch f { //nolint:exhaustive // the others are not scalars
	case formBool:
		return typed(variable, "boolean")
	case formInt, formFloat:
		n := typed(variable, map[form]string{formInt: "integer", formFloat: "number"}[f])
		if x, err := strconv.ParseFloat(least, 64); err == nil {
			n["minimum"] = min(x, 0) // zero is what was left out
		}
		if x, err := strconv.ParseFloat(most, 64); err == nil {
			n["maximum"] = x
		}
		return n
	case formDuration:
		n := typed(durationPattern+"|"+variable, "integer")
		n["minimum"], n["maximum"] = 0, 0
		return n
	case formSize:
		n := typed(sizePattern+"|"+variable, "integer")
		n["minimum"], n["maximum"] = 0, bytesOf(most)
		return n
	case formRate:
		return typed(ratePattern + "|^$|" + variable)
	case formStretch:
		n := typed(stretchPattern+"|^$|"+variable, "integer")
		n["minimum"], n["maximum"] = 1, 1_000_000
		return n
	case formStart:
		return typed(patterns()[k.path].pattern + "|^$|" + variable)
	}
	words, given := k.enum()
	switch pattern := patterns()[k.path].pattern; {
	case given && len(words) == 0:
		return node{"$ref": "#/$defs/unset"}
	case given:
		return anyOf(node{"enum": words})
	case k.path == "rules[].severity":
		return anyOf(
			node{"enum": []string{"critical", "warning", "info"}}, node{"type": "string", "pattern": `["'?(.]`},
		)
	case pattern != "":
		return typed(pattern + "|^$|" + variable)
	}
	return node{"type": []string{"string", "null"}}
}

// anyOf is one of several forms, or nothing.
func anyOf(forms ...node) node {
	return node{"anyOf": append(forms, node{"$ref": "#/$defs/unset"})}
}

func inAnyCase(words []string) string {
	var out []string
	for _, word := range words {
		var b strings.Builder
		for _, c := range word {
			b.WriteString("[" + string(c) + strings.ToUpper(string(c)) + "]")
		}
		out = append(out, b.String())
	}
	return "^(" + strings.Join(out, "|") + ")$"
}

func bytesOf(size string) int64 {
	for unit, bytes := range map[string]int64{"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10} {
		if digits, ok := strings.CutSuffix(size, unit); ok {
			n, _ := strconv.ParseInt(digits, 10, 64)
			return n * bytes
		}
	}
	return 0
}

// valueOf reads a default as JSON has it.
func valueOf(t reflect.Type, text string) (any, error) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch formOf(t) { //nolint:exhaustive // the others are written as texts
	case formBool:
		return strconv.ParseBool(text)
	case formInt:
		return strconv.Atoi(text)
	case formFloat:
		return strconv.ParseFloat(text, 64)
	case formDuration:
		_, err := time.ParseDuration(text)
		return text, err
	default:
		return text, nil
	}
}

// The files are those that the types of the configuration make.
func TestSchemaIsCurrent(t *testing.T) {
	t.Parallel()
	testkit.GoldenFile(t, FileName, string(generate(t)))
}

// The reference is current, too.
func TestReferenceIsCurrent(t *testing.T) {
	t.Parallel()
	testkit.GoldenFile(t, root+"/docs/reference/configuration.md", reference(allKeys(t)))
}

func reference(keys []key) string {
	var b strings.Builder
	head, err := os.ReadFile("testdata/reference-head.txt")
	if err != nil {
		return err.Error()
	}
	b.Write(head)
	for i := range keys {
		k := &keys[i]
		b.WriteString("\n## `" + k.path + "`\n\n")
		writeKey(&b, k)
		each(k.below, func(k *key) {
			b.WriteString("\n### `" + k.path + "`\n\n")
			writeKey(&b, k)
		})
	}
	return b.String()
}

func writeKey(b *strings.Builder, k *key) {
	if facts := k.facts(); facts != "section" {
		b.WriteString("*" + strings.ToUpper(facts[:1]) + facts[1:] + ".*\n\n")
	}
	b.WriteString(k.words + "\n")
	if example := patterns()[k.path].example; example != "" &&
		!slices.Contains([]string{k.tag.Get("default")}, example) {
		b.WriteString("\nFor example `" + k.name + ": " + example + "`\n")
	}
}
