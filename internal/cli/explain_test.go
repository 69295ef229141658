package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/rehearse"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// runExplain runs the command on an emulated account, with a text at its standard input.
func runExplain(t *testing.T, fake *fakeaws.AWS, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	return runExplainWith(t, fake, stdin, append([]string{"--config", "testdata/explain.yaml"}, args...)...)
}

func runExplainWith(t *testing.T, fake *fakeaws.AWS, stdin string, args ...string) (stdout string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{
		env: testkit.Environment(nil), stdout: &out, stderr: &errs, stdin: strings.NewReader(stdin),
		now: func() time.Time { return time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC) },
		load: func(context.Context) (aws.Config, error) {
			if fake == nil {
				return aws.Config{}, errors.New("no region")
			}
			return testkit.Emulated(fake), nil
		},
	}
	err = p.Run(t.Context(), append([]string{"explain"}, args...))
	for line := range strings.Lines(errs.String()) { // of calls that fail for a while, and of nothing else
		require.Regexp(t, `^explain: (trying again, for up to |the stream answers again)`, line)
	}
	return out.String(), err
}

func TestExplainData(t *testing.T) {
	t.Parallel()
	var all strings.Builder
	for _, payload := range []string{
		`{"kind":"reading","score":2.91,"rateType":"HIGH","ward":"7b"}` + "\n",
		`{"kind":"reading","score":9,"rateType":"HIGH","note":"x"}`,
		`{"kind":"reading","score":"9","rateType":null}`,
		`{"kind":"other","score":9}`,
		`score 9`,
		"{\"kind\":\"reading\",\"score\":\x00}",
		``,
	} {
		out, err := runExplain(t, nil, payload, "--data", "-", "--key", "patient-7", "--arrival",
			"2026-11-22T12:30:00Z")
		require.NoError(t, err)
		all.WriteString("$ explain --data - <<< " + strings.ReplaceAll(strings.TrimSpace(payload), "\x00", "(NUL)") +
			"\n" + out + "\n")
	}
	testkit.Golden(t, "explain.golden", all.String())

	fromFile, err := runExplain(t, nil, "", "--data", "testdata/explain.json")
	require.NoError(t, err)
	require.Contains(t, fromFile, "score 3.2 > 3: true")
	require.Contains(t, fromFile, "arrived 2026-11-22T09:00:00Z", "now")
	_, err = runExplain(t, nil, "", "--data", "testdata/nosuch.json")
	require.ErrorContains(t, err, "explain: testdata/nosuch.json: no such file or directory")
}

func TestExplainUsage(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"which record? give --key KEY and --at TIME, or --shard SHARD and --sequence NUMBER, or --data FILE (- is " +
			"standard input)": {},
		"give --sequence, too": {"--shard", "s"},
		"give --shard, too: a sequence number is one of a shard":        {"--sequence", "1"},
		"give either --sequence, for a record of the stream, or --data": {"--sequence", "1", "--data", "-"},
		"--sequence 49x: a sequence number consists of digits":          {"--shard", "s", "--sequence", "49x"},
		"--arrival goes with --data; a record of the stream has its own": {
			"--shard", "s", "--sequence", "49", "--arrival", "2026-11-22T09:00:00Z",
		},
		"--arrival noon: want a time such as 2026-11-22T09:00:00Z, or a duration before now such as -2h": {
			"--data", "-", "--arrival", "noon",
		},
		`unexpected argument "it"`: {"it"},
	} {
		_, err := runExplain(t, nil, "", args...)
		var usage config.UsageError
		require.ErrorAs(t, err, &usage)
		require.Equal(t, "explain: "+want, err.Error())
	}
	code, _, stderr := invoke(t, "explain", "--data", "-")
	require.Equal(t, ExitUsage, code)
	require.Equal(t,
		"kinesis-alerter: give --config FILE, or --stream NAME and --topic-arn ARN; neither "+
			"$KINESIS_ALERTER_CONFIG nor "+
			"./kinesis-alerter.yaml is there\n",
		stderr)
	code, _, stderr = invoke(t, "explain", "--data", "-", "--config", "testdata/nosuch.yaml")
	require.Equal(t, ExitUsage, code)
	require.Equal(t, "testdata/nosuch.yaml: no such file or directory\n", stderr)
	_, err := runExplain(t, nil, "", "--shard", "s", "--sequence", "1")
	var faults config.FieldErrors
	require.ErrorAs(t, err, &faults, "AWS is not configured")
}

// explainedRecords reads what --json prints.
func explainedRecords(t *testing.T, text string) []map[string]any {
	t.Helper()
	var out struct{ Records []map[string]any }
	require.NoError(t, json.Unmarshal([]byte(text), &out))
	return out.Records
}

