package alert_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// TestSizesAreOfWhatIsRemembered: the size that bounds the memory is updated with each change, and equals a full count.
func TestSizesAreOfWhatIsRemembered(t *testing.T) {
	window := func(c alert.WindowConfig) alert.WindowConfig {
		c.Length, c.Of = 10*time.Second, "v"
		return c
	}
	rules := []alert.RuleConfig{
		{Name: "dedup", When: "v > 5", Key: "k", Dedup: 5 * time.Second},
		{
			Name: "hold", When: "v > 5", Key: "k", For: alert.Stretch{Time: 3 * time.Second},
			Resolve: alert.Stretch{Time: 4 * time.Second},
		},
		{Name: "slides", When: "v > 1", Key: "k", Window: window(alert.WindowConfig{Aggregate: "sum", Is: "> 20"})},
		{Name: "tumbles", When: "v > 1", Window: window(
			alert.WindowConfig{Aggregate: "avg", Is: "> 5", Tumbling: true})},
		{
			Name: "distinct", When: "v > 1", Key: "k",
			Window: window(alert.WindowConfig{Aggregate: "distinct", Is: "> 3"}),
		},
		{Name: "absence", Key: "k", Absence: alert.AbsenceConfig{After: 6 * time.Second}},
	}
	config := oneRule(rules[0])
	config.Rules, config.State.MaxKeys = rules, 60
	w := newWorld(t, config)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same records every time
	at := noon()
	for i := range 4000 {
		at = at.Add(time.Duration(random.IntN(700)) * time.Millisecond)
		if random.IntN(50) == 0 {
			at = at.Add(20 * time.Second)
		}
		key := fmt.Sprintf("%s%d", strings.Repeat("k", random.IntN(5)), random.IntN(12))
		w.evaluator.Evaluate(&alert.Record{
			Shard: shardID, PartitionKey: "p" + key, SequenceNumber: strings.Repeat("9", 1+random.IntN(3)), Arrival: at,
			Data: fmt.Appendf(nil, `{"k":%q,"v":%d}`, key, random.IntN(10)),
		})
		switch random.IntN(40) {
		case 0:
			w.evaluator.Tick(alert.Tick{CaughtUp: at.Add(time.Duration(random.IntN(20)) * time.Second)})
		case 1:
			require.NoError(t, w.evaluator.Restore(w.evaluator.State()))
		}
		noted, counted := alert.Sizes(w.evaluator)
		require.Equal(t, counted, noted, "after record %d", i)
	}
	noted, _ := alert.Sizes(w.evaluator)
	require.Greater(t, noted[0], 4000)
}
