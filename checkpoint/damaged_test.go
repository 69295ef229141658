package checkpoint

import (
	"strings"
	"testing"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"

	tablepkg "kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/testkit"
)

// TestRowsThatNobodyCanRead: whatever another program writes into a row, its shard is read again soon, where the row
// can still say so at its place, and the row is named by the page and by leases list.
func TestRowsThatNobodyCanRead(t *testing.T) {
	const stored = "100"
	for name, c := range testkit.Named(map[string]struct {
		change func(*tablepkg.Write)
		from   types.ShardIteratorType
		names  string
	}{
		"epoch": {
			func(e *tablepkg.Write) { e.Set(tablepkg.AttrEpoch, tablepkg.Str("seven")) },
			types.ShardIteratorTypeAfterSequenceNumber, `leaseEpoch is the text "seven"`,
		},
		"no epoch": {
			func(e *tablepkg.Write) { e.Remove(tablepkg.AttrEpoch) },
			types.ShardIteratorTypeAfterSequenceNumber, "leaseEpoch is missing",
		},
		"negative": {
			func(e *tablepkg.Write) { e.Set(tablepkg.AttrEpoch, tablepkg.Num(-3)) },
			types.ShardIteratorTypeAfterSequenceNumber, "leaseEpoch is the number -3",
		},
		"sub": {
			func(e *tablepkg.Write) { e.Set(tablepkg.AttrSub, tablepkg.Str("x")) },
			types.ShardIteratorTypeAtSequenceNumber, "checkpointSub",
		},
		"offers": {
			func(e *tablepkg.Write) { e.Set(tablepkg.AttrOffers, tablepkg.Str("x")) },
			types.ShardIteratorTypeAfterSequenceNumber, "offers",
		},
		"owner": {
			func(e *tablepkg.Write) { e.Set(tablepkg.AttrOwner, tablepkg.Num(5)) },
			types.ShardIteratorTypeAfterSequenceNumber, "leaseOwner is the number 5",
		},
		"start": {
			func(e *tablepkg.Write) { e.Set(tablepkg.AttrStartAt, tablepkg.Str("tomorrow")) },
			types.ShardIteratorTypeAfterSequenceNumber, "startAt",
		},
		"position": {
			func(e *tablepkg.Write) { e.Set(tablepkg.AttrPosition, tablepkg.Num(12345)) },
			types.ShardIteratorTypeTrimHorizon, "checkpoint is the number 12345",
		},
		"null": {func(e *tablepkg.Write) {
			e.Set(tablepkg.AttrPosition,
				&ddb.AttributeValueMemberNULL{Value: true})
		}, types.ShardIteratorTypeTrimHorizon, "checkpoint is null"},
		"two of it": {func(e *tablepkg.Write) {
			e.Set(tablepkg.AttrEpoch, tablepkg.Str("7"))
			e.Set(tablepkg.AttrSub, tablepkg.Str("0"))
		}, types.ShardIteratorTypeAtSequenceNumber, "leaseEpoch"},
	}, 4) {
		t.Run(name, func(t *testing.T) {
			bubble(t, 1, func(w *world) {
				a := w.start("a")
				w.awaitHeld(5*time.Second, 1, a)
				a.store.Lease(only).Commit(
					position.Progress{Settled: true, At: position.Past(stored), CaughtUp: time.Now()},
				)
				a.stop()
				w.edit(only, c.change)

				table, err := w.admin().Table(w.Context())
				require.NoError(w, err)
				require.Len(w, table.Shards, 1)
				require.Contains(w, table.Shards[0].Fault, c.names)

				b := w.start("b") // at latest, which must skip nothing
				w.awaitHeld(5*time.Second, 1, b)
				from, _, _ := b.store.Lease(only).Start()
				require.Equal(w, c.from, from.Type)
				shown := b.store.Status().Damaged
				require.Len(w, shown, 1)
				require.Equal(w, only, shown[0].Key)
				require.Contains(w, shown[0].Cause, c.names)
				require.True(w, shown[0].Mended)
				b.store.Lease(only).Commit(
					position.Progress{Settled: true, At: position.Past("200"), CaughtUp: time.Now()},
				)
				time.Sleep(2 * time.Second)
				require.Equal(w, "200", w.row(only)[tablepkg.AttrPosition])
				time.Sleep(damagedFor)
				require.Empty(w, b.store.Status().Damaged)
				b.stop()
			})
		})
	}
}

// TestRowOfAHeldShardThatNobodyCanRead: its holder loses it, and one of the workers has it again, at the place that
// it knew.
func TestRowOfAHeldShardThatNobodyCanRead(t *testing.T) {
	for _, attr := range []string{tablepkg.AttrEpoch, tablepkg.AttrPosition} {
		bubble(t, 1, func(w *world) {
			a := w.start("a")
			w.awaitHeld(5*time.Second, 1, a)
			b := w.start("b")
			time.Sleep(2 * time.Second)
			l := a.store.Lease(only)
			l.Commit(position.Progress{Settled: true, At: position.Past("100"), CaughtUp: time.Now()})
			time.Sleep(12 * time.Second)
			w.edit(only, func(e *tablepkg.Write) { e.Set(attr, &ddb.AttributeValueMemberBOOL{Value: true}) })
			w.await("lost", 20*time.Second, func() bool { return l.Context().Err() != nil })
			w.awaitHeld(30*time.Second, 1, a, b)
			for _, p := range []*process{a, b} {
				if got := p.store.Lease(only); got != nil {
					from, _, _ := got.Start()
					require.Equal(w, types.ShardIteratorTypeAfterSequenceNumber, from.Type)
					require.Equal(w, "100", *from.SequenceNumber)
				}
			}
			a.stop()
			b.stop()
		})
	}
}

// TestWorkerRowThatNobodyCanRead: the worker ends, and its shards are taken over when it is silent; one that is dead
// already leaves nothing that stands forever.
func TestWorkerRowThatNobodyCanRead(t *testing.T) {
	for _, crash := range []bool{true, false} {
		bubble(t, 1, func(w *world) {
			a := w.start("a")
			w.awaitHeld(5*time.Second, 1, a)
			id := a.store.Status().Worker
			if crash {
				a.kill()
			}
			w.edit(tablepkg.KeyWorker+id, func(e *tablepkg.Write) { e.Set(tablepkg.AttrCounter, tablepkg.Str("many")) })
			b := w.start("b")
			w.await("named", 15*time.Second, func() bool {
				for _, d := range b.store.Status().Damaged {
					if strings.Contains(d.Cause, `counter is the text "many"`) {
						return true
					}
				}
				return false
			})
			if crash {
				w.awaitHeld(40*time.Second, 1, b)
			} else {
				w.awaitHeld(40*time.Second, 1, a, b)
				a.stop()
			}
			b.stop()
		})
	}
}

// TestFleetRowThatNobodyCanRead comes back, so that workers hear of each other.
func TestFleetRowThatNobodyCanRead(t *testing.T) {
	bubble(t, 2, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 2, a)
		w.edit(tablepkg.KeyFleet, func(e *tablepkg.Write) { e.Set(tablepkg.AttrCounter, tablepkg.Str("many")) })
		time.Sleep(15 * time.Second)
		require.IsType(w, int64(0), w.row(tablepkg.KeyFleet)[tablepkg.AttrCounter])
		a.stop()
	})
}
