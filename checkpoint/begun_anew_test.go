package checkpoint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// A worker that joins after a row vanished cannot know its holder, and begins the row again at epoch one. The holder
// has nothing to commit, and must find out all the same.
func TestRowBegunAnewEndsTheIdleHolder(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		a.store.Lease(table.ShardName(0)).Commit(
			position.Progress{Settled: true, At: position.Past("10"), CaughtUp: time.Now()},
		)
		time.Sleep(11 * time.Second)
		// What a joiner writes that has never heard of a.
		e := &table.Write{}
		e.Set(table.AttrOwner, table.Str("stranger/1"))
		e.Set(table.AttrEpoch, table.Num(0))
		e.IfPresent(table.AttrKey)
		_, err := a.store.table.Update(w.Context(), table.ShardName(0), e)
		require.NoError(w, err)
		w.await("lease over", scanEvery+2*time.Second, func() bool { return len(a.held()) == 0 })
		a.stop()
	})
}

// A bystander that knew the old row must not believe in it forever: the simulation of whole daemons found a shard that
// no worker read, because each took it for another one's.
func TestRowBegunAnewIsBelievedByBystanders(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		const id = "shardId-000000000077"
		known := &table.Row{ID: id, Owner: "b/1", Epoch: 9, At: time.Now()}
		a.store.mu.Lock()
		a.store.view.rows[id] = known
		a.store.mu.Unlock()
		time.Sleep(time.Second)
		require.NoError(w, a.store.table.PutNew(w.Context(), (&table.Row{ID: id, Epoch: 1}).Encode()))
		require.NoError(w, a.store.watcher.scan(w.Context()))
		a.store.mu.Lock()
		now := *a.store.view.rows[id]
		a.store.mu.Unlock()
		require.Equal(w, int64(1), now.Epoch)
		require.Empty(w, now.Owner)
		a.stop()
	})
}
