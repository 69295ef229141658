package checkpoint

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// TestProgressIsWrittenByNeed: what a crash would repeat is stored within the interval; what it would only read again
// waits for lazyInterval, or for lazyBytes.
func TestProgressIsWrittenByNeed(t *testing.T) {
	for name, change := range map[string]func(*Config){"every second": func(*Config) {}, "at once": atOnce} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				a := w.start("a", change)
				w.awaitHeld(5*time.Second, 1, a)
				id := table.ShardName(0)
				l := a.store.Lease(id)
				at := 1000
				offer := func(settled bool, bytes int) string {
					at++
					l.Commit(position.Progress{
						At: position.Past(strconv.Itoa(at)), CaughtUp: time.Now(), Settled: settled, Bytes: bytes,
					})
					return strconv.Itoa(at)
				}
				stored := func() any { return w.row(id)[table.AttrPosition] }

				offer(false, 1)
				time.Sleep(lazyInterval + time.Second)
				first := offer(false, 1)
				time.Sleep(time.Second)
				require.Equal(t, first, stored(), "nothing was stored for a while")

				writes := w.aws.History.Count(fakeaws.ServiceDynamoDB, "UpdateItem")
				for range 130 {
					offer(false, 1)
					time.Sleep(100 * time.Millisecond)
				}
				require.Equal(t, first, stored(), "nobody was alerted: it waits")
				writes = w.aws.History.Count(fakeaws.ServiceDynamoDB, "UpdateItem") - writes
				require.LessOrEqual(t, writes, 13, "the heartbeat's")

				alerted := offer(true, 1)
				offered := offer(false, 1) // the same write carries what came behind it
				time.Sleep(1300 * time.Millisecond)
				require.Contains(t, []any{alerted, offered}, stored(), "a crash would repeat the alert")

				offer(false, lazyBytes/2)
				time.Sleep(2 * time.Second)
				require.Contains(t, []any{alerted, offered}, stored(), "half of what may be read again")
				much := offer(false, lazyBytes/2)
				time.Sleep(1300 * time.Millisecond)
				require.Equal(t, much, stored())

				last := offer(false, 1)
				a.stop()
				require.Equal(t, last, stored(), "a release carries the last offer")
			})
		})
	}
}

// TestSettledOfferThatIsNotStoredIsTriedAgain: the need outlives a write that fails.
func TestSettledOfferThatIsNotStoredIsTriedAgain(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		id := table.ShardName(0)
		time.Sleep(2 * time.Second)
		throttle := fakeaws.Throttle(fakeaws.ServiceDynamoDB, "UpdateItem")
		throttle.Match = func(r *fakeaws.Request) bool { return strings.Contains(string(r.Body), id) }
		remove := w.aws.Faults.Add(throttle)
		a.store.Lease(id).Commit(position.Progress{At: position.Past("7"), CaughtUp: time.Now(), Settled: true})
		time.Sleep(3 * time.Second)
		remove()
		time.Sleep(2500 * time.Millisecond)
		require.Equal(t, "7", w.row(id)[table.AttrPosition])
		a.stop()
	})
}

// TestWriteUnitsOfBusyShards: a hundred busy shards of a worker, of which one in a hundred alerts each second, cost a
// tenth of a write unit a second each at most.
func TestWriteUnitsOfBusyShards(t *testing.T) {
	const shards, seconds = 100, 120
	bubble(t, shards, func(w *world) {
		a := w.start("a")
		w.awaitHeld(20*time.Second, shards, a)
		time.Sleep(time.Minute)
		_, before := w.aws.DynamoDB.Consumed(testTable)
		for second := range seconds {
			for shard := range shards {
				a.store.Lease(table.ShardName(uint64(shard))).Commit(position.Progress{
					At: position.Past(strconv.Itoa(1000 + second)), CaughtUp: time.Now(), Load: 1000, Bytes: 1000,
					Settled: shard == second*37%shards,
				})
			}
			time.Sleep(time.Second)
		}
		_, after := w.aws.DynamoDB.Consumed(testTable)
		units := (after - before) / shards / seconds
		t.Logf("%.3f write units a second of each shard", units)
		require.LessOrEqual(t, units, 0.1)
		a.stop()
	})
}
