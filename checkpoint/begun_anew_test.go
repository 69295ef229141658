package checkpoint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A worker that joins after a row vanished cannot know its holder, and begins the row anew at epoch one. The holder has
// nothing to commit, and must find out all the same.
func TestRowBegunAnewEndsTheIdleHolder(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		a.store.Lease(shardName(0)).Commit("10", WholeRecord, "", time.Now(), 0)
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
