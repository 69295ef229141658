package config

import (
	"bytes"
	"fmt"
	"slices"

	"go.yaml.in/yaml/v4"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/plain"
)

// rulesAtOnce is how many rules are written at once. The nodes of thousands would take hundreds of MiB.
const rulesAtOnce = 100

// someRules is a part of a configuration.
type someRules struct {
	Rules []alert.RuleConfig `yaml:"rules"`
}

// writtenInParts is a configuration as YAML, the text of write(c). write is called with parts of it: with the whole but
// for the rules, and with some rules, of which the first has the given place.
func writtenInParts(c Config, write func(part any, first int) ([]byte, error)) ([]byte, error) {
	const none, some = "rules: []\n", "rules:\n"
	rules := c.Rules
	c.Rules = nil
	rest, err := write(c, 0)
	if err != nil || len(rules) == 0 {
		return rest, err
	}
	before, after, _ := bytes.Cut(rest, []byte("\n"+none)) // what is in a text is indented
	out := append(slices.Clone(before), "\n"+some...)
	first := 0
	for part := range slices.Chunk(rules, rulesAtOnce) {
		text, err := write(someRules{part}, first)
		if err != nil {
			return nil, err
		}
		out = append(out, bytes.TrimPrefix(text, []byte(some))...)
		first += len(part)
	}
	return append(out, after...), nil
}

// configNodes is writtenInParts with every part shown to look, with its path, before it is written.
func configNodes(c Config, look func(path string, n *yaml.Node)) ([]byte, error) {
	return writtenInParts(c, func(part any, first int) ([]byte, error) {
		var node yaml.Node
		if err := node.Encode(part); err != nil {
			return nil, err
		}
		if _, ok := part.(someRules); !ok {
			look("", &node)
			return yaml.Dump(&node)
		}
		for i, rule := range node.Content[1].Content {
			look(fmt.Sprintf("rules[%d]", first+i), rule)
		}
		return yaml.Dump(&node)
	})
}

// show is a configuration as YAML.
func (g substitutions) show(c Config) string {
	text, err := configNodes(c, g.hide)
	if err != nil {
		return "the configuration cannot be shown: " + err.Error()
	}
	return cutCredentials(string(text))
}

// Meaning is a configuration in so far as it decides which record makes which alert: the same for all workers of an
// application.
func (c Config) Meaning() []byte {
	text, err := writtenInParts(Config{
		Stream: StreamConfig{
			Name: c.StreamName(), Start: c.Stream.Start,
		}, Format: c.Format, Input: c.Input, InputLimits: c.InputLimits, Filter: c.Filter, Score: c.Score, Rules: c.Rules,
		Silences: c.Silences, Watchdog: c.Watchdog, State: c.State, Topics: c.Topics, Outputs: c.Outputs,
		DeadLetter: DeadLetterConfig{Invalid: c.DeadLetter.Invalid},
	}, func(part any, _ int) ([]byte, error) { return yaml.Marshal(part) })
	if err != nil { // then nothing is compared
		return nil
	}
	return text
}

// Print writes the effective configuration: every default, every variable expanded, and values that came from
// variables that look like credentials redacted.
func (c *LoadedConfig) Print() ([]byte, error) {
	text, err := configNodes(c.Config, func(path string, n *yaml.Node) {
		c.Doc.redactNode(path, n)
		quoteUnprintable(n)
	})
	return plain.YAML(text), err
}