// A record of the stream is found by its number, and explained as evaluation sees it, with the alert's id.
func TestExplainRecordOfTheStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"kind":"reading","score":1}`))
		_, number := fake.Kinesis.Put(testkit.TestStream, "b",
			[]byte(`{"kind":"reading","score":4,"rateType":"HIGH","ward":"7b"}`))
		time.Sleep(time.Second)

		out, err := runExplain(t, fake, "", "--shard", "…0000", "--sequence", number)
		require.NoError(t, err)
		require.Contains(t, out, "Record "+number+", sub-sequence 0, of "+testkit.Shard0+
			"\nwith the key \"b\", arrived ")
		require.Contains(t, out, "score 4 > 3: true")

		out, err = runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", number, "--json")
		require.NoError(t, err)
		records := explainedRecords(t, out)
		require.Len(t, records, 1)
		require.Equal(t, "alerted", records[0]["outcome"])
		id := records[0]["rules"].([]any)[0].(map[string]any)["publishes"].([]any)[0].(map[string]any)["alert_id"]

		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) {
			loaded, err := config.LoadConfig(t.Context(), "testdata/explain.yaml", testkit.Environment(nil))
			require.NoError(t, err)
			c.Rules, c.Topics = loaded.Rules, loaded.Topics
		})
		time.Sleep(10 * time.Second)
		var ids []string
		for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
			ids = append(ids, m.Attributes["alert_id"].StringValue)
		}
		require.Contains(t, ids, id, "the id that the daemon gives it")
		require.NoError(t, d.End())
	})
}

func TestExplainAggregate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		_, number := fake.Kinesis.Put(testkit.TestStream, "outer",
			testkit.Aggregate("inner", `{"kind":"reading","score":1}`, "",
				`{"kind":"reading","score":5,"rateType":"X"}`))
		time.Sleep(time.Second)
		out, err := runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", number, "--json")
		require.NoError(t, err)
		var outcomes []any
		for _, r := range explainedRecords(t, out) {
			outcomes = append(outcomes, r["outcome"])
		}
		require.Equal(t, []any{"unmatched", "invalid", "alerted"}, outcomes)

		out, err = runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", number, "--sub", "2")
		require.NoError(t, err)
		require.Contains(t, out, `sub-sequence 2 (piece 3 of 3), of `+testkit.Shard0)
		require.Contains(t, out, `with the key "inner"`)
		out, err = runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", number, "--sub", "1")
		require.NoError(t, err)
		require.Contains(t, out, "invalid (bad_aggregate)")
		_, err = runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", number, "--sub", "3")
		require.EqualError(t, err, "explain: --sub 3: the record has 3 in it, the last is 2")
	})
}

// A record that is not there is reported at once, with what to do; a fault that may pass is retried for a while.
func TestExplainCannotRead(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		_, first := fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"kind":"reading","score":4}`))
		time.Sleep(25 * time.Hour)
		_, err := runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", first)
		require.ErrorContains(t, err, "explain: shard "+testkit.Shard0+" has no record with the number "+first+
			", and none behind it: ")
		_, second := fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"kind":"reading","score":4}`))
		time.Sleep(time.Second)

		began := time.Now()
		_, err = runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", first)
		require.ErrorContains(t, err, "has no record with the number "+first+" (any more): the next one is "+second+
			", arrived 2")
		require.ErrorContains(t, err, "--data FILE")
		_, err = runExplain(t, fake, "", "--shard", testkit.Shard1, "--sequence", second)
		require.ErrorContains(t, err, "there is no stream "+testkit.TestStream+" with a shard "+testkit.Shard1+
			" (any more); kinesis-alerter leases list shows the shards")
		_, err = runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", "1")
		require.ErrorContains(t, err, "is the number of another shard?")
		require.Zero(t, time.Since(began), "nothing of this passes")

		denied := fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "GetRecords", Kind: fakeaws.Before,
			Err: &fakeaws.Error{Code: "AccessDeniedException"},
		})
		_, err = runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", second)
		require.ErrorContains(t, err, "needs kinesis:GetShardIterator and kinesis:GetRecords on the stream")
		denied()

		busy := fake.Faults.Add(fakeaws.Throttle(fakeaws.ServiceKinesis, "GetRecords"))
		go func() {
			time.Sleep(3 * time.Second)
			busy()
		}()
		_, err = runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", second)
		require.NoError(t, err, "it passed")

		began = time.Now()
		busy = fake.Faults.Add(fakeaws.Throttle(fakeaws.ServiceKinesis, "GetRecords"))
		_, err = runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", second)
		require.ErrorContains(t, err, "this usually passes; try again")
		require.LessOrEqual(t, time.Since(began), rehearse.ReadBudget+rehearse.ReadAttempt)
		busy()
	})
}
