package cli

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/testkit"
)

// runPut runs a command that puts records into an emulated stream.
func runPut(t *testing.T, fake *fakeaws.AWS, stdin string, args ...string) (stdout, stderr string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{
		env: testkit.Environment(nil), stdout: plain.NewWriter(&out), stderr: plain.NewWriter(&errs),
		stdin: strings.NewReader(stdin), now: time.Now,
		load: func(context.Context) (aws.Config, error) { return testkit.Emulated(fake), nil },
	}
	err = p.Run(t.Context(), args)
	return out.String(), errs.String(), err
}

// The stream is that of the configuration, and what is printed is the command that explains the record.
func TestPutThenExplain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create("ExampleInputStream", 1)
		file := filepath.Join(t.TempDir(), "it's mine.yaml")
		text := strings.ReplaceAll(testkit.TextOf(t, "testdata/explain.yaml"), testkit.TestStream, "ExampleInputStream")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		out, errs, err := runPut(t, fake, "", "put", "--config", file, `{"kind":"reading","score":9,"rateType":"HIGH"}`)
		require.NoError(t, err)
		require.Empty(t, errs)
		require.Regexp(t,
			`^shard            shardId-000000000000\nsequence number  \d+\npartition key    partitionkey\n`+
				`1 record put into ExampleInputStream in 0s\nWhat the rules made of the last one:\n`+
				`  kinesis-alerter explain `,
			out)
		_, command, _ := strings.Cut(out, "  kinesis-alerter explain ")
		require.Contains(t, command, `--config '`+filepath.Dir(file)+`/it'\''s mine.yaml' --shard`)
		_, place, _ := strings.Cut(strings.TrimSpace(command), "yaml' ")
		out, err = runExplainWith(t, fake, "", append(strings.Fields(place), "--config", file)...)
		require.NoError(t, err)
		require.Contains(t, out, "Outcome")
	})
}

func TestPutLinesOfStandardInput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create("s", 1)
		lines := `{"host":"web-1"}` + "\n\nno JSON\n"
		out, errs, err := runPut(t, fake, lines, "put", "--stream", "s", "--file", "-", "--key", "\x1bk")
		require.NoError(t, err)
		require.Regexp(
			t, `^line 1: shardId-000000000000 \d+, key \\u001bk\nline 3: .*\n2 records put into s in \d+m?s\n`, out,
		)
		require.Contains(t, out, "  kinesis-alerter explain --config FILE --shard shardId-000000000000 --sequence ")
		require.Equal(
			t, "warning: 1 record is no JSON, the first in line 3: rules that look at fields do not see any\n", errs,
		)

		out, errs, err = runPut(t, fake, lines, "put", "--stream", "s", "--file", "-", "--key-field", "host", "--json")
		require.ErrorContains(t, err, "put: line 3: the record is no JSON, so that it has no field host")
		require.Regexp(t,
			`^\{"line":1,"shard":"shardId-000000000000","sequence_number":"\d+","partition_key":"web-1"\}\n$`,
			out)
		require.Regexp(t, `^1 record put into s in \d+m?s\n$`, errs)

		_, errs, err = runPut(t, fake, "", "put", "--stream", "s", "{latency: 900}")
		require.NoError(t, err)
		require.Equal(t, "warning: the record is no JSON: rules that look at fields do not see any. "+
			"Is it in single quotes?\n", errs)
	})
}

// An endpoint that is away for a while is no end, and no silence either.
func TestPutAndProduceSayWhatTheyWaitFor(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{
		{"put", "--stream", "s", "1"}, {"produce", "heart-rate", "--stream", "s", "--count", "1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			fake := fakeaws.New(fakeaws.Options{})
			fake.Kinesis.Create("s", 1)
			fake.Faults.Add(fakeaws.Fault{Operation: "PutRecords", Kind: fakeaws.Lost, Times: 1})
			out, errs, err := runPut(t, fake, "", args...)
			require.NoError(t, err)
			require.Contains(t, out,
				"1 record put into s in 30.05s; 1 was put again because a call had no answer, and may be "+
					"there twice\n")
			require.Regexp(t, "^"+args[0]+`: trying again, for up to two minutes: .*deadline exceeded\n`+args[0]+
				`: the stream takes records again\n$`, errs)

			fake.Kinesis.Delete("s")
			_, _, err = runPut(t, fake, "", args...)
			require.ErrorContains(t, err, "stream s does not exist in this region and account")
		})
	}
}

