package dispatch

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAllowanceOfARate(t *testing.T) {
	for rate, want := range map[float64]allowance{
		8:        {8, time.Second},
		1:        {1, time.Second},
		2.9:      {2, time.Second},
		7 / 0.7:  {10, time.Second},
		0.5:      {1, 2 * time.Second},
		1. / 60:  {1, time.Minute},
		10. / 60: {1, 6 * time.Second},
	} {
		got := allowanceOf(rate)
		require.Equal(t, want.most, got.most, "%v", rate)
		require.InDelta(t, want.span, got.span, 10, "%v", rate)
	}
}

func TestSharesAddUpToTheWhole(t *testing.T) {
	for most := 1; most <= 20; most++ {
		a := allowance{most, time.Second}
		for workers := 1; workers <= most; workers++ {
			sum := 0
			for i := range workers {
				sum += shareOf(a, i, workers).quota
			}
			require.Equal(t, most, sum, "%d workers", workers)
		}
		for workers := most + 1; workers < 3*most+3; workers++ {
			sum := 0.0
			for i := range workers {
				s := shareOf(a, i, workers)
				require.Equal(t, 1, s.quota)
				sum += s.perSecond(a)
			}
			require.LessOrEqual(t, sum, float64(most))
			require.GreaterOrEqual(t, sum, 0.7*float64(most), "%d workers for %d messages", workers, most)
		}
	}
	for _, none := range [][2]int{{0, 0}, {3, 3}, {-1, 2}} {
		require.Zero(t, shareOf(allowance{8, time.Second}, none[0], none[1]))
	}
}

func TestWorkerAloneReachesTheWholeRate(t *testing.T) {
	for _, rate := range []float64{0.1, 0.5, 1, 8, 100} {
		a := allowanceOf(rate)
		l := &limiter{allowance: a}
		start := time.Unix(1000, 0)
		now, sent := start, 0
		for now.Before(start.Add(100 * time.Second)) {
			n, wait := l.room(now, share{quota: a.most})
			if n == 0 {
				now = now.Add(wait)
				continue
			}
			l.start(n)
			l.end(now, n)
			sent += n
		}
		require.InDelta(t, 100*rate, sent, 1, "%v/s", rate)
	}
}

func TestMessageUnderWayKeepsItsPlace(t *testing.T) {
	l := &limiter{allowance: allowance{2, time.Second}}
	now, s := time.Unix(1000, 0), share{quota: 2}
	l.start(2)
	now = now.Add(time.Minute)
	n, wait := l.room(now, s)
	require.Zero(t, n, "SNS may accept it at any moment")
	require.Equal(t, untilWoken, wait)
	l.end(now, 2)
	_, wait = l.room(now, s)
	require.Equal(t, time.Second, wait)
	n, _ = l.room(now.Add(time.Second), s)
	require.Equal(t, 2, n)
}

// A topic without a rate hands over millions of messages, and nobody asks how many it may.
func TestLimiterKeepsNothingThatNobodyAsksFor(t *testing.T) {
	now := time.Unix(1000, 0)
	never, lost := &limiter{}, &limiter{allowance: allowanceOf(slowestRate)} // the second had a rate before a reload
	for range 100_000 {
		now = now.Add(time.Millisecond)
		for _, l := range []*limiter{never, lost} {
			l.start(1)
			l.end(now, 1)
		}
	}
	require.Empty(t, never.ended)
	require.LessOrEqual(t, len(lost.ended), fastestRate)
	lost.allow(allowanceOf(10))
	n, wait := lost.room(now, share{quota: 10})
	require.Zero(t, n, "what was handed over just now keeps its place")
	require.Equal(t, 991*time.Millisecond, wait)
}

// event is a change of the simulated fleet, and when each worker learns of it.
type event struct {
	worker int
	joins  bool
	known  map[int]time.Time
}

// simWorker is a worker that sends as much as it may whenever it is asked.
type simWorker struct {
	id      int
	skew    time.Duration // of what it takes for the time by which all take turns
	wall    time.Duration // of its machine's clock, besides
	joined  time.Time
	left    time.Time // zero: lives
	limiter limiter
	fleet   fleet
	flights []flightEnd
}

type flightEnd struct {
	at time.Time
	n  int
}

// simFleet is a fleet whose members learn of joins within joinLag and of leaves within leaveLag of each other.
type simFleet struct {
	t       *rapid.T
	a       allowance
	now     time.Time
	workers []*simWorker
	events  []event
	times   []time.Time // when SNS accepted a message
}

