package consumer

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/internal/fakeaws"
)

// TestStartHundredShards is defect 3: the library takes one lease a minute.
func TestStartHundredShards(t *testing.T) {
	shards, bar := 100, 2*time.Second
	if n, err := strconv.Atoi(os.Getenv("SCALE")); err == nil {
		shards, bar = n, 6*time.Second
	}
	inWorld(t, shards, func(w *world) {
		n := w.join("one")
		took := w.eventually(bar, "all shards read", func() bool { return n.reading() == shards })
		t.Logf("%d shards read after %s (bar %s)", shards, took, bar)
		require.LessOrEqual(t, w.cloud.History.Count(fakeaws.ServiceKinesis, "ListShards"), 12)
	})
}

// TestLatestReshard is defect 4: under latest, the library starts the children of a reshard at their tips.
func TestLatestReshard(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.start = checkpoint.Start{}
		w.put(0, 50, 10) // before the start: not wanted
		time.Sleep(5 * time.Second)
		w.join("one")
		w.eventually(5*time.Second, "started", func() bool { return w.nodes[0].reading() == 2 })
		w.put(100, 200, 10)
		for _, id := range w.cloud.Kinesis.OpenShards(testStream) {
			w.cloud.Kinesis.Split(testStream, id)
		}
		w.put(200, 300, 10)
		w.eventually(20*time.Second, "all of 200", func() bool { return w.distinct() == 200 })
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// TestStopWhileChildWaits is defect 5: with a child waiting for its parent, the library's Shutdown never returns.
func TestStopWhileChildWaits(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		release := make(chan struct{})
		w.publish = func(ctx context.Context, _ *node, _ *alert.Alert) error {
			select {
			case <-release:
				return nil
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		w.put(0, 5, 2)
		n := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return n.reading() == 1 })
		w.cloud.Kinesis.Split(testStream, w.cloud.Kinesis.OpenShards(testStream)[0])
		w.put(5, 10, 2)
		time.Sleep(5 * time.Second)
		require.Equal(t, 1, n.reading(), "no child before its parent has ended")
		start := time.Now()
		require.ErrorIs(t, n.Stop(w, 10*time.Second), ErrNotDrained)
		require.LessOrEqual(t, time.Since(start), 10*time.Second)
		close(release)
		w.join("two")
		w.eventually(20*time.Second, "all of 10", func() bool { return w.distinct() == 10 })
		w.checkOrder()
	})
}

// TestParentsFirst is defects 6, 7 and 8: children wait for both parents, also at a fresh start on a stream that was
// resharded before, and also when a parent has no checkpoint yet.
func TestParentsFirst(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.publish = func(_ context.Context, _ *node, a *alert.Alert) error {
			time.Sleep(time.Duration(len(a.Record.PartitionKey)) * 3 * time.Millisecond)
			return nil
		}
		w.put(0, 200, 20)
		for _, id := range w.cloud.Kinesis.OpenShards(testStream) {
			w.cloud.Kinesis.Split(testStream, id)
		}
		w.put(200, 400, 20)
		open := w.cloud.Kinesis.OpenShards(testStream)
		for i := 0; i+1 < len(open); i += 2 {
			w.cloud.Kinesis.Merge(testStream, open[i], open[i+1])
		}
		w.put(400, 600, 20)
		w.join("one")
		w.join("two")
		w.eventually(time.Minute, "all of 600", func() bool { return w.distinct() == 600 })
		w.checkOrder()
	})
}

