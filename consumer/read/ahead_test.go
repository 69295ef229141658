package read

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/internal/clock"
)

// arrivals are records that arrived so many seconds after the beginning; -1 is none.
func arrivals(began time.Time, seconds ...int) []types.Record {
	records := make([]types.Record, len(seconds))
	for i, s := range seconds {
		if s >= 0 {
			at := began.Add(time.Duration(s) * time.Second)
			records[i].ApproximateArrivalTimestamp = &at
		}
	}
	return records
}

func secondsOf(began time.Time, records []types.Record) []int {
	out := make([]int, len(records))
	for i := range records {
		out[i] = -1
		if at := records[i].ApproximateArrivalTimestamp; at != nil {
			out[i] = int(at.Sub(began) / time.Second)
		}
	}
	return out
}

// setClock is a clock that answers and arrival times have set.
func setClock() *clock.Clock {
	c := clock.New(nil)
	for range 3 {
		now := time.Now()
		c.Answered(now, now, now, false)
		c.Arrived(now, now, now, now)
	}
	return c
}

// A record's arrival time counts only as far as something bears it out: the next records, or Kinesis' clock.
func TestArrivalThatNothingBearsOut(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		reached int // -1: nothing before
		at      []int
		want    []int
		unset   bool
	}{
		"in order": {
			reached: 0, at: []int{1, 2, 300, 301, 3000}, want: []int{1, 2, 300, 301, 3000},
		},
		"one of the future": {
			reached: 0, at: []int{1, 2000, 3, 4, 5}, want: []int{1, 3, 3, 4, 5},
		},
		"one of the future, at the beginning": {reached: -1, at: []int{2000, 3, 4, 5}, want: []int{3, 3, 4, 5}},
		"two, of which one may be wrong":      {reached: -1, at: []int{2000, 3}, want: []int{2000, 3}},
		"one of the future, last but one":     {reached: 5, at: []int{6, 2000, 8}, want: []int{6, 8, 8}},
		"one of the past proves nothing": {
			reached: 1000, at: []int{2000, 3, 2001, 2002}, want: []int{2000, 3, 2001, 2002},
		},
		"one of the past behind a pause": {
			reached: 1000, at: []int{2000, 1500, 2001, 2002}, want: []int{2000, 1500, 2001, 2002},
		},
		"the last one, and it is not there yet": {reached: 3000, at: []int{3100, 3900}, want: []int{3100, 3600}},
		"it is not there yet, and nobody knows that": {
			reached: 3000, at: []int{3100, 3900}, want: []int{3100, 3900}, unset: true,
		},
		"a little out of order": {reached: 0, at: []int{3, 1, 2, 5, 4}, want: []int{3, 1, 2, 5, 4}},
		"without times":         {reached: 0, at: []int{-1, 2000, -1, 3, 4}, want: []int{-1, 3, -1, 3, 4}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				began := time.Now()
				time.Sleep(time.Hour)
				now, reached := setClock(), time.Time{}
				if test.unset {
					now = clock.New(nil)
				}
				if test.reached >= 0 {
					reached = began.Add(time.Duration(test.reached) * time.Second)
				}
				records := arrivals(began, test.at...)
				changed := CorrectArrivals(records, reached, now, time.Now())
				require.Equal(t, test.want, secondsOf(began, records))
				differ := 0
				for i := range test.at {
					if test.at[i] != test.want[i] {
						differ++
					}
				}
				require.Equal(t, differ, changed)
			})
		})
	}
}

// One wrong time among right ones is found wherever pages begin and end, if another record stands behind it in its
// page. It never moves the others.
func TestOneWrongArrivalMovesNoOther(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		began := time.UnixMilli(1_790_000_000_000)
		at, seconds := 0, []int{}
		for range rapid.IntRange(3, 30).Draw(t, "records") {
			at += rapid.SampledFrom([]int{0, 1, 1, 60}).Draw(t, "pause")
			seconds = append(seconds, at)
		}
		wrong := rapid.IntRange(1, len(seconds)-2).Draw(t, "wrong")
		told := slices.Clone(seconds)
		told[wrong] += rapid.SampledFrom([]int{200, 4000}).Draw(t, "by")
		for from := 0; from < len(told); {
			to := min(len(told), from+rapid.IntRange(1, 30).Draw(t, "page"))
			if to == wrong+1 {
				to++
			}
			reached := time.Time{}
			if from > 0 {
				reached = began.Add(time.Duration(seconds[from-1]) * time.Second)
			}
			page := arrivals(began, told[from:to]...)
			CorrectArrivals(page, reached, clock.New(nil), time.Now())
			for i, got := range secondsOf(began, page) {
				switch n := from + i; {
				case n != wrong:
					require.Equal(t, seconds[n], got)
				case n > 0 && seconds[n+1] < told[n]-2:
					require.LessOrEqual(t, got, seconds[n+1], "%v", told)
					require.GreaterOrEqual(t, got, seconds[n-1])
				}
			}
			from = to
		}
	})
}
