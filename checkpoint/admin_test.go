package checkpoint

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

const only = "shardId-000000000000"

func (w *world) admin(change ...func(*Config)) *admin.Admin {
	w.Helper()
	cfg := Config{Application: testTable}
	for _, c := range change {
		c(&cfg)
	}
	db, kin := w.clients("operator")
	a, err := NewAdmin(w.Context(), cfg, Deps{
		DynamoDB: db, Stream: kin, Log: w.log,
		Registerer: prometheus.NewRegistry(),
	}, false)
	require.NoError(w, err)
	return a
}

// apply makes planned changes.
func (w *world) apply(a *admin.Admin, changes []admin.Change, err error, force bool) error {
	w.Helper()
	require.NoError(w, err)
	_, err = a.Apply(w.Context(), changes, force)
	return err
}

func (w *world) pause(a *admin.Admin) {
	w.Helper()
	changes, err := a.Pause(w.Context(), nil)
	require.NoError(w, w.apply(a, changes, err, false))
}

func (w *world) resume(a *admin.Admin) {
	w.Helper()
	changes, err := a.Resume(w.Context(), nil)
	require.NoError(w, w.apply(a, changes, err, false))
}

// The worker's answer to a pause is lost, before or after its effect: it lets go once, keeps its progress, and
// continues there when the shard is resumed.
func TestPauseWithoutAnAnswer(t *testing.T) {
	for name, kind := range map[string]fakeaws.Kind{"took effect": fakeaws.Lost, "did not": fakeaws.BlackHole} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				p := w.start("a")
				w.awaitHeld(5*time.Second, 1, p)
				p.store.Lease(only).Commit(
					position.Progress{Settled: true, At: position.Past("42"), CaughtUp: time.Now()},
				)
				time.Sleep(2 * time.Second)
				a := w.admin()
				w.rest = func(*Lease) {
					w.aws.Faults.Add(fakeaws.Fault{Client: "a", Operation: "UpdateItem", Kind: kind, Times: 1})
				}
				w.pause(a)
				w.await("let go", 8*time.Second, func() bool { return len(p.held()) == 0 })
				time.Sleep(20 * time.Second)
				w.rest = nil
				require.Empty(w, p.held())
				require.NotContains(w, w.row(only), table.AttrOwner)
				w.resume(a)
				w.awaitHeld(3*time.Second, 1, p)
				from, _, _ := p.store.Lease(only).Start()
				require.Equal(w, "42", *from.SequenceNumber)
				p.stop()
			})
		})
	}
}

// A worker that decided to take a shard before it heard of the pause is refused by the row.
func TestPausedShardIsNotTakenOnAnOldView(t *testing.T) {
	bubble(t, 1, func(w *world) {
		p := w.start("a")
		w.awaitHeld(5*time.Second, 1, p)
		w.pause(w.admin())
		w.await("let go", 3*time.Second, func() bool { return len(p.held()) == 0 })
		time.Sleep(5 * time.Second)
		p.store.mu.Lock()
		inc, was := p.store.view.me, *p.store.view.rows[only]
		p.store.mu.Unlock()
		was.Paused = false
		require.NoError(w, p.store.planner.acquire(w.Context(), inc, only, &was))
		require.Nil(w, p.store.Lease(only))
		require.NotContains(w, w.row(only), table.AttrOwner)
		p.stop()
	})
}

// The same worker may own a shard again that changed hands in between: what the operator saw is an epoch, not a name.
func TestChangeIsConditionalOnTheEpoch(t *testing.T) {
	bubble(t, 1, func(w *world) {
		p := w.start("a")
		w.awaitHeld(5*time.Second, 1, p)
		a, other := w.admin(), w.admin()
		changes, err := a.Release(w.Context(), []string{only})
		require.NoError(w, err)
		require.True(w, changes[0].Live)
		w.pause(other)
		w.await("let go", 3*time.Second, func() bool { return len(p.held()) == 0 })
		w.resume(other)
		w.awaitHeld(5*time.Second, 1, p)
		require.Equal(w, changes[0].Before.Owner, w.row(only)[table.AttrOwner])
		require.ErrorIs(w, w.apply(a, changes, nil, true), admin.ErrLeaseChanged)
		require.Len(w, p.held(), 1)
		p.stop()
	})
}

// A worker that was killed is no obstacle, whether it is fenced already or only silent.
func TestDeadOwnerIsNoObstacle(t *testing.T) {
	bubble(t, 1, func(w *world) {
		p := w.start("a")
		w.awaitHeld(5*time.Second, 1, p)
		p.kill()
		a := w.admin()
		changes, err := a.Release(w.Context(), []string{only})
		require.NoError(w, w.apply(a, changes, err, false))
		require.NotContains(w, w.row(only), table.AttrOwner)
	})
}

