package dispatch_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/fakeaws"
)

func attempts(n int) option           { return func(s *setup) { s.cfg.MaxAttempts = n } }
func maxAge(age time.Duration) option { return func(s *setup) { s.cfg.MaxRecordAge = age } }

func (w *world) givenUp(condition string) float64 {
	return w.metric("alerts_given_up_total", "topic", "oncall", "condition", condition)
}

// givenUp says that an alert ended so.
func givenUp(t *testing.T, err error, condition string) alert.GivenUpError {
	t.Helper()
	given, ok := errors.AsType[*alert.GivenUpError](err)
	require.True(t, ok, "%v", err)
	require.Equal(t, condition, given.Condition)
	return *given
}

// onlyBad fails the entry of alert 0 again and again.
func onlyBad(code string) fakeaws.EntryScript {
	return func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
		if e.Body != "body 0" {
			return nil
		}
		return &fakeaws.EntryFailure{Code: code, Message: "injected"}
	}
}

func TestAlertThatFailsTooOftenIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, attempts(3))
		w.SNS.FailEntries(onlyBad("InternalError"))
		given := givenUp(t, <-w.send(t.Context(), 0), alert.ConditionRetries)
		require.Equal(t, 4, given.Attempts, "three after the first")
		require.ErrorContains(t, given.Err, "InternalError: injected")
		require.InDelta(t, 1, w.givenUp(alert.ConditionRetries), 0)
		require.Equal(t, 4, w.calls())
		ended(t, w.send(t.Context(), 1))
	})
}

func TestNoLimitOfAttempts(t *testing.T) {
	for _, n := range []int{0, -1} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, attempts(n))
			w.SNS.FailEntries(fakeaws.FailTimes(100, onlyBad("InternalError")))
			ended(t, w.send(t.Context(), 0))
		})
	}
}

func TestWhatIsNotTheAlertsFaultCountsAsNoAttempt(t *testing.T) {
	for name, f := range map[string]fakeaws.Fault{
		"throttled": apiFault("Throttling", 400), "outage": apiFault("InternalError", 500),
		"connection": {Kind: fakeaws.Partition}, "timeout": {Kind: fakeaws.BlackHole},
		"fault": apiFault("KMSDisabled", 400),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t, attempts(1))
				synctest.Wait()
				f.Operation = "PublishBatch"
				remove := w.Faults.Add(f)
				end := w.send(t.Context(), 0)
				time.Sleep(time.Hour)
				pending(t, end)
				remove()
				ended(t, end)
			})
		})
	}
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, attempts(1))
		w.SNS.FailEntries(fakeaws.FailTimes(50, onlyBad("Throttled")))
		ended(t, w.send(t.Context(), 0))
	})
}

func TestRecordThatIsTooOldIsGivenUpAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, maxAge(time.Minute))
		a := newAlert(1)
		a.Record.Arrival = time.Now().Add(-2 * time.Minute)
		start := time.Now()
		given := givenUp(t, w.PublishMessage(t.Context(), a, newMessage(a, "body")), alert.ConditionAge)
		require.Zero(t, given.Attempts)
		require.NoError(t, given.Err)
		require.Zero(t, time.Since(start))
		require.Zero(t, w.calls())
		a = newAlert(2)
		a.Record.Arrival = time.Time{} // of no record
		require.NoError(t, w.PublishMessage(t.Context(), a, newMessage(a, "body")))
	})
}

func TestRecordThatBecomesTooOldIsGivenUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, maxAge(time.Minute))
		synctest.Wait()
		f := apiFault("InternalError", 500)
		f.Operation = "PublishBatch"
		w.Faults.Add(f)
		start := time.Now()
		var ends []<-chan error
		for i := range 50 {
			ends = append(ends, w.send(t.Context(), i))
		}
		for _, end := range ends {
			givenUp(t, <-end, alert.ConditionAge)
		}
		require.InDelta(t, time.Minute, time.Since(start), float64(6*time.Second), "not when its turn comes")
		require.InDelta(t, 50, w.givenUp(alert.ConditionAge), 0)
		calls := w.calls()
		time.Sleep(time.Minute)
		require.Equal(t, calls, w.calls(), "and is not sent any more")
	})
}

func TestFaultOfTheConfigurationMakesNothingOlder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited, maxAge(time.Minute))
		synctest.Wait()
		f := apiFault("KMSDisabled", 400)
		f.Operation = "PublishBatch"
		remove := w.Faults.Add(f)
		ends := w.burst(t.Context(), 30)
		time.Sleep(time.Hour)
		behind := newAlert(100) // waited in the stream behind those
		behind.Record.Arrival = time.Now().Add(-30 * time.Minute)
		done := make(chan error, 2)
		require.True(t, w.Gather(behind, func(err error) { done <- err }))
		remove()
		ended(t, append(ends, done)...)
		old := newAlert(101)
		old.Record.Arrival = time.Now().Add(-2 * time.Hour)
		givenUp(t, w.PublishMessage(t.Context(), old, newMessage(old, "body")), alert.ConditionAge)
	})
}

func TestMembersAreGivenUpByTheirOwnAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited, maxAge(time.Minute), attempts(5), func(s *setup) { s.digest = 40 * time.Second })
		ends := w.stormy(t)
		aged := func(i int, age time.Duration) <-chan error {
			a, end := newAlert(i), make(chan error, 2)
			a.Record.Arrival = time.Now().Add(-age)
			require.True(t, w.Gather(a, func(err error) { end <- err }))
			return end
		}
		old, young := aged(100, 30*time.Second), aged(101, 0)
		a := newAlert(102)
		a.Record.Arrival = time.Now().Add(-time.Hour)
		require.False(t, w.Gather(a, nil), "Publish says that it is too old")
		start := time.Now()
		givenUp(t, <-old, alert.ConditionAge)
		require.InDelta(t, 30*time.Second, time.Since(start), float64(2*time.Second))
		ended(t, append(ends, young)...)
		require.NotContains(t, w.digests()[0].Body, newAlert(100).ID)
	})
}

func TestDigestThatFailsTooOftenGivesItsMembersUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited, attempts(2))
		w.SNS.FailEntries(func(e fakeaws.BatchEntry) *fakeaws.EntryFailure {
			if e.Attributes["kind"].StringValue != "digest" {
				return nil
			}
			return &fakeaws.EntryFailure{Code: "InternalError"}
		})
		w.stormy(t)
		given := givenUp(t, <-w.gather(t, 100), alert.ConditionRetries)
		require.Equal(t, 3, given.Attempts)
		require.InDelta(t, 18, w.givenUp(alert.ConditionRetries), 0)
	})
}

func TestMembersGetTooOldWhileTheirDigestIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, limited, maxAge(time.Minute))
		w.stormy(t)
		end := w.gather(t, 100)
		f := apiFault("InternalError", 500)
		f.Operation = "PublishBatch"
		time.Sleep(time.Second)
		w.Faults.Add(f)
		start := time.Now()
		givenUp(t, <-end, alert.ConditionAge)
		require.LessOrEqual(t, time.Since(start), time.Minute+6*time.Second)
		time.Sleep(2 * time.Minute)
		calls := w.calls()
		time.Sleep(time.Minute)
		require.Equal(t, calls, w.calls(), "nobody is left, so it is not sent any more")
		w.Faults.Clear()
		ended(t, w.send(t.Context(), 101))
		require.InDelta(t, 9, w.published(), 0)
	})
}

// The age is the time that was not held, however often a fault came and went.
