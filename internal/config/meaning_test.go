package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/internal/testkit"
)

// Everything that decides which record makes which alert is compared, and nothing that differs between machines.
func TestMeaningOfAConfiguration(t *testing.T) {
	t.Parallel()
	c := Config{
		Stream: StreamConfig{Name: "s"}, Topics: map[string]alert.TopicConfig{"t": {ARN: testkit.TestTopicARN}},
	}.WithDefaults()
	for i := range reflect.TypeFor[Config]().NumField() {
		field := reflect.TypeFor[Config]().Field(i).Name
		changed := c
		switch field {
		case "Stream":
			changed.Stream.Name = "other"
		case "Format":
			changed.Format = "text"
		case "Input":
			changed.Input = decode.Input{Preset: "cloudwatch_logs"}
		case "InputLimits":
			changed.InputLimits.Ratio = 7
		case "Filter":
			changed.Filter = make([]filter.Pattern, 1)
			require.NoError(t, changed.Filter[0].UnmarshalJSON([]byte(`{"data":{"a":[1]}}`)))
			again := c
			again.Filter = make([]filter.Pattern, 1)
			require.NoError(t, again.Filter[0].UnmarshalJSON([]byte(`{"data":{"a":[2]}}`)))
			require.NotEqual(t, string(again.Meaning()), string(changed.Meaning()))
		case "Score":
			changed.Score = []alert.ScoreConfig{{Fields: []string{"a"}}}
		case "Rules":
			changed.Rules = []alert.RuleConfig{{Name: "a"}}
		case "Silences":
			changed.Silences = []alert.SilenceConfig{{Name: "a"}}
		case "Watchdog":
			changed.Watchdog.Interval = time.Hour
		case "State":
			changed.State.MaxKeys = 7
		case "Topics":
			changed.Topics = map[string]alert.TopicConfig{"t": {ARN: testkit.TestTopicARN + "x"}}
		case "Outputs": // not an alert, and yet the records of some shards would be missing there
			changed.Outputs = map[string]alert.OutputConfig{"o": {Stream: "other"}}
		case "DeadLetter":
			changed.DeadLetter.Invalid = true
		case "Leases", "Processing", "FilterFile", "Server", "Metrics", "Log": // the filters of a file are among Filter
			v := reflect.ValueOf(&changed).Elem().Field(i)
			v.SetZero()
			require.Equal(t, c.Meaning(), changed.Meaning(), field)
			continue
		default:
			t.Fatalf("say here whether workers that differ in %s make different alerts", field)
		}
		require.NotEqual(t, string(c.Meaning()), string(changed.Meaning()), field)
	}
}
