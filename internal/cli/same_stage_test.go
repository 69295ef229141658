package cli

import (
	"bytes"
	"crypto/md5" //nolint:gosec // the KPL's format prescribes it
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/payload"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

func sealAggregate(message []byte) []byte {
	sum := md5.Sum(message) //nolint:gosec // see the import
	return append(append([]byte("\xf3\x89\x9a\xc2"), message...), sum[:]...)
}

// The daemon, explain, check --sample, rules test and rules backtest make the same of a record, whatever is in it.
func TestToolsReadRecordsAsTheDaemonDoes(t *testing.T) {
	t.Parallel()
	const high, low = `{"heartRate":180}`, `{"heartRate":60}`
	broken := testkit.Aggregate("a", high)
	broken[len(broken)-1]++
	events := []string{high, low, "no JSON", high}
	const logs = "cloudwatch_logs"
	counts := map[string]int{"alerted": 2, "unmatched": 2}
	packed := testkit.Gzip(testkit.LogEvents("DATA_MESSAGE", events...))
	for name, c := range map[string]struct {
		input string
		data  []byte
		want  map[string]int // by outcome
	}{
		"plain":          {"", []byte(high), map[string]int{"alerted": 1}},
		"with a newline": {"", []byte(high + "\n"), map[string]int{"alerted": 1}},
		"text":           {"", []byte("hello"), map[string]int{"invalid": 1}},
		"aggregate":      {"", testkit.Aggregate("a", high, low, high), map[string]int{"alerted": 2, "unmatched": 1}},
		"one of them is none": {
			"", testkit.Aggregate("a", high, "", low, "x"), map[string]int{"alerted": 1, "unmatched": 1, "invalid": 2},
		},
		"aggregate of nothing": {"", testkit.Aggregate("a"), map[string]int{"filtered": 1}},
		"aggregate of garbage": {
			"", sealAggregate([]byte("garbage-not-protobuf-\xff\xff\xff\xff\xff")), map[string]int{"invalid": 1},
		},
		"broken checksum": {"", broken, map[string]int{"invalid": 1}},
		"log events":      {logs, packed, counts},
		"log events that are not packed": {
			logs, testkit.LogEvents("DATA_MESSAGE", events...), counts,
		},
		"log events that are packed twice": {logs, testkit.Gzip(packed), counts},
		"log events in an aggregate": {logs, testkit.Aggregate("a", string(packed), "x"), map[string]int{
			"alerted": 2, "unmatched": 2, "invalid": 1,
		}},
		"a control message": {
			logs, testkit.Gzip(testkit.LogEvents("CONTROL_MESSAGE", "x")), map[string]int{"filtered": 1},
		},
		"log events that are cut off": {logs, packed[:len(packed)-20], map[string]int{"invalid": 1}},
		"lines, one of them blank": {
			"[{decompress: gzip}, {split: lines}]", testkit.Gzip([]byte(high + "\n\n" + low + "\nx\n")),
			map[string]int{"alerted": 1, "unmatched": 1, "invalid": 1},
		},
		"lines in base64": {
			"[{decode: base64}, {split: lines}]", []byte(base64.StdEncoding.EncodeToString([]byte(high + "\n" + high))),
			map[string]int{"alerted": 2},
		},
		"an array in an aggregate": {
			"[{split: array}]", testkit.Aggregate("a", "["+high+","+low+"]", "["+high+"]", "[]"),
			map[string]int{"alerted": 2, "unmatched": 1},
		},
		"nothing but lines": {
			"[{decompress: gzip}, {split: lines}]", testkit.Gzip([]byte("\n\n")), map[string]int{"filtered": 1},
		},
		"packed, without an input": {"", packed, map[string]int{"invalid": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			when := "heartRate > 149"
			if c.input == logs {
				when = "json." + when
			}
			readEverywhere(t, readCase{c.input, when, c.data, c.want, false})
		})
	}
}

// TestToolsAgreeOnPayloads: of what real writers put, with the input that it needs, every tool makes what the daemon
// does.
func TestToolsAgreeOnPayloads(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../alert/decode/testdata/payloads/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for file := range testkit.Cases(files, 12) {
		content, err := os.ReadFile(file) //nolint:gosec // of this project
		require.NoError(t, err)
		var c struct {
			Kind   string
			Data   []byte
			Input  json.RawMessage
			Whole  *struct{ Invalid, Dropped string }
			Pieces []struct{ Invalid string }
		}
		require.NoError(t, json.Unmarshal(content, &c), file)
		want := map[string]int{}
		if c.Whole != nil && c.Whole.Dropped != "" {
			want["filtered"]++
		} else if c.Whole != nil {
			want["invalid"]++
		}
		for _, p := range c.Pieces {
			if p.Invalid != "" {
				want["invalid"]++
			} else {
				want["unmatched"]++
			}
		}
		t.Run(c.Kind, func(t *testing.T) {
			t.Parallel()
			lines := bytes.IndexByte(c.Data, '\n') >= 0 || payload.IsBlank(c.Data) ||
				bytes.TrimSpace(c.Data)[0] == '['
			binary := bytes.ContainsFunc(
				c.Data, func(c rune) bool { return c < ' ' && c != '\n' && c != '\r' && c != '\t' },
			)
			readEverywhere(t, readCase{string(c.Input), `partition_key == "of nobody"`, c.Data, want, lines && !binary})
		})
	}
}

// readCase is a payload, the configuration that reads it, and how many records of each outcome that gives.
type readCase struct {
	input, when string
	data        []byte
	want        map[string]int
	// lines says that a file of it is a sample of several records, or of none.
	lines bool
}

// readEverywhere holds the daemon and every tool to a case.
func readEverywhere(t *testing.T, c readCase) {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		return file
	}
	file := write("config.yaml", `stream: {name: ExampleStream}
input: `+c.input+`
rules: [{name: high, when: `+c.when+`}]
topics: {t: {arn: "arn:aws:sns:us-east-1:000000000000:ExampleTopic", rate: unlimited, email: false}}
`)
	loaded, err := config.LoadConfig(t.Context(), file, testkit.Environment(nil))
	require.NoError(t, err)
	count := func(outcomes []string) map[string]int {
		m := map[string]int{}
		for _, o := range outcomes {
			m[o]++
		}
		return m
	}

	code, out, stderr := invoke(t, "explain", "--config", file, "--data", write("data", string(c.data)),
		"--json")
	require.Zero(t, code, stderr)
	var explained struct{ Records []struct{ Outcome string } }
	require.NoError(t, json.Unmarshal([]byte(out), &explained))
	var outcomes []string
	for _, r := range explained.Records {
		outcomes = append(outcomes, r.Outcome)
	}
	require.Equal(t, c.want, count(outcomes), "explain --data")

	line := fmt.Sprintf(`{"partitionKey":"a","data":%q}`, base64.StdEncoding.EncodeToString(c.data))
	_, out, stderr = invoke(t, "check", file, "--sample", write("sample.jsonl", line))
	total := 0
	for _, n := range c.want {
		total += n
	}
	summary := fmt.Sprintf("%s: %d match a rule, %d do not, %d filtered, %d invalid",
		config.Plural(total, "record"),
		c.want["alerted"], c.want["unmatched"], c.want["filtered"], c.want["invalid"])
	require.Contains(t, out, summary, "check --sample: %s", stderr)
	if !c.lines {
		_, out, stderr = invoke(t, "check", file, "--sample", write("sample", string(c.data)))
		require.Contains(t, out, summary, "check --sample, of the payload itself: %s", stderr)
	}

	code, out, stderr = invoke(t, "explain", "--config", file, "--data", write("line", line), "--json")
	require.Zero(t, code, stderr)
	require.NoError(t, json.Unmarshal([]byte(out), &explained))
	outcomes = nil
	for _, r := range explained.Records {
		outcomes = append(outcomes, r.Outcome)
	}
	require.Equal(t, c.want, count(outcomes), "explain --data, of a line")

	var expect []string
	for _, o := range []string{"alerted", "unmatched", "filtered", "invalid"} {
		expect = append(expect, fmt.Sprintf("%s: %d", o, c.want[o]))
	}
	code, out, stderr = invoke(t, "rules", "test", write("rules.test.yaml",
		fmt.Sprintf("config: config.yaml\ntests:\n  - name: as the daemon\n"+
			"    records: [{at: 0s, base64: %q}]\n    expect: {outcomes: {%s}}\n",
			base64.StdEncoding.EncodeToString(c.data), strings.Join(expect, ", "))))
	require.Zero(t, code, "rules test: %s%s", out, stderr)

	code, out, stderr = invoke(t, "rules", "backtest", "--config", file, "--archive",
		write("archive.jsonl", line+"\n"), "--json")
	require.Zero(t, code, stderr)
	var report struct{ Outcomes map[string]int }
	require.NoError(t, json.Unmarshal([]byte(out), &report))
	maps.DeleteFunc(report.Outcomes, func(_ string, n int) bool { return n == 0 })
	require.Equal(t, c.want, report.Outcomes, "rules backtest")

	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		d := testdaemon.StartDaemon(t, fake, func(into *config.Config, o *daemon.Options) {
			o.Listener = page
			into.Input = loaded.Input
			into.Rules = []alert.RuleConfig{{Name: "high", When: c.when, Topics: []string{"oncall"}}}
		})
		fake.Kinesis.Put(testkit.TestStream, "a", c.data)
		time.Sleep(10 * time.Second)
		got := map[string]int{}
		for outcome, n := range page.Status(t).Records {
			if n > 0 {
				got[outcome] = int(n) //nolint:gosec // small
			}
		}
		require.Equal(t, c.want, got, "run")
		require.NoError(t, d.End())
	})
}

