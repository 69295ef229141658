package consumer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/testkit"
)

// gatherInto makes the workers' alerts go into digests while d gathers.
func (w *world) gatherInto(d *testkit.Digester) {
	w.gather = func(n *node, a *alert.Alert, done func(error)) bool {
		return d.Gather(a, func(err error) {
			if err == nil {
				w.accept(n, a)
			}
			done(err)
		})
	}
}

// TestStorm is a hundred thousand alerts of a few keys that a digest gathers for a while: reading continues, memory
// comes back, the position stays, and it moves when SNS has the digest.
func TestStorm(t *testing.T) {
	const n = 95_000
	inWorld(t, 1, func(w *world) {
		w.cfg.Memory = 4 * (1 << 20)
		w.cloud.History.CountOnly()
		d := &testkit.Digester{On: true}
		w.gatherInto(d)
		w.put(0, n, 7)
		one := w.join("one")
		w.eventually(time.Minute, "all gathered", func() bool { return d.Count() == n })
		status := one.consumer.Status()[0]
		require.Equal(t, n, status.Unresolved)
		require.Equal(t, n, status.Gathered)
		require.LessOrEqual(t, one.consumer.credits.InUse(), 5*read.MinCredit, "a digest keeps no payload")
		require.Zero(t, w.distinct())
		s := one.consumer.shard(status.Shard)
		require.Equal(t, position.Position{}, func() position.Position {
			s.progress.mu.Lock()
			defer s.progress.mu.Unlock()
			return s.progress.mark.Mark()
		}())
		time.Sleep(time.Minute)
		require.Greater(t, one.consumer.Status()[0].Lag, time.Minute)

		d.Gathering(false)
		w.put(n, n+70, 7)
		time.Sleep(5 * time.Second)
		require.Zero(t, w.distinct(), "single messages may not overtake the digest")
		d.Flush()
		w.eventually(5*time.Second, "all published", func() bool { return w.distinct() == n+70 })
		w.checkOrder()
		require.InDelta(t, n+70, counter(t, one, "kinesis_alerter_records_total", "outcome", "alerted"), 0)
		require.NoError(t, one.Stop(w, 10*time.Second))
		w.join("two")
		time.Sleep(10 * time.Second)
		require.Zero(t, w.repeats(), "the position has passed it all")
	})
}

// TestStormFillsTheDigests: beyond what may wait in digests a shard is not read on, and then it is.
func TestStormFillsTheDigests(t *testing.T) {
	testkit.Long(t)
	inWorld(t, 1, func(w *world) {
		w.cloud.History.CountOnly()
		d := &testkit.Digester{On: true}
		w.gatherInto(d)
		w.put(0, lanes.MaxGathered+20_000, 7)
		w.join("one")
		time.Sleep(time.Minute)
		require.GreaterOrEqual(t, d.Count(), lanes.MaxGathered)
		require.LessOrEqual(t, d.Count(), lanes.MaxGathered+lanes.MaxUnresolved)
		d.Flush()
		w.eventually(time.Minute, "the rest gathered", func() bool { return d.Count() == lanes.MaxGathered+20_000 })
		d.Flush()
		w.eventually(time.Minute, "the rest", func() bool { return w.distinct() == lanes.MaxGathered+20_000 })
		w.checkOrder()
	})
}

// TestStopDuringAStorm: the digest goes out in time or its records are the next worker's.
func TestStopDuringAStorm(t *testing.T) {
	for _, inTime := range []bool{true, false} {
		inWorld(t, 1, func(w *world) {
			d := &testkit.Digester{On: true, Every: 3 * time.Second}
			if !inTime {
				d.Every = time.Minute
			}
			w.gatherInto(d)
			w.put(0, 1000, 7)
			one := w.join("one")
			w.eventually(10*time.Second, "gathered", func() bool { return d.Count() == 1000 })
			d.Gathering(false)
			err := one.Stop(w, 10*time.Second)
			if inTime {
				require.NoError(t, err)
				require.Equal(t, 1000, w.distinct())
			} else {
				require.ErrorIs(t, err, ErrNotDrained)
				require.Zero(t, w.distinct())
			}
			w.join("two")
			w.eventually(10*time.Second, "all", func() bool { return w.distinct() == 1000 })
			time.Sleep(2 * time.Minute) // the first worker's digest goes out all the same
			w.checkOrder()
			require.Equal(t, !inTime, w.repeats() > 0)
		})
	}
}

// TestHandoffWaitsForTheDigest and moves the shard when SNS has it.
func TestHandoffWaitsForTheDigest(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		d := &testkit.Digester{On: true, Every: 2 * time.Second}
		w.gatherInto(d)
		one := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 2 })
		n := 0
		var two *node
		for range 400 {
			w.put(n, n+10, 20)
			n += 10
			time.Sleep(50 * time.Millisecond)
			if n == 500 {
				two = w.join("two")
			}
		}
		w.eventually(30*time.Second, "all", func() bool { return w.distinct() == n })
		w.eventually(2*time.Minute, "balanced", func() bool { return one.reading() == 1 && two.reading() == 1 })
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// poisoned rejects the alerts of some records.
func poisoned(numbers ...string) func(context.Context, *node, *alert.Alert) error {
	return func(_ context.Context, _ *node, a *alert.Alert) error {
		if slices.Contains(numbers, string(a.Record.Data)) {
			return &alert.RejectedError{Reason: "invalid_parameter", Err: errors.New("no")}
		}
		return nil
	}
}

