package read

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// TestPacerNeverMakesSixCallsInASecond: neither as Kinesis counts, nor as the KCL does, whose first two calls come
// together.
func TestPacerNeverMakesSixCallsInASecond(t *testing.T) {
	p := newPacer(200 * time.Millisecond)
	calls := []time.Time{time.Unix(0, 0)}
	for i := range 20 {
		p.answered(calls[i], 0)
		calls = append(calls, p.next)
	}
	for i := range calls[5:] {
		require.Greater(t, calls[i+5].Sub(calls[i]), time.Second)
	}
	require.Greater(t, calls[4].Sub(calls[0]), time.Second, "the KCL's first window")
}

func TestPacerWaitsOutTheBytesOfALargePage(t *testing.T) {
	p := newPacer(200 * time.Millisecond)
	p.answered(time.Unix(0, 0), 10_000_000)
	require.GreaterOrEqual(t, p.next.Sub(time.Unix(0, 0)), 5*time.Second)
}

func TestPacerWidensWhenThrottledAndComesBack(t *testing.T) {
	p := newPacer(200 * time.Millisecond)
	now := time.Unix(0, 0)
	for range 10 {
		p.throttled(now)
	}
	require.Equal(t, maxWidening*(200*time.Millisecond+paceSlack), p.next.Sub(now))

	slow := newPacer(time.Second)
	for range 20 {
		slow.throttled(now)
	}
	require.InDelta(t, maxSpacing.Seconds(), slow.next.Sub(now).Seconds(), 0.1,
		"an interval that is long already is not stretched tenfold")
	slower := newPacer(5 * time.Second)
	slower.throttled(now)
	require.Equal(t, 5*time.Second+paceSlack, slower.next.Sub(now))
	for range 40 {
		p.answered(now, 0)
	}
	require.Equal(t, 200*time.Millisecond+paceSlack, p.next.Sub(now))
}

func TestPacerBacksOffWithinBounds(t *testing.T) {
	p := newPacer(200 * time.Millisecond)
	now := time.Unix(0, 0)
	for range 100 {
		p.failed(now)
		require.GreaterOrEqual(t, p.next.Sub(now), 200*time.Millisecond)
		require.LessOrEqual(t, p.next.Sub(now), maxTrouble)
	}
}
