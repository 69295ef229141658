package cli

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/produce"
	"kinesis-alerter/internal/testkit"
)

func TestCheckSample(t *testing.T) {
	t.Parallel()
	check := func(config, sample string) []string {
		return []string{"check", "--config", "testdata/sample/" + config, "--sample", "testdata/sample/" + sample}
	}
	testkit.Golden(t, "sample.golden", transcript(t,
		check("alerter.yaml", "records.jsonl"),
		check("good.yaml", "records.jsonl"),
		check("good.yaml", "records.json"),
		check("good.yaml", "empty.jsonl"),
		check("good.yaml", "text.txt"),
		check("good.yaml", "nosuch.jsonl"),
		check("nosuch.yaml", "records.jsonl"),
		[]string{
			"check", "../../deploy/examples/sample-lambda/kinesis-alerter.yaml", "--sample", "testdata/sample/text.txt",
		},
		[]string{
			"check", "--stream", "s", "--topic-arn", "arn:aws:sns:us-east-1:000000000000:t", "--when", "scoer > 1",
			"--sample", "testdata/sample/records.json",
		},
	))
}

// The records of the sample producers are what the examples look at.
func TestExamplesFitTheSampleProducers(t *testing.T) {
	t.Parallel()
	for example, sample := range map[string]string{
		"simple-alerts": "stock-ticker", "throttled-alerts": "stock-ticker",
	} {
		s, err := produce.NewSample(sample, testkit.Seeded())
		require.NoError(t, err)
		var lines []byte
		for range 500 {
			lines = append(append(lines, s.Next()...), '\n')
		}
		file := filepath.Join(t.TempDir(), "records.jsonl")
		require.NoError(t, os.WriteFile(file, lines, 0o600))
		code, stdout, stderr := invoke(t, "check", "--config", "../../deploy/examples/"+example+"/kinesis-alerter.yaml",
			"--sample", file)
		require.Equal(t, ExitOK, code, stderr)
		require.NotContains(t, stdout, "warning")
		require.Regexp(t, `500 records: [1-9]\d* match a rule, [1-9]\d* do not, 0 filtered, 0 invalid`, stdout)
	}
}

// The names on the way to a field are kept once, not for each level: one record, 2,000 deep, took a gigabyte.
func TestDeepSampleCostsItsOwnSize(t *testing.T) { //nolint:paralleltest // it measures what is allocated
	file := filepath.Join(t.TempDir(), "deep.jsonl")
	name := strings.Repeat("a", 100)
	deep := `{"id":5,"x":` + strings.Repeat(`{"`+name+`":`, 2000) + "1" + strings.Repeat("}", 2001) + "\n"
	require.NoError(t, os.WriteFile(file, []byte(deep+`{"other":{"nam":1},"`+name+`b":1}`+"\n"), 0o600))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	code, _, stderr := invoke(t, "check", "--stream", "s", "--topic-arn", "arn:aws:sns:us-east-1:000000000000:t",
		"--when", "nam > 1", "--sample", file)
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "did you mean other.nam?")
	code, _, stderr = invoke(t, "check", "--stream", "s", "--topic-arn", "arn:aws:sns:us-east-1:000000000000:t",
		"--when", name+" > 1", "--sample", file)
	require.Equal(t, ExitUsage, code)
	require.Less(t, len(stderr), 1000, "a name of 200 kB is no suggestion")
	runtime.ReadMemStats(&after)
	require.Less(t, (after.TotalAlloc-before.TotalAlloc)>>20, uint64(80), "MiB")
}