// TestReshardUnderLoad splits and merges while two workers read.
func TestReshardUnderLoad(t *testing.T) {
	inWorld(t, 4, func(w *world) {
		w.join("one")
		w.join("two")
		n := 0
		more := func() {
			for range 20 {
				w.put(n, n+20, 40)
				n += 20
				time.Sleep(50 * time.Millisecond)
			}
		}
		more()
		for _, id := range w.cloud.Kinesis.OpenShards(testStream) {
			w.cloud.Kinesis.Split(testStream, id)
		}
		more()
		open := w.cloud.Kinesis.OpenShards(testStream)
		for i := 0; i+1 < len(open); i += 2 {
			w.cloud.Kinesis.Merge(testStream, open[i], open[i+1])
		}
		more()
		w.eventually(30*time.Second, "all", func() bool { return w.distinct() == n })
		w.checkOrder()
		require.Zero(t, w.repeats(), "nothing crashed")
	})
}

// TestCrashTakeover: the other worker has the shards within the lease and a second, with nothing lost.
func TestCrashTakeover(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		one, two := w.join("one"), w.join("two")
		w.eventually(30*time.Second, "balanced", func() bool { return one.reading() == 4 && two.reading() == 4 })
		w.put(0, 200, 50)
		w.eventually(5*time.Second, "all of 200", func() bool { return w.distinct() == 200 })
		one.crash(w)
		w.put(200, 400, 50)
		took := w.eventually(30*time.Second, "all of 400", func() bool { return w.distinct() == 400 })
		require.LessOrEqual(t, took, lease+time.Second)
		w.checkOrder()
	})
}

// TestCrashRepeatsNoAlertOfASecondAgo: progress that a crash would only read again may wait, but not what was alerted.
func TestCrashRepeatsNoAlertOfASecondAgo(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one := w.join("one")
		for from := 0; from < 300; from += 100 {
			w.put(from, from+100, 10)
			w.eventually(5*time.Second, "its alerts", func() bool { return w.distinct() == from+100 })
			time.Sleep(1500 * time.Millisecond)
		}
		one.crash(w)
		w.put(300, 400, 10)
		w.join("two")
		w.eventually(30*time.Second, "all of 400", func() bool { return w.distinct() == 400 })
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// TestStopHandsOver: after SIGTERM of one worker the other reads its shards within a second, and nothing is repeated.
func TestStopHandsOver(t *testing.T) {
	inWorld(t, 8, func(w *world) {
		one, two := w.join("one"), w.join("two")
		w.eventually(30*time.Second, "balanced", func() bool { return one.reading() == 4 && two.reading() == 4 })
		w.put(0, 200, 50)
		time.Sleep(300 * time.Millisecond)
		start := time.Now()
		require.NoError(t, one.Stop(w, 20*time.Second))
		w.put(200, 400, 50)
		w.eventually(5*time.Second, "all of 400", func() bool { return w.distinct() == 400 })
		require.LessOrEqual(t, time.Since(start), time.Second)
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// TestLostLeaseEndsTheShard is defects 9, 10 and 26: throttled and failing heartbeats end nothing while the trust
// window lasts, a partition ends the shard here before another worker has it, and no goroutine is left behind.
func TestLostLeaseEndsTheShard(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 2 })
		remove := w.cloud.Faults.Add(fakeaws.Throttle(fakeaws.ServiceDynamoDB, "UpdateItem"))
		time.Sleep(lease / 2)
		remove()
		require.Equal(t, 2, one.reading(), "the lease outlives a throttle")

		var inFlight atomic.Int32
		w.publish = func(ctx context.Context, n *node, _ *alert.Alert) error {
			if n != one {
				require.Zero(t, inFlight.Load(), "two workers publish at once")
				return nil
			}
			inFlight.Add(1)
			defer inFlight.Add(-1)
			<-ctx.Done() // SNS stalls, far beyond the lease
			return context.Cause(ctx)
		}
		w.put(0, 10, 10)
		time.Sleep(3 * lease)
		require.Equal(t, 2, one.reading(), "slow publishing costs no lease")

		w.cloud.Faults.Add(fakeaws.Fault{Client: "one", Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.Partition})
		two := w.join("two")
		w.eventually(3*lease, "taken over", func() bool { return two.reading() == 2 })
		require.Zero(t, one.reading())
		w.eventually(5*time.Second, "all of 10", func() bool { return w.distinct() == 10 })
		w.eventually(5*time.Second, "each record is accounted for once", func() bool { return accounted(t, two) == 10 })
		require.InDelta(t, 10, counter(t, one, "kinesis_alerter_records_left_total", "", ""), 0)
		require.InDelta(t, 10, accounted(t, one), 0)
	})
}

