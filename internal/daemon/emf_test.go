package daemon

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/emf"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/testkit"
)

// One line for each minute of the service's clock, and one for the minute that a stop cuts off, while the clock is
// corrected by seconds and by an hour, and while one look fails.
func TestMetricLinesAreOneAMinute(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(20 * time.Second) // not at the beginning of a minute
		var mu sync.Mutex            // of out and ahead
		var out strings.Builder
		looks, ahead := uint64(0), 3*time.Second
		printed := func() string {
			mu.Lock()
			defer mu.Unlock()
			return out.String()
		}
		set := func(clock time.Duration) {
			mu.Lock()
			defer mu.Unlock()
			ahead = clock
		}
		m := &metricLines{
			meter: emf.NewMeter("readings", "alerts"),
			sample: func() emf.Sample {
				looks++
				if looks == 5 {
					panic("a bug")
				}
				return emf.Sample{Alerts: looks}
			},
			now: func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return time.Now().Add(ahead)
			},
			write: func(line []byte) {
				mu.Lock()
				defer mu.Unlock()
				out.Write(line)
			},
		}
		ctx, cancel := context.WithCancel(t.Context())
		run := func() chan error {
			done := make(chan error, 1)
			go func() { done <- guard.Do("test", func() error { return m.Run(ctx) }) }()
			return done
		}
		began := m.now().Truncate(time.Minute)
		done := run()
		time.Sleep(2*time.Minute + 30*time.Second)
		set(-2 * time.Second) // at the end of the third minute: its end comes again
		time.Sleep(20 * time.Second)
		require.Len(t, testkit.EMFLines(t, printed()), 3)
		time.Sleep(2 * time.Minute)
		require.Error(t, <-done)
		done = run()
		time.Sleep(time.Minute)
		var minutes []time.Duration
		alerts := 0.0
		for _, line := range testkit.EMFLines(t, printed()) {
			minutes, alerts = append(minutes, line.At.Sub(began)/time.Minute), alerts+line.Metrics["Alerts"]
		}
		require.Equal(t, []time.Duration{0, 1, 2, 3, 5}, minutes)
		require.InDelta(t, 6, alerts, 0, "what a failed look had to say is in the next line")

		mu.Lock()
		out.Reset()
		mu.Unlock()
		set(-time.Hour)
		time.Sleep(3 * time.Minute)
		lines := testkit.EMFLines(t, printed())
		require.GreaterOrEqual(t, len(lines), 2, "a clock that is set back by an hour does not silence an hour")
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
		all := testkit.EMFLines(t, printed())
		require.Len(t, all, len(lines)+1)
		require.Equal(t, time.Minute, all[len(lines)].At.Sub(all[len(lines)-1].At),
			"the last line is of its own minute")
	})
}
