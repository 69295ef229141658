package cli

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testkit"
)

// searched is a configuration whose rules remember.
const searched = `
stream: {name: ExampleOutputStream}
rules:
  - {name: slow, when: latency > 500, dedup: 10m}
  - {name: errors, when: status >= 0, key: host, window: {length: 5m, aggregate: avg, of: "status >= 500 ? 1 : 0", is: "> 0.4"}}
topics: {oncall: {arn: "arn:aws:sns:us-east-1:000000000000:ExampleTopic"}}
silences: [{name: deploy, rules: [slow], when: 'partition_key == "web-9"', until: 2030-01-01T00:00:00Z}]
`

// runExplainAt runs the command now.
func runExplainAt(t *testing.T, fake *fakeaws.AWS, args ...string) (stdout string, err error) {
	t.Helper()
	var out, errs bytes.Buffer
	p := &program{
		env: testkit.Environment(nil), stdout: &out, stderr: &errs, now: time.Now,
		load: func(context.Context) (aws.Config, error) { return testkit.Emulated(fake), nil },
	}
	err = p.Run(t.Context(), append([]string{"explain"}, args...))
	require.Empty(t, errs.String())
	return out.String(), err
}

// Why was I not paged for web-7? Nobody who asks has a sequence number. The answer is that of rules which have seen
// what came before: dedup and windows have their say, and alerts that were made are named.
func TestExplainFindsTheRecordsOfAKey(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte(searched), 0o600))
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 4)
		put := func(key, data string) time.Time {
			fake.Kinesis.Put(testkit.TestStream, key, []byte(data))
			at := time.Now()
			time.Sleep(10 * time.Second)
			return at
		}
		explain := func(args ...string) (string, error) {
			return runExplainAt(t, fake, append([]string{"--config", file}, args...)...)
		}
		first := put("web-7", `{"latency":900}`)
		put("web-1", `{"latency":901}`)
		time.Sleep(4 * time.Minute)
		second := put("web-7", `{"latency":700}`)
		put("web-9", `{"latency":700}`)

		out, err := explain("--key", "web-7", "--at", second.Format(time.RFC3339), "--window", "1m")
		require.NoError(t, err)
		require.Contains(t, out, `1 record with the key "web-7"`)
		require.Contains(t, out, "in 4 of 4 shards", "a rule has a key of its own")
		require.Contains(t, out, "suppressed (dedup)")
		require.Contains(t, out, "latency 700 > 500: true")
		require.Contains(
			t, out, "dedup: no further alert before "+first.Add(10*time.Minute).UTC().Format("2006-01-02T15:04:05"),
		)
		require.Contains(
			t, out, first.UTC().Format("  2006-01-02T15:04:05.000Z")+"  slow firing to oncall, key \"web-7\"",
		)
		require.NotContains(t, out, "publishes to oncall", "it did not")

		out, err = explain("--key", "web-9", "--at", "-10s")
		require.NoError(t, err)
		require.Contains(t, out, "suppressed (silenced)")
		require.Contains(t, out, "No alert about it")

		_, err = explain("--key", "web-8", "--at", "-10s", "--window", "10m")
		require.ErrorContains(t, err, `no record with the key "web-8"`)
		require.ErrorContains(t, err, `among 4 records, in 4 of 4 shards; did you mean the key "web-`)

		for i := range 10 { // errors of a host, in all shards: each has a window of its own
			put(fmt.Sprint("req-", i), fmt.Sprintf(`{"host":"db-3","status":%d}`, 200+300*(i%2)))
		}
		out, err = explain("--key", "db-3", "--at", "-10s", "--json")
		require.NoError(t, err)
		records := explainedRecords(t, out)
		require.Len(t, records, 10)
		require.Contains(t, out, `window: the avg of 5m is`)

		out, err = explain("--key", "req-9", "--at", "-10s", "--rule", "errors")
		require.NoError(t, err, "a partition key that no rule goes by is one, too")
		require.Contains(t, out, "\nRule errors: ")
		require.NotContains(t, out, "\nRule slow: ")
	})
}

// A key with many records: the one that alerted is listed and explained, however far it is from the time that somebody
// remembers. One that a rule only counts is not called unmatched.
func TestExplainShowsTheRecordThatAlertedFirst(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte(searched), 0o600))
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		for i := range 60 {
			data := `{"host":"db-3","status":200}`
			if i == 50 {
				data = `{"latency":900}`
			}
			fake.Kinesis.Put(testkit.TestStream, "web-7", []byte(data))
			time.Sleep(time.Second)
		}
		out, err := runExplainAt(t, fake, "--config", file, "--key", "web-7", "--at", "-55s")
		require.NoError(t, err)
		require.Regexp(t, `shardId-000000000000  \d+ +alerted\n`, out)
		require.Contains(t, out, "and 40 more records; --json has 60")
		require.Contains(t, out, "The record that alerted, nearest to ")
		require.Contains(t, out, "alerted: firing to oncall")
		require.Regexp(t, `shardId-000000000000  \d+ +no alert\n`, out, "the window counts it")
		require.NotContains(t, out, "unmatched")
	})
}

