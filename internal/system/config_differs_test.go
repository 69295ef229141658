package system

import (
	"fmt"
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

// Two workers with different rules say so: as something to know while it may be a rollout, as a warning from then on,
// and no more once they agree.
func TestStatusOfWorkersThatDiffer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake, page := fakeaws.New(fakeaws.Options{}), testdaemon.NewPage()
		fake.Kinesis.Create(testkit.TestStream, 2)
		testkit.CreateTopic(t, fake)
		first := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			o.Listener, o.Host = page, "a"
			c.Log.Level, c.Processing.Parallelism = "debug", 3 // of no interest
		})
		rules := []alert.RuleConfig{{Name: "high", When: "heartRate > 150", Topics: []string{"oncall"}}}
		other := testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
			c.Rules, o.Host = rules, "b"
		})
		time.Sleep(30 * time.Second)
		s := page.Status(t)
		require.Equal(t, status.LevelInfo, s.Level)
		require.Regexp(t,
			`^This worker is well; 1 worker has a different configuration than this one, for \d\d s: b/\w+\.$`,
			s.Summary)
		time.Sleep(15 * time.Minute)
		require.Equal(t, status.LevelWarning, coded(page.Status(t), "config_differs").Level)
		require.NoError(t, other.End())
		time.Sleep(30 * time.Second)
		require.Empty(t, page.Status(t).Problems, "one that has left does not count")
		same := testdaemon.StartDaemon(t, fake, func(_ *config.Config, o *daemon.Options) { o.Host = "c" })
		time.Sleep(30 * time.Second)
		s = page.Status(t)
		require.Empty(t, s.Problems)
		require.Len(t, s.Workers, 2)
		require.NotEmpty(t, s.Workers[0].Configuration)
		require.Equal(t, s.Workers[0].Configuration, s.Workers[1].Configuration)
		require.NotContains(t, fmt.Sprint(fake.DynamoDB.Items("heart-rate-alerts")), "heartRate",
			"a hash tells nothing of what it is of")
		require.NoError(t, same.End())
		require.NoError(t, first.End())
	})
}
