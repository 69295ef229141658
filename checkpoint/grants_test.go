package checkpoint

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	tablepkg "kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// bare runs a Store without the stand-in for the consumer: the test makes its calls.
func (w *world) bare(name string) (s *Store, stop func()) {
	w.Helper()
	s, _ = w.newStore(name)
	ctx, cancel := context.WithCancel(w.Context())
	result := make(chan error, 1)
	go func() { result <- s.Run(ctx) }()
	return s, func() {
		require.NoError(w, s.Stop(w.Context()))
		cancel()
		require.NoError(w, <-result)
	}
}

// Take returns true once, and never for a lease that is over.
func TestTakeStartsOneConsumer(t *testing.T) {
	bubble(t, 1, func(w *world) {
		s, stop := w.bare("a")
		shard, ok := s.NextGrant(w.Context())
		require.True(w, ok)
		require.Equal(w, tablepkg.ShardName(0), shard)
		w.aws.Faults.Add(fakeaws.Throttle(fakeaws.ServiceDynamoDB, "")) // it needs no answer of the table
		first := s.Lease(tablepkg.ShardName(0))
		require.True(w, first.Take())
		require.False(w, first.Take())
		require.NoError(w, first.Trusted())
		w.aws.Faults.Clear()
		require.NoError(w, s.Release(first.shard))
		require.ErrorIs(w, first.Trusted(), ErrLeaseReleased)
		again, ok := s.NextGrant(w.Context())
		require.True(w, ok)
		require.Equal(w, shard, again)
		require.False(w, first.Take())
		require.True(w, s.Lease(tablepkg.ShardName(0)).Take())
		stop()
	})
}

// Defect 14 of the KCL: renewals carried an old checkpoint. Ours write nothing to the shard's row.
func TestDefect14RenewalsDoNotTouchTheRow(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		l := a.store.Lease(tablepkg.ShardName(0))
		var over atomic.Bool
		w.aws.DynamoDB.Watch(func(table string, _, now map[string]any) {
			if !over.Load() && table == testTable && now[tablepkg.AttrKey] == tablepkg.ShardName(0) {
				w.Errorf("the row was written: %v", now)
			}
		})
		for range 100 {
			require.NoError(w, l.Trusted())
			time.Sleep(500 * time.Millisecond)
		}
		over.Store(true)
		a.stop()
	})
}

// Defect 15 of the KCL: an acquisition wrote back a checkpoint that was read one call before.
func TestDefect15AcquisitionKeepsTheCheckpoint(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		s, stop := w.bare("b") // has read the table while no checkpoint was there
		time.Sleep(time.Second)
		l := a.store.Lease(tablepkg.ShardName(0))
		l.Commit(position.Progress{Settled: true, At: position.Past("900"), CaughtUp: time.Now()})
		a.stop()
		w.await("b has it", 5*time.Second, func() bool { return s.Lease(tablepkg.ShardName(0)) != nil })
		from, _, _ := s.Lease(tablepkg.ShardName(0)).Start()
		require.Equal(w, types.ShardIteratorTypeAfterSequenceNumber, from.Type)
		require.Equal(w, "900", *from.SequenceNumber)
		require.Equal(w, "900", w.row(tablepkg.ShardName(0))[tablepkg.AttrPosition])
		stop()
	})
}

// Defects 16 and 19 of the KCL: a shard moves only by its owner's own write, and a target that dies blocks no worker.
func TestDefects16And19NobodyStealsALiveShard(t *testing.T) {
	bubble(t, 4, func(w *world) {
		a := w.startStubborn("a")
		w.awaitHeld(5*time.Second, 4, a)
		owners := map[string]bool{}
		w.aws.DynamoDB.Watch(func(_ string, _, now map[string]any) {
			if o, ok := now[tablepkg.AttrOwner].(string); ok {
				owners[o] = true
			}
		})
		b := w.start("b")
		time.Sleep(time.Minute)
		require.Len(w, a.held(), 4)
		require.Empty(w, b.held())
		for _, id := range a.held() {
			a.store.Lease(id).Commit(position.Progress{Settled: true, At: position.Past("5"), CaughtUp: time.Now()})
		}
		b.kill()
		time.Sleep(time.Minute)
		require.Len(w, a.held(), 4)
		require.Len(w, owners, 1)
		for _, id := range a.held() {
			require.ErrorIs(w, a.store.Lease(id).HandOff(w.Context()), ErrNoHandoff, "the target is dead, keep it")
		}
		a.stop()
	})
}

// A second consumer of a shard is not granted while the first one winds down, although the table gave it back.
func TestNoSecondConsumerBeforeTheFirstIsGone(t *testing.T) {
	bubble(t, 1, func(w *world) {
		s, stop := w.bare("a")
		s.NextGrant(w.Context())
		l := s.Lease(tablepkg.ShardName(0))
		require.True(w, l.Take())
		remove := w.aws.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		<-l.Context().Done()
		require.ErrorIs(w, l.Trusted(), ErrLeaseLost)
		remove()
		time.Sleep(30 * time.Second)
		require.Same(w, l, s.Lease(l.shard))
		require.False(w, l.Take())
		require.NoError(w, s.Release(l.shard))
		w.await("granted again", 5*time.Second, func() bool {
			again := s.Lease(l.shard)
			return again != nil &&
				again.Take()
		})
		stop()
	})
}
