package alert_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/testkit"
)

// Anyone with write access to the state table can write anything, with a valid checksum. A refused snapshot has cost
// nothing, and an accepted one is bounded like everything that rules remember.
func TestHostileSnapshotsTakeNoMemory(t *testing.T) {
	testkit.Long(t)
	rules := []alert.RuleConfig{
		{Name: "plain", When: "v > 0", Dedup: time.Hour},
		{Name: "panes", When: "v > 0", Window: alert.WindowConfig{
			Length: 2 * time.Hour, Step: time.Minute,
			Is: "> 1000",
		}},
		{Name: "values", When: "v > 0", Window: alert.WindowConfig{
			Length: time.Hour, Aggregate: "distinct", Of: "v",
			Is: "> 1000",
		}},
	}
	for name, state := range alert.HostileStates(rules) {
		t.Run(name, func(t *testing.T) {
			e := newStory(t, rules...).evaluator
			for what, read := range map[string]func() error{
				"restore": func() error { return e.Restore(state) },
				"inherit": func() error {
					return e.Inherit([][]byte{state},
						alert.Heir{Owns: func(string) bool { return true }, Siblings: []string{"a"}})
				},
				"relative": func() error { _, err := alert.ReadRelative("s", "1", state, nil); return err },
			} {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				err := read()
				runtime.ReadMemStats(&after)
				most := int64(len(state)) + 64<<20
				if err != nil {
					require.ErrorIs(t, err, alert.ErrState)
					taken := int64(after.TotalAlloc - before.TotalAlloc) //nolint:gosec // bytes
					require.Less(t, taken, most, "%s was refused", what)
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				require.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), most, what) //nolint:gosec // bytes
			}
			runtime.KeepAlive(e)
		})
	}
}

// Catching up from an old state, or one whose times were edited by hand, is quick although billions of windows have
// ended since 1970.
func TestTimeThatComesFarIsOneStep(t *testing.T) {
	s := newStory(t,
		alert.RuleConfig{
			Name: "tumbling", When: "v > 0",
			Window: alert.WindowConfig{Length: time.Second, Tumbling: true, Is: ">= 0"}, RepeatInterval: time.Hour,
			Resolve: alert.Stretch{Records: 2},
		},
		alert.RuleConfig{
			Name: "sliding", When: "v > 0", Window: alert.WindowConfig{Length: time.Second, Is: ">= 0"},
			Resolve: alert.Stretch{Records: 2},
		},
		alert.RuleConfig{
			Name: "insists", When: "v > 0", For: alert.Stretch{Time: time.Second},
			RateLimit: alert.Rate{Events: 1, Per: 100 * 365 * 24 * time.Hour},
		},
	)
	for i := range 10 {
		s.evaluator.Evaluate(&alert.Record{
			Shard: shardID, PartitionKey: fmt.Sprint(i), SequenceNumber: "1", Arrival: time.UnixMilli(int64(i + 1)),
			Data: []byte(`{"v":1}`),
		})
	}
	alerts := s.evaluator.Tick(alert.Tick{CaughtUp: noon()})
	require.Less(t, len(alerts), 10*100)
	require.NoError(t, newStory(t).evaluator.Restore(s.evaluator.State()))
}
