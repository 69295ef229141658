package consumer

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/checkpoint/admin"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/position"
)

// loseTable keeps DynamoDB away until the worker has lost its leases, and brings it back.
func (w *world) loseTable(n *node, meanwhile func()) {
	w.t.Helper()
	remove := w.cloud.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.Partition})
	meanwhile()
	w.eventually(2*lease, "leases lost", func() bool { return len(n.consumer.Status()) == 0 })
	time.Sleep(lease)
	remove()
	w.eventually(2*lease, "taken again", func() bool { return n.reading() > 0 })
}

// TestShardTakenAgainRepeatsNothing: what SNS accepted while the checkpoint could not be stored is not published again
// by the same process, whatever it was that could not be stored.
func TestShardTakenAgainRepeatsNothing(t *testing.T) {
	t.Run("all accepted", func(t *testing.T) {
		inWorld(t, 2, func(w *world) {
			one := w.join("one")
			w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 2 })
			for round := range 3 { // also what an earlier life left
				w.loseTable(one, func() {
					w.put(20*round, 20*(round+1), 5)
					w.eventually(2*time.Second, "accepted", func() bool { return w.distinct() == 20*(round+1) })
				})
			}
			w.put(60, 80, 5)
			w.eventually(5*time.Second, "all", func() bool { return w.distinct() == 80 })
			require.Zero(t, w.repeats())
			w.checkOrder()
			time.Sleep(3 * time.Second)
			require.Zero(t, one.consumer.ledger.size(), "committed")
		})
	})
	t.Run("committed without another record", func(t *testing.T) {
		inWorld(t, 1, func(w *world) {
			one := w.join("one")
			w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 1 })
			w.loseTable(one, func() {
				w.put(0, 20, 5)
				w.eventually(2*time.Second, "accepted", func() bool { return w.distinct() == 20 })
			})
			time.Sleep(3 * time.Second)
			one.crash(w)
			w.join("two")
			w.put(20, 40, 5)
			w.eventually(30*time.Second, "all", func() bool { return w.distinct() == 40 })
			require.Zero(t, w.repeats())
		})
	})
	t.Run("around keys that wait", func(t *testing.T) {
		inWorld(t, 1, func(w *world) {
			var free atomic.Bool
			w.publish = func(ctx context.Context, _ *node, a *alert.Alert) error {
				if !free.Load() && a.Record.PartitionKey == "key-3" {
					<-ctx.Done()
					return context.Cause(ctx)
				}
				return nil
			}
			one := w.join("one")
			w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 1 })
			for round := range 2 {
				w.loseTable(one, func() {
					w.put(50*round, 50*(round+1), 10)
					w.eventually(2*time.Second, "nine of ten", func() bool { return w.distinct() == 45*(round+1) })
				})
			}
			free.Store(true)
			w.loseTable(one, func() {})
			w.eventually(5*time.Second, "all", func() bool { return w.distinct() == 100 })
			require.Zero(t, w.repeats())
			w.checkOrder()
		})
	})
	t.Run("a part of a record's alerts", func(t *testing.T) {
		inWorld(t, 1, func(w *world) {
			var free atomic.Bool
			w.publish = func(ctx context.Context, _ *node, a *alert.Alert) error {
				if !free.Load() && a.Record.PartitionKey == "other-1" {
					<-ctx.Done()
					return context.Cause(ctx)
				}
				return nil
			}
			w.evaluator = func(string) evaluator { return &rider{others: 3} }
			one := w.join("one")
			w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 1 })
			w.loseTable(one, func() {
				w.put(0, 20, 4)
				w.eventually(2*time.Second, "three of four", func() bool { return w.distinct() == 60 })
			})
			w.loseTable(one, func() {})
			free.Store(true)
			w.loseTable(one, func() {})
			w.eventually(5*time.Second, "all", func() bool { return w.distinct() == 80 })
			require.Zero(t, w.repeats())
			w.eventually(time.Second, "resolved", func() bool { return one.consumer.Status()[0].Unresolved == 0 })
			require.InDelta(t, 20, counter(t, one, "kinesis_alerter_records_total", "outcome", "alerted"), 0)
		})
	})
	t.Run("rules with memory", func(t *testing.T) {
		for i, slow := range []string{"", "key-0#3", "", "key-0#3"} {
			inWorld(t, 1, func(w *world) {
				s := w.remembering()
				s.never.Store(i >= 2) // no snapshot: evaluation begins at the checkpoint, not at what was accepted
				var free atomic.Bool
				w.publish = func(ctx context.Context, _ *node, a *alert.Alert) error {
					if !free.Load() && a.ID == slow {
						<-ctx.Done()
						return context.Cause(ctx)
					}
					return nil
				}
				one := w.join("one")
				w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 1 })
				n := 0
				for range 2 {
					w.loseTable(one, func() {
						for range 70 {
							s.put(n, fmt.Sprint("key-", n%7))
							n++
						}
						time.Sleep(2 * time.Second)
					})
				}
				free.Store(true)
				w.loseTable(one, func() {})
				w.eventually(5*time.Second, "all", func() bool { return w.distinct() == n })
				s.checkMemory()
				require.Zero(t, w.repeats())
			})
		}
	})
	t.Run("what time brought about", func(t *testing.T) {
		inWorld(t, 1, func(w *world) {
			s := w.remembering()
			s.silence = 4 * time.Second
			one := w.join("one")
			w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 1 })
			w.loseTable(one, func() {
				for i := range 20 {
					if i == 19 {
						time.Sleep(1500 * time.Millisecond) // its key falls silent at a tick of its own, with one alert
					}
					s.put(i, fmt.Sprint("key-", i%5))
				}
				w.eventually(8*time.Second, "records and silences", func() bool { return w.distinct() == 25 })
			})
			w.loseTable(one, func() {})
			time.Sleep(10 * time.Second)
			require.Equal(t, 25, w.distinct())
			require.Zero(t, w.repeats())
			s.checkMemory()
		})
	})
}