// accounted are the records of a worker that it has settled or left, all that it read.
func accounted(t *testing.T, n *node) float64 {
	t.Helper()
	sum := counter(t, n, "kinesis_alerter_records_left_total", "", "")
	for _, outcome := range []string{
		"unmatched", "filtered", "suppressed", "expired", "invalid", "dead_lettered", "alerted",
	} {
		sum += counter(t, n, "kinesis_alerter_records_total", "outcome", outcome)
	}
	require.InDelta(t, counter(t, n, "kinesis_alerter_records_read_total", "", ""), sum, 0)
	return sum
}

// TestDynamoDBOutage: processing continues until the trust window ends and comes back by itself.
func TestDynamoDBOutage(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 2 })
		remove := w.cloud.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		time.Sleep(time.Second)
		w.put(0, 10, 5)
		w.eventually(2*time.Second, "published while DynamoDB is away", func() bool { return w.distinct() == 10 })
		time.Sleep(time.Minute)
		require.Zero(t, one.reading(), "no reading without trust")
		w.put(10, 20, 5)
		remove()
		w.eventually(30*time.Second, "all of 20", func() bool { return w.distinct() == 20 })
		w.checkOrder()
	})
}

// TestPoisonCostsItself is defects 23, 24 and 25: a broken aggregate and a broken record inside one.
func TestPoisonCostsItself(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		put := func(data []byte) { w.cloud.Kinesis.Put(testStream, "outer", data) }
		put([]byte("0"))
		put(fakeaws.SealAggregate([]byte("garbage-not-protobuf-\xff\xff\xff\xff\xff")))
		put(fakeaws.Aggregate([]string{"a", "b"}, []fakeaws.UserRecord{
			{Data: []byte("1")}, {Key: 9, Data: []byte("x")}, {Key: 1, Data: []byte("2")}, {Data: []byte("3")},
		}))
		put(fakeaws.Aggregate(nil, nil))
		put([]byte("4"))
		n := w.join("one")
		w.eventually(5*time.Second, "5 good ones", func() bool { return w.distinct() == 5 })
		var got []string
		for _, d := range w.deliveries() {
			got = append(got, string(d.rec.Data))
		}
		require.ElementsMatch(t, []string{"0", "1", "2", "3", "4"}, got)
		require.InDelta(t, 2, counter(t, n, "kinesis_alerter_records_total", "outcome", "invalid"), 0)
		require.InDelta(t, 1, counter(t, n, "kinesis_alerter_records_total", "outcome", "filtered"), 0,
			"the empty aggregate")
		require.InDelta(t, 8, counter(t, n, "kinesis_alerter_records_read_total", "", ""), 0)
	})
}

