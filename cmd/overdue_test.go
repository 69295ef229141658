package cmd

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/fakeaws"
)

// TestDowntimeIsNotToldByTheMinute: after an hour in which no daemon ran, a key that fired all the time is repeated once, one that began to
// fire and ended meanwhile is told with its beginning and its end.
func TestDowntimeIsNotToldByTheMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testStream, 1)
		createTopic(t, fake)
		start := func() *testDaemon {
			return startDaemon(t, fake, func(c *Config, _ *Options) {
				c.Rules = []alert.RuleConfig{{
					Name: "r", When: "v > 5", Resolve: alert.Stretch{Time: 5 * time.Minute}, RepeatInterval: time.Minute, Topics: []string{"oncall"},
					Message: "{{ .Kind }} {{ .Key }}",
				}}
			})
		}
		put := func(key string) { fake.Kinesis.Put(testStream, key, []byte(`{"v":9}`)) }
		d := start()
		time.Sleep(3 * time.Second)
		put("long")
		time.Sleep(10 * time.Second)
		require.NoError(t, d.end())
		for i := range 60 {
			put("long")
			if i >= 10 && i < 20 {
				put("short")
			}
			time.Sleep(time.Minute)
		}
		d = start()
		time.Sleep(20 * time.Second)
		require.NoError(t, d.end())
		said := map[string]int{}
		for _, m := range fake.SNS.Messages(testTopicARN) {
			line, _, _ := strings.Cut(m.Body, "\n")
			said[line]++
		}
		require.Equal(t, map[string]int{"firing long": 1, "repeat long": 1, "firing short": 1, "resolved short": 1}, said)
	})
}
