package consumer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/fakeaws"
)

// TestPanicOnTheLastPageIsNoEnd: the library calls Shutdown after a last page, whatever became of the page.
func TestPanicOnTheLastPageIsNoEnd(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		n := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return n.reading() == 1 })
		parent := w.cloud.Kinesis.OpenShards(testStream)[0]
		n.consumer.shard(parent).eval = nil // Evaluate will dereference it
		w.put(0, 10, 2)
		w.cloud.Kinesis.Split(testStream, parent)
		w.put(10, 20, 2)
		w.eventually(30*time.Second, "all of 20", func() bool { return w.distinct() == 20 })
		w.checkOrder()
		require.InDelta(t, 1, counter(t, n, "kinesis_alerter_consumer_panics_total", "", ""), 0)
	})
}

// TestCrashBesideAHeldKey: the position is held, maybe for hours; a crash must not repeat what the other keys had.
func TestCrashBesideAHeldKey(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.publish = func(_ context.Context, _ *node, a *alert.Alert) error {
			if string(a.Record.Data) == "7" {
				return &alert.RejectedError{Reason: "invalid_parameter", Err: errors.New("no")}
			}
			return nil
		}
		one := w.join("one")
		w.put(0, 100, 10)
		w.eventually(5*time.Second, "nine keys of ten", func() bool { return w.distinct() == 90 })
		time.Sleep(5 * time.Second)
		one.crash(w)
		w.put(100, 200, 10)
		w.join("two")
		w.eventually(30*time.Second, "nine keys of ten", func() bool { return w.distinct() == 180 })
		require.Zero(t, w.repeats())
	})
}

// TestHandoffOfAStuckShardIsCalledOff: a shard that has no room for more must answer the planner all the same.
func TestHandoffOfAStuckShardIsCalledOff(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.publish = func(ctx context.Context, n *node, _ *alert.Alert) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		w.put(0, 4*lanes.MaxUnresolved, 50)
		one := w.join("one")
		w.eventually(5*time.Second, "stuck", func() bool { return one.reading() == 2 })
		time.Sleep(2 * time.Second)
		w.join("two")
		time.Sleep(time.Minute)
		require.Positive(t, counter(t, one, "kinesis_alerter_handoffs_total", "result", "called_off"))
	})
}

// TestLagBeforeTheFirstAnswer: a shard that never answers since the start is not without lag.
func TestLagBeforeTheFirstAnswer(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.cloud.Faults.Add(fakeaws.Fault{
			Operation: "GetRecords", Kind: fakeaws.Before, Err: &fakeaws.Error{Code: "AccessDeniedException"},
		})
		n := w.join("one")
		time.Sleep(time.Minute)
		require.Greater(t, n.consumer.Status()[0].Lag, 50*time.Second)
		require.Len(t, lagSeries(t, n), 1)
	})
}

// TestGapTellsWhetherRecordsWereMissed: what was read up to a day ago may have left the stream unread.
func TestGapTellsWhetherRecordsWereMissed(t *testing.T) {
	for _, tt := range []struct {
		away   time.Duration
		missed bool
		how    fakeaws.Trimmed
	}{
		{time.Hour, false, fakeaws.TrimmedRefused},
		{time.Hour, false, fakeaws.TrimmedEmpty},
		{72 * time.Hour, true, fakeaws.TrimmedRefused},
		{72 * time.Hour, true, fakeaws.TrimmedEmpty},
		{72 * time.Hour, true, fakeaws.TrimmedOldest},
	} {
		away, missed := tt.away, tt.missed
		inWorld(t, 1, func(w *world) {
			one := w.join("one")
			w.put(0, 10, 2)
			w.eventually(5*time.Second, "10", func() bool { return w.distinct() == 10 })
			time.Sleep(2 * time.Second)
			require.NoError(t, one.Stop(w, 5*time.Second))
			w.cloud.Kinesis.AnswerTrimmed(tt.how)
			time.Sleep(away)
			w.put(10, 20, 2)
			time.Sleep(time.Second)
			w.cloud.Kinesis.Trim(testStream, time.Now())
			w.put(20, 30, 2)
			two := w.join("two")
			w.eventually(30*time.Second, "what is there", func() bool { return w.distinct() == 20 })
			require.InDelta(t, 1, counter(t, two, "kinesis_alerter_checkpoint_gaps_total", "missed",
				fmt.Sprint(missed)), 0, away)
		})
	}
}