func TestPutRefuses(t *testing.T) {
	t.Parallel()
	for text, args := range map[string][]string{
		`put: which record? As in kinesis-alerter put '{"latency": 900}'`: {"put", "--stream", "s"},
		"put: give one record, in quotes, or --file FILE": {
			"put", "--stream", "s", "{latency:", "900}",
		},
		"put: give either a record or --file": {"put", "--stream", "s", "1", "--file", "-"},
		"put: give either --key or --key-field": {
			"put", "--stream", "s", "1", "--key", "a", "--key-field", "b",
		},
		"put: --file /nowhere: no such file":     {"put", "--stream", "s", "--file", "/nowhere"},
		"give --config FILE, or --stream NAME;":  {"put", "1"},
		"--for and --count must be above 0":      {"produce", "heart-rate", "--stream", "s", "--for", "0s"},
		"leases: --wait -5s: cannot be negative": {"leases", "pause", "--all", "--table", "t", "--wait", "-5s"},
		"leases: --wait -5s: want more than": {
			"leases", "import", "--from", "old", "--table", "t", "--wait", "-5s",
		},
	} {
		_, _, err := runPut(t, fakeaws.New(fakeaws.Options{}), "", args...)
		require.ErrorContains(t, err, text)
		var usage config.UsageError
		require.ErrorAs(t, err, &usage)
	}
}

// A command that cannot reach AWS says so while it tries, and why, when it gives up.
func TestCommandsSayThatTheyTryInVain(t *testing.T) {
	t.Parallel()
	const file = "testdata/explain.yaml"
	for _, c := range []struct {
		operation, says, ends string
		args                  []string
	}{
		{
			"ListShards", "explain: trying again, for up to five minutes: ListShards: ", "no success for 5m0s: stream ",
			[]string{"explain", "--config", file, "--key", "a", "--at", "-1m"},
		},
		{
			"ListShards", "rules backtest: trying again, for up to five minutes: ListShards: ", "check the credentials",
			[]string{"rules", "backtest", "--config", file, "--from", "-1m"},
		},
		{
			"GetRecords", "rules backtest: trying again, for up to five minutes: shard " + testkit.Shard0 + ": ",
			"this usually passes",
			[]string{"rules", "backtest", "--config", file, "--from", "-1m"},
		},
		{
			"ListShards", "", "init: no call for records of " + testkit.TestStream +
				" succeeded within 20s: ListShards: ",
			[]string{
				"init", "--stream", testkit.TestStream, "--topic-arn", testkit.TestTopicARN, "--output", "-",
			},
		},
		{
			"PublishBatch", "", "SNS did not accept it within 30s; the last call failed: ",
			[]string{"drill", "--stream", testkit.TestStream, "--topic-arn", testkit.TestTopicARN},
		},
	} {
		synctest.Test(t, func(t *testing.T) {
			fake := fakeaws.New(fakeaws.Options{})
			fake.Kinesis.Create(testkit.TestStream, 1)
			testkit.CreateTopic(t, fake)
			fake.Faults.Add(fakeaws.Fault{Operation: c.operation, Kind: fakeaws.Partition})
			_, errs, err := runPut(t, fake, "", c.args...)
			require.ErrorContains(t, err, c.ends)
			require.Contains(t, errs, c.says)
			require.LessOrEqual(t, strings.Count(errs, "trying again"), 1, errs)
		})
	}
}
