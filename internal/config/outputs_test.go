package config

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/testkit"
)

// The stream that is read is not written, by whatever it is called: its records would come again without end.
func TestOutputStreams(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:kinesis:us-east-1:000000000000:stream/"
	for _, c := range []struct{ input, output, want string }{
		{"name: in", "out", ""},
		{"name: in", arn + "out", ""},
		{"arn: " + arn + "in", arn + "out", ""},
		{"arn: " + arn + "in", "arn:aws:kinesis:eu-west-1:000000000000:stream/in", ""},
		{"arn: " + arn + "in", "arn:aws:kinesis:us-east-1:999999999999:stream/in", ""},
		{"name: in", "in", "is the stream that is read"},
		{"arn: " + arn + "in", arn + "in", "is the stream that is read"},
		{"arn: " + arn + "in", "in", "is the name of the stream that is read"},
		{"name: in", arn + "in", "has the name of the stream that is read"},
		{"name: in", `""`, "required: the name of a stream, or its ARN"},
		{"name: in", "a b", "must be 1 to 128 letters, digits, dots, dashes or underscores, or an ARN"},
		{"name: in", "arn:aws:sns:us-east-1:000000000000:out", "must look like arn:aws:kinesis:"},
		{"name: in", "arn:aws-cn:kinesis:us-east-1:000000000000:stream/out", "is in the partition aws, not in aws-cn"},
	} {
		_, err := ParseConfig(t.Context(), "c.yaml", []byte("stream: {"+c.input+"}\n"+
			"topics: {t: {arn: \""+testkit.TestTopicARN+"\"}}\noutputs:\n  scored:\n    stream: "+c.output+"\n"),
			testkit.Environment(nil))
		if c.want == "" {
			require.NoError(t, err, "%s to %s", c.input, c.output)
			continue
		}
		require.ErrorContains(t, err, "c.yaml:5:13: outputs.scored.stream: ", "%s to %s", c.input, c.output)
		require.ErrorContains(t, err, c.want)
	}
}

// What is wrong with an output is said at its place.
func TestOutputPlaces(t *testing.T) {
	t.Parallel()
	_, err := ParseConfig(t.Context(), "c.yaml", []byte(`stream: {name: in}
topics: {t: {arn: "`+testkit.TestTopicARN+`"}}
outputs:
  scored: {stream: out, when: a >, fields: [a, a], key: "b +", sources: x}
`), testkit.Environment(nil))
	require.EqualError(t, err, `c.yaml:4:33: outputs.scored.when: a >: unexpected token EOF
c.yaml:4:48: outputs.scored.fields[1]: a: is listed twice; a member of JSON has a name of its own
c.yaml:4:60: outputs.scored.key: b +: unexpected token EOF
c.yaml:4:64: outputs.scored.sources: unknown key; did you mean "source"?`)
}

// A source that is empty is not one that was left out.
func TestOutputSource(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig(t.Context(), "c.yaml", []byte(`stream: {name: in}
topics: {t: {arn: "`+testkit.TestTopicARN+`"}}
outputs: {one: {stream: out}, two: {stream: out, source: ""}, three: {stream: out, source: from}}
`), testkit.Environment(nil))
	require.NoError(t, err)
	require.Equal(t, "sourcePosition", *c.Outputs["one"].Source)
	require.Empty(t, *c.Outputs["two"].Source)
	require.Equal(t, "from", *c.Outputs["three"].Source)
	require.Equal(t, "partition_key", c.Outputs["one"].Key)
}

// A reload takes outputs over, and names what it changes.
func TestOutputChanges(t *testing.T) {
	t.Parallel()
	of := func(outputs map[string]alert.OutputConfig) Config {
		return Config{
			Stream: StreamConfig{Name: "in"}, Topics: map[string]alert.TopicConfig{"t": {ARN: testkit.TestTopicARN}},
			Outputs: outputs,
		}.WithDefaults()
	}
	old := of(map[string]alert.OutputConfig{"a": {Stream: "x"}, "b": {Stream: "x"}, "d": {Stream: "x"}})
	next := of(map[string]alert.OutputConfig{"b": {Stream: "y"}, "c": {Stream: "x"}, "d": {Stream: "x"}})
	require.Equal(t, []string{"output a removed", "output b changed", "output c added"}, Changes(old, next))
	require.Equal(t, next.Outputs, old.WithRulesOf(next).Outputs)
}