// panickyKinesis panics on its first answers with records.
type panickyKinesis struct {
	read.Kinesis
	left *atomic.Int32
}

func (k panickyKinesis) GetRecords(
	ctx context.Context, in *kinesis.GetRecordsInput, opts ...func(*kinesis.Options),
) (*kinesis.GetRecordsOutput, error) {
	out, err := k.Kinesis.GetRecords(ctx, in, opts...)
	if err == nil && len(out.Records) > 0 && k.left.Add(-1) >= 0 {
		panic("page")
	}
	return out, err
}

// TestPanicWhileReadingCostsAStartOver is defect 46, too.
func TestPanicWhileReadingCostsAStartOver(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		var left atomic.Int32
		left.Store(20) // more than the pool has credits for, if each of them kept its own
		w.cfg.Memory = (1 << 20)
		w.reads = func(k read.Kinesis) read.Kinesis { return panickyKinesis{k, &left} }
		n := w.join("one")
		w.put(0, 10, 5)
		w.eventually(2*time.Minute, "all of 10", func() bool { return w.distinct() == 10 })
		require.InDelta(t, 20, counter(t, n, "kinesis_alerter_consumer_panics_total", "", ""), 0)
		w.eventually(time.Second, "credits given back", func() bool {
			return n.consumer.credits.InUse() <= 2*4*read.MinCredit
		})
	})
}

// TestHeldKeyStarvesNoOtherShard: what waits behind a poisoned alert keeps its credits for days.
func TestHeldKeyStarvesNoOtherShard(t *testing.T) {
	for memory, large := range map[int][]byte{
		24 * (1 << 20): bytes.Repeat([]byte("0"), 200<<10), (1 << 20): bytes.Repeat([]byte("0"), 30<<10),
	} {
		heldKeyStarvesNoOtherShard(t, memory, large)
	}
}

func heldKeyStarvesNoOtherShard(t *testing.T, memory int, large []byte) {
	t.Helper()
	inWorld(t, 2, func(w *world) {
		w.cfg.Memory = memory
		keys := map[string]string{} // by shard
		for i := 0; len(keys) < 2; i++ {
			id, _ := w.cloud.Kinesis.Put(testStream, fmt.Sprint(i), []byte("0"))
			keys[id] = fmt.Sprint(i)
		}
		open := w.cloud.Kinesis.OpenShards(testStream)
		poisoned, healthy := keys[open[0]], keys[open[1]]
		w.publish = func(_ context.Context, _ *node, a *alert.Alert) error {
			if a.Record.PartitionKey == poisoned {
				return &alert.RejectedError{Reason: "invalid_parameter", Err: errors.New("no")}
			}
			return nil
		}
		w.join("one")
		for range 150 {
			w.cloud.Kinesis.Put(testStream, poisoned, large)
		}
		time.Sleep(time.Minute)
		before := w.distinct()
		for range 50 {
			w.cloud.Kinesis.Put(testStream, healthy, large)
		}
		w.eventually(time.Minute, "the other shard's", func() bool { return w.distinct() == before+50 })
	})
}

// TestClosedShardWithAHeldKey: it has no end, its children wait, a stop is quick all the same, and the next worker, to
// whom the alert is good, continues in order and repeats nothing.
func TestClosedShardWithAHeldKey(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.publish = func(_ context.Context, n *node, a *alert.Alert) error {
			if n.name == "one" && string(a.Record.Data) == "7" {
				return &alert.RejectedError{Reason: "invalid_parameter", Err: errors.New("no")}
			}
			return nil
		}
		w.put(0, 100, 10)
		w.cloud.Kinesis.Split(testStream, w.cloud.Kinesis.OpenShards(testStream)[0])
		w.put(100, 200, 10)
		one := w.join("one")
		w.eventually(5*time.Second, "nine keys of ten, from the parent", func() bool { return w.distinct() == 90 })
		time.Sleep(time.Minute)
		require.Equal(t, 90, w.distinct(), "no child before its parent's end")
		require.Len(t, one.consumer.Status(), 1)
		start := time.Now()
		require.ErrorIs(t, one.Stop(w, 20*time.Second), ErrNotDrained)
		require.Less(t, time.Since(start), time.Second)
		w.join("two")
		w.eventually(10*time.Second, "all of 200", func() bool { return w.distinct() == 200 })
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}
