package checkpoint

import (
	"context"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// TestLateCommitAtTheSamePosition: the write that was sent first and arrives last brings no older stretches back, and
// neither does a late flip of a snapshot. While a key is held the position stands for days.
func TestLateCommitAtTheSamePosition(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		l := a.store.Lease(only)
		l.Commit(position.Progress{Settled: true, At: position.Past("100"), Above: "101>102", CaughtUp: time.Now()})
		first, err := l.claim()
		require.NoError(w, err)
		l.Commit(position.Progress{Settled: true, At: position.Past("100"), Above: "101>109", CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		require.Equal(w, "101>109", w.row(only)[table.AttrResolved])

		e := &table.Write{}
		e.Fence(first.worker, first.epoch)
		e.Progress(first.offer, first.number, first.replaces)
		_, err = a.store.table.Update(w.Context(), only, e)
		_, wasRefused := table.Refused(err)
		require.True(w, wasRefused, "the late commit: %v", err)
		require.Equal(w, "101>109", w.row(only)[table.AttrResolved])

		flip := a.flipOf(w, only)
		flip.Progress(first.offer, first.number, first.replaces)
		_, err = a.store.table.Update(w.Context(), only, flip)
		_, wasRefused = table.Refused(err)
		require.True(w, wasRefused, "the late flip: %v", err)

		l.Commit(position.Progress{Settled: true, At: position.Past("100"), Above: "101>110", CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		require.Equal(w, "101>110", w.row(only)[table.AttrResolved], "and the next one goes")
		a.stop()
	})
}

// TestEpochRaisedCarriesTheOffer: a handoff that gets no answer is shut out by a raised epoch, and what was drained
// for it is in the row from that moment on.
func TestEpochRaisedCarriesTheOffer(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.startStubborn("a")
		w.awaitHeld(5*time.Second, 2, a)
		b := w.start("b")
		var l *Lease
		w.await("request", 5*time.Second, func() bool {
			for _, id := range a.held() {
				select {
				case <-a.store.Lease(id).HandoffRequested():
					l = a.store.Lease(id)
				default:
				}
			}
			return l != nil
		})
		l.Commit(position.Progress{Settled: true, At: position.Past("5"), CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		require.Equal(w, "5", w.row(l.shard)[table.AttrPosition])
		before := l.epochNow()
		remove := w.aws.Faults.Add(fakeaws.Fault{
			Client: "a", Service: fakeaws.ServiceDynamoDB,
			Kind: fakeaws.BlackHole,
		})
		time.AfterFunc(2*time.Second, remove)
		// drained
		l.Commit(position.Progress{Settled: true, At: position.Past("6"), Above: "7>8", CaughtUp: time.Now()})
		ctx, cancel := context.WithTimeout(w.Context(), 500*time.Millisecond)
		defer cancel()
		require.Error(w, l.HandOff(ctx))
		require.NoError(w, l.Context().Err())
		require.Equal(w, before+1, l.epochNow())
		require.Equal(w, "6", w.row(l.shard)[table.AttrPosition],
			"a process that dies now must not repeat what it drained")
		require.Equal(w, "7>8", w.row(l.shard)[table.AttrResolved])
		l.KeepLease()
		a.stop()
		b.stop()
	})
}

// TestOffersGrowOverOwners: the number of a write is above those of all before, from any worker, and a worker that
// knows nothing of numbers changes nothing about that.
func TestOffersGrowOverOwners(t *testing.T) {
	bubble(t, 1, func(w *world) {
		last := int64(0)
		grown := func(what string) {
			w.Helper()
			now, _ := w.row(only)[table.AttrOffers].(int64)
			require.Greater(w, now, last, what)
			last = now
		}
		for i, name := range []string{"a", "b"} {
			p := w.start(name)
			w.awaitHeld(5*time.Second, 1, p)
			l := p.store.Lease(only)
			l.Commit(
				position.Progress{Settled: true, At: position.Past([]string{"100", "200"}[i]), CaughtUp: time.Now()},
			)
			time.Sleep(2 * time.Second)
			grown("a commit of " + name)
			require.NoError(w, l.SaveState(w.Context(), []string{"100", "200"}[i], position.WholeRecord, stateOf(1)))
			grown("a snapshot of " + name)
			p.stop()
			grown("the release by " + name)
		}
		// A row of today's format has none.
		w.edit(only, func(e *table.Write) { e.Remove(table.AttrOffers) })
		c := w.start("c")
		w.awaitHeld(5*time.Second, 1, c)
		last = 0
		c.store.Lease(only).Commit(position.Progress{Settled: true, At: position.Past("300"), CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		grown("a commit to a row without one")

		// The row vanishes, and comes back with its number.
		w.aws.DynamoDB.Delete(testTable, only)
		w.await("rewritten", 20*time.Second, func() bool { return w.row(only) != nil })
		grown("the row that was written again")
		c.stop()
	})
}

// TestOfferThatCannotBeStored is reported on the page, by a metric and in one line of the log, until one can be stored.
func TestOfferThatCannotBeStored(t *testing.T) {
	for name, sequence := range map[string]string{
		"too long":          "1" + string(make([]byte, 200)),
		"of another form":   "49x",
		"looks like an end": position.ShardEnd,
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				core, logs := observer.New(zapcore.InfoLevel)
				w.log = zap.New(core)
				a := w.start("a")
				w.awaitHeld(5*time.Second, 1, a)
				l := a.store.Lease(only)
				l.Commit(position.Progress{Settled: true, At: position.Past("100"), CaughtUp: time.Now()})
				time.Sleep(2 * time.Second)
				for range 3 {
					l.Commit(position.Progress{Settled: true, At: position.Past(sequence), CaughtUp: time.Now()})
				}
				time.Sleep(2 * time.Second)
				require.Equal(w, "100", w.row(only)[table.AttrPosition])
				require.NotEmpty(w, a.store.Status().Shards[0].Unstorable)
				require.InDelta(w, 3, testutil.ToFloat64(a.store.m.commits.WithLabelValues(string(resultUnstorable))),
					0)
				require.Len(w, logs.FilterMessage("progress of a shard cannot be stored").All(), 1)
				l.Commit(position.Progress{Settled: true, At: position.Past("101"), CaughtUp: time.Now()})
				time.Sleep(2 * time.Second)
				require.Equal(w, "101", w.row(only)[table.AttrPosition])
				require.Empty(w, a.store.Status().Shards[0].Unstorable)
				require.Len(w, logs.FilterMessage("progress of a shard can be stored again").All(), 1)
				a.stop()
			})
		})
	}
}

// TestPositionsAreNotJudgedByTheirForm: whatever a service calls its positions can be stored, as long as it stays
// with that.
func TestPositionsAreNotJudgedByTheirForm(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		l := a.store.Lease(only)
		for _, sequence := range []string{"ab-9", "ab-10", "ab-11"} {
			l.Commit(position.Progress{Settled: true, At: position.Past(sequence), CaughtUp: time.Now()})
			time.Sleep(2 * time.Second)
			require.Equal(w, sequence, w.row(only)[table.AttrPosition])
		}
		require.NoError(w, l.SaveState(w.Context(), "ab-11", position.WholeRecord, stateOf(1)))
		a.stop()
	})
}

