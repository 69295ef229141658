package consumer

import (
	"slices"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/position"
)

// watermark finds how far everything of a shard is resolved, when records come in order and are resolved out of order.
// It is pure: no clock, no lock, no I/O. Only what waits for something has an entry; other records just pass.
//
// An entry activity for a record, or for what time brought about between two records. Entries form a list, so that one
// is resolved in the same time wherever it activity and however many wait: the first may be held for days while all
// others go on, and tens of thousands wait while a digest gathers.
type watermark struct {
	// last is the last record taken in, resolved or not.
	last        position.Position
	first, tail *entry
	timed       []*entry // of those, what time brought about, in order
	waiting     int
	count       uint64 // entries so far
}

// entry is what waits for its alerts to be accepted.
type entry struct {
	// at is the record's position. A time entry has that of the record that it follows.
	at position.Position
	// before is the record that came just before this one: the watermark while this entry is the first to wait.
	before  position.Position
	arrival time.Time
	// timed says that the entry is no record but what time brought about behind one.
	timed bool
	// parts is how many of its tasks are not resolved.
	parts      int
	number     uint64 // in the order of intake, from 1
	prev, next *entry

	// What becomes of the record. The shard's mutex guards them.

	// left says that the record was counted as one that another owner accounts for.
	left bool

	decision alert.Decision // without its alerts
	decided  bool           // by the alerts; else the decision activity, whatever becomes of alerts that ride along

	// dealt are the alerts of tasks that are tracked, as far as they are dealt with. The lanes' mutex guards it.
	dealt []string
}

// pass takes in a record that is resolved already.
func (w *watermark) pass(at position.Position) { w.last = at }

// wait takes in a record that is resolved with the last of its parts.
func (w *watermark) wait(at position.Position, arrival time.Time, parts int) *entry {
	e := w.push(&entry{at: at, before: w.last, arrival: arrival, parts: parts})
	w.last = at
	return e
}

// waitTimed takes in what time brought about behind the last record. While it waits, the mark stays at that record, and
// no record behind it is named as resolved: a replay knows nothing of ticks, makes its alerts with the next record that
// it evaluates, and drops them if that record counts as resolved.
func (w *watermark) waitTimed(at time.Time, parts int) *entry {
	e := w.push(&entry{at: w.last, before: w.last, arrival: at, timed: true, parts: parts})
	w.timed = append(w.timed, e)
	return e
}

func (w *watermark) push(e *entry) *entry {
	w.count++
	w.waiting++
	e.number = w.count
	if e.prev = w.tail; e.prev != nil {
		e.prev.next = e
	} else {
		w.first = e
	}
	w.tail = e
	return e
}

// resolve marks a part of an entry as done and answers whether it was the last one. A call for an entry that is
// resolved changes nothing.
func (w *watermark) resolve(e *entry) bool {
	if e.parts == 0 {
		return false
	}
	if e.parts--; e.parts > 0 {
		return false
	}
	w.waiting--
	if e.timed {
		w.timed = slices.DeleteFunc(w.timed, func(o *entry) bool { return o == e })
	}
	if e.prev != nil {
		e.prev.next = e.next
	} else {
		w.first = e.next
	}
	if e.next != nil {
		e.next.prev = e.prev
	} else {
		w.tail = e.prev
	}
	e.prev, e.next = nil, nil
	return true
}

// leave gives up the records that wait, and answers how many there were.
func (w *watermark) leave() (records int) {
	for e := w.first; e != nil; e = e.next {
		if !e.timed && !e.left {
			e.left = true
			records++
		}
	}
	return records
}

// unresolved counts the entries that wait.
func (w *watermark) unresolved() int { return w.waiting }

// resolvedThrough says whether the first n entries are all resolved.
func (w *watermark) resolvedThrough(n uint64) bool { return w.first == nil || w.first.number > n }

// mark is the highest position below and at which everything is resolved; empty when there is none yet.
func (w *watermark) mark() position.Position {
	if w.first == nil {
		return w.last
	}
	return w.first.before
}

// oldest is the arrival of the first entry that waits.
func (w *watermark) oldest() (time.Time, bool) {
	if w.first == nil {
		return time.Time{}, false
	}
	return w.first.arrival, true
}

// resolvedAbove lists what is resolved above the mark, up to the first time entry, and the first maxStretches of it.
func (w *watermark) resolvedAbove() []position.Range {
	var out []position.Range
	after := position.Position{}
	for e := w.first; e != nil; e = e.next {
		if !after.IsZero() && after != e.before {
			out = append(out, position.Range{After: after, UpTo: e.before})
		}
		if e.timed || len(out) == position.MaxRanges {
			return out
		}
		after = e.at
	}
	if !after.IsZero() && after != w.last {
		out = append(out, position.Range{After: after, UpTo: w.last})
	}
	return out
}

// lastAbove lists what is resolved above the mark, up to the first time entry: the last n of it. It says how many it
// left out.
func (w *watermark) lastAbove(n int) (out []position.Range, dropped int) {
	add := func(s position.Range) {
		if out = append(out, s); len(out) == 2*n {
			out = append(out[:0], out[n:]...)
			dropped += n
		}
	}
	after, timed := position.Position{}, false
	for e := w.first; e != nil && !timed; e = e.next {
		if !after.IsZero() && after != e.before {
			add(position.Range{After: after, UpTo: e.before})
		}
		after, timed = e.at, e.timed
	}
	if !timed && !after.IsZero() && after != w.last {
		add(position.Range{After: after, UpTo: w.last})
	}
	if over := len(out) - n; over > 0 {
		out, dropped = slices.Delete(out, 0, over), dropped+over
	}
	return out, dropped
}

// timedBefore says whether a time entry waits before the entry of a number.
func (w *watermark) timedBefore(number uint64) bool {
	return len(w.timed) > 0 && w.timed[0].number < number
}
