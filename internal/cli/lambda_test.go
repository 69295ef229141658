package cli

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/takeover"
	"kinesis-alerter/internal/testkit"
)

// Mappings as AWS and its tools print them, each with the configuration that comes of it.
func TestExplainLambda(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/lambda/*.json")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := invoke(t, "check", "--explain-lambda", file)
			require.Equal(t, ExitOK, code, stderr)
			testkit.Golden(t, filepath.Join("lambda", strings.TrimSuffix(filepath.Base(file), ".json")+".yaml"), stdout)
			if filepath.Base(file) == "fifo.json" {
				require.Equal(t, `warning: testdata/lambda/fifo.json: "DestinationConfig.OnRetry": this version does not know the field; see in Lambda's documentation whether it matters
warning: testdata/lambda/fifo.json: "MagicFactor": this version does not know the field; see in Lambda's documentation whether it matters
warning: testdata/lambda/fifo.json: "Odd\n: name\u2028": this version does not know the field; see in Lambda's documentation whether it matters
`, stderr)
			} else {
				require.Empty(t, stderr)
			}
			// What it prints is a configuration as it is, and every field of the mapping is accounted for.
			accepted := testkit.ConfigFile(t, stdout)
			code, stdout, stderr = invoke(t, "check", "--config", accepted)
			require.Equal(t, ExitOK, code, stderr)
			require.Equal(t, accepted+": valid; 1 rule, 1 topic\n", stdout)
			for _, name := range mappingNames(t, file) {
				require.Contains(t, testkit.TextOf(t, accepted), name)
			}
		})
	}
}

// mappingNames are the names of the fields of a mapping, those of metadata and of empty ones excepted.
func mappingNames(t *testing.T, file string) []string {
	t.Helper()
	text := []byte(testkit.TextOf(t, file))
	var page struct{ EventSourceMappings []map[string]any }
	var list []map[string]any
	var m map[string]any
	switch {
	case json.Unmarshal(text, &page) == nil && page.EventSourceMappings != nil:
		m = page.EventSourceMappings[0]
	case json.Unmarshal(text, &list) == nil:
		m = list[0]
	default:
		require.NoError(t, json.Unmarshal(text, &m))
	}
	maps.DeleteFunc(m, func(name string, value any) bool {
		items, isList := value.([]any)
		return name == "ResponseMetadata" || name == "Odd\n: name\u2028" || value == nil || isList && len(items) == 0 &&
			name != "FunctionResponseTypes"
	})
	return slices.Collect(maps.Keys(m))
}

// The values that a mapping brings are those of the configuration, and the patterns are untouched.
func TestExplainLambdaKeepsValues(t *testing.T) {
	t.Parallel()
	load := func(name string, args ...string) *config.LoadedConfig {
		t.Helper()
		code, stdout, stderr := invoke(t, append([]string{
			"check", "--explain-lambda", "testdata/lambda/" + name,
		}, args...)...)
		require.Equal(t, ExitOK, code, stderr)
		loaded, err := config.ParseConfig(t.Context(), "", []byte(stdout),
			testkit.Environment(map[string]string{"HOME": "nowhere", "x": "y"}))
		require.NoError(t, err)
		return loaded
	}
	all := load("everything.json")
	var mapping struct {
		FilterCriteria struct{ Filters []struct{ Pattern string } }
	}
	require.NoError(t, json.Unmarshal([]byte(testkit.TextOf(t, "testdata/lambda/everything.json")), &mapping))
	require.Len(t, all.Filter, 3)
	for i, p := range all.Filter {
		text, err := p.MarshalJSON()
		require.NoError(t, err)
		var got string
		require.NoError(t, json.Unmarshal(text, &got))
		require.Equal(t, mapping.FilterCriteria.Filters[i].Pattern, got)
	}
	require.Equal(t, "orders", all.Stream.Name)
	require.Equal(t, "kinesis-alerter-orders-order-alerts-live", all.Stream.Application)
	require.Equal(t, checkpoint.Start{
		Kind: checkpoint.StartTime, Time: time.Date(2025, 11, 25, 10, 0, 0, 0, time.UTC),
	}, all.Stream.Start)
	require.Equal(t, 4, all.Processing.Parallelism)
	require.Equal(t, time.Second, all.Processing.PollInterval, "both read")
	require.Equal(t, 3, *all.Processing.MaxRetryAttempts)
	require.Equal(t, time.Hour, all.Processing.MaxRecordAge)
	require.Equal(t, "https://sqs.eu-central-1.amazonaws.com/123456789012/order-alerts-dlq", all.DeadLetter.SQS)
	require.Equal(t, "arn:aws:sns:eu-central-1:123456789012:REPLACE-ME", all.Topics["alerts"].ARN)
	require.Equal(t, alert.ModeShadow, all.Rules[0].Mode)

	window := load("window.json", "--topic-arn", "arn:aws-cn:sns:cn-north-1:123456789012:oncall.fifo")
	require.Equal(t, "arn:aws-cn:sns:cn-north-1:123456789012:oncall.fifo", window.Topics["alerts"].ARN)
	require.Equal(t, "s3://trade-letters", window.DeadLetter.S3)
	require.Equal(t, 15*time.Minute, window.Rules[0].Window.Length)
	require.True(t, window.Rules[0].Window.Tumbling)
	require.Equal(t, "shard", window.Rules[0].Key)
	require.Equal(t, checkpoint.StartTrimHorizon, window.Stream.Start.Kind)
	require.Equal(t, 0, *window.Processing.MaxRetryAttempts)
	require.Equal(t, 168*time.Hour, window.Processing.MaxRecordAge)
	require.Equal(t, 200*time.Millisecond, window.Processing.PollInterval, "Lambda does not read")

	consumer := load("consumer.json")
	require.Equal(t, "arn:aws:kinesis:us-east-1:123456789012:stream/clicks", consumer.Stream.ARN,
		"of another account than the function")
	require.Empty(t, consumer.Stream.FanOut)
	require.Equal(t, "arn:aws:sns:us-east-1:123456789012:letters", consumer.DeadLetter.SNS)
}

// What cannot be taken over is refused with the reason, and nothing is written.
func TestExplainLambdaRefuses(t *testing.T) {
	t.Parallel()
	source := func(arn string) string { return fmt.Sprintf(`{"EventSourceArn": %q}`, arn) }
	stream := func(more string) string {
		return `{"EventSourceArn": "arn:aws:kinesis:us-east-1:123456789012:stream/s", ` + more + `}`
	}
	const leave = "; only Kinesis data streams are read, so leave this mapping to Lambda"
	tests := map[string]struct{ text, want string }{
		"empty": {"", "FILE: is empty; " + takeover.Wanted},
		"not JSON": {
			"{\n  \"UUID\": \"x\",\n  oops\n}",
			"FILE:3:3: not valid JSON: invalid character 'o' looking for beginning of object key string; " +
				takeover.Wanted,
		},
		"a table": {
			"------------\n|  GetEventSourceMapping |",
			"FILE: \"------------ | GetEventSourceMapping |\": want an object; " + takeover.Wanted,
		},
		"two documents": {
			"{}{}", "FILE:1:3: not valid JSON: invalid character '{' after top-level value; " + takeover.Wanted,
		},
		"cut off": {
			`{"UUID": "x"`, "FILE:1:12: not valid JSON: unexpected end of JSON input; " + takeover.Wanted,
		},
		"UTF-16": {
			"\xff\xfe{\x00}\x00",
			"FILE: is UTF-16, as the > of Windows PowerShell writes it; want UTF-8: pipe into Out-File -Encoding utf8",
		},
		"a number": {"12", "FILE: 12: want an object; " + takeover.Wanted},
		"null": {
			"null", "FILE: is no event source mapping: it has none of its fields; " + takeover.Wanted,
		},
		"something else": {
			`{"FunctionName": "f", "Runtime": "python3.12"}`,
			"FILE: is no event source mapping: it has none of its fields; " + takeover.Wanted,
		},
		"too large": {
			strings.Repeat(" ", takeover.MaxMapping+1), "FILE: is larger than 32 MiB; " + takeover.Wanted,
		},
		"none": {
			`{"EventSourceMappings": []}`,
			"FILE: EventSourceMappings: there are none; is it the right --function-name, region and account?",
		},
		"of a list, none": {`[7]`, "FILE: 7: want an object; " + takeover.Wanted},
		"no source":       {`{"UUID": "x"}`, "FILE: EventSourceArn: is not there; " + takeover.Wanted},
		"a table's stream": {
			source("arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-01-01T00:00:00.000"),
			"FILE: EventSourceArn: arn:aws:dynamodb:us-east-1:123456789012:table/t/stream/2026-01-01T00:00:00.000: " +
				"is the stream of a DynamoDB table" + leave +
				", or let the table write its changes into a Kinesis data stream (aws dynamodb " +
				"enable-kinesis-streaming-destination) and read that",
		},
		"a queue": {
			source("arn:aws:sqs:us-east-1:123456789012:q"),
			"FILE: EventSourceArn: arn:aws:sqs:us-east-1:123456789012:q: is an SQS queue, which has neither shards " +
				"nor positions" + leave,
		},
		"MSK": {
			source("arn:aws:kafka:us-east-1:123456789012:cluster/c/1"),
			"FILE: EventSourceArn: arn:aws:kafka:us-east-1:123456789012:cluster/c/1: is a Kafka cluster" + leave,
		},
		"Kafka of one's own": {
			`{"UUID": "x", "SelfManagedEventSource": {"Endpoints": {"KAFKA_BOOTSTRAP_SERVERS": ["a:9092"]}}}`,
			"FILE: EventSourceArn: is a Kafka cluster" + leave,
		},
		"a broker": {
			source("arn:aws:mq:us-east-1:123456789012:broker:b:1"),
			"FILE: EventSourceArn: arn:aws:mq:us-east-1:123456789012:broker:b:1: is a message broker" + leave,
		},
		"DocumentDB": {
			source("arn:aws:rds:us-east-1:123456789012:cluster:c"),
			"FILE: EventSourceArn: arn:aws:rds:us-east-1:123456789012:cluster:c: is a DocumentDB cluster" + leave,
		},
		"Firehose": {
			source("arn:aws:firehose:us-east-1:123456789012:deliverystream/d"),
			"FILE: EventSourceArn: arn:aws:firehose:us-east-1:123456789012:deliverystream/d: must look like " +
				"arn:aws:kinesis:us-east-1:123456789012:stream/NAME" + leave,
		},
		"no stream": {
			source("arn:aws:kinesis:us-east-1:123456789012:shard/s"),
			"FILE: EventSourceArn: arn:aws:kinesis:us-east-1:123456789012:shard/s: is no stream; it must look like " +
				"arn:aws:kinesis:us-east-1:123456789012:stream/NAME",
		},
		"a stream's name": {
			source("arn:aws:kinesis:us-east-1:123456789012:stream/s p"),
			"FILE: EventSourceArn: s p: must be 1 to 128 letters, digits, dots, dashes or underscores, or " +
				"give stream.arn",
		},
		"types": {
			stream(
				`"BatchSize": "100", "BisectBatchOnFunctionError": 1, "UUID": 7, "FunctionResponseTypes": "x", "DestinationConfig": [], "LastModified": "today", "StartingPositionTimestamp": {}`,
			),
			"FILE: BatchSize: \"100\": want a whole number; " + takeover.Wanted +
				"\nFILE: BisectBatchOnFunctionError: 1: want true or false; " + takeover.Wanted +
				"\nFILE: DestinationConfig: []: want an object; " + takeover.Wanted +
				"\nFILE: FunctionResponseTypes: \"x\": want a list; " + takeover.Wanted +
				"\nFILE: LastModified: \"today\": want a time such as 2026-11-22T09:00:00+00:00, or seconds since " +
				"1970\nFILE: StartingPositionTimestamp: {}: want a time\nFILE: UUID: 7: want text; " + takeover.Wanted,
		},
		"record age": {
			stream(`"MaximumRecordAgeInSeconds": 30`),
			"FILE: MaximumRecordAgeInSeconds: 30: Lambda allows -1 (no limit) and 60 to 604800",
		},
		"retries": {
			stream(`"MaximumRetryAttempts": 10001`),
			"FILE: MaximumRetryAttempts: 10001: must be -1 (no limit) to 10000, as in Lambda",
		},
		"factor": {
			stream(`"ParallelizationFactor": 5000`),
			"FILE: ParallelizationFactor: 5000: must be 1 to 1000 partition keys of a shard at once",
		},
		"window": {
			stream(`"TumblingWindowInSeconds": 90000`),
			"FILE: TumblingWindowInSeconds: 25h0m0s: must be between 1s and 24h, in whole milliseconds",
		},
		"position": {
			stream(`"StartingPosition": "SOMEWHERE"`),
			"FILE: StartingPosition: SOMEWHERE: Lambda allows LATEST, TRIM_HORIZON and AT_TIMESTAMP",
		},
		"position when": {
			stream(`"StartingPosition": "AT_TIMESTAMP"`),
			"FILE: StartingPosition: AT_TIMESTAMP: needs StartingPositionTimestamp, which is not there",
		},
		"queue's name": {
			stream(`"DestinationConfig": {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:123456789012:a/b"}}`),
			"FILE: DestinationConfig.OnFailure.Destination: https://sqs.us-east-1.amazonaws.com/123456789012/a/b: a " +
				"queue's name has 1 to 80 of A-Z a-z 0-9 _ -",
		},
		"many": {
			`{"EventSourceMappings": [{"UUID": "1", "EventSourceArn": "a", "FunctionArn": "f"}, {"UUID": "2"}]}`,
			"FILE: EventSourceMappings[0].EventSourceArn: a: must look like arn:aws:kinesis:us-east-1:123456789012:" +
				"stream/NAME" + leave + "\nFILE: EventSourceMappings[1].EventSourceArn: is not there; " +
				takeover.Wanted,
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "mapping.json")
			require.NoError(t, os.WriteFile(file, []byte(test.text), 0o600))
			code, stdout, stderr := invoke(t, "check", "--explain-lambda", file)
			require.Equal(t, ExitUsage, code)
			require.Empty(t, stdout)
			stderr = strings.TrimSuffix(strings.ReplaceAll(stderr, file, "FILE"), "\n")
			if strings.HasSuffix(test.want, ": ") {
				require.Contains(t, stderr, test.want)
				return
			}
			require.Equal(t, test.want, stderr)
		})
	}
	for want, args := range map[string][]string{
		"nosuch.json: no such file or directory": {"nosuch.json"},
		"--topic-arn: arn:aws:sqs:us-east-1:123456789012:q: must be the ARN of an SNS topic": {
			"testdata/lambda/defaults.json", "--topic-arn", "arn:aws:sqs:us-east-1:123456789012:q",
		},
		"check: --explain-lambda goes with --topic-arn alone": {
			"testdata/lambda/defaults.json", "--print",
		},
		"kinesis-alerter: check: --explain-lambda goes with --topic-arn alone; check what it prints": {
			"testdata/lambda/defaults.json", "--stream", "s",
		},
		"kinesis-alerter: check: --explain-lambda goes with": {"testdata/lambda/defaults.json", "--listen", ":9464"},
		"kinesis-alerter: check: unexpected argument":        {"testdata/lambda/defaults.json", "x"},
	} {
		code, stdout, stderr := invoke(t, append([]string{"check", "--explain-lambda"}, args...)...)
		require.Equal(t, ExitUsage, code)
		require.Empty(t, stdout)
		require.Contains(t, stderr, want)
	}
}

// What people keep in git, and what calls print of several: one configuration each. What is not in the file has a
// placeholder that is named, and that check refuses; what is no Kinesis stream is named and left out.
func TestExplainLambdaOfSeveral(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"sam.yaml", "cloudformation.json", "terraform.json", "pipe.json", "list.json"} {
		file := "testdata/movein/" + name
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			code, stdout, stderr := invoke(t, "check", "--explain-lambda", file)
			testkit.Golden(t, filepath.Join("movein", name+".out"), stdout)
			testkit.Golden(t, filepath.Join("movein", name+".err"), stderr)
			// The same goes into a folder, a file each; check refuses what has placeholders, and nothing else.
			folder := filepath.Join(t.TempDir(), "new")
			again, _, said := invoke(t, "check", "--explain-lambda", file, "--output", folder+"/")
			require.Equal(t, code, again)
			require.Equal(t, stderr, said)
			written, err := filepath.Glob(folder + "/*")
			require.NoError(t, err)
			parts := strings.Split(stdout, "\n---\n")
			require.Len(t, written, len(parts))
			applications := map[string]bool{}
			refused := false
			for _, w := range written {
				text := testkit.TextOf(t, w)
				if len(parts) > 1 {
					require.True(t, slices.ContainsFunc(parts, func(p string) bool {
						return strings.TrimSpace(p) == strings.TrimSpace("# file: "+filepath.Base(w)+"\n"+text)
					}), w)
				}
				_, application, _ := strings.Cut(text, "\n  application: ")
				application, _, _ = strings.Cut(application, "\n")
				require.False(t, applications[application], "%s has a lease table of its own", w)
				applications[application] = true
				code, _, problems := invoke(t, "check", "--config", w)
				open := strings.Contains(text, "REPLACE-ME: ") || strings.Contains(text, "arn: REPLACE-ME\n")
				require.Equal(t, open, code != ExitOK, problems)
				refused = refused || open
			}
			require.Equal(t, refused, code == ExitUsage)

			again, stdout, said = invoke(t, "check", "--explain-lambda", file, "--output", folder+"/")
			require.Equal(t, ExitFailed, again)
			require.Empty(t, stdout)
			require.Contains(t, said, "does not overwrite a file")
		})
	}
	code, stdout, stderr := invoke(t, "check", "--explain-lambda", "testdata/movein/list.json", "--output",
		filepath.Join(t.TempDir(), "one.yaml"))
	require.Equal(t, ExitUsage, code)
	require.Empty(t, stdout)
	require.Contains(t, stderr, "there are 2 configurations: --output ")
}

// One pattern that does not fit stops nothing: the rest is translated, and check refuses the file until it is replaced.
func TestExplainLambdaLeavesAPatternToAPerson(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	file, output := filepath.Join(folder, "mapping.json"), filepath.Join(folder, "kinesis-alerter.yaml")
	mapping := func(patterns ...string) {
		var m struct {
			EventSourceArn string
			FilterCriteria struct{ Filters []struct{ Pattern string } }
		}
		m.EventSourceArn = "arn:aws:kinesis:us-east-1:123456789012:stream/s"
		for _, p := range patterns {
			m.FilterCriteria.Filters = append(m.FilterCriteria.Filters, struct{ Pattern string }{p})
		}
		text, err := json.Marshal(m)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(file, text, 0o600))
	}
	mapping(`{"data": {"a": [1]}}`, `{"eventName": ["x"]}`, `{"data": {"b": 1}}`)
	code, stdout, stderr := invoke(t, "check", "--explain-lambda", file)
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "FilterCriteria.Filters[1].eventName: ")
	require.Contains(t, stderr, "FilterCriteria.Filters[2].data.b: ")
	require.Contains(t, stdout, "- '{\"data\": {\"a\": [1]}}'\n")
	require.Contains(t, stdout, "- 'REPLACE-ME: pattern 2'\n")
	require.Contains(t, stdout, `It was "{\"eventName\": [\"x\"]}"`)
	code, _, stderr = invoke(t, "check", "--config", testkit.ConfigFile(t, stdout))
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "filter[1]")
	require.Contains(t, stderr, "filter[2]")
	require.Equal(t, 2, strings.Count(stderr, "is a placeholder: write the pattern here"), stderr)

	// Lambda's console escapes what HTML does; an escaped backslash before u003e is none of that.
	mapping(`{"data": {"a": [{"numeric": ["\u003e", 3]}], "b": ["\\u003E \u0026 \u00e9"]}}`)
	code, stdout, stderr = invoke(t, "check", "--explain-lambda", file, "--output", output)
	require.Equal(t, ExitOK, code, stderr)
	require.Contains(t, stdout, "kinesis-alerter check --config "+output)
	require.Contains(
		t, testkit.TextOf(t, output), `{"data": {"a": [{"numeric": [">", 3]}], "b": ["\\u003E & \u00e9"]}}`,
	)

	// A file is not overwritten, and none is made of what cannot be translated.
	code, _, stderr = invoke(t, "check", "--explain-lambda", file, "--output", output)
	require.Equal(t, ExitFailed, code)
	require.Contains(t, stderr, "does not overwrite a file")
	require.NoError(t, os.Remove(output))
	require.NoError(t, os.WriteFile(file, []byte("{}"), 0o600))
	code, _, _ = invoke(t, "check", "--explain-lambda", file, "--output", output)
	require.Equal(t, ExitUsage, code)
	require.NoFileExists(t, output)
	code, _, stderr = invoke(t, "check", "--output", output)
	require.Equal(t, ExitUsage, code)
	require.Contains(t, stderr, "--output goes with --explain-lambda")
}