// TestResumeInsideAnAggregate is defect 25: a checkpoint inside an aggregate neither loses nor repeats the rest.
func TestResumeInsideAnAggregate(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		var records []fakeaws.UserRecord
		for i := range 8 {
			records = append(records, fakeaws.UserRecord{Data: fmt.Appendf(nil, "%d", i)})
		}
		w.cloud.Kinesis.Put(testStream, "outer", fakeaws.Aggregate([]string{"key"}, records))
		w.publish = func(ctx context.Context, n *node, a *alert.Alert) error {
			if n.name == "one" && a.Record.SubSequence >= 3 {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		}
		one := w.join("one")
		w.eventually(5*time.Second, "three of eight", func() bool { return w.distinct() == 3 })
		time.Sleep(2 * time.Second) // committed
		one.crash(w)
		w.join("two")
		w.eventually(30*time.Second, "all of 8", func() bool { return w.distinct() == 8 })
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// TestStopRemembersWhatWasPublishedAbove: keys that continued while one was stuck are not published again.
func TestStopRemembersWhatWasPublishedAbove(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.publish = func(ctx context.Context, n *node, a *alert.Alert) error {
			if n.name == "one" && a.Record.PartitionKey == "key-0" {
				<-ctx.Done()
				return context.Cause(ctx)
			}
			return nil
		}
		w.put(0, 100, 10)
		one := w.join("one")
		w.eventually(5*time.Second, "nine keys of ten", func() bool { return w.distinct() == 90 })
		require.ErrorIs(t, one.Stop(w, 5*time.Second), ErrNotDrained)
		w.join("two")
		w.eventually(5*time.Second, "all of 100", func() bool { return w.distinct() == 100 })
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// TestRejectedAlertHoldsItsKeyOnly: the others continue, and the position is held.
func TestRejectedAlertHoldsItsKeyOnly(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.publish = func(_ context.Context, _ *node, a *alert.Alert) error {
			if string(a.Record.Data) == "7" {
				return &alert.RejectedError{Reason: "invalid_parameter", Err: errors.New("no")}
			}
			return nil
		}
		n := w.join("one")
		w.put(0, 100, 10)
		w.eventually(5*time.Second, "all but those of one key", func() bool { return w.distinct() == 90 })
		time.Sleep(time.Minute)
		status := n.consumer.Status()[0]
		require.Equal(t, 1, status.HeldKeys)
		require.Equal(t, 10, status.Unresolved)
		require.Greater(t, status.Lag, time.Minute, "lag grows when nothing moves")
	})
}

// TestHandoffRepeatsNothing: a second worker joins under load; shards move without a gap in the record.
func TestHandoffRepeatsNothing(t *testing.T) {
	inWorld(t, 6, func(w *world) {
		w.publish = func(context.Context, *node, *alert.Alert) error { time.Sleep(180 * time.Millisecond); return nil }
		one := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 6 })
		n := 0
		var two *node
		for range 200 {
			w.put(n, n+10, 60)
			n += 10
			time.Sleep(50 * time.Millisecond)
			if n == 500 {
				two = w.join("two")
			}
		}
		w.eventually(30*time.Second, "all", func() bool { return w.distinct() == n })
		w.eventually(30*time.Second, "balanced", func() bool { return one.reading() == 3 && two.reading() == 3 })
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// TestPanicCostsAStartOver is defect 46: a panic in our own code on the library's goroutine.
func TestPanicCostsAStartOver(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		n := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return n.reading() == 1 })
		n.consumer.shard(w.cloud.Kinesis.OpenShards(testStream)[0]).eval = nil // Evaluate will dereference it
		w.put(0, 10, 2)
		w.eventually(30*time.Second, "all of 10", func() bool { return w.distinct() == 10 })
		require.InDelta(t, 1, counter(t, n, "kinesis_alerter_consumer_panics_total", "", ""), 0)
	})
}

// TestStopIsQuickAndIdempotent is defects 39 and 44.
func TestStopIsQuickAndIdempotent(t *testing.T) {
	inWorld(t, 50, func(w *world) {
		n := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return n.reading() == 50 })
		start := time.Now()
		require.NoError(t, n.Stop(w, 20*time.Second))
		require.NoError(t, n.consumer.Stop(w.t.Context()))
		require.Less(t, time.Since(start), time.Second)
	})
}

// TestStopBudget: whatever hangs, Stop comes back in time and says what is left.
func TestStopBudget(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		w.publish = func(ctx context.Context, _ *node, _ *alert.Alert) error {
			<-ctx.Done()
			return context.Cause(ctx)
		}
		w.put(0, 10, 10)
		n := w.join("one")
		w.eventually(5*time.Second, "stuck", func() bool { return len(n.consumer.Status()) == 2 && n.reading() == 2 })
		w.cloud.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.BlackHole})
		ctx, cancel := context.WithTimeout(w.t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		require.ErrorIs(t, n.consumer.Stop(ctx), ErrNotDrained)
		require.LessOrEqual(t, time.Since(start), 5*time.Second)
	})
}

