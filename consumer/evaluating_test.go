package consumer

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/fakeaws"
)

// slowEvaluator takes a minute for each record.
type slowEvaluator struct{ evaluator }

func (slowEvaluator) Evaluate(*alert.Record) alert.Decision {
	time.Sleep(time.Minute)
	return alert.Decision{Outcome: alert.Unmatched}
}

func (slowEvaluator) Stateful() bool { return false }

func (slowEvaluator) Told() (firing, leaving map[string]int) { return nil, nil }

func (slowEvaluator) Agree(alert.HashKey, int) {}
func (slowEvaluator) Reaches(time.Time)        {}

// A shard whose evaluation does not end says since when, and one that waits for its alerts does not.
func TestEvaluationThatTakesLongIsSeen(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		w.evaluator = func(string) evaluator { return slowEvaluator{} }
		n := w.join("a")
		time.Sleep(5 * time.Second)
		require.Zero(t, n.consumer.Status()[0].Evaluating)
		w.put(0, 1, 1)
		time.Sleep(20 * time.Second)
		require.InDelta(t, 19.9, time.Since(n.consumer.Status()[0].Evaluating).Seconds(), 0.5)
		time.Sleep(time.Minute)
		require.Zero(t, n.consumer.Status()[0].Evaluating)
	})
	inWorld(t, 1, func(w *world) {
		w.cfg.Memory = 1 << 20
		w.publish = func(ctx context.Context, _ *node, _ *alert.Alert) error {
			<-ctx.Done()
			return ctx.Err()
		}
		n := w.join("a")
		for i := range 60 {
			w.cloud.Kinesis.Put(testStream, fmt.Sprint("k", i), bytes.Repeat([]byte("x"), 20_000))
		}
		time.Sleep(time.Minute)
		s := n.consumer.Status()[0]
		require.Equal(t, read.WaitsForAlerts, s.WaitsFor)
		require.Zero(t, s.Evaluating)
		n.crash(w)
	})
}

// Throttling is remembered, so that a lag has its reason although other calls succeed.
func TestThrottledReadsAreSeen(t *testing.T) {
	inWorld(t, 1, func(w *world) {
		calls := 0
		throttle := fakeaws.Throttle(fakeaws.ServiceKinesis, "GetRecords")
		throttle.When = func() bool { calls++; return calls%2 == 0 }
		w.cloud.Faults.Add(throttle)
		n := w.join("a")
		time.Sleep(30 * time.Second)
		s := n.consumer.Status()[0]
		require.Less(t, time.Since(s.Throttled), 10*time.Second)
		require.Less(t, time.Since(s.LastFetch), 10*time.Second)
	})
}
