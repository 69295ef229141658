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

// The whole daemon with an output that blocks from the first line on: every record becomes an alert, and the stop is in its budget.
func TestDaemonAlertsWithABlockedOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, out, page := fakeaws.New(fakeaws.Options{}), newPipeOutput(), newPage()
		fake.Kinesis.Create(testStream, 2)
		createTopic(t, fake)
		out.set(false, nil)
		d := startDaemon(t, fake, func(c *Config, o *Options) {
			o.Output, o.Listener = out, page
			c.Rules = []alert.RuleConfig{{Name: "every", When: "heartRate > 0", Topics: []string{"oncall"}}}
		})
		for i := range 300 {
			fake.Kinesis.Put(testStream, strings.Repeat("k", i%7+1), []byte(`{"heartRate":150}`))
		}
		time.Sleep(20 * time.Second)
		require.Len(t, messages(fake), 300)
		s := page.status(t)
		require.Equal(t, LevelWarning, s.Level)
		require.Equal(t, "log_blocked", s.Problems[0].Code)
		require.Contains(t, s.Summary, "The log output has taken no line for 20 s;")
		began := time.Now()
		require.NoError(t, d.end())
		require.Less(t, time.Since(began), 5*time.Second)
		out.set(true, nil)
		synctest.Wait()
	})
}