// TestRejectedAlertIsALetter: with dead letters nothing is held.
func TestRejectedAlertIsALetter(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		box := &testkit.LetterBox{}
		w.deadLetters = box
		w.publish = poisoned("7", "17")
		n := w.join("one")
		w.put(0, 100, 10)
		w.eventually(5*time.Second, "all but two", func() bool { return w.distinct() == 98 && len(box.All()) == 2 })
		w.eventually(time.Second, "resolved", func() bool { return n.consumer.Status()[0].Unresolved == 0 })
		require.Equal(t, "7", string(box.All()[0].Record.Data))
		require.Equal(t, alert.Reason("invalid_parameter"), box.All()[0].Reason)
		require.NotEmpty(t, box.All()[0].AlertID)
		require.Zero(t, n.consumer.Status()[0].HeldKeys)
		require.InDelta(t, 98, counter(t, n, "kinesis_alerter_records_total", "outcome", "alerted"), 0)
		require.InDelta(t, 2, counter(t, n, "kinesis_alerter_records_total", "outcome", "dead_lettered"), 0)
		require.NoError(t, n.Stop(w, 5*time.Second))
		w.join("two")
		time.Sleep(5 * time.Second)
		require.Zero(t, w.repeats())
		require.Len(t, box.All(), 2)
	})
}

// TestRejectedAlertIsSkippedWhenToldTo: it is counted, and its record has an outcome.
func TestRejectedAlertIsSkippedWhenToldTo(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.cfg.OnRejected = OnRejectedSkip
		w.publish = poisoned("7", "17")
		n := w.join("one")
		w.put(0, 100, 10)
		w.eventually(5*time.Second, "all but two", func() bool { return w.distinct() == 98 })
		require.InDelta(t, 2, counter(t, n, "kinesis_alerter_alerts_skipped_total", "reason", "rejected"), 0)
		require.InDelta(t, 2, counter(t, n, "kinesis_alerter_records_total", "outcome", "invalid"), 0)
		require.InDelta(t, 2, counter(t, n, "kinesis_alerter_invalid_records_total", "reason", "rejected"), 0)
		require.NoError(t, n.Stop(w, 5*time.Second))
	})
}

// TestGivenUpAlertsExpire: as Lambda drops what is older than it may be.
func TestGivenUpAlertsExpire(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.publish = func(_ context.Context, _ *node, a *alert.Alert) error {
			if a.Record.PartitionKey == "key-3" {
				return &alert.GivenUpError{Condition: alert.ConditionAge, Attempts: 3}
			}
			return nil
		}
		n := w.join("one")
		w.put(0, 100, 10)
		w.eventually(5*time.Second, "the others", func() bool { return w.distinct() == 90 })
		w.eventually(time.Second, "resolved", func() bool { return n.consumer.Status()[0].Unresolved == 0 })
		require.InDelta(t, 10, counter(t, n, "kinesis_alerter_alerts_skipped_total", "reason", "record_age"), 0)
		require.InDelta(t, 10, counter(t, n, "kinesis_alerter_records_total", "outcome", "expired"), 0)
	})
}

// TestLettersOfRecords: the pipeline asks for records to be seen that never become alerts.
func TestLettersOfRecords(t *testing.T) {
	for _, letters := range []bool{true, false} {
		inWorld(t, 1, func(w *world) {
			box := &testkit.LetterBox{}
			if letters {
				w.deadLetters = box
			}
			w.evaluator = func(string) evaluator { return &dropper{} }
			n := w.join("one")
			w.put(0, 30, 3)
			w.eventually(5*time.Second, "read", func() bool {
				return counter(t, n, "kinesis_alerter_records_read_total", "", "") == 30
			})
			w.eventually(time.Second, "resolved", func() bool { return n.consumer.Status()[0].Unresolved == 0 })
			if !letters {
				require.InDelta(t, 15, counter(t, n, "kinesis_alerter_records_total", "outcome", "filtered"), 0)
				require.InDelta(t, 15, counter(t, n, "kinesis_alerter_records_total", "outcome", "invalid"), 0)
				return
			}
			require.InDelta(t, 30, counter(t, n, "kinesis_alerter_records_total", "outcome", "dead_lettered"), 0)
			require.InDelta(t, 15, counter(t, n, "kinesis_alerter_invalid_records_total", "reason",
				string(alert.ReasonNotJSON)), 0, "why stays counted")
			require.Len(t, box.All(), 30)
			reasons := map[alert.Reason]int{}
			for _, l := range box.All() {
				reasons[l.Reason]++
				require.Zero(t, l.Attempts)
				require.Equal(t, alert.ConditionRetries, l.Condition)
				require.NotEmpty(t, l.Record.Data)
				require.Empty(t, l.AlertID)
			}
			require.Equal(t, map[alert.Reason]int{"": 15, alert.ReasonNotJSON: 15}, reasons)
		})
	}
}