// A shard that was closed before the application began at latest is skipped; a rewind has it read all the same, before
// its children.
func TestRewindOfASkippedShard(t *testing.T) {
	bubble(t, 1, func(w *world) {
		w.aws.Kinesis.Split(testStream, only)
		time.Sleep(time.Second)
		p := w.start("a")
		w.awaitHeld(5*time.Second, 2, p)
		a := w.admin()
		w.pause(a)
		w.await("let go", 3*time.Second, func() bool { return len(p.held()) == 0 })
		changes, err := a.Rewind(w.Context(), nil, table.Start{Kind: table.StartTrimHorizon})
		require.Len(w, changes, 3)
		require.NoError(w, w.apply(a, changes, err, false))
		w.resume(a)
		time.Sleep(5 * time.Second)
		require.Equal(w, []string{only}, p.held())
		require.EqualValues(w, 1, p.store.Lease(only).Generation())
		require.NoError(w, p.store.Lease(only).Finish(w.Context(), nil))
		w.await("children", 5*time.Second, func() bool { return len(p.held()) == 2 })
		p.stop()
	})
}

// An answer to the operator that was lost is read back: the change is made once and reported as made.
func TestChangeWithoutAnAnswer(t *testing.T) {
	bubble(t, 1, func(w *world) {
		p := w.start("a")
		w.awaitHeld(5*time.Second, 1, p)
		a := w.admin()
		w.pause(a)
		time.Sleep(2 * time.Second)
		changes, err := a.Rewind(w.Context(), nil, table.Start{Kind: table.StartTime, Time: time.Now().Add(-time.Hour)})
		require.NoError(w, err)
		w.aws.Faults.Add(fakeaws.Fault{Client: "operator", Operation: "UpdateItem", Kind: fakeaws.After, Times: 2})
		require.NoError(w, w.apply(a, changes, nil, false))
		require.EqualValues(w, 1, w.row(only)[table.AttrRewinds])
		p.stop()
	})
}

func TestAdminNamesWhatIsWrong(t *testing.T) {
	bubble(t, 1, func(w *world) {
		open := func(c Config) error {
			db, kin := w.clients("operator")
			_, err := NewAdmin(context.WithoutCancel(w.Context()), c,
				Deps{DynamoDB: db, Stream: kin, Log: w.log, Registerer: prometheus.NewRegistry()}, false)
			return err
		}
		require.ErrorContains(w, open(Config{Application: "nothing"}), "table nothing does not exist")
		require.ErrorContains(w, open(Config{Application: testTable, StreamName: testStream}),
			"table "+testTable+" does not exist", "a look creates nothing")
		p := w.start("a")
		w.awaitHeld(5*time.Second, 1, p)
		w.aws.Kinesis.Create("other", 1)
		time.Sleep(time.Second)
		require.ErrorIs(w, open(Config{Application: testTable, StreamName: "other"}), table.ErrOtherStream)
		p.stop()
	})
}

// The child of a shard that was closed before the application began, and that an operator sent back to its beginning,
// starts at its own beginning too, and an export must not say that it starts at T0.
func TestExportStartsChildrenLikeTheWorkers(t *testing.T) {
	bubble(t, 1, func(w *world) {
		low, high := w.aws.Kinesis.Split(testStream, table.ShardName(0))
		time.Sleep(2 * time.Second)
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		a.stop()
		admin := w.admin()
		changes, err := admin.Rewind(w.Context(), []string{table.ShardName(0)},
			table.Start{Kind: table.StartTrimHorizon})
		require.NoError(w, err)
		_, err = admin.Apply(w.Context(), changes, false)
		require.NoError(w, err)
		export, err := admin.Export(w.Context(), time.Now())
		require.NoError(w, err)
		for _, s := range export.Shards {
			if s.Shard == low || s.Shard == high {
				require.Equal(w, table.Start{Kind: table.StartTrimHorizon}, s.StartAt, s.Shard)
			}
		}
		require.Len(w, export.Shards, 3)
	})
}

// What counts places inside records goes where they go: into an export and back, and away with a rewind.
func TestExportKeepsTheInput(t *testing.T) {
	bubble(t, 1, func(w *world) {
		p := w.start("a")
		w.awaitHeld(5*time.Second, 1, p)
		inside := position.Position{Sequence: "200", Sub: 3}
		p.store.Lease(only).Commit(position.Progress{At: inside, Input: "0123456789abcdef"})
		p.stop()
		a := w.admin()
		export, err := a.Export(w.Context(), time.Now())
		require.NoError(w, err)
		changes, err := a.Rewind(w.Context(), []string{only}, table.Start{Kind: table.StartTrimHorizon})
		require.NoError(w, w.apply(a, changes, err, false))
		require.NotContains(w, w.row(only), table.AttrInput)
		plan, err := a.Import(w.Context(), export)
		require.NoError(w, w.apply(a, plan.Changes, err, false))
		p = w.start("b")
		w.awaitHeld(5*time.Second, 1, p)
		_, sub, _ := p.store.Lease(only).Start()
		require.Equal(w, inside.Sub, sub)
		require.Equal(w, "0123456789abcdef", p.store.Lease(only).Input())
		p.stop()
	})
}
