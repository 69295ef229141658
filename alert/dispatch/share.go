package dispatch

import (
	"sync"
	"time"
)

const (
	// joinLag is within which time all workers know of one that has joined.
	joinLag = time.Second
	// leaveLag is within which time all workers know of one that has left or died, after the first one knew.
	leaveLag = 10 * time.Second
	// stable is for how long a smaller fleet must have been seen before the larger share is used, at least.
	stable = 15 * time.Second
	// mostViews bounds the memory of a fleet that changes all the time.
	mostViews = 64
	// lookEvery is how often the fleet is looked at while nothing is sent.
	lookEvery = time.Second
)

// view is what was known of the fleet from a time on, until the next view.
type view struct {
	index, workers int
	from           time.Time
}

// fleet remembers what was known when of this worker's place among the live ones. It is safe for concurrent use.
type fleet struct {
	ask    func() (index, workers int)      // nil: this process is alone
	at     func(moment time.Time) time.Time // Deps.At; nil is the machine's clock
	within func() time.Duration             // Deps.Within

	mu    sync.Mutex
	views []view // oldest first
}

// share is what this worker may use of an allowance now.
func (f *fleet) share(now time.Time, a allowance) share {
	if f.ask == nil {
		return share{quota: a.most}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.views = look(f.views, now, f.ask)
	s := shareNow(f.views, now, a)
	if s.slots > 0 && f.at != nil {
		s.shift = f.at(now).Sub(now)
	}
	if s.slots > 0 && f.within != nil && f.within() > clockTolerance/2 {
		if again := now.Add(lookEvery); again.After(s.silent) {
			s.silent = again
		}
	}
	return s
}

// look notes a change of the fleet also while nothing is sent.
func (f *fleet) look(now time.Time) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.views = look(f.views, now, f.ask)
}

func look(views []view, now time.Time, ask func() (int, int)) []view {
	v := view{from: now}
	v.index, v.workers = ask()
	if n := len(views); n > 0 && views[n-1].index == v.index && views[n-1].workers == v.workers {
		return views
	}
	if len(views) == mostViews {
		views = append(views[:0], views[1:]...)
	}
	return append(views, v)
}

// shareNow is the share that is safe to use although other workers may know of other fleets: of a worker that joined
// until a joinLag, of one that left until a leaveLag after this one.
//
// A fleet that grew is obeyed at once; the worker that joined waits until all others have, and until what they sent
// before is a span ago. Of the shares of a fleet that shrank the smallest of the last time counts. Where workers take
// turns, two fleets have different turns, and nothing is sent until all are known to agree.
func shareNow(views []view, now time.Time, a allowance) share {
	last := len(views) - 1
	s := shareOf(a, views[last].index, views[last].workers)
	if s.quota == 0 {
		return s
	}
	settle := a.span + joinLag
	hold := max(stable, settle+leaveLag)
	silence := func(until time.Time) {
		if until.After(s.silent) {
			s.silent = until
		}
	}
	for k := last; k >= 0; k-- {
		changed := views[k].from
		switch {
		case k == 0 || views[k-1].workers == 0:
			if views[k].workers > 0 {
				silence(changed.Add(settle))
			}
		case s.slots == 0:
			// What counts is the view before, below.
		case views[k].workers > views[k-1].workers:
			silence(changed.Add(settle))
		default:
			silence(changed.Add(hold))
		}
		if k == 0 || now.Sub(changed) >= hold {
			break
		}
		before := shareOf(a, views[k-1].index, views[k-1].workers)
		if s.slots > 0 || before.quota == 0 {
			continue
		}
		if before.slots > 0 {
			silence(changed.Add(hold))
		} else {
			s.quota = min(s.quota, before.quota)
		}
	}
	return s
}
