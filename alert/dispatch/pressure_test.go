package dispatch

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestPressure(t *testing.T) {
	t.Parallel()
	at := time.Unix(1_700_000_000, 0)
	var p pressure
	for range 15 { // in the first second
		p.sent(at, 1, 8)
	}
	require.False(t, p.high(at, 8))
	require.False(t, new(pressure).high(at, 0), "it has not joined yet")
	p.sent(at.Add(time.Second), 1, 8)
	require.True(t, p.high(at.Add(time.Second), 8), "two thirds of three seconds")
	require.True(t, p.high(at.Add(3*time.Second), 8))
	require.False(t, p.high(at.Add(4*time.Second), 8), "it counts less and less")
	require.False(t, p.high(at.Add(time.Hour), 8))
	slow := pressure{}
	slow.sent(at, 2, 0.1)
	require.False(t, slow.high(at.Add(30*time.Second), 0.1))
	slow.sent(at.Add(30*time.Second), 1, 0.1)
	require.True(t, slow.high(at.Add(30*time.Second), 0.1), "three of four in forty seconds")
}
