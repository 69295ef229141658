package checkpoint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/position"
)

// A worker that joins after a row vanished cannot know its holder, and begins the row anew at epoch one. The holder has
// nothing to commit, and must find out all the same.
func TestRowBegunAnewEndsTheIdleHolder(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		a.store.Lease(shardName(0)).Commit("10", position.WholeRecord, "", time.Now(), 0)
		time.Sleep(11 * time.Second)
		// What a joiner writes that has never heard of a.
		e := &expr{}
		e.setAttr(attrOwner, str("stranger/1"))
		e.setAttr(attrEpoch, num(0))
		e.ifPresent(attrKey)
		_, err := a.store.table.update(w.Context(), shardName(0), e)
		require.NoError(w, err)
		w.await("lease over", scanEvery+2*time.Second, func() bool { return len(a.held()) == 0 })
		a.stop()
	})
}

// A bystander that knew the old row must not believe in it for ever: the simulation of whole daemons found a shard that
// nobody read, because each worker took it for another one's.
func TestRowBegunAnewIsBelievedByBystanders(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		const id = "shardId-000000000077"
		known := &row{id: id, owner: "b/1", epoch: 9, at: time.Now()}
		a.store.mu.Lock()
		a.store.view.rows[id] = known
		a.store.mu.Unlock()
		time.Sleep(time.Second)
		require.NoError(w, a.store.table.putNew(w.Context(), (&row{id: id, epoch: 1}).encode()))
		require.NoError(w, a.store.watcher.scan(w.Context()))
		a.store.mu.Lock()
		now := *a.store.view.rows[id]
		a.store.mu.Unlock()
		require.Equal(w, int64(1), now.epoch)
		require.Empty(w, now.owner)
		a.stop()
	})
}
