package config

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/decode/columns"
	"kinesis-alerter/internal/testkit"
)

func parseInput(t *testing.T, text string) (*LoadedConfig, error) {
	t.Helper()
	return ParseConfig(t.Context(), "c.yaml", []byte(testkit.LimitsHead+text+"\n"),
		testkit.Environment(map[string]string{"KIND": "cloudwatch_logs"}))
}

// An input is a preset or a list of steps; what is printed of it is read as the same.
func TestInput(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]decode.Input{
		"input: cloudwatch_logs": {Preset: "cloudwatch_logs"},
		"input: ${KIND}":         {Preset: "cloudwatch_logs"},
		"input: []":              {},
		"input:":                 {},
		"input: [{decompress: auto}, {split: lines}]": {
			Steps: []decode.Step{{Decompress: "auto"}, {Split: "lines"}},
		},
		"input: [{nested: [a.b]}, {tolerate: [non_finite]}]": {
			Steps: []decode.Step{{Nested: []string{"a.b"}}, {Tolerate: []string{"non_finite"}}},
		},
		"input: [{parse: {as: csv, columns: [a, b], separator: tab}}]": {Steps: []decode.Step{
			{Parse: &columns.Config{As: "csv", Columns: []string{"a", "b"}, Separator: "tab"}},
		}},
	} {
		c, err := parseInput(t, text)
		require.NoError(t, err, text)
		require.Equal(t, want, c.Input, text)
		require.Equal(t, want.Given(), c.Plan() != nil, text)
		printed, err := c.Print()
		require.NoError(t, err)
		again, err := ParseConfig(t.Context(), "printed", printed, testkit.Environment(nil))
		require.NoError(t, err, "%s", printed)
		require.Equal(t, c.Config, again.Config, text)
	}
}

// What is wrong with an input is said with its place, and with what to write.
func TestInputFaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want string }{
		{
			"input: cloudwatch_log",
			`c.yaml:3:8: input: cloudwatch_log: must be a list of steps, or one of ` +
				strings.Join(decode.Presets(), ", ") + `; did you mean "cloudwatch_logs"?`,
		},
		{
			"input: auto",
			"; write [{decompress: auto}]",
		},
		{
			"input: {decompress: auto}",
			"c.yaml:3:8: input: a mapping: want the name of a preset, or a list of steps, as in",
		},
		{
			"input: [{decompres: auto}]",
			`c.yaml:3:10: input[0].decompres: unknown key; did you mean "decompress"?`,
		},
		{
			"input: [{decompress: 7zip}]",
			"c.yaml:3:22: input[0].decompress: 7zip: must be one of auto",
		},
		{
			"input: [{}]",
			"c.yaml:3:9: input[0]: must have exactly one of decompress, decode,",
		},
		{
			"input: [{split: lines, decode: json_string}]",
			"c.yaml:3:9: input[0]: must have exactly one of",
		},
		{
			"input: [auto]",
			"c.yaml:3:9: input[0]: auto: want a mapping",
		},
		{
			"input: [{parse: csv}]",
			"c.yaml:3:17: input[0].parse: csv: want a mapping, as in {as: json}",
		},
		{
			"input: [{split: lines}, {parse: {as: cvs}}]",
			"c.yaml:3:38: input[1].parse.as: cvs: must be one of json, text,",
		},
		{
			"input: [{parse: {as: json, form: m}}]",
			`input[0].parse.form: unknown key; did you mean "from"?`,
		},
		{
			"input: [{parse: {as: text}}, {split: lines}]",
			"c.yaml:3:17: input[0].parse: must come after the steps that unpack",
		},
		{
			"input: [{tolerate: [nan]}]",
			"input[0].tolerate: nan: must be non_finite or duplicate_names",
		},
		{
			"input: [" + strings.Repeat("{split: lines}, ", 9) + "]",
			"input: has 9 steps, and can have 8",
		},
		{
			"format: text\ninput: [{split: lines}]",
			"c.yaml:3:9: format: text: with an input, its steps say how a record " +
				"is read: take format away, and for records that are texts write {parse: {as: text}} as the last step",
		},
		{
			"format: text\ninput: cloudwatch_logs",
			"c.yaml:3:9: format: text: with an input",
		},
		{
			"format: xml\ninput: cloudwatch_logs",
			"c.yaml:3:9: format: xml: must be json or text",
		},
		{
			"input_limits: {bytes: 1KiB}",
			"c.yaml:3:23: input_limits.bytes: 1KiB: must be between 1MiB and 1GiB",
		},
		{
			"input_limits: {ratio: -1}",
			"input_limits.ratio: -1: must be between 1 and 100000",
		},
		{
			"input_limits: {pieces: 10000001}",
			"input_limits.pieces: 10000001: must be between 1 and 10000000",
		},
	} {
		_, err := parseInput(t, c.text)
		require.ErrorContains(t, err, c.want, c.text)
		require.NotContains(t, err.Error(), "\n", "one fault, said once")
	}
}

// How records are seen follows the input.
func TestFormatFollowsTheInput(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"format: text":                 alert.FormatText,
		"input: cloudwatch_logs":       alert.FormatJSON,
		"input: [{parse: {as: text}}]": alert.FormatText,
		"format: text\ninput: [{split: lines}, {parse: {as: text}}]": alert.FormatText,
	} {
		c, err := parseInput(t, text)
		require.NoError(t, err, text)
		require.Equal(t, want, c.Parts().Alert.Format, text)
		require.Equal(t, c.Plan().Hash(), c.Parts().Consumer.Plan.Hash(), text)
	}
}
