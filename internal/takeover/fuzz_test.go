package takeover

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// FuzzMapping: whatever is given as an event source mapping of Lambda, it becomes a configuration or an error.
func FuzzMapping(f *testing.F) {
	f.Add([]byte(`{"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s", "StartingPosition": "LATEST"}`))
	f.Add([]byte(testkit.TextOf(f, "../cli/testdata/lambda/window.json")))
	f.Add([]byte(`{"EventSourceMappings": [{}]}`))
	for _, name := range []string{"sam.yaml", "cloudformation.json", "terraform.json", "pipe.json", "list.json"} {
		f.Add([]byte(testkit.TextOf(f, "../cli/testdata/movein/"+name)))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var stdout, stderr bytes.Buffer
		x := LambdaExplainer{File: "-", Stdin: bytes.NewReader(text), Stdout: &stdout, Stderr: &stderr}
		if err := x.Run(t.Context()); err == nil {
			require.NotEmpty(t, stdout.String())
		} else if stdout.Len() > 0 {
			require.Contains(t, stdout.String(), placeholderTopic)
		}
	})
}
