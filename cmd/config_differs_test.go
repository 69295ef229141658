package cmd

import (
	"fmt"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/filter"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/internal/fakeaws"
)

// Two workers with different rules say so: as something to know while it may be a rollout, as a warning from then on, and no more
// once they agree.
func TestStatusOfWorkersThatDiffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), newPipes()
		fake.Kinesis.Create(testStream, 2)
		createTopic(t, fake)
		first := startDaemon(t, fake, func(c *Config, o *Options) {
			o.Listener, o.Host = page, "a"
			c.Log.Level, c.Processing.Parallelism = "debug", 3 // of no interest
		})
		rules := []alert.RuleConfig{{Name: "high", When: "heartRate > 150", Topics: []string{"oncall"}}}
		other := startDaemon(t, fake, func(c *Config, o *Options) { c.Rules, o.Host = rules, "b" })
		time.Sleep(30 * time.Second)
		s := page.status(t)
		require.Equal(t, LevelInfo, s.Level)
		require.Regexp(t, `^This worker is well; 1 worker has another configuration in force than this one, for \d\d s: b/\w+\.$`, s.Summary)
		time.Sleep(15 * time.Minute)
		require.Equal(t, LevelWarning, page.status(t).coded("config_differs").Level)
		require.NoError(t, other.end())
		time.Sleep(30 * time.Second)
		require.Empty(t, page.status(t).Problems, "one that has left does not count")
		same := startDaemon(t, fake, func(_ *Config, o *Options) { o.Host = "c" })
		time.Sleep(30 * time.Second)
		s = page.status(t)
		require.Empty(t, s.Problems)
		require.Len(t, s.Workers, 2)
		require.NotEmpty(t, s.Workers[0].Configuration)
		require.Equal(t, s.Workers[0].Configuration, s.Workers[1].Configuration)
		require.NotContains(t, fmt.Sprint(fake.DynamoDB.Items("heart-rate-alerts")), "heartRate", "a hash tells nothing of what it is of")
		require.NoError(t, same.end())
		require.NoError(t, first.end())
	})
}

// Everything that decides which record makes which alert is compared, and nothing that differs between machines.
func TestMeaningOfAConfiguration(t *testing.T) {
	t.Parallel()
	c := Config{Stream: StreamConfig{Name: "s"}, Topics: map[string]alert.TopicConfig{"t": {ARN: testTopicARN}}}.WithDefaults()
	for i := range reflect.TypeFor[Config]().NumField() {
		field := reflect.TypeFor[Config]().Field(i).Name
		changed := c
		switch field {
		case "Stream":
			changed.Stream.Name = "other"
		case "Format":
			changed.Format = "text"
		case "Filter":
			changed.Filter = make([]filter.Pattern, 1)
			require.NoError(t, changed.Filter[0].UnmarshalJSON([]byte(`{"data":{"a":[1]}}`)))
			again := c
			again.Filter = make([]filter.Pattern, 1)
			require.NoError(t, again.Filter[0].UnmarshalJSON([]byte(`{"data":{"a":[2]}}`)))
			require.NotEqual(t, string(again.meaning()), string(changed.meaning()))
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
			changed.Topics = map[string]alert.TopicConfig{"t": {ARN: testTopicARN + "x"}}
		case "DeadLetter":
			changed.DeadLetter.Invalid = true
		case "Leases", "Processing", "FilterFile", "Server", "Metrics", "Log": // the filters of a file are among Filter
			v := reflect.ValueOf(&changed).Elem().Field(i)
			v.SetZero()
			require.Equal(t, c.meaning(), changed.meaning(), field)
			continue
		default:
			t.Fatalf("say here whether workers that differ in %s make different alerts", field)
		}
		require.NotEqual(t, string(c.meaning()), string(changed.meaning()), field)
	}
}

// A worker that died before this process began has been silent since it died. For the first moments its row may just be old.
func TestSilenceOfAWorker(t *testing.T) {
	t.Parallel()
	now := time.Unix(1000, 0)
	w := checkpoint.WorkerStatus{Silent: 6 * time.Second, Heard: now.Add(-time.Minute)}
	require.Equal(t, time.Minute, silentFor(&w, 10*time.Second, now))
	w.Silent = 2 * time.Second
	require.Equal(t, 2*time.Second, silentFor(&w, 10*time.Second, now))
	w = checkpoint.WorkerStatus{Silent: 6 * time.Second}
	require.Equal(t, 6*time.Second, silentFor(&w, 10*time.Second, now), "its version does not say")
}

// Workers whose version does not tell, or is another one, are not compared.
func TestDifferingWorkers(t *testing.T) {
	t.Parallel()
	at := time.Unix(1000, 0)
	workers := []checkpoint.WorkerStatus{
		{ID: "a", Self: true, Version: "2", Config: "x"},
		{ID: "same", Version: "2", Config: "x"},
		{ID: "old", Version: "1"},
		{ID: "newer", Version: "3", Config: "y"},
		{ID: "leaves", Version: "2", Config: "y", Leaving: true},
		{ID: "dead", Version: "2", Config: "y", Fenced: true},
		{ID: "differs", Version: "2", Config: "y"},
	}
	since := differing(workers, nil, at)
	require.Equal(t, map[string]time.Time{"differs": at}, since)
	require.Equal(t, since, differing(workers, since, at.Add(time.Hour)))
	require.Empty(t, differing(workers[1:], since, at), "without a row of its own")
}
