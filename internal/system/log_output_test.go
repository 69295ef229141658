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
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// The whole daemon with an output that blocks from the first line on: every record becomes an alert, and the stop is in
// its budget.
func TestDaemonAlertsWithABlockedOutput(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, out, page := fakeaws.New(fakeaws.Options{}), testkit.NewPipeOutput(), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 2)
		testkit.CreateTopic(t, fake)
		out.Set(false, nil)
		d := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Output, o.Listener = out, page
			c.Rules = []alert.RuleConfig{{Name: "every", When: "heartRate > 0", Topics: []string{"oncall"}}}
		})
		for i := range 300 {
			fake.Kinesis.Put(testkit.TestStream, strings.Repeat("k", i%7+1), []byte(`{"heartRate":150}`))
		}
		time.Sleep(20 * time.Second)
		require.Len(t, testkit.Messages(fake), 300)
		s := page.Status(t)
		require.Equal(t, status.LevelWarning, s.Level)
		require.Equal(t, "log_blocked", s.Problems[0].Code)
		require.Contains(t, s.Summary, "The log output has taken no line for 20 s;")
		began := time.Now()
		require.NoError(t, d.End())
		require.Less(t, time.Since(began), 5*time.Second)
		out.Set(true, nil)
		synctest.Wait()
	})
}
