package alert_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// rewind begins the shard again, with what it owed before.
func (f *fleetOfOne) rewind(format int) (keys int) {
	state := f.shards[0].State()
	f.shards = []*alert.Evaluator{f.pipeline.Rewound("parent", 1)}
	f.shards[0].Agree(alert.HashKey{1}, format)
	keys, err := f.shards[0].Rewound(state)
	require.NoError(f.t, err)
	return keys
}

// Of what the rules knew before a rewind only the ends count. No version of the rule goes on with the rest, not even
// one that reads the memory of others, and after a restart.
func TestRewoundMemoryIsNotTaken(t *testing.T) {
	t.Parallel()
	threshold := hotRule()
	threshold.When = "v > 4"
	for name, next := range map[string]alert.RuleConfig{"same": hotRule(), "edited": threshold} {
		for _, then := range []func(f *fleetOfOne, rules []alert.RuleConfig){
			(*fleetOfOne).reload, (*fleetOfOne).restart,
		} {
			t.Run(name, func(t *testing.T) {
				f := newFleetOfOne(t, hotRule())
				f.put(0, 5)
				require.Equal(t, 2, f.rewind(alert.StateFormat), "keys a and b")
				then(f, []alert.RuleConfig{next})
				f.put(-3600, 1)
				f.put(-3500, 1)
				f.tick(-3480, false)
				require.Equal(t, "t r a: firing", ofKeyA(f.words), "what was firing is forgotten")
				f.restart([]alert.RuleConfig{next})
				f.tick(-3470, true)
				f.tick(-3460, true)
				require.Equal(t, "t r a: firing ended", ofKeyA(f.words))
				f.restart([]alert.RuleConfig{next})
				f.tick(-3450, true)
				f.put(1, 5)
				require.Equal(t, "t r a: firing ended firing", ofKeyA(f.words))
			})
		}
	}
}

// Workers of a version that cannot read it get no such state.
func TestRewoundMemoryNeedsItsFormat(t *testing.T) {
	t.Parallel()
	f := newFleetOfOne(t, hotRule())
	f.put(0, 5)
	require.Zero(t, f.rewind(alert.StateFormat-1))
	f.tick(-3600, true)
	require.Equal(t, "t r a: firing", ofKeyA(f.words))
}

// The records that are read again are from before the alert. Its end is not.
func TestEndAfterARewindIsNotBeforeItsAlert(t *testing.T) {
	t.Parallel()
	f := newFleetOfOne(t, hotRule())
	f.put(0, 5)
	f.rewind(alert.StateFormat)
	f.put(-3600, 1)
	ends := f.shards[0].Tick(alert.Tick{CaughtUp: at(-3590), Settled: true})
	require.Len(t, ends, 2)
	for _, a := range ends {
		require.Equal(t, at(0), a.At.UTC())
		require.Equal(t, time.Duration(0), a.At.Sub(a.Since))
	}
}