// dropper is an evaluator that wants every record to be seen, one filtered, the next invalid.
type dropper struct {
	stateless
	n int
}

func (d *dropper) Evaluate(*alert.Record) alert.Decision {
	if d.n++; d.n%2 == 0 {
		return alert.Decision{Outcome: alert.Filtered, DeadLetter: true}
	}
	return alert.Decision{Outcome: alert.Invalid, Reason: alert.ReasonNotJSON, DeadLetter: true}
}

// stateless is what an evaluator without a memory has; nothing of it may be called.
type stateless struct{}

func (stateless) Stateful() bool                     { return false }
func (stateless) Told() (_, _ map[string]int)        { return nil, nil }
func (stateless) Agree(alert.HashKey, int)           {}
func (stateless) Reaches(time.Time)                  {}
func (stateless) EventTime() time.Time               { panic("stateless") }
func (stateless) Tick(alert.Tick) []*alert.Alert     { panic("stateless") }
func (stateless) State() []byte                      { panic("stateless") }
func (stateless) Restore([]byte) error               { panic("stateless") }
func (stateless) Rewound([]byte) (int, error)        { panic("stateless") }
func (stateless) Inherit([][]byte, alert.Heir) error { panic("stateless") }
func (stateless) Awaits() []alert.Awaited            { panic("stateless") }
func (stateless) Meet(*alert.Relative)               { panic("stateless") }
func (stateless) Forget()                            {}
func (stateless) ParkedTo() int64                    { panic("stateless") }
func (stateless) BringBack(time.Time) time.Duration  { panic("stateless") }

// rider is an evaluator whose decisions carry the alerts of other keys.
type rider struct {
	stateless
	others    int
	unmatched bool // the record itself makes no alert
}

func (r *rider) Evaluate(rec *alert.Record) alert.Decision {
	outcome, alerts := alert.Unmatched, []*alert.Alert(nil)
	if !r.unmatched {
		outcome = alert.Alerted
		alerts = append(alerts, &alert.Alert{ID: fmt.Sprintf("%s/%s", rec.PartitionKey, rec.Data), Record: *rec})
	}
	for i := range r.others {
		key := fmt.Sprint("other-", i)
		alerts = append(alerts, &alert.Alert{
			ID: fmt.Sprintf("%s/%s", key, rec.Data), Record: alert.Record{PartitionKey: key, Arrival: rec.Arrival},
		})
	}
	return alert.Decision{Outcome: outcome, Alerts: alerts}
}

// TestAlertsOfOtherKeysRideAlong: they go in the order of their own key, and one that stalls holds the
// position, not the others.
func TestAlertsOfOtherKeysRideAlong(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		release := make(chan struct{})
		w.publish = func(ctx context.Context, _ *node, a *alert.Alert) error {
			if a.Record.PartitionKey == "other-1" {
				select {
				case <-release:
				case <-ctx.Done():
					return context.Cause(ctx)
				}
			}
			return nil
		}
		w.evaluator = func(string) evaluator { return &rider{others: 3} }
		n := w.join("one")
		w.put(0, 20, 4)
		w.eventually(5*time.Second, "three of four", func() bool { return w.distinct() == 60 })
		require.Equal(t, 20, n.consumer.Status()[0].Unresolved)
		close(release)
		w.eventually(5*time.Second, "all", func() bool { return w.distinct() == 80 })
		w.eventually(time.Second, "resolved", func() bool { return n.consumer.Status()[0].Unresolved == 0 })
		require.InDelta(t, 20, counter(t, n, "kinesis_alerter_records_total", "outcome", "alerted"), 0)
		last := map[string]int{}
		for _, d := range w.deliveries() {
			var number int
			_, err := fmt.Sscanf(d.id[len(d.rec.PartitionKey):], "/%d", &number)
			require.NoError(t, err)
			require.GreaterOrEqual(t, number, last[d.rec.PartitionKey], d.id)
			last[d.rec.PartitionKey] = number
		}
	})
}

// TestAlertsThatRideAlongDecideNothing about the record that they ride with.
func TestAlertsThatRideAlongDecideNothing(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.evaluator = func(string) evaluator { return &rider{others: 2, unmatched: true} }
		n := w.join("one")
		w.put(0, 20, 4)
		w.eventually(5*time.Second, "all", func() bool { return w.distinct() == 40 })
		w.eventually(time.Second, "resolved", func() bool { return n.consumer.Status()[0].Unresolved == 0 })
		require.InDelta(t, 20, counter(t, n, "kinesis_alerter_records_total", "outcome", "unmatched"), 0)
		require.InDelta(t, 0, counter(t, n, "kinesis_alerter_records_total", "outcome", "alerted"), 0)
	})
}
