package output_test

import (
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

func TestWritesInOrderOfEachKey(t *testing.T) {
	bubble(t, func(w *world) {
		a, b := w.shard(), w.shard()
		a.putMany(700, 5)
		b.from = 5
		b.putMany(700, 3) // the same keys from another shard
		a.quiet()
		b.quiet()
		w.inOrder(700, 8, false)
		require.Equal(t, 3500, a.ended())
		require.Equal(t, 2100, b.ended())
		require.Equal(t, alert.Unmatched, a.result("key7/4").Outcome)
		require.InDelta(t, 5600, w.metric("records_total", "output", "scored", "result", "written"), 0)
		require.Zero(t, w.status().Bytes)
		a.feed.Stop(errEnough)
		b.feed.Stop(errEnough)
	})
}

func TestSmallCallsAreRare(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.shard()
		s.put(newItem("first", "a"))
		synctest.Wait()
		require.Equal(t, 1, s.ended(), "the first goes at once")
		for i := range 100 {
			s.put(newItem(strconv.Itoa(i), strconv.Itoa(i)))
			time.Sleep(time.Millisecond)
		}
		s.quiet()
		require.LessOrEqual(t, len(w.wire.seen()), 23)
		s.feed.Stop(errEnough)
	})
}
