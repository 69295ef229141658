package checkpoint

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// A write that stores only a time does not use up the permission to store an offer below the checkpoint.
func TestIdleWriteReplacesNothing(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		id := table.ShardName(0)
		l := a.store.Lease(id)
		inside := position.Progress{At: position.Position{Sequence: "50", Sub: 5}, Input: "one", Settled: true}
		inside.CaughtUp = time.Now()
		l.Commit(inside)
		time.Sleep(2 * time.Second)
		require.Equal(w, "50", w.row(id)[table.AttrPosition])

		l.Recounts()
		time.Sleep(idleEvery + time.Minute)
		l.Commit(position.Progress{CaughtUp: time.Now()})
		time.Sleep(idleSpace + 2*time.Second)
		a.store.mu.Lock()
		stored := l.ledger.stored.CaughtUp
		a.store.mu.Unlock()
		require.WithinDuration(w, time.Now(), stored, 10*time.Second, "the time was written")

		l.Commit(position.Progress{
			At: position.Position{Sequence: "50", Sub: 1}, Input: "two", Settled: true, CaughtUp: time.Now(),
		})
		time.Sleep(2 * time.Second)
		a.store.mu.Lock()
		at, input := l.ledger.stored.Position, l.ledger.stored.Input
		a.store.mu.Unlock()
		require.Equal(w, position.Position{Sequence: "50", Sub: 1}, at)
		require.Equal(w, "two", input)
		a.stop()
	})
}

// A grant whose lease is cancelled cannot be taken, so it is not shown: who asks again at once would never rest.
func TestCancelledGrantIsNotShown(t *testing.T) {
	bubble(t, 1, func(w *world) {
		s, stop := w.bare("a")
		_, ok := s.NextGrant(w.Context())
		require.True(w, ok)
		s.endAll()
		ctx, cancel := context.WithTimeout(w.Context(), time.Second)
		defer cancel()
		_, ok = s.NextGrant(ctx)
		require.False(w, ok)
		stop()
	})
}
