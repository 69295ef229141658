package watermark

import (
	"slices"
	"time"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/position"
)

// Watermark finds how far everything of a shard is settled, when records come in order and are settled out of order.
// It is pure: no clock, no lock, no I/O. Only what waits for something has an entry; other records just pass.
//
// An entry is for a record, or for what a timer caused between two records. Entries form a list, so that one is settled
// in the same time wherever it is and however many wait. The first may be held for days while all others are settled,
// and tens of thousands wait while a digest gathers.
type Watermark struct {
	// Last is the last record that came, settled or not.
	Last        position.Position
	First, tail *Entry
	Timed       []*Entry // of those, the ones that timers caused, in order
	waiting     int
	alerting    int    // of those, the ones that wait for tasks of the lanes, and not only for outputs
	Count       uint64 // entries so far
}

// Entry is what waits for its alerts to be accepted, and for its outputs to be written.
type Entry struct {
	// At is the record's position. A time entry has that of the record that it follows.
	At position.Position
	// before is the record that came just before this one: the watermark while this entry is the first to wait.
	before  position.Position
	arrival time.Time
	// Timed says that the entry is not a record but what a timer caused behind one.
	Timed bool
	// parts is how many of its tasks are not settled, outputs how many of its output records.
	parts      int
	outputs    int
	Number     uint64 // in the order of intake, from 1
	prev, Next *Entry

	// What happens to the record. The shard's mutex guards these fields.

	// Left says that the record was counted as one that another owner accounts for.
	Left bool

	Decision alert.Decision // without its alerts
	Decided  bool           // by the alerts; else the decision stays, whatever happens to alerts of other keys

	// Dealt are the alerts of tracked tasks that are dealt with so far. The lanes' mutex guards it.
	Dealt []string
}

// Pass adds a record that is settled already.
func (w *Watermark) Pass(at position.Position) { w.Last = at }

// Wait adds a record that is settled with the last of its parts and outputs.
func (w *Watermark) Wait(at position.Position, arrival time.Time, parts, outputs int) *Entry {
	e := w.push(&Entry{At: at, before: w.Last, arrival: arrival, parts: parts, outputs: outputs})
	w.Last = at
	return e
}

// WaitTimed adds what a timer caused behind the last record. While it waits, the watermark stays at that record, and no
// record behind it is named as settled. A replay has no ticks: it makes these alerts with the next record that it
// evaluates, and drops them if that record counts as settled.
func (w *Watermark) WaitTimed(at time.Time, parts int) *Entry {
	e := w.push(&Entry{At: w.Last, before: w.Last, arrival: at, Timed: true, parts: parts})
	w.Timed = append(w.Timed, e)
	return e
}

func (w *Watermark) push(e *Entry) *Entry {
	w.Count++
	w.waiting++
	if e.parts > 0 {
		w.alerting++
	}
	e.Number = w.Count
	if e.prev = w.tail; e.prev != nil {
		e.prev.Next = e
	} else {
		w.First = e
	}
	w.tail = e
	return e
}

// Resolve marks a part of an entry as done and returns whether it was the last one. A call for an entry that is settled
// changes nothing.
func (w *Watermark) Resolve(e *Entry) bool {
	if e.parts == 0 {
		return false
	}
	if e.parts--; e.parts > 0 {
		return false
	}
	w.alerting--
	return w.settled(e)
}

// ResolveOutput does the same for an output.
func (w *Watermark) ResolveOutput(e *Entry) bool {
	if e.outputs == 0 {
		return false
	}
	e.outputs--
	return w.settled(e)
}

// settled takes an entry that waits for nothing more out of the list.
func (w *Watermark) settled(e *Entry) bool {
	if e.parts > 0 || e.outputs > 0 {
		return false
	}
	w.waiting--
	if e.Timed {
		w.Timed = slices.DeleteFunc(w.Timed, func(o *Entry) bool { return o == e })
	}
	if e.prev != nil {
		e.prev.Next = e.Next
	} else {
		w.First = e.Next
	}
	if e.Next != nil {
		e.Next.prev = e.prev
	} else {
		w.tail = e.prev
	}
	e.prev, e.Next = nil, nil
	return true
}

// Leave gives up the records that wait, and returns how many there were.
func (w *Watermark) Leave() (records int) {
	for e := w.First; e != nil; e = e.Next {
		if !e.Timed && !e.Left {
			e.Left = true
			records++
		}
	}
	return records
}

// Waiting counts the entries that wait.
func (w *Watermark) Waiting() int { return w.waiting }

// SettledThrough reports whether the first n entries are all settled.
func (w *Watermark) SettledThrough(n uint64) bool { return w.First == nil || w.First.Number > n }

// Mark is the highest position at and below which everything is settled; empty when there is none yet.
func (w *Watermark) Mark() position.Position {
	if w.First == nil {
		return w.Last
	}
	return w.First.before
}

// Arrival is when the entry's record arrived, or the time that the timer was due.
func (e *Entry) Arrival() time.Time { return e.arrival }

// Alerting counts the entries that wait for alerts, and not only for outputs.
func (w *Watermark) Alerting() int { return w.alerting }

// Oldest is the arrival of the first entry that waits for alerts.
func (w *Watermark) Oldest() (time.Time, bool) {
	if w.alerting == 0 {
		return time.Time{}, false
	}
	e := w.First
	for e.parts == 0 {
		e = e.Next
	}
	return e.arrival, true
}

// SettledAbove lists what is settled above the watermark, up to the first time entry, and the first maxStretches of
// it.
func (w *Watermark) SettledAbove() []position.Range {
	var out []position.Range
	after := position.Position{}
	for e := w.First; e != nil; e = e.Next {
		if !after.IsZero() && after != e.before {
			out = append(out, position.Range{After: after, UpTo: e.before})
		}
		if e.Timed || len(out) == position.MaxRanges {
			return out
		}
		after = e.At
	}
	if !after.IsZero() && after != w.Last {
		out = append(out, position.Range{After: after, UpTo: w.Last})
	}
	return out
}

// LastAbove lists the last n ranges that are settled above the watermark, up to the first time entry. It also returns
// how many it left out.
func (w *Watermark) LastAbove(n int) (out []position.Range, dropped int) {
	add := func(s position.Range) {
		if out = append(out, s); len(out) == 2*n {
			out = append(out[:0], out[n:]...)
			dropped += n
		}
	}
	after, timed := position.Position{}, false
	for e := w.First; e != nil && !timed; e = e.Next {
		if !after.IsZero() && after != e.before {
			add(position.Range{After: after, UpTo: e.before})
		}
		after, timed = e.At, e.Timed
	}
	if !timed && !after.IsZero() && after != w.Last {
		add(position.Range{After: after, UpTo: w.Last})
	}
	if over := len(out) - n; over > 0 {
		out, dropped = slices.Delete(out, 0, over), dropped+over
	}
	return out, dropped
}

// TimedBefore reports whether a time entry waits before the entry of a number.
func (w *Watermark) TimedBefore(number uint64) bool {
	return len(w.Timed) > 0 && w.Timed[0].Number < number
}
