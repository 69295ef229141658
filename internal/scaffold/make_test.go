package scaffold

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func made(t *testing.T, lines ...string) *Files {
	t.Helper()
	var records []Record
	for _, line := range lines {
		records = append(records, Record{Data: []byte(line)})
	}
	r := &Request{
		Stream: "records", TopicARN: "arn:aws:sns:us-east-1:000000000000:oncall", Name: "kinesis-alerter.yaml",
		Schema: "./kinesis-alerter.schema.json",
	}
	files, err := r.Make(t.Context(), records)
	require.NoError(t, err)
	return files
}

// From the fields of a sample comes the rule that a person would write first. Make has checked each, and run its test.
func TestProposals(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ sample, when, key string }{
		"a figure, of a service": {
			`{"service":"checkout","latency":120,"status":200}|{"service":"cart","latency":80,"status":200}`,
			"latency > 150", "service",
		},
		"heart rates": {
			`{"heartRate":72,"rateType":"NORMAL"}|{"heartRate":98,"rateType":"NORMAL"}`, "heartRate > 150",
			"partition key",
		},
		"stock prices": {
			`{"TICKER_SYMBOL":"AAPL","SECTOR":"TECH","CHANGE":-0.5,"PRICE":84.51}|` +
				`{"TICKER_SYMBOL":"XTC","SECTOR":"HEALTH","CHANGE":1.2,"PRICE":120}`,
			"CHANGE > 1.5", "TICKER_SYMBOL",
		},
		"nested, in camel case": {
			`{"meta":{"deviceId":"d-1","ts":1764500000000},"data":{"tempC":21.5}}|` +
				`{"meta":{"deviceId":"d-2","ts":1764500001000},"data":{"tempC":22}}`,
			"data.tempC > 30", "meta.deviceId",
		},
		"a share of one": {
			`{"host":"a","error_rate":0.02}|{"host":"b","error_rate":0.011}`, "error_rate > 0.025", "host",
		},
		"percent do not pass 100": {`{"host":"a","cpu":88}|{"host":"b","cpu":61.5}`, "cpu > 90", "host"},
		"below freezing": {
			`{"sensor":"a","temperature":-20}|{"sensor":"b","temperature":-25}`, "temperature > -15", "sensor",
		},
		"no errors so far": {`{"host":"a","errors":0}|{"host":"b","errors":0}`, "errors > 0", "host"},
		"few is bad": {
			`{"device":"a","battery":80}|{"device":"b","battery":40}`, "battery < 30", "device",
		},
		"an HTTP status": {
			`{"host":"a","path":"/","status":200}|{"host":"a","path":"/x","status":404}`, "status >= 500", "host",
		},
		"levels of a log": {
			`{"app":"shop","level":"INFO","msg":"hi"}|{"app":"shop","level":"ERROR","msg":"oh"}`, `level == "ERROR"`,
			"app",
		},
		"a level without trouble": {
			`{"app":"shop","level":"INFO","msg":"hi"}|{"app":"shop","level":"WARN","msg":"hm"}`,
			`level in ["ERROR", "CRITICAL", "FATAL"]`, "app",
		},
		"one status for all": {
			`{"job":"a","state":"running"}|{"job":"b","state":"running"}|{"job":"c","state":"running"}`,
			`state != "running"`, "job",
		},
		"a flag": {
			`{"host":"a","healthy":true}|{"host":"b","healthy":true}`, "healthy == false", "host",
		},
		"numbers that are none": {
			`{"id":1,"timestamp":1764500000,"port":80}|{"id":2,"timestamp":1764500009,"port":81}`, "true", "id",
		},
		"nothing to go by": {`{"note":"a"}|{"note":"b"}`, "true", "partition key"},
		"text": {
			`Nov 30 cron[1]: started|Nov 30 cron[2]: started`, `data matches "(?i)error|fatal|panic|exception"`,
			"partition key",
		},
		"names that rules know": {
			`{"age":5,"shard":"x","in":4,"load":1}|{"age":6,"shard":"y","in":5,"load":2}`, "load > 2.5",
			"partition key",
		},
		"requests are no keys": {
			`{"request_id":"a","host":"h","ms":1}|{"request_id":"b","host":"h","ms":2}`, "ms > 2.5", "host",
		},
		"one record": {`{"host":"web-1","latency":120}`, "latency > 150", "host"},
		"hostile": {
			`{"host":"a'b: ${X} \u0007 {{ .Key }}","latency":1,"x":"${HOME}\n"}|{"host":"#","latency":2,"x":"'"}`,
			"latency > 2.5", "host",
		},
		"an event of AWS": {
			`{"detail-type":"x","detail":{"instance-id":"i-1","cpu-load":9.5}}|` +
				`{"detail-type":"x","detail":{"instance-id":"i-2","cpu-load":3}}`,
			`detail["cpu-load"] > 15`, "detail.instance-id",
		},
		"names of several words": {
			`{"host name":"a","heart rate":72}|{"host name":"b","heart rate":98}`, `$env["heart rate"] > 150`,
			"host name",
		},
		"names that would be YAML": {
			`{"latency\n    x":5,"{{ .Key }}":7,"a: b":9}|{"latency\n    x":6,"{{ .Key }}":8,"a: b":10}`, "true",
			"partition key",
		},
		"a hostile status": {
			`{"status":"it's \"${X}\""}|{"status":"it's \"${X}\""}|{"status":"it's \"${X}\""}`,
			`status != "it's \"$${X}\""`, "partition key",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			files := made(t, strings.Split(test.sample, "|")...)
			require.Equal(t, strings.ReplaceAll(test.when, "$${", "${"), files.When, "%s", files.Config)
			require.Equal(t, test.key, files.Key)
		})
	}
}