// TestRewindRepeats: an operator who sends a shard back gets its alerts again, also from the process that had them
// accepted a moment ago.
func TestRewindRepeats(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		one := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 1 })
		remove := w.cloud.Faults.Add(fakeaws.Fault{
			Client: "one", Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.Partition,
		})
		w.put(0, 20, 5)
		w.eventually(2*time.Second, "accepted", func() bool { return w.distinct() == 20 })
		w.eventually(2*lease, "leases lost", func() bool { return len(one.consumer.Status()) == 0 })
		require.Positive(t, one.consumer.ledger.size())
		admin := w.admin()
		changes, err := admin.Rewind(w.t.Context(), nil, checkpoint.Start{Kind: checkpoint.StartTrimHorizon})
		require.NoError(t, err)
		_, err = admin.Apply(w.t.Context(), changes, true)
		require.NoError(t, err)
		remove()
		w.eventually(3*lease, "published again", func() bool { return len(w.deliveries()) == 40 })
		require.Zero(t, one.consumer.ledger.size())
	})
}

// admin is an operator beside the workers.
func (w *world) admin() *admin.Admin {
	w.t.Helper()
	a, err := checkpoint.NewAdmin(w.t.Context(), checkpoint.Config{
		Application: "application", StreamName: testStream, Start: w.start,
	},
		checkpoint.Deps{
			DynamoDB: dynamoClient(w.cloud, "operator"), Stream: kinesisClient(w.cloud, "operator"), Log: zap.NewNop(),
			Registerer: prometheus.NewRegistry(),
		}, false)
	require.NoError(w.t, err)
	return a
}

