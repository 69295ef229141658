package system

import (
	"strings"
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

// TestDowntimeIsNotToldByTheMinute: after an hour in which no daemon ran, a key that fired all the time is repeated
// once, one that began to fire and ended meanwhile is reported with its beginning and its end.
func TestDowntimeIsNotToldByTheMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 1)
		testkit.CreateTopic(t, fake)
		start := func() *testdaemon.TestDaemon {
			return testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) {
				c.Rules = []alert.RuleConfig{{
					Name: "r", When: "v > 5", Resolve: alert.Stretch{Time: 5 * time.Minute},
					RepeatInterval: time.Minute, Topics: []string{"oncall"},
					Message: "{{ .Kind }} {{ .Key }}",
				}}
			})
		}
		put := func(key string) { fake.Kinesis.Put(testkit.TestStream, key, []byte(`{"v":9}`)) }
		d := start()
		time.Sleep(3 * time.Second)
		put("long")
		time.Sleep(10 * time.Second)
		require.NoError(t, d.End())
		for i := range 60 {
			put("long")
			if i >= 10 && i < 20 {
				put("short")
			}
			time.Sleep(time.Minute)
		}
		d = start()
		time.Sleep(20 * time.Second)
		require.NoError(t, d.End())
		said := map[string]int{}
		for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
			line, _, _ := strings.Cut(m.Body, "\n")
			said[line]++
		}
		require.Equal(t, map[string]int{
			"firing long": 1, "repeat long": 1, "firing short": 1, "resolved short": 1,
		}, said)
	})
}
