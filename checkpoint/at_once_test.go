package checkpoint

import (
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

func atOnce(c *Config) { c.CheckpointInterval = AtOnce }

// TestCommitsAtOnce: progress is written as fast as DynamoDB answers, one write of a shard at a time.
func TestCommitsAtOnce(t *testing.T) {
	bubble(t, 1, func(w *world) {
		const latency = 20 * time.Millisecond
		a := w.start("a", atOnce)
		w.awaitHeld(5*time.Second, 1, a)
		id := table.ShardName(0)
		l := a.store.Lease(id)
		w.aws.Faults.Add(fakeaws.Fault{
			Service: fakeaws.ServiceDynamoDB, Operation: "UpdateItem", Kind: fakeaws.Delay,
			Delay: latency,
		})
		time.Sleep(time.Second)
		before := w.aws.History.Count(fakeaws.ServiceDynamoDB, "UpdateItem")
		for i := range 1000 {
			l.Commit(position.Progress{
				Settled:  true,
				At:       position.Position{Sequence: strconv.Itoa(1000 + i), Sub: 3},
				CaughtUp: time.Now(), Load: 5,
			})
			time.Sleep(time.Millisecond)
		}
		writes := w.aws.History.Count(fakeaws.ServiceDynamoDB, "UpdateItem") - before
		require.GreaterOrEqual(w, writes, 45, "the next one goes when the last was answered")
		require.LessOrEqual(w, writes, 50+2, "one at a time, beside a heartbeat")
		time.Sleep(2 * latency)
		require.Equal(w, "1999", w.row(id)[table.AttrPosition])

		l.Commit(position.Progress{
			Settled: true, At: position.Position{Sequence: "2000", Sub: 3}, CaughtUp: time.Now(), Load: 5,
		})
		time.Sleep(latency + time.Millisecond)
		require.Equal(w, "2000", w.row(id)[table.AttrPosition], "no interval to wait for")
		a.stop()
	})
}

// TestCommitsAtOnceBackOff: a table that throttles is not asked more and more often.
func TestCommitsAtOnceBackOff(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a", atOnce)
		w.awaitHeld(5*time.Second, 1, a)
		l := a.store.Lease(table.ShardName(0))
		var calls atomic.Int64
		throttle := fakeaws.Throttle(fakeaws.ServiceDynamoDB, "UpdateItem")
		throttle.Match = func(*fakeaws.Request) bool { calls.Add(1); return true }
		remove := w.aws.Faults.Add(throttle)
		for i := range 4000 {
			l.Commit(position.Progress{
				Settled:  true,
				At:       position.Position{Sequence: strconv.Itoa(1000 + i), Sub: 3},
				CaughtUp: time.Now(), Load: 5,
			})
			time.Sleep(time.Millisecond)
		}
		require.Less(w, calls.Load(), int64(60), "two attempts a call, heartbeats among them")
		remove()
		time.Sleep(6 * time.Second)
		require.Equal(w, "4999", w.row(table.ShardName(0))[table.AttrPosition])
		a.stop()
	})
}

// TestCommitsAtOnceStayInTheBudget: many busy shards share what a worker may write.
func TestCommitsAtOnceStayInTheBudget(t *testing.T) {
	bubble(t, 8, func(w *world) {
		a := w.start("a", atOnce)
		w.awaitHeld(5*time.Second, 8, a)
		time.Sleep(time.Second)
		before := w.aws.History.Count(fakeaws.ServiceDynamoDB, "UpdateItem")
		for i := range 5000 {
			for shard := range uint64(8) {
				a.store.Lease(table.ShardName(shard)).Commit(position.Progress{
					Settled: true,
					At:      position.Position{Sequence: strconv.Itoa(1000 + i), Sub: 3}, CaughtUp: time.Now(), Load: 5,
				})
			}
			time.Sleep(time.Millisecond)
		}
		writes := w.aws.History.Count(fakeaws.ServiceDynamoDB, "UpdateItem") - before
		require.InDelta(w, 5*commitBudget+commitBudget, writes, commitBudget/4)
		a.stop()
	})
}