// The whole of both files, as a person sees them.
func TestFiles(t *testing.T) {
	t.Parallel()
	files := made(t, `{"host": "web-1", "latency": 120}`, `{"host": "web-2", "latency": 95}`)
	require.Equal(t, `# yaml-language-server: $schema=./kinesis-alerter.schema.json
# Made by kinesis-alerter init from 2 records. Editors explain every key with the schema.
stream:
  name: records
  start: latest  # the first start begins with what arrives from then on; later ones where the last one stopped

rules:
  - name: latency-high
    # The sample had 95 to 120. Set the limit at which a person should act.
    when: 'latency > 150'
    # What an alert is about. If it is not the partition key, each shard looks at its own part of the records.
    key: host
    # One alert when it begins, and one when no record says so for 2 minutes.
    resolve: 2m
    severity: warning  # critical, warning or info
    subject: '{{ .Key }}: latency above 150'
    message: |
      {{ if eq .Kind "resolved" -}}
      {{ .Key }}: latency is no longer above 150.
      {{ else -}}
      {{ .Key }}: latency is {{ .Value }}, and should be at most 150.
      Record: {{ .Record.Data }}
      {{ end -}}
      Rule {{ .Rule }} of the stream records

topics:
  oncall:
    arn: arn:aws:sns:us-east-1:000000000000:oncall
`, string(files.Config))
	require.Equal(t, `# kinesis-alerter rules test rules.test.yaml
config: 'kinesis-alerter.yaml'
tests:
  - name: a record for which the rule holds alerts
    records:
      - {at: 0s, key: 'partitionkey', data: '{"host":"web-1","latency":225}'}
    expect:
      alerts: [{rule: latency-high, kind: firing, topic: oncall}]
  - name: another record does not
    records:
      - {at: 0s, key: 'partitionkey', data: '{"host":"web-1","latency":120}'}
    expect:
      alerts: []
`, string(files.Tests))
}

// Where the key is the partition key, the rule keeps its default.
func TestPartitionKeyIsTheKey(t *testing.T) {
	t.Parallel()
	r := &Request{
		Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/s", TopicARN: "arn:aws:sns:us-east-1:000000000000:t",
		Name: "c.yaml",
	}
	files, err := r.Make(t.Context(), []Record{
		{Key: "web-1", Data: []byte(`{"host":"web-1","cpu":5}`)},
		{Key: "web-2", Data: []byte(`{"host":"web-2","cpu":6}`)},
	})
	require.NoError(t, err)
	require.NotContains(t, string(files.Config), "key: host")
	require.Contains(t, string(files.Config), "the partition key, which is host here")
	require.NotContains(t, string(files.Config), "yaml-language-server")
}

// What is wrong is said in words: a sample that is no text, and a topic that is none.
func TestWhatCannotBeMade(t *testing.T) {
	t.Parallel()
	r := &Request{Stream: "s", TopicARN: "arn:aws:sns:us-east-1:000000000000:t", Name: "c.yaml"}
	_, err := r.Make(t.Context(), []Record{{Data: []byte("\x1f\x8b\x08\x00abcdefghijklmnop")}})
	require.ErrorContains(t, err, "record 1 of the sample is not text")
	require.ErrorContains(t, err, "gzip")
	r.TopicARN = "oncall"
	_, err = r.Make(t.Context(), []Record{{Data: []byte(`{"host":"a","cpu":5}`)}})
	require.ErrorContains(t, err, "topics.oncall.arn")
}
