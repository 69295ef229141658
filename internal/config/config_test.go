package config

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/testkit"
)

func TestValidConfig(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig(t.Context(), "alerter.yaml", []byte(testkit.ValidConfig), testkit.Environment(nil))
	require.NoError(t, err)
	require.Equal(t, "ExampleOutputStream", c.Stream.Name)
	require.Equal(t, time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), c.Stream.Start.Time)
	require.Equal(t, 20*time.Second, c.Leases.Duration)
	require.Equal(t, Size(128<<20), c.Processing.Memory)
	require.Equal(t, "ANOMALY_SCORE > 3.0", c.Rules[0].When)
	require.Equal(t, ":9464", c.Server.Listen)
}

// The smallest file does what AWS' sample function does, and its defaults are part of the contract.
func TestDefaults(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig(t.Context(), "alerter.yaml", []byte(`
stream: {name: ExampleOutputStream}
topics: {oncall: {arn: "arn:aws:sns:us-east-1:000000000000:ExampleTopic"}}
`), testkit.Environment(nil))
	require.NoError(t, err)
	text, err := c.Print()
	require.NoError(t, err)
	testkit.Golden(t, "default.golden", string(text))
	again, err := ParseConfig(t.Context(), "printed", text, testkit.Environment(nil))
	require.NoError(t, err, "what is printed is a configuration")
	require.Equal(t, c.Config, again.Config)
}

