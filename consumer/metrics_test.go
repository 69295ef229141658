package consumer

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// One value for all shards must not be more comforting than the worst of them.
func TestMergedIsTheWorstOfAllShards(t *testing.T) {
	now := time.Now()
	one := ShardStatus{
		Shard: "a", Lag: time.Second, Behind: time.Minute, LastFetch: now, Unresolved: 2, HeldKeys: 1, Gathered: 1,
		MemoryStatus: MemoryStatus{StateBytes: 10, StateTaken: now}, Load: 1,
	}
	two := ShardStatus{
		Shard: "b", Lag: time.Hour, LastFetch: now.Add(-time.Hour), Unresolved: 3, MemoryStatus: MemoryStatus{
			StateBytes: 5, StateTaken: now.Add(-time.Minute),
		}, Load: 2,
	}
	require.Equal(t, []ShardStatus{{
		Shard: AllShards, Lag: time.Hour, Behind: time.Minute, LastFetch: now.Add(-time.Hour), Unresolved: 5,
		HeldKeys: 1, Gathered: 1,
		MemoryStatus: MemoryStatus{StateBytes: 15, StateTaken: now.Add(-time.Minute)}, Load: 3,
	}}, merged([]ShardStatus{one, two}))
	require.Empty(t, merged(nil))

	unheard := ShardStatus{Shard: "c", Lag: 2 * time.Hour}
	for _, shards := range [][]ShardStatus{{one, unheard}, {unheard, one}} {
		m := merged(shards)[0]
		require.Equal(t, 2*time.Hour, m.Lag)
		require.Equal(t, now, m.LastFetch, "one shard that was never answered takes no figure away from the others")
		require.Equal(t, now, m.StateTaken)
	}
}
