package checkpoint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/fakeaws"
)

func TestHundredShardsStartAtOnce(t *testing.T) {
	bubble(t, 100, func(w *world) {
		p := w.start("a")
		took := w.awaitHeld(5*time.Second, 100, p)
		require.LessOrEqual(w, took, 2*time.Second)
		require.LessOrEqual(w, w.aws.History.Count(fakeaws.ServiceKinesis, "ListShards"), 12)
		w.Logf("100 shards held after %v, %d ListShards calls", took,
			w.aws.History.Count(fakeaws.ServiceKinesis, "ListShards"))
		p.stop()
		for _, it := range w.aws.DynamoDB.Items(testTable) {
			require.NotContains(w, it, table.AttrOwner)
		}
	})
}

func TestTwoWorkersBalance(t *testing.T) {
	bubble(t, 9, func(w *world) {
		a := w.start("a")
		w.awaitHeld(5*time.Second, 9, a)
		b := w.start("b")
		took := w.await("balance", 5*time.Second, func() bool { return len(b.held()) == 4 && len(a.held()) == 5 })
		w.Logf("balanced after %v", took)
		a.stop()
		took = w.awaitHeld(time.Second, 9, b)
		w.Logf("took over after a clean stop in %v", took)
		b.stop()
	})
}
