package checkpoint

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// Defects 1, 2 and 38 of the KCL: a zombie's late writes change nothing, and expiry is measured by the observer's own
// clock.
func TestCrashIsTakenOverAndTheZombieIsFenced(t *testing.T) {
	for offset := range 4 {
		bubble(t, 10, func(w *world) {
			a := w.start("a")
			w.awaitHeld(5*time.Second, 10, a)
			b := w.start("b")
			w.await("balance", 5*time.Second, func() bool { return len(b.held()) == 5 && len(a.held()) == 5 })
			time.Sleep(time.Duration(offset) * 830 * time.Millisecond) // another phase of the heartbeat each time

			heldByA := a.held()
			leases := map[string]*Lease{}
			for _, id := range heldByA {
				leases[id] = a.store.Lease(id)
				leases[id].Commit(
					position.Progress{Settled: true, At: position.Past("100"), CaughtUp: time.Now(), Load: 1},
				)
			}
			time.Sleep(2 * time.Second)
			owner := w.row(heldByA[0])[table.AttrOwner]
			var fenced atomic.Bool
			var early atomic.Int32
			w.aws.DynamoDB.Watch(func(_ string, before, after map[string]any) {
				switch {
				case after[table.AttrKey] == table.KeyWorker+fmt.Sprint(owner):
					fenced.CompareAndSwap(false, after[table.AttrFenced] == true)
				case before[table.AttrOwner] == owner && after[table.AttrOwner] != owner && !fenced.Load():
					early.Add(1)
				}
			})
			remove := w.aws.Faults.Add(fakeaws.Fault{Client: "a", Kind: fakeaws.BlackHole})
			until, ok := a.store.Trust()
			require.True(w, ok)
			for id := range leases { // what a resolves meanwhile must not arrive later
				leases[id].Commit(
					position.Progress{Settled: true, At: position.Past("150"), CaughtUp: time.Now(), Load: 1},
				)
			}
			took := w.await("takeover", 15*time.Second, func() bool { return len(b.held()) == 10 })
			require.LessOrEqual(w, took, DefaultLeaseDuration+time.Second)
			require.True(w, time.Now().After(until), "a's window must have closed before b has its shards")
			require.True(w, fenced.Load())
			require.Zero(w, early.Load(), "shards taken before their owner was fenced")
			w.Logf("taken over %v after the crash", took)
			for id, l := range leases {
				require.ErrorIs(w, context.Cause(l.Context()), ErrLeaseLost)
				b.store.Lease(id).Commit(
					position.Progress{Settled: true, At: position.Past("500"), CaughtUp: time.Now(), Load: 1},
				)
			}
			time.Sleep(2 * time.Second)
			remove()
			for _, l := range leases {
				l.Commit(position.Progress{Settled: true, At: position.Past("160"), CaughtUp: time.Now(), Load: 1})
			}
			time.Sleep(3 * time.Second)
			for id := range leases {
				require.Equal(w, "500", w.row(id)[table.AttrPosition])
			}
			w.await("a back under a new id", 30*time.Second,
				func() bool { return len(a.held()) == 5 && len(b.held()) == 5 })
			a.stop()
			b.stop()
		})
	}
}

func TestKilledWorkerIsTakenOver(t *testing.T) {
	bubble(t, 8, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 8, a)
		b, c := w.start("b"), w.start("c")
		w.await("balance", 5*time.Second, func() bool {
			return len(b.held()) >= 2 && len(c.held()) >= 2 &&
				len(a.held()) <= 3
		})
		a.kill()
		took := w.awaitHeld(15*time.Second, 8, b, c)
		require.LessOrEqual(w, took, DefaultLeaseDuration+time.Second)
		w.await("balance", 5*time.Second, func() bool { return len(b.held()) == 4 && len(c.held()) == 4 })
		b.kill()
		c.kill()
	})
}

// Defect 10 of the KCL: one failed renewal dropped the lease.
func TestFailedHeartbeatsLoseNoLease(t *testing.T) {
	for name, fault := range map[string]fakeaws.Fault{
		"throttled":   fakeaws.Throttle(fakeaws.ServiceDynamoDB, "UpdateItem"),
		"server":      {Service: fakeaws.ServiceDynamoDB, Operation: "UpdateItem", Kind: fakeaws.Before},
		"lost answer": {Service: fakeaws.ServiceDynamoDB, Operation: "UpdateItem", Kind: fakeaws.After},
		"no answer":   {Service: fakeaws.ServiceDynamoDB, Operation: "UpdateItem", Kind: fakeaws.Lost},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 3, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 3, a)
				id := a.store.Status().Worker
				fault.Times = 4
				w.aws.Faults.Add(fault)
				time.Sleep(30 * time.Second)
				require.Equal(w, id, a.store.Status().Worker)
				require.Len(w, a.held(), 3)
				a.stop()
			})
		})
	}
}

