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
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// TestStormOfFewKeys: AWS' sample producers have one partition key, whose alerts wait for each other. A person gets a
// few messages and then digests, reading continues, and a stop in the middle leaves nothing behind.
func TestStormOfFewKeys(t *testing.T) {
	t.Parallel()
	for _, keys := range []int{1, 5, 50} {
		synctest.Test(t, func(t *testing.T) {
			fake := fakeaws.New(fakeaws.Options{})
			fake.Kinesis.Create(testkit.TestStream, 1)
			testkit.CreateTopic(t, fake)
			d := testdaemon.StartDaemon(t, fake, func(c *config.Config, _ *daemon.Options) {
				c.Topics = map[string]alert.TopicConfig{"oncall": {ARN: testkit.TestTopicARN}}
			})
			time.Sleep(3 * time.Second)
			const records = 5000
			for i := range records { // 200 a second
				fake.Kinesis.Put(testkit.TestStream, fmt.Sprintf("patient-%d", i%keys), []byte(`{"heartRate":199}`))
				time.Sleep(5 * time.Millisecond)
			}
			require.Less(t, len(testkit.Messages(fake)), 40,
				"%d keys: 25 seconds, of which the first few alert by alert", keys)
			require.Greater(t, testkit.Series(t, d.Reg, "kinesis_alerter_records_read_total", ""), records*0.9,
				"reading goes on")
			time.Sleep(time.Second) // the last ones are read
			require.NoError(t, d.End())
			require.InDelta(t, records, testkit.Series(t, d.Reg, "kinesis_alerter_records_total", "alerted"), 0)
			perSecond := map[int64]int{}
			for _, m := range fake.SNS.Messages(testkit.TestTopicARN) {
				perSecond[m.At.Unix()]++
				require.LessOrEqual(t, perSecond[m.At.Unix()], 8)
			}
		})
	}
}
