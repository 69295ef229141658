package cmd

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCheckSample(t *testing.T) {
	t.Parallel()
	check := func(config, sample string) []string {
		return []string{"check", "--config", "testdata/sample/" + config, "--sample", "testdata/sample/" + sample}
	}
	golden(t, "sample.golden", transcript(t,
		check("alerter.yaml", "records.jsonl"),
		check("good.yaml", "records.jsonl"),
		check("good.yaml", "records.json"),
		check("good.yaml", "empty.jsonl"),
		check("good.yaml", "text.txt"),
		check("good.yaml", "nosuch.jsonl"),
		check("nosuch.yaml", "records.jsonl"),
		[]string{"check", "../deploy/examples/sample-lambda/kinesis-alerter.yaml", "--sample", "testdata/sample/text.txt"},
		[]string{"check", "--stream", "s", "--topic-arn", "arn:aws:sns:us-east-1:000000000000:t", "--when", "scoer > 1", "--sample", "testdata/sample/records.json"},
	))
}

// The records of the sample producers are what the examples look at.
func TestExamplesFitTheSampleProducers(t *testing.T) {
	t.Parallel()
	for example, sample := range map[string]string{"simple-alerts": "stock-ticker", "throttled-alerts": "stock-ticker"} {
		s, err := NewSample(sample, seeded())
		require.NoError(t, err)
		var lines []byte
		for range 500 {
			lines = append(append(lines, s.Next()...), '\n')
		}
		file := filepath.Join(t.TempDir(), "records.jsonl")
		require.NoError(t, os.WriteFile(file, lines, 0o600))
		code, stdout, stderr := invoke(t, "check", "--config", "../deploy/examples/"+example+"/kinesis-alerter.yaml", "--sample", file)
		require.Equal(t, exitOK, code, stderr)
		require.NotContains(t, stdout, "warning")
		require.Regexp(t, `500 records: [1-9]\d* match a rule, [1-9]\d* do not, 0 filtered, 0 invalid`, stdout)
	}
}

// What is in a sample is read as it stands there: an array of records, or one a line, whatever ends the lines.
func TestReadSample(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"{\"a\":1}\r\n\r\n{\"b\":2}":    {"line 1", `{"a":1}`, "line 3", `{"b":2}`},
		" [\n{\"a\":1e400},\n \"x\"]\n": {"record 1", `{"a":1e400}`, "record 2", `"x"`},
		"[1]\n[2]\n":                    {"line 1", "[1]", "line 2", "[2]"},
		"[{\"a\":1}\n":                  {"line 1", `[{"a":1}`},
		"\xff\n":                        {"line 1", "\xff"},
	} {
		file := filepath.Join(t.TempDir(), "sample")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		records, err := readSample(t.Context(), file)
		require.NoError(t, err)
		var got []string
		for r := range records {
			got = append(got, r.place, string(r.data))
		}
		require.Equal(t, want, got)
	}
}
