package dispatch_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/internal/fakeaws"
)

// Whatever goes wrong, an alert that was reported as published was published, one that was not cancelled has an end,
// and the counters agree with the answers.
func TestSimNothingIsLost(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var options []option
		if rapid.Bool().Draw(t, "fifo") {
			options = append(options, fifo)
		}
		faults := rapid.SliceOfN(drawFault(), 0, 6).Draw(t, "faults")
		failing := rapid.IntRange(0, 30).Draw(t, "failing entries")
		rate := rapid.SampledFrom([]float64{0, 30}).Draw(t, "rate")
		gaps := rapid.SliceOfN(rapid.IntRange(0, 400), 1, 60).Draw(t, "gaps")
		cancelled := rapid.SliceOfN(rapid.IntRange(0, len(gaps)-1), 0, 5).Draw(t, "cancelled")
		rapid.SyncTest(t, func(t *rapid.T) {
			w := newWorld(t, options...)
			defer w.stop()
			w.SNS.LimitRate(rate)
			w.SNS.FailEntries(fakeaws.FailTimes(failing, func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
				if e.Index%2 == 0 {
					return nil
				}
				return &fakeaws.EntryFailure{Code: "ServiceUnavailable"}
			}))
			for _, f := range faults {
				w.Faults.Add(f)
			}
			ends := make([]<-chan error, len(gaps))
			cancels := make([]context.CancelFunc, len(gaps))
			for i, gap := range gaps {
				var ctx context.Context
				ctx, cancels[i] = context.WithCancel(t.Context())
				defer cancels[i]()
				ends[i] = w.send(ctx, i)
				time.Sleep(time.Duration(gap) * time.Millisecond)
			}
			for _, i := range cancelled {
				cancels[i]()
			}
			accepted := 0
			for i, end := range ends {
				select {
				case err := <-end:
					if err == nil {
						accepted++
					} else {
						require.ErrorIs(t, err, context.Canceled)
						require.Contains(t, cancelled, i)
					}
				case <-time.After(time.Hour):
					require.Fail(t, "an alert never ended", "%d", i)
				}
			}
			time.Sleep(time.Minute)
			there := map[string]bool{}
			for _, m := range w.SNS.Messages(w.arn) {
				there[m.Attributes["alert_id"].StringValue] = true
			}
			for i := range ends {
				if !there[newAlert(i).ID] {
					require.Contains(t, cancelled, i)
				}
			}
			require.GreaterOrEqual(t, w.published(), float64(accepted))
			require.LessOrEqual(t, w.published(), float64(len(gaps)), "an alert is counted once")
			require.InDelta(t, w.published(), w.audit.Len(), 0)
		})
	})
}

func drawFault() *rapid.Generator[fakeaws.Fault] {
	return rapid.Custom(func(t *rapid.T) fakeaws.Fault {
		f := fakeaws.Fault{
			Service: fakeaws.ServiceSNS, Times: rapid.IntRange(1, 6).Draw(t, "times"),
			Kind: rapid.SampledFrom([]fakeaws.Kind{
				fakeaws.Before, fakeaws.After, fakeaws.Delay, fakeaws.BlackHole, fakeaws.Lost, fakeaws.Partition,
			}).Draw(t, "kind"),
			Delay: time.Duration(rapid.IntRange(1, 8000).Draw(t, "delay")) * time.Millisecond,
		}
		code := rapid.SampledFrom(
			[]string{"", "Throttling", "NotFound", "AuthorizationError", "KMSDisabled"},
		).Draw(t, "code")
		if code != "" {
			f.Err = &fakeaws.Error{Code: code, Message: "injected", Status: 400}
		}
		return f
	})
}