// "Why was I not paged at 14:02?" asks about what was suppressed then, not about the alert a minute before.
func TestExplainAnswersForTheTimeThatWasAsked(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "c.yaml")
	require.NoError(t, os.WriteFile(file, []byte(searched), 0o600))
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		inside := []fakeaws.UserRecord{{Data: []byte(`{"latency":900}`)}, {Data: []byte(`{"latency":901}`)}}
		for range 2 {
			fake.Kinesis.Put(testkit.TestStream, "outer", fakeaws.Aggregate([]string{"web-7"}, inside))
			time.Sleep(time.Minute)
		}
		out, err := runExplainAt(t, fake, "--config", file, "--key", "web-7", "--at", "-58s")
		require.NoError(t, err)
		require.Contains(t, out, "The record whose outcome is suppressed, nearest to ")
		require.Regexp(t, `\d --sub 1 +suppressed \(dedup\)\n`, out, "what explain takes to look at it")
		out, err = runExplainAt(t, fake, "--config", file, "--key", "web-7", "--at", "-125s")
		require.NoError(t, err)
		require.Contains(t, out, "The record that alerted, nearest to ")
	})
}

// After a reshard a key has records in the parent and in a child: both are found, and the child remembers the parent's.
func TestExplainFindsAKeyThroughAReshard(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 2)
		file := filepath.Join(t.TempDir(), "c.yaml")
		require.NoError(t, os.WriteFile(file, []byte(`
stream: {name: ExampleOutputStream}
rules: [{name: slow, when: latency > 500, dedup: 10m}]
topics: {oncall: {arn: "arn:aws:sns:us-east-1:000000000000:ExampleTopic"}}
`), 0o600))
		put := func() string {
			shard, _ := fake.Kinesis.Put(testkit.TestStream, "web-7", []byte(`{"latency":900}`))
			time.Sleep(10 * time.Second)
			return shard
		}
		parent := put()
		fake.Kinesis.Split(testkit.TestStream, parent)
		child := put()
		require.NotEqual(t, parent, child)
		out, err := runExplainAt(t, fake, "--config", file, "--key", "web-7", "--at", "-10s")
		require.NoError(t, err)
		require.Contains(t, out, `2 records with the key "web-7"`)
		require.Contains(t, out, "of 2 records in 2 of 4 shards", "where the key does not belong nothing is read")
		require.Contains(t, out, "alerted\n")
		require.Contains(t, out, "suppressed (dedup)", "the child has inherited that")

		// A producer with hash keys of its own puts a key where it does not belong: then every shard is read.
		client, moved := kinesis.NewFromConfig(testkit.Emulated(fake)), ""
		for i := 0; moved == ""; i++ {
			key := fmt.Sprint("moved-", i)
			own, _ := fake.Kinesis.Put(testkit.TestStream, key, []byte(`{"latency":1}`))
			time.Sleep(time.Hour)
			out, err := client.PutRecord(t.Context(), &kinesis.PutRecordInput{
				StreamName: aws.String(testkit.TestStream), PartitionKey: &key, ExplicitHashKey: aws.String("0"),
				Data: []byte(`{"latency":1}`),
			})
			require.NoError(t, err)
			if *out.ShardId != own {
				moved = key
			}
		}
		time.Sleep(time.Second)
		out, err = runExplainAt(t, fake, "--config", file, "--key", moved, "--at", "-1s")
		require.NoError(t, err)
		require.Contains(t, out, fmt.Sprintf("1 record with the key %q", moved))
		require.Contains(t, out, "in 4 of 4 shards")
	})
}

func TestExplainSearchUsage(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"records of web-7, from when? give --at TIME, too, for example --at -10m": {"--key", "web-7"},
		"the records of which key? give --key KEY, too":                           {"--at", "-1m"},
		"--at noon: want a time such as":                                          {"--at", "noon", "--key", "x"},
		"--at 2036-11-22T09:00:00Z: is in the future, and nothing was there yet": {
			"--at", "2036-11-22T09:00:00Z", "--key", "x",
		},
		"--at finds the records of --key": {
			"--at", "-1m", "--key", "x", "--data", "-",
		},
		"--window 0s: want a duration above 0": {
			"--at", "-1m", "--key", "x", "--window", "0",
		},
		"--since noon: want a time such as": {
			"--at", "-1m", "--key", "x", "--since", "noon",
		},
	} {
		_, err := runExplain(t, nil, "", args...)
		require.ErrorContains(t, err, "explain: "+want)
	}
	at, err := timeOfDay("14:02", time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC))
	require.NoError(t, err)
	require.Equal(t, time.Date(2026, 11, 21, 14, 2, 0, 0, time.UTC), at, "it was yesterday")
}

// Without the permission to list shards the record is explained on its own, and it is said what is missing.
func TestExplainWithoutTheRecordsBefore(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		_, number := fake.Kinesis.Put(testkit.TestStream, "web-7", []byte(`{"kind":"reading","score":4,"ward":"7b"}`))
		fake.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceKinesis, Operation: "ListShards", Kind: fakeaws.Before,
			Err: &fakeaws.Error{Code: "AccessDeniedException", Status: 400},
		})
		time.Sleep(time.Second)
		var out, errs bytes.Buffer
		p := &program{
			env: testkit.Environment(nil), stdout: &out, stderr: &errs, now: time.Now,
			load: func(context.Context) (aws.Config, error) { return testkit.Emulated(fake), nil },
		}
		require.NoError(t, p.Run(t.Context(), []string{
			"explain", "--config", "testdata/explain.yaml", "--shard", testkit.Shard0, "--sequence", number,
		}))
		require.Contains(t, out.String(), "score 4 > 3: true")
		require.Contains(t, errs.String(), "warning: the records before it cannot be read")
		require.Contains(t, errs.String(), "kinesis:ListShards")
	})
}
