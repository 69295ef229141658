package system

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/daemon"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/status"
	"kinesis-alerter/internal/testdaemon"
	"kinesis-alerter/internal/testkit"
)

// No worker takes more shards than it may read. Those that nobody may take are a critical problem on every page, which
// ends once another worker has room for them.
func TestMaxShardsLeavesTheRestAloud(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		fake := fakeaws.New(fakeaws.Options{})
		fake.Kinesis.Create(testkit.TestStream, 8)
		testkit.CreateTopic(t, fake)
		var pages []*testdaemon.Page
		var daemons []*testdaemon.TestDaemon
		start := func(host string, most int) {
			page := testdaemon.NewPage()
			pages = append(pages, page)
			daemons = append(daemons, testdaemon.StartDaemon(t, fake, func(c *config.Config, o *daemon.Options) {
				o.Listener, o.Host, c.Leases.MaxShards = page, host, most
			}))
		}
		// held is how many shards each worker reads, and how many nobody does.
		held := func() (each []int, unread int) {
			for _, page := range pages {
				s := page.Status(t)
				each, unread = append(each, s.ShardCounts["held"]), s.ShardCounts["unread"]
			}
			return each, unread
		}
		start("a", 3)
		start("b", 3)
		time.Sleep(10 * time.Second)
		each, unread := held()
		require.Equal(t, []int{3, 3}, each)
		require.Equal(t, 2, unread)
		time.Sleep(20 * time.Second)
		for _, page := range pages {
			s := page.Status(t)
			p := coded(s, "shards_over_limit")
			require.Equal(t, status.LevelCritical, p.Level)
			require.Contains(t, p.Text, "2 shards have no reader for")
			require.Contains(t, p.Text, "leases.max_shards lets 2 live workers read 6 shards, 3 each")
			require.Empty(t, coded(s, "shards_unread").Code, "its cause is shown")
			for i := range s.Workers {
				require.Equal(t, []int{3, 3}, []int{s.Workers[i].Shards, s.Workers[i].MaxShards})
			}
		}

		// One without a limit takes what the others leave, and no more than its share of the rest.
		start("c", 0)
		time.Sleep(15 * time.Second)
		each, unread = held()
		require.Equal(t, []int{3, 3, 2}, each)
		require.Zero(t, unread)
		require.Empty(t, coded(pages[0].Status(t), "shards_over_limit").Code)
		require.NoError(t, daemons[1].End())
		pages = []*testdaemon.Page{pages[0], pages[2]}
		time.Sleep(15 * time.Second)
		each, unread = held()
		require.Equal(t, []int{3, 5}, each, "whoever stops leaves its shards to one that has room")
		require.Zero(t, unread)
		for key := range 100 {
			fake.Kinesis.Put(testkit.TestStream, fmt.Sprint("key-", key), []byte(`{"heartRate":180}`))
		}
		time.Sleep(10 * time.Second)
		alerted := uint64(0)
		for _, page := range pages {
			s := page.Status(t)
			for i := range s.Rules {
				alerted += s.Rules[i].Published
			}
		}
		require.EqualValues(t, 100, alerted)
		for _, d := range []*testdaemon.TestDaemon{daemons[0], daemons[2]} {
			require.NoError(t, d.End())
		}
	})
}