func TestConfigProblems(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		yaml string
		env  map[string]string
		want []string
	}{
		"unknown key, with a hint": {
			yaml: testkit.Edit("poll_interval", "poll_intervall"),
			want: []string{`c.yaml:11:3: processing.poll_intervall: unknown key; did you mean "poll_interval"?`},
		},
		"unknown key, nothing near": {
			yaml: testkit.Edit("format: json\nrules", "telemetry: {}\nrules"),
			want: []string{
				`c.yaml:14:1: telemetry: unknown key; known here: dead_letter, filter, filter_file, format, input, input_limits, leases, log, metrics, outputs, processing, rules, score, server, silences, state, stream, topics, watchdog`,
			},
		},
		"duplicate key": {
			yaml: testkit.Edit("  application: heart-rate-alerts\n", "  application: one\n  application: two\n"),
			want: []string{`c.yaml:4:3: stream.application: duplicate key; the first is in line 3`},
		},
		"no number": {
			yaml: testkit.Edit("format: json\n",
				"format: json\nscore: {fields: [x], threshold: auto, auto: {floor: high, rate: NaN}}\n"),
			want: []string{
				`c.yaml:15:53: score[0].auto.floor: high: want a number, without quotes`,
				`c.yaml:15:65: score[0].auto.rate: NaN: want a number, without quotes`,
			},
		},
		"wrong types": {
			yaml: testkit.Edit("parallelism: 20", "parallelism: many", "memory: 128MiB", "memory: lots",
				"duration: 20s", "duration: 20",
				"rules:\n", "rules: {}\nignored:\n", "severity: critical", "severity: 1"),
			want: []string{
				`c.yaml:7:13: leases.duration: 20: want a duration with its unit, such as 200ms, 10s or 1m30s`,
				`c.yaml:9:16: processing.parallelism: many: want a whole number, without quotes`,
				`c.yaml:10:11: processing.memory: lots: want a size, such as 512KiB, 64MiB or 1GiB`,
				`c.yaml:15:8: rules: a mapping: want a list`,
				`c.yaml:16:1: ignored: unknown key; known here: dead_letter, filter, filter_file, format, input, input_limits, leases, log, metrics, outputs, processing, rules, score, server, silences, state, stream, topics, watchdog`,
			},
		},
		"text that YAML takes for something else": {
			yaml: testkit.Edit("name: ExampleOutputStream", "name: 2026", "when: ANOMALY_SCORE > 3.0", "when: true"),
			want: []string{
				`c.yaml:2:9: stream.name: 2026: want text; write "2026", with the quotes`,
				`c.yaml:17:11: rules[0].when: true: want text; write "true", with the quotes`,
			},
		},
		"everything at once, in the order of the file": {
			yaml: testkit.Edit("poll_interval: 1s", "poll_interval: 1ms", "parallelism: 20", "parallelism: 0x7",
				"when: ANOMALY_SCORE > 3.0", "when: ANOMALY_SCORE >", "[oncall]", "[oncal]", "level: debug",
				"level: loud",
				":9464", "9464", "fan_out: \"\"", "fan_out: my-consumer"),
			want: []string{
				`c.yaml:5:12: stream.fan_out: my-consumer: enhanced fan-out is not supported yet; leave fan_out empty to poll`,
				`c.yaml:9:16: processing.parallelism: 0x7: want a whole number, without quotes`,
				`c.yaml:11:18: processing.poll_interval: 1ms: must be 200ms to 1m: Kinesis allows five reads a second and shard, to all readers together`,
				`c.yaml:17:25: rules[0].when: ANOMALY_SCORE >: unexpected token EOF`,
				`c.yaml:19:14: rules[0].topics[0]: oncal: is not one of the topics: oncall`,
				`c.yaml:26:11: server.listen: 9464: want text; write "9464", with the quotes`,
				`c.yaml:27:14: log.level: loud: want debug, info, warn or error`,
			},
		},
		"out of range": {
			yaml: testkit.Edit("parallelism: 20", "parallelism: 1001", "memory: 128MiB", "memory: 1KiB",
				"stop_budget: 50s", "stop_budget: 1s"),
			want: []string{
				`c.yaml:9:16: processing.parallelism: 1001: must be 1 to 1000 partition keys of a shard at once`,
				`c.yaml:10:11: processing.memory: 1024: must be at least 1MiB`,
				`c.yaml:13:16: processing.stop_budget: 1s: must be between 5s and 10m`,
			},
		},
		"relations across packages": {
			yaml: testkit.Edit("duration: 20s", "duration: 3s", "poll_interval: 1s", "poll_interval: 5s",
				"checkpoint_interval: 2s", "checkpoint_interval: 1s"),
			want: []string{
				`c.yaml:11:18: processing.poll_interval: 5s: must be shorter than leases.duration (3s), or a shard would change hands between two reads`,
			},
		},
		"missing": {
			yaml: "format: json\n",
			want: []string{
				`c.yaml: stream.name: required, unless stream.arn is given`,
				`c.yaml: topics: without rules every record alerts, so there must be exactly one topic, not 0`,
			},
		},
		"both ways to name the stream": {
			yaml: testkit.Edit("  name: Ex", "  arn: arn:aws:kinesis:us-east-1:000000000000:stream/Other\n  name: Ex"),
			want: []string{
				`c.yaml:3:9: stream.name: ExampleOutputStream: give either stream.name or stream.arn, not both`,
			},
		},
		"variable that is not set": {
			yaml: testkit.Edit("name: ExampleOutputStream", "name: ${STREAM}",
				"arn: arn:aws:sns:us-east-1:000000000000:ExampleTopic", "arn: ${TOPIC:-nonsense}"),
			want: []string{
				`c.yaml:2:9: stream.name: ${STREAM}: the environment has no variable STREAM; set it or write ${STREAM:-default}`,
				`c.yaml:22:10: topics.oncall.arn: nonsense: must be the ARN of an SNS topic, arn:aws:sns:<region>:<account>:<name>`,
			},
		},
		"variable that is no name": {
			yaml: testkit.Edit("name: ExampleOutputStream", "name: ${a-b}", "application: heart-rate-alerts",
				"application: x${"),
			want: []string{
				`c.yaml:2:9: stream.name: ${a-b}: want ${VAR} or ${VAR:-default}; write $${ for a literal ${`,
				`c.yaml:3:16: stream.application: x${: want ${VAR} or ${VAR:-default}; write $${ for a literal ${`,
			},
		},
		"what a variable gave is not repeated": {
			yaml: testkit.Edit("arn: arn:aws:sns:us-east-1:000000000000:ExampleTopic", "arn: ${API_TOKEN}",
				"level: debug", `level: "x-${MY_SECRET}"`),
			env: map[string]string{"API_TOKEN": "hunter2", "MY_SECRET": "hunter3"},
			want: []string{
				`c.yaml:22:10: topics.oncall.arn: ${API_TOKEN}: must be the ARN of an SNS topic, arn:aws:sns:<region>:<account>:<name>`,
				`c.yaml:27:14: log.level: x-${MY_SECRET}: want debug, info, warn or error`,
			},
		},
		"not YAML": {
			yaml: "stream: [1,\n",
			want: []string{`c.yaml:2:1: not valid YAML: did not find expected node content`},
		},
		"two documents": {
			yaml: testkit.ValidConfig + "---\nstream: {}\n",
			want: []string{`c.yaml:28:1: not valid YAML: a second document begins; one file holds one configuration`},
		},
		"not a mapping": {
			yaml: "- a\n",
			want: []string{`c.yaml:1:1: a list: want a mapping`},
		},
		"empty": {yaml: "# nothing\n", want: []string{`c.yaml: the file is empty`}},
		"merge keys": {
			yaml: testkit.Edit("  fan_out: \"\"", "  <<: {}"), want: []string{
				`c.yaml:5:3: stream.<<: merge keys are not supported; write the values out`,
			},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseConfig(t.Context(), "c.yaml", []byte(test.yaml), testkit.Environment(test.env))
			require.Error(t, err)
			require.Equal(t, strings.Join(test.want, "\n"), err.Error())
		})
	}
}

