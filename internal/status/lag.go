package status

import (
	"slices"
	"sync"
	"time"

	"kinesis-alerter/consumer"
)

const (
	// lagSamples are the samples of a shard's lag that are kept, one for each of the status: the last minute. The last
	// lagRecent are compared with those before, of which there must be lagBefore at least.
	lagSamples = int(time.Minute / HistoryEvery)
	lagRecent  = lagSamples / 2
	lagBefore  = 3
	// lagGrowth is by how much the least lag of the last half minute has to be above that of the time before.
	lagGrowth = 2 * time.Second
)

// LagHistory keeps the lags of the shards that this process reads. Safe for concurrent use. The zero value is empty.
type LagHistory struct {
	mu   sync.Mutex
	lags map[string][]time.Duration // the oldest first, at most lagSamples
}

// Note takes a sample.
func (h *LagHistory) Note(shards []consumer.ShardStatus) {
	h.mu.Lock()
	defer h.mu.Unlock()
	next := make(map[string][]time.Duration, len(shards))
	for i := range shards {
		lags := append(h.lags[shards[i].Shard], shards[i].Lag)
		next[shards[i].Shard] = lags[max(0, len(lags)-lagSamples):]
	}
	h.lags = next
}

// Grow reports whether the lag of a shard, which is now this, has grown for half a minute. The least lags are compared:
// one that falls back to nothing each time, as where alerts wait for a digest, does not grow.
func (h *LagHistory) Grow(shard string, now time.Duration) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	lags := h.lags[shard]
	if len(lags) < lagRecent+lagBefore {
		return false
	}
	before, recent := lags[:len(lags)-lagRecent], lags[len(lags)-lagRecent:]
	return min(now, slices.Min(recent)) >= slices.Min(before)+lagGrowth
}