// view is what a worker knows of the fleet: its index among the live ones, and their number.
func (f *simFleet) view(w *simWorker) (index, workers int) {
	live := map[int]bool{w.id: true}
	for _, e := range f.events {
		if at, ok := e.known[w.id]; ok && !at.After(f.now) {
			live[e.worker] = e.joins
		}
	}
	for id, is := range live {
		if !is {
			continue
		}
		workers++
		if rank(id) < rank(w.id) {
			index++
		}
	}
	return index, workers
}

// rank orders workers as random ids do, not by age.
func rank(id int) int { return id * 7919 % 104729 }

func (f *simFleet) join() {
	w := &simWorker{
		id: len(f.workers) + 1, joined: f.now, limiter: limiter{allowance: f.a},
		skew: time.Duration(rapid.IntRange(-20, 20).Draw(f.t, "skew")) * time.Millisecond,
		wall: time.Duration(rapid.SampledFrom([]int{0, 0, 1, -600, 600}).Draw(f.t, "wall")) * time.Second,
	}
	w.fleet.at = func(moment time.Time) time.Time { return moment.Add(-w.wall) }
	w.fleet.ask = func() (int, int) { return f.view(w) }
	f.workers = append(f.workers, w)
	e := event{worker: w.id, joins: true, known: map[int]time.Time{}}
	for _, peer := range f.workers {
		lag := time.Duration(rapid.IntRange(0, int(joinLag/time.Millisecond)).Draw(f.t, "join lag")) * time.Millisecond
		if peer == w {
			lag = 0
		}
		e.known[peer.id] = f.now.Add(lag)
	}
	for i := range f.events { // it reads the whole table when it joins
		f.events[i].known[w.id] = f.now
	}
	f.events = append(f.events, e)
}

func (f *simFleet) leave(w *simWorker) {
	w.left = f.now
	e := event{worker: w.id, known: map[int]time.Time{}}
	for _, peer := range f.workers {
		lag := time.Duration(
			rapid.IntRange(0, int(leaveLag/time.Millisecond)).Draw(f.t, "leave lag"),
		) * time.Millisecond
		e.known[peer.id] = f.now.Add(lag)
	}
	f.events = append(f.events, e)
}

// send lets a worker send what it may. SNS accepts each message at some moment of its call.
func (f *simFleet) send(w *simWorker, latency func() time.Duration) {
	w.flights = slices.DeleteFunc(w.flights, func(e flightEnd) bool {
		if e.at.After(f.now) {
			return false
		}
		w.limiter.end(e.at.Add(w.skew+w.wall), e.n)
		return true
	})
	if !w.left.IsZero() {
		return
	}
	local := f.now.Add(w.skew + w.wall)
	n, _ := w.limiter.room(local, w.fleet.share(local, f.a))
	if n == 0 {
		return
	}
	n = rapid.IntRange(1, n).Draw(f.t, "n")
	w.limiter.start(n)
	took := latency()
	w.flights = append(w.flights, flightEnd{f.now.Add(took), n})
	for range n {
		f.times = append(f.times, f.now.Add(time.Duration(rapid.IntRange(0, int(took)).Draw(f.t, "accepted"))))
	}
}

func (f *simFleet) check() {
	slices.SortFunc(f.times, func(a, b time.Time) int { return cmp.Compare(a.UnixNano(), b.UnixNano()) })
	for i := f.a.most; i < len(f.times); i++ {
		apart := f.times[i].Sub(f.times[i-f.a.most])
		require.GreaterOrEqual(f.t, apart, f.a.span, "%d messages within %s", f.a.most+1, apart)
	}
}

// Whatever joins, leaves and dies, whoever knows of it when, and however long SNS takes: all workers together never
// have more accepted than the rate in any span.
func TestFleetKeepsTheRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]float64{0.25, 1, 2, 3, 8}).Draw(t, "rate")
		f := &simFleet{t: t, a: allowanceOf(rate), now: time.Unix(1_000_000, 0)}
		for range rapid.IntRange(1, 10).Draw(t, "workers") {
			f.join()
		}
		churn := rapid.IntRange(0, 40).Draw(t, "churn") // changes of the fleet in a thousand steps
		for range rapid.IntRange(100, 600).Draw(t, "steps") {
			f.now = f.now.Add(time.Duration(rapid.IntRange(1, 150).Draw(t, "ms")) * time.Millisecond)
			if rapid.IntRange(0, 999).Draw(t, "change") < churn {
				w := f.workers[rapid.IntRange(0, len(f.workers)-1).Draw(t, "who")]
				if w.left.IsZero() && rapid.Bool().Draw(t, "leaves") {
					f.leave(w)
				} else if len(f.workers) < 20 {
					f.join()
				}
			}
			for _, w := range f.workers {
				f.send(w, func() time.Duration {
					return time.Duration(rapid.IntRange(0, 50).Draw(t, "latency")) * time.Millisecond
				})
			}
		}
		f.check()
	})
}

