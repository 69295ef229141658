package deadletter

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// almost is the worst lot.
const almost = 0.999999

func TestCallsThatFailTogetherAreOneFailure(t *testing.T) {
	var h health
	now := time.Now()
	for range maxCalls {
		h.failed(now, 0, "", almost)
	}
	require.LessOrEqual(t, h.next(now, 0), firstBackoff)
	require.Equal(t, 1, h.failures)
}

// A success from before the failure says nothing about now, and one of a probe does.
func TestOldNewsChangeNothing(t *testing.T) {
	var h health
	now := time.Now()
	h.failed(now, 0, reasonMissing, almost)
	h.accepted(0)
	require.Equal(t, reasonMissing, h.fault)
	require.Positive(t, h.next(now, 0))
	h.accepted(h.epoch)
	require.Empty(t, h.fault)
	require.Zero(t, h.next(now, 0))
	h.failed(now, 0, reasonMissing, almost)
	require.Zero(t, h.next(now, 0), "a failure from before the success neither")
}

func TestIntervals(t *testing.T) {
	var h health
	now := time.Now()
	fail := func(fault alert.Reason, lot float64) time.Duration {
		h.failed(now, h.epoch, fault, lot)
		return h.next(now, 0).Round(time.Millisecond)
	}
	for _, want := range []float64{.1, .2, .4, .8, 1.6, 3.2, 5, 5} {
		require.InDelta(t, want, fail("", almost).Seconds(), 0)
	}
	for _, want := range []float64{1, 2, 4, 8, 16, 30, 30} {
		require.InDelta(t, want, fail(reasonMissing, almost).Seconds(), 0, "a fault has its own intervals")
	}
	require.Equal(t, longestProbe/2, fail("", 0), "and keeps them in an outage")
	require.Equal(t, now, h.since)
	require.Equal(t, reasonMissing, h.fault)
	h.accepted(h.epoch)
	require.Zero(t, fail("", 0), "the first repeat may be at once")
}
