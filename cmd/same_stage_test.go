package cmd

import (
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
	"google.golang.org/protobuf/encoding/protowire"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/fakeaws"
)

// kplAggregate packs payloads as the KPL does, all under one key. An empty text is a record without data.
func kplAggregate(key string, payloads ...string) []byte {
	var message []byte
	if len(payloads) > 0 {
		message = protowire.AppendTag(message, 1, protowire.BytesType)
		message = protowire.AppendString(message, key)
	}
	for _, p := range payloads {
		m := protowire.AppendVarint(protowire.AppendTag(nil, 1, protowire.VarintType), 0)
		if p != "" {
			m = protowire.AppendString(protowire.AppendTag(m, 3, protowire.BytesType), p)
		}
		message = protowire.AppendBytes(protowire.AppendTag(message, 3, protowire.BytesType), m)
	}
	return sealAggregate(message)
}

func sealAggregate(message []byte) []byte {
	sum := md5.Sum(message) //nolint:gosec // see the import
	return append(append([]byte("\xf3\x89\x9a\xc2"), message...), sum[:]...)
}

// The daemon, explain, check --sample, rules test and rules backtest make the same of a record, whatever is in it.
func TestToolsReadRecordsAsTheDaemonDoes(t *testing.T) {
	t.Parallel()
	const high, low = `{"heartRate":180}`, `{"heartRate":60}`
	broken := kplAggregate("a", high)
	broken[len(broken)-1]++
	for name, c := range map[string]struct {
		data []byte
		want map[string]int // by outcome
	}{
		"plain":                {[]byte(high), map[string]int{"alerted": 1}},
		"with a newline":       {[]byte(high + "\n"), map[string]int{"alerted": 1}},
		"text":                 {[]byte("hello"), map[string]int{"invalid": 1}},
		"aggregate":            {kplAggregate("a", high, low, high), map[string]int{"alerted": 2, "unmatched": 1}},
		"one of them is none":  {kplAggregate("a", high, "", low, "x"), map[string]int{"alerted": 1, "unmatched": 1, "invalid": 2}},
		"aggregate of nothing": {kplAggregate("a"), map[string]int{"filtered": 1}},
		"aggregate of garbage": {sealAggregate([]byte("garbage-not-protobuf-\xff\xff\xff\xff\xff")), map[string]int{"invalid": 1}},
		"broken checksum":      {broken, map[string]int{"invalid": 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			write := func(name, text string) string {
				file := filepath.Join(dir, name)
				require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
				return file
			}
			config := write("config.yaml", `stream: {name: ExampleStream}
rules: [{name: high, when: heartRate > 149}]
topics: {t: {arn: "arn:aws:sns:us-east-1:000000000000:ExampleTopic", rate: unlimited, email: false}}
`)
			count := func(outcomes []string) map[string]int {
				m := map[string]int{}
				for _, o := range outcomes {
					m[o]++
				}
				return m
			}

			code, out, stderr := invoke(t, "explain", "--config", config, "--data", write("data", string(c.data)), "--json")
			require.Zero(t, code, stderr)
			var explained struct{ Records []struct{ Outcome string } }
			require.NoError(t, json.Unmarshal([]byte(out), &explained))
			var outcomes []string
			for _, r := range explained.Records {
				outcomes = append(outcomes, r.Outcome)
			}
			require.Equal(t, c.want, count(outcomes), "explain --data")

			line := fmt.Sprintf(`{"partitionKey":"a","data":%q}`, base64.StdEncoding.EncodeToString(c.data))
			_, out, stderr = invoke(t, "check", config, "--sample", write("sample.jsonl", line))
			total := 0
			for _, n := range c.want {
				total += n
			}
			require.Contains(t, out, fmt.Sprintf("%s: %d match a rule, %d do not, %d filtered, %d invalid", plural(total, "record"),
				c.want["alerted"], c.want["unmatched"], c.want["filtered"], c.want["invalid"]), "check --sample: %s", stderr)

			var expect []string
			for _, o := range []string{"alerted", "unmatched", "filtered", "invalid"} {
				expect = append(expect, fmt.Sprintf("%s: %d", o, c.want[o]))
			}
			code, out, stderr = invoke(t, "rules", "test", write("rules.test.yaml", fmt.Sprintf("config: config.yaml\ntests:\n  - name: as the daemon\n"+
				"    records: [{at: 0s, base64: %q}]\n    expect: {outcomes: {%s}}\n", base64.StdEncoding.EncodeToString(c.data), strings.Join(expect, ", "))))
			require.Zero(t, code, "rules test: %s%s", out, stderr)

			code, out, stderr = invoke(t, "rules", "backtest", "--config", config, "--archive", write("archive.jsonl", line+"\n"), "--json")
			require.Zero(t, code, stderr)
			var report struct{ Outcomes map[string]int }
			require.NoError(t, json.Unmarshal([]byte(out), &report))
			maps.DeleteFunc(report.Outcomes, func(_ string, n int) bool { return n == 0 })
			require.Equal(t, c.want, report.Outcomes, "rules backtest")

			synctest.Test(t, func(t *testing.T) {
				fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
				fake.Kinesis.Create(testStream, 1)
				createTopic(t, fake)
				d := startDaemon(t, fake, func(c *Config, o *Options) {
					o.Listener = page
					c.Rules = []alert.RuleConfig{{Name: "high", When: "heartRate > 149", Topics: []string{"oncall"}}}
				})
				fake.Kinesis.Put(testStream, "a", c.data)
				time.Sleep(10 * time.Second)
				got := map[string]int{}
				for outcome, n := range page.status(t).Records {
					if n > 0 {
						got[outcome] = int(n) //nolint:gosec // small
					}
				}
				require.Equal(t, c.want, got, "run")
				require.NoError(t, d.end())
			})
		})
	}
}