// What passes at Kinesis does not end a command that reads the stream.
func TestToolsRetryWhatPasses(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]fakeaws.Fault{
		"500":            {Kind: fakeaws.Before, Err: &fakeaws.Error{Code: "InternalFailure", Status: 500}},
		"503":            {Kind: fakeaws.Before, Err: &fakeaws.Error{Code: "ServiceUnavailable", Status: 503}},
		"throttled":      {Kind: fakeaws.Before, Err: &fakeaws.Error{Code: "ThrottlingException", Status: 400}},
		"limit exceeded": {Kind: fakeaws.Before, Err: &fakeaws.Error{Code: "LimitExceededException", Status: 400}},
		"no connection":  {Kind: fakeaws.Partition},
	} {
		for _, operation := range []string{"GetShardIterator", "GetRecords", "ListShards"} {
			t.Run(name+"/"+operation, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					fake := fakeaws.New(fakeaws.Options{})
					fake.Kinesis.Create(testkit.TestStream, 1)
					_, number := fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"kind":"reading","score":5}`))
					time.Sleep(time.Second)
					fault := fault // each test has its own
					fault.Service, fault.Operation = fakeaws.ServiceKinesis, operation
					for what, run := range map[string]func() error{
						"explain": func() error {
							_, err := runExplain(t, fake, "", "--shard", testkit.Shard0, "--sequence", number)
							return err
						},
						"rules backtest": func() error {
							r := backtestRun{fake: fake}
							return r.Run(t.Context(), "--config", testkit.ConfigFile(t, oncePerKey), "--from", "-1h")
						},
					} {
						over := fake.Faults.Add(fault)
						timer := time.AfterFunc(4*time.Second, over)
						require.NoError(t, run(), what)
						if timer.Stop() {
							over()
						}
					}
				})
			})
		}
	}
}

// explain and rules backtest take the rules from flags as run does.
func TestToolsTakeRulesFromFlags(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		_, number := fake.Kinesis.Put(testkit.TestStream, "a", []byte(`{"score":5}`))
		time.Sleep(time.Second)
		flags := []string{"--stream", testkit.TestStream, "--topic-arn", testkit.TestTopicARN, "--when", "score > 4"}
		out, err := runExplainWith(t, fake, "", append(flags, "--shard", testkit.Shard0, "--sequence", number)...)
		require.NoError(t, err)
		require.Contains(t, out, "Rule rule: matches")
		r := backtestRun{fake: fake}
		require.NoError(t, r.Run(t.Context(), append(flags, "--from", "-1h", "--json")...))
		require.Equal(t, map[string]int{"alerted": 1}, r.report(t).Outcomes)
	})
	code, _, stderr := invoke(t, "explain", "--config", "testdata/explain.yaml", "--stream", "s", "--data", "-")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "give either --config, or --stream")
	code, _, stderr = invoke(t, "rules", "test", "--when", "true", "x.yaml")
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "rules test: no flag --when")
}

// Who subscribed to the sample's messages with a filter policy on its attribute continues getting them, and digests of
// them.
func TestWhenKeepsTheSamplesAttribute(t *testing.T) {
	t.Parallel()
	quick, err := config.QuickConfig{
		Stream: testkit.TestStream, TopicARN: testkit.TestTopicARN, When: "heartRate > 149",
	}.Config()
	require.NoError(t, err)
	file := filepath.Join(t.TempDir(), "mapping.yaml")
	code, out, stderr := invoke(t, "check", "--explain-lambda", "testdata/lambda/defaults.json", "--topic-arn",
		testkit.TestTopicARN)
	require.Zero(t, code, stderr)
	require.NoError(t, os.WriteFile(file, []byte(strings.ReplaceAll(out, "mode: shadow", "mode: live")), 0o600))
	taken, err := config.LoadConfig(t.Context(), file, testkit.Environment(nil))
	require.NoError(t, err)
	for name, c := range map[string]*config.LoadedConfig{"--when": quick, "--explain-lambda": taken, "no rules": nil} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				fake := fakeaws.New(fakeaws.Options{})
				fake.Kinesis.Create(testkit.TestStream, 1)
				testkit.CreateTopic(t, fake)
				d := testdaemon.StartDaemon(t, fake, func(into *config.Config, _ *daemon.Options) {
					// 8/s, so that digests come
					into.Rules, into.Topics = nil, map[string]alert.TopicConfig{"oncall": {ARN: testkit.TestTopicARN}}
					if c != nil {
						into.Rules, into.Topics = c.Rules, c.Topics
					}
				})
				time.Sleep(5 * time.Second)
				for i := range 100 {
					fake.Kinesis.Put(testkit.TestStream, fmt.Sprint("k", i), []byte(`{"heartRate":180}`))
				}
				time.Sleep(time.Minute)
				require.NoError(t, d.End())
				single, digests := 0, 0
				for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
					require.Equal(t, "New records have been processed.", m.Attributes["String"].StringValue)
					if m.Attributes["kind"].StringValue == "digest" {
						digests++
						continue
					}
					single++
					if c != nil {
						require.NotEmpty(t, m.Attributes["alert_id"].StringValue)
					}
				}
				require.NotZero(t, single)
				require.NotZero(t, digests)
			})
		})
	}
}