// TestStoredPositionOfAnotherForm: another program wrote nonsense into the row of a held shard. It is not taken for
// progress.
func TestStoredPositionOfAnotherForm(t *testing.T) {
	bubble(t, 1, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 1, a)
		const nonsense = "the day before yesterday"
		l := a.store.Lease(only)
		l.Commit(position.Progress{Settled: true, At: position.Past("100"), CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		w.edit(only, func(e *table.Write) { e.Set(table.AttrPosition, table.Str(nonsense)) })
		l.Commit(position.Progress{Settled: true, At: position.Past("101"), CaughtUp: time.Now()})
		time.Sleep(2 * time.Second)
		require.Contains(w, a.store.Status().Shards[0].Unstorable, nonsense)
		w.edit(only, func(e *table.Write) { e.Set(table.AttrPosition, table.Str("100")) })
		time.Sleep(3 * time.Second)
		require.Equal(w, "101", w.row(only)[table.AttrPosition])
		require.Empty(w, a.store.Status().Shards[0].Unstorable)
		a.stop()
	})
}

// edit is a change of a row by hand.
func (w *world) edit(key string, change func(*table.Write)) {
	w.Helper()
	db, _ := w.clients("by-hand")
	e := &table.Write{}
	change(e)
	_, err := (&table.Client{DB: db, Name: testTable}).Update(w.Context(), key, e)
	require.NoError(w, err)
}

// TestCheckpointThatIsNoNumberIsReplaced, once the stream has refused it, however long it is.
func TestCheckpointThatIsNoNumberIsReplaced(t *testing.T) {
	for _, nonsense := range []string{"yesterday", "the day before yesterday"} {
		bubble(t, 1, func(w *world) {
			a := w.start("a")
			w.awaitHeld(5*time.Second, 1, a)
			a.stop()
			w.edit(only, func(e *table.Write) { e.Set(table.AttrPosition, table.Str(nonsense)) })
			b := w.start("b")
			w.awaitHeld(5*time.Second, 1, b)
			l := b.store.Lease(only)
			l.Commit(position.Progress{Settled: true, At: position.Past("100"), CaughtUp: time.Now()})
			require.NotEmpty(w, b.store.Status().Shards[0].Unstorable, "the stream has not refused it")
			l.Lost(time.Now())
			l.Commit(position.Progress{Settled: true, At: position.Past("101"), CaughtUp: time.Now()})
			time.Sleep(2 * time.Second)
			require.Equal(w, "101", w.row(only)[table.AttrPosition])
			require.Empty(w, b.store.Status().Shards[0].Unstorable)
			b.stop()
		})
	}
}
