package clock_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/clock"
)

// world is a service whose clock is the bubble's, and a machine whose clock is off.
type world struct {
	*clock.Clock
	t   *testing.T
	off time.Duration
}

func play(t *testing.T, off time.Duration, run func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{t: t, off: off}
		w.Clock = clock.New(func() time.Time { return time.Now().Add(w.off).Round(0) })
		run(w)
	})
}

// answer is one answer whose Date is wrong by so much.
func (w *world) answer(wrong time.Duration) {
	asked := time.Now()
	time.Sleep(7 * time.Millisecond)
	date := time.Now().Add(wrong).UTC().Truncate(time.Second)
	time.Sleep(5 * time.Millisecond)
	w.Answered(date, asked, time.Now(), false)
	time.Sleep(190 * time.Millisecond)
}

func (w *world) answers(n int, wrong time.Duration) {
	for range n {
		w.answer(wrong)
	}
}

func (w *world) isRight(within time.Duration, about ...any) {
	w.t.Helper()
	require.WithinDuration(w.t, time.Now(), w.Now(), within, about...)
	require.LessOrEqual(w.t, time.Until(w.Surely(time.Now())), within, about...)
}

func TestAnswersSetTheClock(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{
		0, 300 * time.Millisecond, 2 * time.Second, -30 * time.Second, time.Minute, -10 * time.Minute, 26 * time.Hour,
	} {
		play(t, off, func(w *world) {
			_, known := w.Ahead()
			require.False(t, known)
			require.WithinDuration(
				t, time.Now().Add(off), w.Now(), time.Millisecond, "no answer has said anything else",
			)
			w.answers(3, 0)
			w.isRight(time.Second, off)
			w.answers(300, 0)
			w.isRight(20*time.Millisecond, off)
			require.LessOrEqual(t, w.Within(), 20*time.Millisecond)
			by, known := w.Ahead()
			require.True(t, known)
			require.InDelta(t, off.Seconds(), by.Seconds(), 0.02)
			time.Sleep(time.Hour)
			w.isRight(4*time.Second, "the monotonic clock continues")
			w.answers(100, 0)
			w.isRight(50 * time.Millisecond)
		})
	}
}

// Wrong answers among good ones move nothing, however many they are.
func TestWrongAnswersProveLittle(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{
		time.Hour, -time.Hour, 5 * time.Second, -5 * time.Second, 48 * 365 * time.Hour,
	} {
		play(t, time.Minute, func(w *world) {
			w.answer(wrong)
			w.answers(20, 0)
			for range 50 {
				w.answers(2, wrong)
				w.isRight(200*time.Millisecond, wrong)
				w.answer(0)
				w.isRight(200*time.Millisecond, wrong)
			}
			w.answers(50, wrong) // ten seconds of nothing else
			w.isRight(200*time.Millisecond, wrong)
		})
	}
}

// Whoever draws conclusions from silence waits where an answer says that it is earlier.
func TestWhatIsSureYieldsAtOnce(t *testing.T) {
	t.Parallel()
	play(t, 0, func(w *world) {
		w.answers(20, 0)
		w.answer(-time.Hour)
		require.InDelta(t, -time.Hour.Seconds(), time.Until(w.Surely(time.Now())).Seconds(), 2)
		w.isRight(time.Second)
		w.answer(0)
		require.WithinDuration(t, time.Now(), w.Surely(time.Now()), time.Second)
		w.answer(-time.Hour)
		time.Sleep(time.Minute)
		require.WithinDuration(t, time.Now(), w.Surely(time.Now()), time.Second, "one answer is not believed for long")
	})
	play(t, time.Minute, func(w *world) {
		w.answer(0)
		require.WithinDuration(t, time.Now(), w.Surely(time.Now()), time.Second, "also the first one")
	})
}

// A change that lasts is believed: within seconds where the machine's clock says so, too, else after half a minute.
func TestLastingChangeIsBelieved(t *testing.T) {
	t.Parallel()
	play(t, 0, func(w *world) {
		w.answers(20, 0)
		w.off = time.Hour // the machine was suspended: its monotonic clock stopped
		w.answers(15, time.Hour)
		require.WithinDuration(t, time.Now().Add(time.Hour), w.Now(), time.Second)
		require.WithinDuration(t, time.Now().Add(time.Hour), w.Surely(time.Now()), time.Second)
	})
	play(t, 0, func(w *world) {
		w.answers(20, 0)
		w.answers(200, -time.Hour)
		require.WithinDuration(t, time.Now().Add(-time.Hour), w.Now(), time.Second)
		w.off = 5 * time.Minute // an operator sets it
		require.WithinDuration(t, time.Now().Add(-time.Hour), w.Now(), time.Second)
	})
}

// Answers of another service count while the first one gives no time.
func TestOtherServices(t *testing.T) {
	t.Parallel()
	play(t, time.Minute, func(w *world) {
		for range 3 {
			w.Answered(time.Now(), time.Now(), time.Now(), true)
			w.Answered(time.Time{}, time.Now(), time.Now(), false)
		}
		w.isRight(time.Second)
		w.answers(3, -time.Hour)
		require.WithinDuration(t, time.Now().Add(-time.Hour), w.Now(), time.Second)
	})
}

// records is a page of the records of the last second, whose arrival times are wrong by so much.
func (w *world) records(wrong time.Duration) {
	after := time.Now()
	time.Sleep(500 * time.Millisecond)
	arrived := time.Now().Add(wrong)
	time.Sleep(500 * time.Millisecond)
	w.Arrived(arrived, arrived, after, time.Now())
}

// Arrival times are what the time is compared with: where they contradict the Dates they are believed.
func TestArrivalTimesCount(t *testing.T) {
	t.Parallel()
	for _, off := range []time.Duration{
		-30 * time.Second, -time.Minute, time.Minute, -15 * time.Second, 5 * time.Second,
	} {
		play(t, 0, func(w *world) {
			w.answers(20, 0)
			w.records(off)
			if off < 0 {
				require.InDelta(
					t, off.Seconds(), time.Until(w.Surely(time.Now())).Seconds(), 1,
					"no rule draws a conclusion from a time that did not come",
				)
			} else {
				w.isRight(time.Second, "one record in the future moves nothing")
			}
			w.records(off)
			w.records(off)
			w.answers(10, 0)
			require.InDelta(t, off.Seconds(), time.Until(w.Now()).Seconds(), 1)
			time.Sleep(time.Hour)
			require.InDelta(
				t, off.Seconds(), time.Until(w.Surely(time.Now())).Seconds(), 3, "also when none come any more",
			)
			for range 3 {
				w.records(0)
			}
			w.answers(10, 0)
			w.isRight(time.Second, "until they say something else")
		})
	}
	play(t, 0, func(w *world) { // one that is wrong among good ones
		w.answers(20, 0)
		for range 10 {
			w.records(0)
			w.records(4 * time.Minute)
			w.isRight(time.Second)
			w.records(-time.Hour)
			w.records(-time.Hour)
			require.WithinDuration(t, time.Now(), w.Surely(time.Now()), time.Second)
		}
	})
	play(t, 0, func(w *world) { // what takes its time until it can be read is no other clock
		for range 10 {
			w.records(-900 * time.Millisecond)
			w.isRight(0)
		}
	})
}
