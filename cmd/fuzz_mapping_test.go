package cmd

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"
)

// FuzzMapping: whatever somebody takes for an event source mapping of Lambda, it becomes a configuration or an error.
func FuzzMapping(f *testing.F) {
	f.Add([]byte(`{"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s", "StartingPosition": "LATEST"}`))
	f.Add([]byte(textOf(f, "testdata/lambda/window.json")))
	f.Add([]byte(`{"EventSourceMappings": [{}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		var stdout, stderr bytes.Buffer
		x := lambdaExplainer{file: "-", stdin: bytes.NewReader(text), stdout: &stdout, stderr: &stderr}
		if err := x.run(t.Context()); err != nil {
			require.Empty(t, stdout.String())
		}
	})
}
