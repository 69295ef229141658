package takeover

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// A file that is made to hurt costs little, and says where it does.
func TestHostileFiles(t *testing.T) {
	t.Parallel()
	var bomb strings.Builder
	bomb.WriteString("a0: &a0 [x, x]\n")
	for i := range 15 {
		fmt.Fprintf(&bomb, "a%d: &a%d [*a%d, *a%d]\n", i+1, i+1, i, i)
	}
	mapping := func(properties string) string {
		return "Resources:\n  M:\n    Type: AWS::Lambda::EventSourceMapping\n    Properties: " + properties
	}
	for name, test := range map[string]struct{ text, want string }{
		"aliases of aliases": {bomb.String(), "is more than 200000 values, with its aliases"},
		"an alias of itself": {"a: &a [*a]", "is nested more than 100 deep, or an alias contains itself"},
		"deep YAML":          {"a: " + strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "deep"},
		"deep JSON":          {strings.Repeat("[", 5000) + strings.Repeat("]", 5000), "is nested more than 100 deep"},
		"large YAML":         {"a: " + strings.Repeat("x", maxTemplate), "is larger than 1 MiB"},
		"a key twice, YAML": {
			mapping("{BatchSize: 1,\n BatchSize: 2}"), `file:5:2: has the key "BatchSize" a second time`,
		},
		"a key twice, JSON":    {"{\"Source\": 1,\n\"Source\": 2}", `line 2 has the key "Source" a second time`},
		"several documents":    {"a: 1\n---\nb: 2", "has more than one YAML document"},
		"no YAML":              {"a: [", "neither JSON nor YAML"},
		"a key that is a list": {"? [a]\n: b", "has a key that is no text"},
		"nothing of the kind": {
			"Resources: {T: {Type: AWS::SNS::Topic}}", "has no event source mapping, no Kinesis",
		},
		"resources of a number":  {"Resources: 3", "is no event source mapping"},
		"properties of a number": {mapping("3"), "Resources.M.EventSourceArn: is not there"},
		"a type": {
			mapping("{EventSourceArn: 'arn:aws:kinesis:r:1:stream/s', BatchSize: [1]}"),
			"Resources.M.BatchSize: [1]: want a whole number",
		},
		"pipes without parameters": {`{"Pipes": [{"Name": "p"}]}`, "want what `aws pipes describe-pipe --name NAME`"},
		"a body that is a body":    {`{"TemplateBody": "{\"TemplateBody\": \"3\"}"}`, "want an object"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr bytes.Buffer
			x := LambdaExplainer{
				File: "-", Stdin: strings.NewReader(test.text), Stdout: &stdout, Stderr: &stderr,
			}
			err := x.Run(t.Context())
			require.ErrorContains(t, err, strings.Replace(test.want, "file:", "standard input:", 1))
			require.Empty(t, stdout.String())
		})
	}
}

// A placeholder is text of a stranger: it stays one line, and no variable.
func TestPlaceholdersAreHarmless(t *testing.T) {
	t.Parallel()
	var stdout, stderr bytes.Buffer
	x := LambdaExplainer{
		File: "-", Stdout: &stdout, Stderr: &stderr, Stdin: strings.NewReader(`{"Resources": {"M": {
		"Type": "AWS::Lambda::EventSourceMapping", "Properties": {"StartingPosition": "LATEST",
		"EventSourceArn": {"Fn::Sub": "${HOME}\nrules: []\n# \u2028 \" '"}}}}}`),
	}
	require.Error(t, x.Run(t.Context()))
	require.NotContains(t, stdout.String(), "\nrules: []\n")
	require.Contains(t, stdout.String(), `name: "REPLACE-ME: !Sub {HOME}\nrules: []\n# \u2028 \" '"`)
}