// A heartbeat may have taken effect long before a repetition of it is confirmed, and the peers count from the effect.
func TestWindowBeginsWithTheFirstAttempt(t *testing.T) {
	bubble(t, 1, func(w *world) {
		var effect atomic.Int64 // of the last heartbeat
		w.aws.DynamoDB.Watch(func(_ string, before, after map[string]any) {
			if key, _ := after[table.AttrKey].(string); strings.HasPrefix(key, table.KeyWorker) &&
				(before == nil || before[table.AttrCounter] != after[table.AttrCounter]) {
				effect.Store(time.Now().UnixNano())
			}
		})
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		remove := w.aws.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.Lost})
		for n := range 400 {
			time.Sleep(50 * time.Millisecond)
			if n == 110 {
				remove()
			}
			if until, ok := a.store.Trust(); ok {
				require.LessOrEqual(w, until.Sub(time.Unix(0, effect.Load())), a.store.view.duration*9/10)
			}
		}
		a.stop()
	})
}

func TestOutageShorterThanTheWindowLosesNothing(t *testing.T) {
	bubble(t, 3, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 3, a)
		id := a.store.Status().Worker
		remove := w.aws.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		time.Sleep(5 * time.Second)
		remove()
		time.Sleep(20 * time.Second)
		require.Equal(w, id, a.store.Status().Worker)
		a.stop()
	})
}

func TestOutageClosesTheWindowAndTheWorkerResumes(t *testing.T) {
	bubble(t, 3, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 3, a)
		l := a.store.Lease(a.held()[0])
		l.Commit(position.Progress{Settled: true, At: position.Past("7"), Above: "above", CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		until, _ := a.store.Trust()
		remove := w.aws.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		<-l.Context().Done()
		require.LessOrEqual(w, time.Since(until), 10*time.Millisecond, "leases end with the window")
		require.ErrorIs(w, context.Cause(l.Context()), ErrLeaseLost)
		_, ok := a.store.Trust()
		require.False(w, ok)
		time.Sleep(time.Minute)
		require.Empty(w, a.held())
		require.True(w, a.store.Healthy(), "an outage of AWS is no fault of this process")
		require.True(w, a.store.Ready())
		remove()
		took := w.awaitHeld(15*time.Second, 3, a)
		w.Logf("resumed %v after the outage", took)
		l = a.store.Lease(l.shard)
		from, _, resolved := l.Start()
		require.Equal(w, "7", *from.SequenceNumber)
		require.Equal(w, "above", resolved)
		a.stop()
	})
}

func TestFencedWorkerRejoins(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		old := a.store.Status().Worker
		l := a.store.Lease(a.held()[0])
		self := table.DecodeWorker(mustGet(w, a.store, table.KeyWorker+old), time.Now())
		moved, err := a.store.watcher.fenceWorker(w.Context(), old, self)
		require.NoError(w, err)
		require.Nil(w, moved)
		<-l.Context().Done()
		w.await("rejoin", 10*time.Second, func() bool {
			id := a.store.Status().Worker
			return id != "" && id != old && len(a.held()) == 2
		})
		a.stop()
	})
}

func mustGet(w *world, s *Store, key string) table.Item {
	w.Helper()
	it, err := s.table.Get(w.Context(), key, true)
	require.NoError(w, err)
	return it
}

// A heartbeat of a fenced id must not succeed, and fencing must not hit a worker that moved on.
func TestFenceAndHeartbeatExclude(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		moved, err := a.store.watcher.fenceWorker(w.Context(), a.store.Status().Worker, table.Worker{}) // an old count
		require.NoError(w, err)
		require.NotNil(w, moved)
		time.Sleep(10 * time.Second)
		require.Len(w, a.held(), 1)
		a.stop()
	})
}

// Budgets of lease-protocol.md: five read units and one write unit a second for 100 idle shards.
func TestIdleCost(t *testing.T) {
	bubble(t, 100, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 100, a)
		time.Sleep(5 * time.Second)
		reads, writes := w.aws.DynamoDB.Consumed(testTable)
		for range 60 {
			for _, id := range a.held() {
				a.store.Lease(id).Commit(position.Progress{CaughtUp: time.Now()})
			}
			time.Sleep(time.Second)
		}
		r, wr := w.aws.DynamoDB.Consumed(testTable)
		w.Logf("per second: %.2f read units, %.2f write units", (r-reads)/60, (wr-writes)/60)
		require.LessOrEqual(w, (r-reads)/60, 5.0)
		require.LessOrEqual(w, (wr-writes)/60, 1.0)
		a.stop()
	})
}

