package delivery_test

import (
	"math"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

const (
	missing alert.Reason = "missing"
	// almost is the worst lot.
	almost = 0.999999
)

func TestBackoffGrowsAndIsBounded(t *testing.T) {
	almost := math.Nextafter(1, 0)
	for n := range 100 {
		require.Zero(t, delivery.Backoff(n, 0), "full jitter")
		require.Less(t, delivery.Backoff(n, almost), delivery.LongestBackoff)
		require.Less(t, delivery.Probe(n, almost), delivery.LongestProbe)
		if n > 0 {
			require.GreaterOrEqual(t, delivery.Backoff(n, almost), delivery.Backoff(n-1, almost))
			require.GreaterOrEqual(t, delivery.Probe(n, 0), delivery.Probe(n-1, 0))
		}
	}
	require.Equal(t, 50*time.Millisecond, delivery.Backoff(0, 0.5))
	require.Equal(t, 400*time.Millisecond, delivery.Backoff(3, 0.5))
	require.Equal(t, 2500*time.Millisecond, delivery.Backoff(99, 0.5))
	require.Equal(t, time.Second/2, delivery.Probe(0, 0))
	require.Equal(t, 15*time.Second, delivery.Probe(99, 0))
}

func TestFailuresOfOneMomentAreOne(t *testing.T) {
	var h delivery.Health
	now := time.Unix(0, 0)
	require.True(t, h.Failed(now, 0, "", almost))
	for range 16 {
		require.False(t, h.Failed(now, 0, "", almost))
	}
	require.Equal(t, 1, h.Failures())
	require.LessOrEqual(t, h.Wait(now), delivery.FirstBackoff)
	require.False(t, h.Answered(0), "an answer from before the failure says nothing")
	require.True(t, h.Failed(now, 1, missing, almost))
	require.Equal(t, missing, h.Fault())
	require.True(t, h.Failed(now, 2, "", almost))
	require.Equal(t, missing, h.Fault(), "a timeout does not correct a topic")
	require.True(t, h.Answered(3))
	require.Zero(t, h.Failures())
}

// A success from before the failure says nothing about now, and one of a probe does.
func TestOldNewsChangeNothing(t *testing.T) {
	var h delivery.Health
	now := time.Now()
	h.Failed(now, 0, missing, almost)
	h.Answered(0)
	require.Equal(t, missing, h.Fault())
	require.Positive(t, h.Wait(now))
	h.Answered(h.Epoch())
	require.Empty(t, h.Fault())
	require.Zero(t, h.Wait(now))
	h.Failed(now, 0, missing, almost)
	require.Zero(t, h.Wait(now), "a failure from before the success neither")
}

func TestIntervals(t *testing.T) {
	var h delivery.Health
	now := time.Now()
	fail := func(fault alert.Reason, lot float64) time.Duration {
		h.Failed(now, h.Epoch(), fault, lot)
		return h.Wait(now).Round(time.Millisecond)
	}
	for _, want := range []float64{.1, .2, .4, .8, 1.6, 3.2, 5, 5} {
		require.InDelta(t, want, fail("", almost).Seconds(), 0)
	}
	for _, want := range []float64{1, 2, 4, 8, 16, 30, 30} {
		require.InDelta(t, want, fail(missing, almost).Seconds(), 0, "a fault has its own intervals")
	}
	require.Equal(t, delivery.LongestProbe/2, fail("", 0), "and keeps them in an outage")
	require.Equal(t, now, h.Since())
	require.Equal(t, missing, h.Fault())
	h.Answered(h.Epoch())
	require.Zero(t, fail("", 0), "the first repeat may be at once")
}

func TestOneProbeAtATime(t *testing.T) {
	var h delivery.Health
	now := time.Now()
	h.Start()
	require.Zero(t, h.Wait(now), "while all is well nothing is a probe")
	h.Failed(now, h.Epoch(), "", 0)
	h.Start()
	require.Equal(t, delivery.UntilWoken, h.Wait(now.Add(time.Hour)))
	h.Cut(h.Epoch() - 1)
	require.Equal(t, delivery.UntilWoken, h.Wait(now), "a call from before the failure was no probe")
	h.Cut(h.Epoch())
	require.Zero(t, h.Wait(now), "another one probes")
	h.Start()
	h.Failed(now, h.Epoch(), "", almost)
	require.Positive(t, h.Wait(now))
	require.Zero(t, h.Wait(now.Add(delivery.LongestBackoff)), "and so it does when the probe has failed")
}

func TestFaultsMove(t *testing.T) {
	gauge := func() prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "fault", Help: "1 while it is."})
	}
	faults := delivery.Faults{missing: gauge(), delivery.ReasonUnknown: gauge()}
	shown := func() []float64 {
		return []float64{testutil.ToFloat64(faults[missing]), testutil.ToFloat64(faults[delivery.ReasonUnknown])}
	}
	faults.Move("", missing)
	require.Equal(t, []float64{1, 0}, shown())
	faults.Move(missing, delivery.ReasonUnknown)
	require.Equal(t, []float64{0, 1}, shown())
	faults.Move(delivery.ReasonUnknown, "")
	require.Equal(t, []float64{0, 0}, shown())
}
