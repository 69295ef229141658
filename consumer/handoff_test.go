package consumer

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// TestHandoffGap joins workers to a busy stream and measures, for each shard that moved, the time from the last record
// that its old worker published to the first of the new one. All times are virtual, with 5 ms for each call of AWS.
func TestHandoffGap(t *testing.T) {
	const shards, bar = 24, 500 * time.Millisecond
	inWorld(t, shards, func(w *world) {
		w.cloud.History.CountOnly()
		w.cloud.Faults.Add(fakeaws.Fault{Kind: fakeaws.Delay, Delay: 5 * time.Millisecond})
		first := w.join("n0")
		w.eventually(10*time.Second, "all read", func() bool { return first.reading() == shards })
		records := 0
		traffic := func(d time.Duration) { // fifty records a second and shard, on the average
			for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
				w.put(records, records+shards, 10*shards+1)
				records += shards
			}
		}
		traffic(3 * time.Second)
		for _, name := range []string{"n1", "n2", "n3"} {
			w.join(name)
			traffic(4 * time.Second)
		}
		w.eventually(10*time.Second, "all published", func() bool { return w.distinct() == records })
		require.Zero(t, w.repeats(), "records repeated")
		w.checkOrder()

		gaps := w.handoffGaps()
		require.GreaterOrEqual(t, len(gaps), shards*3/4-2, "shards moved")
		p99 := gaps[(len(gaps)*99+99)/100-1]
		t.Logf("%d handoffs, gap p50 %v, p99 %v, bar of p99 %v", len(gaps), gaps[len(gaps)/2], p99, bar)
		require.LessOrEqual(t, p99, bar)
	})
}

// handoffGaps are the pauses between two workers of a shard, sorted.
func (w *world) handoffGaps() []time.Duration {
	last := map[string]delivery{}
	var gaps []time.Duration
	for _, d := range w.deliveries() {
		if before, ok := last[d.rec.Shard]; ok && before.node != d.node {
			gaps = append(gaps, d.at.Sub(before.at))
		}
		last[d.rec.Shard] = d
	}
	slices.Sort(gaps)
	return gaps
}
