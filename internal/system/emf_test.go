package system

import (
	"context"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// A daemon with metrics.emf: a line for every minute, also in the one in which a topic leaves and after the stop began;
// together they count every record and every alert once.
func TestMetricLinesOfADaemon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(20 * time.Second) // not at the beginning of a minute
		began := time.Now().Truncate(time.Minute)
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 2)
		testkit.CreateTopic(t, fake)
		reloads := make(chan os.Signal)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			c.Metrics.EMF, c.Log.Level = true, "error"
			c.Topics["office"] = testkit.AnyRate(testkit.TestTopicARN)
			c.Rules = append(c.Rules, alert.RuleConfig{Name: "low", When: "heartRate < 50", Topics: []string{"office"}})
			next := *c
			next.Topics, next.Rules = map[string]alert.TopicConfig{"oncall": c.Topics["oncall"]}, c.Rules[:1]
			next = next.WithDefaults()
			o.Reloads = reloads
			o.Reload = func(context.Context) (*config.LoadedConfig, error) {
				return &config.LoadedConfig{Config: next}, nil
			}
		})
		put := func(n int, rate string) {
			for range n {
				fake.Kinesis.Put(testkit.TestStream, "k", []byte(`{"heartRate":`+rate+`}`))
			}
		}
		for range 3 {
			put(5, "150")
			put(2, "40")
			time.Sleep(time.Minute)
		}
		put(1, "40")
		time.Sleep(10 * time.Second)
		reloads <- syscall.SIGHUP
		time.Sleep(10 * time.Second) // the minute ends
		time.Sleep(time.Minute)
		put(4, "150")
		time.Sleep(time.Second)
		require.NoError(t, d.End())

		lines := testkit.EMFLines(t, d.Log.String())
		sums := map[string]float64{}
		for i, line := range lines {
			require.Equal(t, began.Add(time.Duration(i)*time.Minute).UTC(), line.At.UTC(), "each minute has one line")
			require.Equal(t, map[string]string{
				"stream": testkit.TestStream, "application": "heart-rate-alerts",
			}, line.Dimensions)
			for name, n := range line.Metrics {
				sums[name] += n
			}
		}
		require.Len(t, lines, 5)
		require.InDelta(t, 2, lines[1].Metrics["ShardsRead"], 0)
		require.Contains(t, lines[1].Metrics, "Lag")
		require.InDelta(t, 5, sums["Heartbeat"], 0)
		require.InDelta(t, len(testkit.Messages(fake)), sums["Alerts"], 0)
		require.InDelta(t, 19+7, sums["Alerts"], 0)
		require.InDelta(t, 19, sums["Alerts.oncall"], 0)
		require.InDelta(t, 7, sums["Alerts.office"]+sums["AlertsOfOtherTopics"], 0)
		require.InDelta(t, 26, sums["Records.alerted"], 0)
		require.InDelta(t, 4, lines[4].Metrics["Alerts"], 0, "the last line is of the minute that the stop cut off")
	})
}

// A topic that SNS refuses, and problems, are in the line while they last.
func TestMetricLineOfATopicFault(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1) // and no topic
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) { c.Metrics.EMF = true })
		fake.Kinesis.Put(testkit.TestStream, "k", []byte(`{"heartRate":150}`))
		time.Sleep(2*time.Minute + time.Second)
		lines := testkit.EMFLines(t, d.Log.String())
		require.Len(t, lines, 2)
		require.InDelta(t, 1, lines[1].Metrics["TopicFaults"], 0)
		require.Positive(t, lines[1].Metrics["Problems.critical"])
		require.Greater(t, lines[1].Metrics["Lag"], 60.0)
		testkit.CreateTopic(t, fake)
		time.Sleep(2 * time.Minute)
		last := testkit.EMFLines(t, d.Log.String())[3].Metrics
		require.Zero(t, last["TopicFaults"])
		require.Zero(t, last["Problems.critical"])
		require.NoError(t, d.End())
	})
}
