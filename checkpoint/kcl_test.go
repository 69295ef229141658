package checkpoint

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
	chk "github.com/vmware/vmware-go-kcl-v2/clientlibrary/checkpoint"
	par "github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"

	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// bare runs a Store without the stand-in for the KCL, so that a test makes the KCL's calls in the order of a defect.
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

func status(id string) *par.ShardStatus {
	return &par.ShardStatus{ID: id, Mux: &sync.RWMutex{}}
}

func refusedGrant(err error) bool {
	var e chk.ErrLeaseNotAcquired
	return errors.As(err, &e)
}

// take makes the two calls of the KCL's event loop.
func take(s *Store, st *par.ShardStatus) error {
	if err := s.FetchCheckpoint(st); err != nil {
		return err
	}
	return s.GetLease(st, kclID)
}

// Defect 11 of the KCL: a renewal in flight while its consumer ends must not take the shard for nobody.
func TestDefect11LateRenewalOwnsNothing(t *testing.T) {
	bubble(t, 1, func(w *world) {
		s, stop := w.bare("a")
		require.Len(w, s.Grants(w.Context()), 1)
		st := status(shardName(0))
		require.True(w, refusedGrant(s.GetLease(st, kclID)), "a renewal never asks for the checkpoint first")
		require.NoError(w, take(s, st))
		require.NoError(w, s.GetLease(st, kclID), "renewal")
		require.NoError(w, s.FetchCheckpoint(st), "the consumer asks for its start")

		st.SetLeaseOwner("") // the consumer ends: first the status, then RemoveLeaseOwner
		require.True(w, refusedGrant(s.GetLease(st, kclID)), "late renewal before RemoveLeaseOwner")
		require.NoError(w, s.RemoveLeaseOwner(st.ID))
		require.True(w, refusedGrant(s.GetLease(st, kclID)), "after it")
		require.Len(w, s.Grants(w.Context()), 1) // granted again
		require.True(w, refusedGrant(s.GetLease(st, kclID)), "and after the next grant")
		require.Empty(w, st.GetLeaseOwner())
		require.NoError(w, take(s, st), "the event loop gets it")

		// The narrowest race: the late renewal comes between the two calls of the event loop. Whoever is first makes the
		// status owned, and the event loop's own call answers nil, so a consumer starts.
		st.SetLeaseOwner("")
		require.NoError(w, s.RemoveLeaseOwner(st.ID))
		s.Grants(w.Context())
		require.NoError(w, s.FetchCheckpoint(st))
		require.NoError(w, s.GetLease(st, kclID), "late renewal")
		require.NoError(w, s.GetLease(st, kclID), "event loop")
		stop()
	})
}

// Defects 12 and 13 of the KCL: what the table says of the owner never reaches the status, not even after a restart
// under a name that a row carries.
func TestDefects12And13StatusKnowsNoOwnerOfTheTable(t *testing.T) {
	bubble(t, 2, func(w *world) {
		s, stop := w.bare("a")
		w.await("both granted", 5*time.Second, func() bool { return len(s.Grants(w.Context())) == 2 })
		id := shardName(0)
		for range 64 {
			st := status(id)
			require.NoError(w, s.FetchCheckpoint(st))
			require.Empty(w, st.GetLeaseOwner())
			require.Equal(w, Sentinel, st.GetCheckpoint())
			require.NotEqual(w, chk.ShardEnd, st.GetCheckpoint())
		}
		st := status(id)
		w.aws.Faults.Add(fakeaws.Throttle(fakeaws.ServiceDynamoDB, "")) // GetLease needs no answer of the table
		require.NoError(w, take(s, st))
		w.aws.Faults.Clear()
		require.NoError(w, s.FetchCheckpoint(status("shardId-000000000099")), "an unknown parent is not without a checkpoint")
		stop()
	})
}

// Defect 14 of the KCL: renewals carried an old checkpoint. Ours write nothing to the shard's row.
func TestDefect14RenewalsDoNotTouchTheRow(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		st := a.status(shardName(0))
		var over atomic.Bool
		w.aws.DynamoDB.Watch(func(table string, _, now map[string]any) {
			if !over.Load() && table == testTable && now[attrKey] == shardName(0) {
				w.Errorf("the row was written: %v", now)
			}
		})
		for range 100 {
			require.NoError(w, a.store.GetLease(st, kclID))
			require.NoError(w, a.store.CheckpointSequence(st))
			require.NoError(w, a.store.RemoveLeaseInfo(st.ID))
			require.NoError(w, a.store.ClaimShard(st, "thief"))
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
		l := a.store.Lease(shardName(0))
		l.Commit("900", position.WholeRecord, "", time.Now(), 0)
		a.stop()
		w.await("b has it", 5*time.Second, func() bool { return s.Lease(shardName(0)) != nil })
		from, _, _ := s.Lease(shardName(0)).Start()
		require.Equal(w, types.ShardIteratorTypeAfterSequenceNumber, from.Type)
		require.Equal(w, "900", *from.SequenceNumber)
		require.Equal(w, "900", w.row(shardName(0))[attrPosition])
		stop()
	})
}

// Defects 16 and 19 of the KCL: a shard moves only by its owner's own write, and a target that dies blocks nobody.
func TestDefects16And19NobodyStealsALiveShard(t *testing.T) {
	bubble(t, 4, func(w *world) {
		a := w.startStubborn("a")
		w.awaitHeld(5*time.Second, 4, a)
		owners := map[string]bool{}
		w.aws.DynamoDB.Watch(func(_ string, _, now map[string]any) {
			if o, ok := now[attrOwner].(string); ok {
				owners[o] = true
			}
		})
		b := w.start("b")
		time.Sleep(time.Minute)
		require.Len(w, a.held(), 4)
		require.Empty(w, b.held())
		for _, id := range a.held() {
			a.store.Lease(id).Commit("5", position.WholeRecord, "", time.Now(), 0)
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

// Defect 18 of the KCL: a shard that never had a checkpoint is no hindrance.
func TestDefect18ListActiveWorkersWithoutCheckpoints(t *testing.T) {
	bubble(t, 3, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 3, a)
		all := map[string]*par.ShardStatus{}
		for _, id := range []string{shardName(0), shardName(1), shardName(2), shardName(9)} {
			all[id] = status(id)
		}
		got, err := a.store.ListActiveWorkers(all)
		require.NoError(w, err)
		require.Len(w, got, 1)
		require.Len(w, got[a.store.Status().Worker], 3)
		_, err = a.store.GetLeaseOwner(shardName(9))
		require.ErrorIs(w, err, chk.ErrShardNotAssigned)
		a.stop()
	})
}

// A second consumer of a shard is not granted while the first one winds down, although the table gave it back.
func TestNoSecondConsumerBeforeTheFirstIsGone(t *testing.T) {
	bubble(t, 1, func(w *world) {
		s, stop := w.bare("a")
		s.Grants(w.Context())
		st := status(shardName(0))
		require.NoError(w, take(s, st))
		l := s.Lease(st.ID)
		remove := w.aws.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		<-l.Context().Done()
		require.ErrorIs(w, s.GetLease(st, kclID), ErrLeaseLost)
		remove()
		time.Sleep(30 * time.Second)
		require.Same(w, l, s.Lease(st.ID))
		st.SetLeaseOwner("")
		require.True(w, refusedGrant(take(s, st)))
		require.NoError(w, s.RemoveLeaseOwner(st.ID))
		w.await("granted again", 5*time.Second, func() bool { return take(s, st) == nil })
		stop()
	})
}