func TestVariables(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig(t.Context(), "c.yaml", []byte(testkit.Edit(
		"name: ExampleOutputStream", "name: ${STREAM}-${STAGE:-dev}", "parallelism: 20", `parallelism: "${N}"`,
		"poll_interval: 1s", "poll_interval: ${POLL:-500ms}", "subject: Anomaly detected",
		"subject: costs $${5} ${EMPTY:-none}",
	)), testkit.Environment(map[string]string{"STREAM": "orders", "N": "7", "EMPTY": ""}))
	require.NoError(t, err)
	require.Equal(t, "orders-dev", c.Stream.Name)
	require.Equal(t, 7, c.Processing.Parallelism)
	require.Equal(t, 500*time.Millisecond, c.Processing.PollInterval)
	require.Equal(t, "costs ${5} none", c.Topics["oncall"].Subject)
}

func TestPrintRedactsSecrets(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig(t.Context(), "c.yaml", []byte(testkit.Edit("subject: Anomaly detected",
		"subject: token ${PAGER_TOKEN}", "application: heart-rate-alerts", "application: ${APP}")),
		testkit.Environment(map[string]string{"PAGER_TOKEN": "hunter2", "APP": "visible"}))
	require.NoError(t, err)
	text, err := c.Print()
	require.NoError(t, err)
	require.NotContains(t, string(text), "hunter2")
	require.Contains(t, string(text), "[redacted]")
	require.Contains(t, string(text), "visible")
	require.Equal(t, "token hunter2", c.Topics["oncall"].Subject, "the daemon itself gets the value")
}

func TestAnchorsAreResolved(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig(t.Context(), "c.yaml", []byte(testkit.Edit("subject: Anomaly detected",
		"subject: &words Anomaly", `message: "Anomaly detected ...  {{ .Record.Data }}"`, "message: *words")),
		testkit.Environment(nil))
	require.NoError(t, err)
	require.Equal(t, "Anomaly", c.Topics["oncall"].Message)
	_, err = ParseConfig(t.Context(), "c.yaml", []byte("rules: &a [*a]\n"), testkit.Environment(nil))
	require.Error(t, err, "an anchor inside itself ends at the type of the field")
}