// Workers that need no turns keep the rate whatever SNS' latency is.
func TestQuotaHoldsForAnyLatency(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := &simFleet{t: t, a: allowance{8, time.Second}, now: time.Unix(1_000_000, 0)}
		for range rapid.IntRange(1, 8).Draw(t, "workers") {
			f.join()
		}
		for range rapid.IntRange(100, 400).Draw(t, "steps") {
			f.now = f.now.Add(time.Duration(rapid.IntRange(1, 100).Draw(t, "ms")) * time.Millisecond)
			for _, w := range f.workers {
				f.send(w, func() time.Duration {
					return time.Duration(rapid.IntRange(0, 6000).Draw(t, "latency")) * time.Millisecond
				})
			}
		}
		f.check()
	})
}

// A fleet that is left alone uses most of its rate, and every worker gets its part.
func TestEveryWorkerGetsItsTurn(t *testing.T) {
	for _, workers := range []int{1, 3, 8, 9, 30} {
		a := allowance{8, time.Second}
		start := time.Unix(1_000_000, 0)
		total := 0
		for i := range workers {
			l, f := limiter{allowance: a}, fleet{ask: func() (int, int) { return i, workers }}
			sent := 0
			for now := start; now.Before(start.Add(time.Minute)); {
				n, wait := l.room(now, f.share(now, a))
				if n == 0 {
					now = now.Add(wait)
					continue
				}
				l.start(n)
				l.end(now, n)
				sent += n
			}
			require.GreaterOrEqual(t, sent, 58*6/workers-1)
			total += sent
		}
		require.GreaterOrEqual(t, total, 58*7*95/100, "%d workers", workers)
		require.LessOrEqual(t, total, 60*8)
	}
}

func TestShareOfAChangingFleet(t *testing.T) {
	a := allowance{8, time.Second}
	now := time.Unix(1000, 0)
	f := fleet{ask: func() (int, int) { return 0, 0 }}
	at := func(after time.Duration, index, workers int) share {
		now = now.Add(after)
		f.ask = func() (int, int) { return index, workers }
		return f.share(now, a)
	}
	may := func(s share) int {
		n, _ := (&limiter{allowance: a}).room(now, s)
		return n
	}
	require.Zero(t, may(at(0, 0, 0)), "not joined")
	require.Zero(t, may(at(time.Minute, 0, 1)))
	require.Zero(t, may(at(1999*time.Millisecond, 0, 1)), "the others may not know yet")
	require.Equal(t, 8, may(at(time.Millisecond, 0, 1)))
	require.Equal(t, 4, may(at(time.Minute, 0, 2)), "at once")
	require.Equal(t, 4, may(at(time.Minute, 0, 1)))
	require.Equal(t, 4, may(at(stable-time.Millisecond, 0, 1)))
	require.Equal(t, 8, may(at(time.Millisecond, 0, 1)), "when it was seen for long enough")
	require.Equal(t, 1, at(time.Minute, 0, 9).quota)
	require.Equal(t, now.Add(2*time.Second), at(0, 0, 9).silent, "turns begin when all know of them")
	require.Zero(t, may(at(time.Minute, 0, 10)))
	require.Equal(t, now.Add(2*time.Second), at(0, 0, 10).silent)
	require.Equal(t, now.Add(time.Second+stable), at(time.Second, 0, 9).silent)
	require.Equal(t, now.Add(stable), at(time.Second, 0, 10).silent, "one that grows does not shorten that")
	require.Zero(t, may(at(time.Minute, 0, 8)), "and end so")
	require.Equal(t, 1, may(at(stable, 0, 8)))
	require.Zero(t, may(at(time.Minute, 0, 0)), "its heartbeat is lost")
	require.Zero(t, may(at(time.Second, 1, 8)))
	require.Equal(t, 1, may(at(2*time.Second, 1, 8)))
}

// Where workers take turns, one whose time may be wrong by more than turns are apart waits until it knows better.
func TestTurnsWaitForAClockThatIsFine(t *testing.T) {
	t.Parallel()
	within, now := 300*time.Millisecond, time.Unix(1_000_000, 0)
	f := fleet{
		ask: func() (int, int) { return 0, 3 }, at: func(moment time.Time) time.Time { return moment },
		within: func() time.Duration { return within },
	}
	f.views = []view{{index: 0, workers: 3, from: now.Add(-time.Hour)}}
	turns := func() (n int) {
		for i := range 10_000 {
			l := limiter{allowance: allowanceOf(1)}
			at := now.Add(time.Duration(i) * time.Millisecond)
			room, _ := l.room(at, f.share(at, l.allowance))
			n += room
		}
		return n
	}
	require.Zero(t, turns())
	within = 20 * time.Millisecond
	require.NotZero(t, turns())
}
