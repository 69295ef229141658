package consumer

import (
	"slices"
	"time"
)

// watermark finds how far everything of a shard is resolved, when records come in order and are resolved out of order.
// It is pure: no clock, no lock, no I/O. Only records that wait for something have an entry; the others just pass.
type watermark struct {
	// last is the last record taken in, resolved or not.
	last position
	// waiting holds the records that are not resolved, in order. One that is resolved leaves it wherever it stands: the
	// first may be held for days while all others go on.
	waiting []*entry
}

// entry is a record that waits for its alerts to be accepted.
type entry struct {
	at position
	// before is the record that came just before this one: the watermark while this entry is the first to wait.
	before   position
	arrival  time.Time
	bytes    int
	resolved bool
}

// pass takes in a record that is resolved already.
func (w *watermark) pass(at position) { w.last = at }

// wait takes in a record that will be resolved later.
func (w *watermark) wait(at position, arrival time.Time, bytes int) *entry {
	e := &entry{at: at, before: w.last, arrival: arrival, bytes: bytes}
	w.last = at
	w.waiting = append(w.waiting, e)
	return e
}

// resolve marks an entry as done. A second call for the same entry changes nothing.
func (w *watermark) resolve(e *entry) {
	if e.resolved {
		return
	}
	e.resolved = true
	if i := slices.Index(w.waiting, e); i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
	}
}

// unresolved counts the records that wait.
func (w *watermark) unresolved() int { return len(w.waiting) }

// mark is the highest position below and at which everything is resolved; empty when there is none yet.
func (w *watermark) mark() position {
	if len(w.waiting) == 0 {
		return w.last
	}
	return w.waiting[0].before
}

// oldest is the arrival of the first record that waits.
func (w *watermark) oldest() (time.Time, bool) {
	if len(w.waiting) == 0 {
		return time.Time{}, false
	}
	return w.waiting[0].arrival, true
}

// resolvedAbove lists what is resolved above the mark.
func (w *watermark) resolvedAbove() []stretch {
	var out []stretch
	after := position{}
	for _, e := range w.waiting {
		if after.sequence != "" && after != e.before {
			out = append(out, stretch{after, e.before})
		}
		after = e.at
	}
	if after.sequence != "" && after != w.last {
		out = append(out, stretch{after, w.last})
	}
	return slices.Clip(out)
}
