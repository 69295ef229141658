package consumer

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/fakeaws"
	"kinesis-alerter/internal/sleep"
	"kinesis-alerter/internal/testkit"
)

// TestChaos lets a fleet that publishes slowly meet joins, stops, crashes, reshards, aggregates and failing services in
// an order that its seed draws. Nothing is lost, the order of each key holds, and without a crash nothing is repeated.
func TestChaos(t *testing.T) {
	for seed := range testkit.Runs(4, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			draw := rand.New(rand.NewPCG(uint64(seed), 1)) //nolint:gosec // a test that repeats needs a weak one
			inWorld(t, 3, func(w *world) { w.chaos(draw, seed%2 == 0) })
		})
	}
}

func (w *world) chaos(draw *rand.Rand, crashes bool) {
	var mu sync.Mutex
	w.cfg.Memory = 2 * (1 << 20)
	w.publish = func(ctx context.Context, _ *node, _ *alert.Alert) error {
		mu.Lock()
		pause := time.Duration(draw.IntN(40)) * time.Millisecond
		mu.Unlock()
		return sleep.Until(ctx, time.Now().Add(pause))
	}
	pick := func(n int) int {
		mu.Lock()
		defer mu.Unlock()
		return draw.IntN(n)
	}
	var live []*node
	join := func() { live = append(live, w.join(fmt.Sprintf("n%d", len(w.nodes)))) }
	leave := func() *node {
		i := pick(len(live))
		n := live[i]
		live = slices.Delete(live, i, i+1)
		return n
	}
	join()
	records := 0
	put := func() {
		for range pick(60) {
			key := fmt.Sprintf("key-%d", pick(30))
			if pick(4) > 0 {
				w.cloud.Kinesis.Put(testStream, key, fmt.Append(nil, records))
				records++
				continue
			}
			var inside []fakeaws.UserRecord
			for range 1 + pick(6) {
				inside = append(inside, fakeaws.UserRecord{Data: fmt.Append(nil, records)})
				records++
			}
			w.cloud.Kinesis.Put(testStream, key, fakeaws.Aggregate([]string{key}, inside))
		}
	}
	for range 400 {
		put()
		time.Sleep(time.Duration(pick(300)) * time.Millisecond)
		switch open := w.cloud.Kinesis.OpenShards(testStream); pick(40) {
		case 0:
			if len(live) < 4 {
				join()
			}
		case 1:
			if len(live) > 1 {
				require.NoError(w.t, leave().Stop(w, 20*time.Second))
			}
		case 2:
			if crashes && len(live) > 1 {
				leave().crash(w)
			}
		case 3:
			if len(open) < 6 {
				w.cloud.Kinesis.Split(testStream, open[pick(len(open))])
			}
		case 4:
			if i := pick(len(open)); len(open) > 2 && i > 0 {
				w.cloud.Kinesis.Merge(testStream, open[i-1], open[i])
			}
		case 5:
			w.cloud.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceDynamoDB, Kind: fakeaws.After, Times: 1 + pick(3)})
		case 6:
			w.cloud.Faults.Add(fakeaws.Fault{Service: fakeaws.ServiceKinesis, Kind: fakeaws.Before, Times: 1 + pick(3)})
		case 7:
			w.cloud.Kinesis.ExpireIterators()
		}
	}
	for range 120 {
		if w.distinct() == records {
			break
		}
		time.Sleep(time.Second)
	}
	require.Equal(w.t, records, w.distinct())
	w.checkOrder()
	if !crashes {
		require.Zero(w.t, w.repeats())
	}
}