// What a worker reads does not grow with the fleet: #fleet, two successors, and the table every ten seconds.
func TestReadCostDoesNotGrowWithTheFleet(t *testing.T) {
	bubble(t, 12, func(w *world) {
		var fleet []*process
		for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
			fleet = append(fleet, w.start(name))
		}
		w.awaitHeld(10*time.Second, 12, fleet...)
		time.Sleep(20 * time.Second)
		reads, _ := w.aws.DynamoDB.Consumed(testTable)
		time.Sleep(time.Minute)
		r, _ := w.aws.DynamoDB.Consumed(testTable)
		perWorker := (r - reads) / 60 / float64(len(fleet))
		w.Logf("%.2f read units per second and worker", perWorker)
		require.LessOrEqual(w, perWorker, 5.0)
		for _, p := range fleet {
			require.Len(w, p.held(), 2)
			p.stop()
		}
	})
}

// Series of a shard exist while this process holds it, those of an enum always.
func TestMetricsFollowTheLeases(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		a.store.Lease(table.ShardName(0)).Commit(
			position.Progress{Settled: true, At: position.Past("1"), CaughtUp: time.Now()},
		)
		time.Sleep(2 * time.Second)
		count := func(name string) int {
			n, err := testutil.GatherAndCount(a.reg, name)
			require.NoError(w, err)
			return n
		}
		require.Equal(w, 2, count("kinesis_alerter_shard_checkpoint_timestamp_seconds"),
			"also of the shard that was not committed yet")
		require.Equal(w, 8, count("kinesis_alerter_lease_events_total"))
		require.InDelta(w, 2, testutil.ToFloat64(a.store.m.held), 0)
		require.InDelta(w, 2, testutil.ToFloat64(a.store.m.openShards), 0)
		require.NoError(w, testutil.GatherAndCompare(a.reg, strings.NewReader(shardsByState(2, 0, 0)),
			"kinesis_alerter_shards"))
		require.NoError(w, testutil.GatherAndCompare(a.reg, strings.NewReader(`
# HELP kinesis_alerter_stream_retention_seconds How long the stream keeps its records, as it said within the last minute or two.
# TYPE kinesis_alerter_stream_retention_seconds gauge
kinesis_alerter_stream_retention_seconds 86400
`), "kinesis_alerter_stream_retention_seconds"))
		problems, err := testutil.GatherAndLint(a.reg)
		require.NoError(w, err)
		require.Empty(w, problems)
		a.stop()
		require.Zero(w, count("kinesis_alerter_shard_checkpoint_timestamp_seconds"))
		require.NoError(w, testutil.GatherAndCompare(a.reg, strings.NewReader(shardsByState(0, 0, 2)),
			"kinesis_alerter_shards"))
		require.InDelta(w, 0, testutil.ToFloat64(a.store.m.held), 0)
		require.InDelta(w, 2, testutil.ToFloat64(a.store.m.events.WithLabelValues(string(eventReleased))), 0)
	})
}

// With the table away everybody's trust ends. A worker that had no shard must not continue saying that others read
// them: that report alone would suppress the page.
func TestShardsOfPeersAreUnreadWhileTheTableIsAway(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		b := w.start("b")
		states := func(n *process) map[table.ShardState]int {
			n.store.mu.Lock()
			defer n.store.mu.Unlock()
			return n.store.view.countStates(time.Now())
		}
		w.await("b has seen what a holds", 15*time.Second, func() bool { return states(b)[table.ShardForeign] == 1 })
		time.Sleep(time.Minute)
		require.Equal(w, map[table.ShardState]int{table.ShardForeign: 1}, states(b),
			"a peer that is well is heard of in time")
		remove := w.aws.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		time.Sleep(DefaultLeaseDuration + scanEvery + 5*time.Second)
		require.Equal(w, map[table.ShardState]int{table.ShardUnread: 1}, states(a))
		require.Equal(w, map[table.ShardState]int{table.ShardUnread: 1}, states(b))
		remove()
		w.await("somebody reads it again", time.Minute, func() bool {
			return states(a)[table.ShardHeld]+states(b)[table.ShardHeld] == 1 &&
				states(a)[table.ShardUnread]+states(b)[table.ShardUnread] == 0
		})
		b.stop()
		a.stop()
	})
}

// Joining whose answer was lost leaves rows of workers that never were. They must not have a share of the shards.
func TestAttemptsToJoinLeaveNoWorkers(t *testing.T) {
	bubble(t, 4, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 4, a)
		// requests arrive, answers do not
		remove := w.aws.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.Lost})
		w.await("trust ends", time.Minute, func() bool { return len(a.held()) == 0 })
		time.Sleep(15 * time.Second)
		remove()
		w.awaitHeld(6*time.Second, 4, a)
		a.stop()
	})
}