// TestLettersAreNotSentTwice: a record that went to the dead letters with some of its alerts to come is no letter
// again.
func TestLettersAreNotSentTwice(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		var mu sync.Mutex
		var letters []string
		count := func() int {
			mu.Lock()
			defer mu.Unlock()
			return len(letters)
		}
		w.deadLetters = letterFunc(func(_ context.Context, l *alert.Letter) error {
			mu.Lock()
			defer mu.Unlock()
			letters = append(letters, l.AlertID+l.Record.SequenceNumber)
			return nil
		})
		var free atomic.Bool
		w.publish = func(ctx context.Context, _ *node, a *alert.Alert) error {
			switch {
			case a.Record.PartitionKey == "other-0":
				return &alert.RejectedError{Reason: "invalid_parameter", Err: errors.New("no")}
			case !free.Load() && a.Record.PartitionKey == "other-1":
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		}
		w.evaluator = func(string) evaluator { return &letterRider{rider{others: 2, unmatched: true}} }
		one := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 1 })
		w.loseTable(one, func() {
			w.put(0, 5, 5)
			w.eventually(2*time.Second, "letters", func() bool { return count() == 10 })
		})
		free.Store(true)
		w.loseTable(one, func() {})
		w.eventually(5*time.Second, "all", func() bool { return w.distinct() == 5 })
		require.Equal(t, 10, count())
		require.Zero(t, w.repeats())
	})
}

type letterRider struct{ rider }

func (r *letterRider) Evaluate(rec *alert.Record) alert.Decision {
	d := r.rider.Evaluate(rec)
	d.Outcome, d.Reason, d.DeadLetter = alert.Invalid, alert.ReasonNotJSON, true
	return d
}

type letterFunc func(context.Context, *alert.Letter) error

func (f letterFunc) Send(ctx context.Context, l *alert.Letter) error { return f(ctx, l) }

func at(n int) position.Position { return position.Past(fmt.Sprint(1000 + n)) }

// TestLedgerIsBounded: the shards lost longest ago lose what they had, above the watermark first, and it is counted.
func TestLedgerIsBounded(t *testing.T) {
	dropped := 0
	l := newLedger(func(n int) { dropped += n })
	for shard := range 20 {
		a := &account{ranges: []position.Range{{UpTo: at(0)}}}
		for i := range position.MaxRanges {
			a.ranges = append(a.ranges, position.Range{After: at(3*i + 1), UpTo: at(3*i + 2)})
		}
		l.keep(fmt.Sprint(shard), a)
		require.LessOrEqual(t, l.size(), maxRemembered)
	}
	require.Equal(t, 20*(position.MaxRanges+1)-maxRemembered, dropped)
	require.Nil(t, l.take("0", 0, position.Position{}), "the oldest is gone")
	require.Len(t, l.take("19", 0, position.Position{}).ranges, position.MaxRanges+1)
	partly := l.take("4", 0, position.Position{})
	require.Equal(t, position.Position{}, partly.ranges[0].After, "the watermark stays longest")
	require.Positive(t, partly.ranges[1].After.Compare(at(1)), "the oldest stretches are gone")
}

// TestLedgerForgetsWhatTheTableHas, from whichever owner, and what an operator has sent back.
func TestLedgerForgetsWhatTheTableHas(t *testing.T) {
	fresh := func() *account {
		return &account{
			generation: 2, stored: at(5), ranges: []position.Range{{UpTo: at(10)}, {After: at(12), UpTo: at(20)}},
			alerts: []dealtAlert{{id: "partly", at: at(11)}, {id: "time", at: at(10), timed: true}},
		}
	}
	for _, c := range []struct {
		name       string
		generation uint32
		sequence   string
		left       int
	}{
		{"nothing stored since", 2, at(5).Sequence, 4},
		{"a part", 2, at(10).Sequence, 3},
		{"the mark, time comes with the next record", 2, at(11).Sequence, 1},
		{"all", 2, at(20).Sequence, 0},
		{"the end", 2, "SHARD_END", 0},
		{"sent back", 3, at(5).Sequence, 0},
		{"moved back by an import", 2, at(4).Sequence, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(func(int) {})
			l.keep("s", fresh())
			l.prune(func(string) (uint32, string, uint32, bool) {
				return c.generation, c.sequence, position.WholeRecord, true
			})
			require.Equal(t, c.left, l.size())
		})
	}
	l := newLedger(func(int) {})
	l.keep("s", fresh())
	l.prune(func(string) (uint32, string, uint32, bool) { return 0, "", 0, false })
	require.Equal(t, 4, l.size(), "of a shard without a row nothing is known")
}