// TestStopUnderLoadIsClean: a stop finds more waiting than may wait; what was not taken in is the next owner's.
func TestStopUnderLoadIsClean(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.publish = func(context.Context, *node, *alert.Alert) error { time.Sleep(20 * time.Millisecond); return nil }
		w.put(0, 4000, 10)
		one := w.join("one")
		w.eventually(5*time.Second, "as much as may wait", func() bool {
			s := one.consumer.Status()
			return len(s) == 1 && s[0].Unresolved >= lanes.MaxUnresolved
		})
		require.NoError(t, one.Stop(w, 20*time.Second))
		w.join("two")
		w.eventually(30*time.Second, "all", func() bool { return w.distinct() == 4000 })
		w.checkOrder()
		require.Zero(t, w.repeats())
	})
}

// TestHandoffWhoseAnswerIsLost: the row may name the other worker already, so this one must not continue.
func TestHandoffWhoseAnswerIsLost(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		one := w.join("one")
		w.eventually(5*time.Second, "reading", func() bool { return one.reading() == 2 })
		w.put(0, 100, 50)
		w.eventually(5*time.Second, "100", func() bool { return w.distinct() == 100 })
		var lost atomic.Bool
		w.cloud.Faults.Add(fakeaws.Fault{
			Client: "one", Service: fakeaws.ServiceDynamoDB, Operation: "UpdateItem", Kind: fakeaws.Lost,
			Match: func(r *fakeaws.Request) bool {
				if strings.Contains(string(r.Body), `"two/`) { // the target's id: a handoff
					lost.Store(true)
					return true
				}
				return false
			},
		})
		w.cloud.Faults.Add(fakeaws.Fault{
			Client: "one", Service: fakeaws.ServiceDynamoDB, Operation: "GetItem", Kind: fakeaws.BlackHole,
			When: lost.Load,
		})
		two := w.join("two")
		next := 100
		w.eventually(40*time.Second, "handed over", func() bool {
			w.put(next, next+10, 50)
			next += 10
			time.Sleep(95 * time.Millisecond)
			return two.reading() == 1
		})
		require.True(t, lost.Load())
		for range 20 {
			w.put(next, next+10, 50)
			next += 10
			time.Sleep(100 * time.Millisecond)
		}
		w.eventually(20*time.Second, "all", func() bool { return w.distinct() == next })
		require.Zero(t, w.repeats())
		w.checkOrder()
	})
}

// TestShardThatTheStreamLost: a closed shard that a held key keeps from its end until its retention is over is given
// up, which is logged, and its children are read.
func TestShardThatTheStreamLost(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.publish = func(_ context.Context, _ *node, a *alert.Alert) error {
			if string(a.Record.Data) == "0" {
				return &alert.RejectedError{Reason: "invalid_parameter", Err: errors.New("no")}
			}
			return nil
		}
		n := w.join("one")
		w.put(0, 5, 5)
		w.eventually(5*time.Second, "all but one", func() bool { return w.distinct() == 4 })
		w.cloud.Kinesis.Split(testStream, w.cloud.Kinesis.OpenShards(testStream)[0])
		time.Sleep(time.Second)
		closed := time.Now()
		w.put(5, 10, 5)
		time.Sleep(10 * time.Second)
		require.Equal(t, 4, w.distinct(), "children wait")
		w.cloud.Kinesis.Trim(testStream, closed)
		w.eventually(5*time.Minute, "the children", func() bool { return w.distinct() == 9 })
		w.eventually(5*time.Minute, "the parent given up", func() bool { return len(n.consumer.Status()) == 2 })
		require.InDelta(t, 1, counter(t, n, "kinesis_alerter_checkpoint_gaps_total", "missed", "true"), 0)
	})
}