// A shard whose owner is fenced has no owner that would read it, whatever its row says.
func TestShardsOfASilentWorkerCountAsUnread(t *testing.T) {
	bubble(t, 4, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 4, a)
		b := w.start("b")
		w.await("balance", 5*time.Second, func() bool { return len(b.held()) == 2 && len(a.held()) == 2 })
		states := func() map[table.ShardState]int {
			b.store.mu.Lock()
			defer b.store.mu.Unlock()
			return b.store.view.countStates(time.Now())
		}
		w.await("b has seen what a holds", 15*time.Second, func() bool { return states()[table.ShardForeign] == 2 })
		b.store.mu.Lock()
		for _, p := range b.store.view.peers {
			p.Fenced = true
		}
		counted := b.store.view.countStates(time.Now())
		for _, p := range b.store.view.peers {
			p.Fenced = false
		}
		b.store.mu.Unlock()
		require.Equal(w, map[table.ShardState]int{table.ShardHeld: 2, table.ShardUnread: 2}, counted)
		b.stop()
		a.stop()
	})
}

// With one value for all shards the oldest checkpoint speaks for the process.
func TestOneCheckpointTimeForAllShards(t *testing.T) {
	now := time.Now()
	v := &view{leases: map[string]*Lease{
		"new": {ledger: ledger{confirmed: now}}, "old": {ledger: ledger{confirmed: now.Add(-time.Hour)}}, "none": {},
		"over": {state: leaseOver, ledger: ledger{confirmed: now.Add(-2 * time.Hour)}},
	}}
	require.Equal(t, map[string]time.Time{"new": now, "old": now.Add(-time.Hour)}, v.confirmed(false))
	require.Equal(t, map[string]time.Time{"all": now.Add(-time.Hour)}, v.confirmed(true))
}

func shardsByState(held, foreign, unread int) string {
	return fmt.Sprintf(`
# HELP kinesis_alerter_shards Shards by state, as this process sees the lease table, which may be ten seconds old: held by it, foreign (held by a live peer), unread (without an owner), blocked (a parent is not finished), paused, ended, skipped.
# TYPE kinesis_alerter_shards gauge
kinesis_alerter_shards{state="blocked"} 0
kinesis_alerter_shards{state="ended"} 0
kinesis_alerter_shards{state="foreign"} %[2]d
kinesis_alerter_shards{state="held"} %[1]d
kinesis_alerter_shards{state="paused"} 0
kinesis_alerter_shards{state="skipped"} 0
kinesis_alerter_shards{state="unread"} %[3]d
`, held, foreign, unread)
}

// Wall clocks decide nothing between workers: rows with times of another age change neither owner nor expiry.
func TestClockSkewIsIrrelevant(t *testing.T) {
	bubble(t, 4, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 4, a)
		for _, id := range a.held() {
			a.store.Lease(id).Commit(
				position.Progress{Settled: true, At: position.Past("5"), CaughtUp: time.Unix(1, 0)},
			)
			a.store.Lease(id).Commit(position.Progress{
				Settled:  true,
				At:       position.Past("6"),
				CaughtUp: time.Now().Add(1000 * time.Hour),
			})
		}
		time.Sleep(2 * time.Second)
		b := w.start("b")
		w.await("balance", 5*time.Second, func() bool { return len(a.held()) == 2 && len(b.held()) == 2 })
		time.Sleep(time.Minute)
		require.Len(w, a.held(), 2)
		require.Len(w, b.held(), 2)
		for _, it := range w.aws.DynamoDB.Items(testTable) {
			if key, _ := it[table.AttrKey].(string); strings.HasPrefix(key, table.KeyWorker) {
				require.NotContains(w, it, table.AttrCaughtUp)
			}
		}
		a.stop()
		b.stop()
	})
}

func TestStoppedStoreIsHarmless(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		l := a.store.Lease(a.held()[0])
		a.stop()
		require.NoError(w, a.store.Stop(w.Context()))
		l.Commit(position.Progress{Settled: true, At: position.Past("9"), CaughtUp: time.Now()})
		require.Error(w, l.HandOff(w.Context()))
		require.Error(w, l.Finish(w.Context(), nil))
		require.NoError(w, a.store.Release(l.shard))
		_, ok := a.store.Trust()
		require.False(w, ok)
		for _, it := range w.aws.DynamoDB.Items(testTable) {
			require.NotContains(w, it[table.AttrKey], table.KeyWorker)
		}
		require.ErrorIs(w, context.Cause(l.Context()), ErrLeaseReleased)
	})
}
