package sleep_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/sleep"
)

func TestSleepWaitsInFullOrEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		require.True(t, sleep.For(t.Context(), time.Minute))
		require.Equal(t, time.Minute, time.Since(began))
		require.True(t, sleep.For(t.Context(), -time.Minute))

		ctx, cancel := context.WithCancelCause(t.Context())
		cause := errors.New("the lease is lost")
		time.AfterFunc(time.Second, func() { cancel(cause) })
		began = time.Now()
		require.Equal(t, cause, sleep.Until(ctx, began.Add(time.Hour)))
		require.Equal(t, time.Second, time.Since(began))
		require.False(t, sleep.For(ctx, 0), "not even a wait of nothing: loops end by it")
	})
}

func TestJitterSpreadsAroundItsLength(t *testing.T) {
	t.Parallel()
	least, most := time.Hour, time.Duration(0)
	for range 10_000 {
		d := sleep.Jitter(time.Second)
		least, most = min(least, d), max(most, d)
	}
	require.InDelta(t, 750*time.Millisecond, least, float64(10*time.Millisecond))
	require.InDelta(t, 1250*time.Millisecond, most, float64(10*time.Millisecond))
	require.Zero(t, sleep.Jitter(-time.Second))
}