func TestStartWithoutAFile(t *testing.T) {
	t.Parallel()
	const topic = "arn:aws:sns:us-east-1:000000000000:ExampleTopic"
	c, err := QuickConfig{Stream: "ExampleOutputStream", TopicARN: topic, When: "ANOMALY_SCORE > 3"}.Config()
	require.NoError(t, err)
	require.Equal(t, "kinesis-alerter-ExampleOutputStream", c.Stream.Application)
	require.Equal(t, "ANOMALY_SCORE > 3", c.Rules[0].When)
	require.Equal(t, checkpoint.StartLatest, c.Stream.Start.Kind)

	c, err = QuickConfig{Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/Far", TopicARN: topic}.Config()
	require.NoError(t, err)
	require.Equal(t, "kinesis-alerter-Far", c.Stream.Application)
	require.Empty(t, c.Rules, "every record alerts")

	_, err = QuickConfig{Stream: "a b", TopicARN: "nonsense", When: "1 +"}.Config()
	require.Error(t, err)
	for _, want := range []string{"--stream: ", "--topic-arn: nonsense: ", "--when: 1 +: "} {
		require.Contains(t, err.Error(), want)
	}
	require.NotContains(t, err.Error(), "rules[0]", "a person who typed flags knows nothing of paths")
}

func TestMissingFile(t *testing.T) {
	t.Parallel()
	_, err := LoadConfig(t.Context(), filepath.Join(t.TempDir(), "no.yaml"), os.LookupEnv)
	require.ErrorContains(t, err, "no.yaml: no such file or directory")
}

// Whatever the file holds, reading it ends with a configuration or with problems.
func FuzzConfig(f *testing.F) {
	f.Add(testkit.ValidConfig)
	f.Add("a: &x [*x]")
	f.Add("stream: {name: ${X:-}, start: ~}\nrules: [~, {}]")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := ParseConfig(t.Context(), "f.yaml", []byte(text), testkit.Environment(nil))
		if err != nil {
			require.NotEmpty(t, err.Error())
			return
		}
		printed, err := c.Print()
		require.NoError(t, err)
		again, err := ParseConfig(t.Context(), "printed.yaml", []byte(strings.ReplaceAll(string(printed), "${", "$${")),
			testkit.Environment(nil))
		require.NoError(t, err)
		require.Equal(t, c.Config, again.Config)
	})
}

func TestSize(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := Size(rapid.Int64Min(0).Draw(t, "bytes"))
		text, err := want.MarshalText()
		require.NoError(t, err)
		var got Size
		require.NoError(t, got.UnmarshalText(text))
		require.Equal(t, want, got)
	})
	for _, bad := range []string{"", "MiB", "1.5MiB", "-1", "64MB", "9223372036854775807GiB", "0x10"} {
		require.Error(t, new(Size).UnmarshalText([]byte(bad)), bad)
	}
}

// What --print says is a configuration again, and the same one: a person keeps it, or compares two of them.
func TestPrintedConfigIsAConfiguration(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../deploy/examples/*/kinesis-alerter.yaml")
	require.NoError(t, err)
	more, err := filepath.Glob("../cli/testdata/lambda/*.yaml")
	require.NoError(t, err)
	patterns := 0
	for _, file := range append(files, more...) {
		c, err := LoadConfig(t.Context(), file, testkit.Environment(map[string]string{"x": "y"}))
		require.NoError(t, err, file)
		patterns += len(c.Filter)
		first, err := c.Print()
		require.NoError(t, err)
		text := strings.ReplaceAll(string(first), "${", "$${") // of a pattern that has it
		again, err := ParseConfig(t.Context(), file, []byte(text), testkit.Environment(nil))
		require.NoError(t, err, "%s\n%s", file, first)
		second, err := again.Print()
		require.NoError(t, err)
		require.Equal(t, string(first), string(second), file)
	}
	require.Positive(t, patterns)
}

// TestCheckpointIntervalOfZero is not the default, and is shown as it was given.
func TestCheckpointIntervalOfZero(t *testing.T) {
	read := func(value time.Duration) Config {
		c := Config{Stream: StreamConfig{Name: "stream"}}
		c.Processing.CheckpointInterval = &value
		return c.WithDefaults()
	}
	zero := read(0)
	require.Zero(t, *zero.Processing.CheckpointInterval)
	require.Equal(t, checkpoint.AtOnce, zero.Parts().Checkpoint.CheckpointInterval)
	require.NotContains(t, fmt.Sprint(zero.Validate()), "checkpoint_interval")
	require.Contains(t, fmt.Sprint(read(-time.Second).Validate()), "processing.checkpoint_interval")
	require.Contains(t, fmt.Sprint(read(time.Millisecond).Validate()), "0s (as fast as DynamoDB answers)")
	left := Config{Stream: StreamConfig{Name: "stream"}}.WithDefaults()
	require.Equal(t, time.Second, *left.Processing.CheckpointInterval)
}
