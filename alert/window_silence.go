package alert

import (
	"maps"
	"slices"
	"time"
)

// This file is about silences and alerts that time causes. A silence's condition can be evaluated only while the record
// is at hand. So its verdict is kept with the key, and decides until the next matching record, together with the start
// and end of the silence.
//
// A window has many records, of which a silence may cover some. The window is judged with all
// of them, so that a silence can never cause an alert, and no record is lost. While a silence is active, a window is
// silenced if all its records meet the condition, or if it would not hold without the records that the silence covered
// on arrival. So the next record of another kind does not alert about the covered ones. A window that still holds when
// the silence ends is reported then.

// silencedPart is the part of a window that came while a silence covered it.
type silencedPart struct {
	panes []pane
	// by are the conditions that covered some of it.
	by uint32
	// unsilenced are the distinct values of records that no silence covered, in the form of window.values.
	unsilenced map[uint64]int64
}

func (h *silencedPart) bulk() bulk {
	return bulk{
		silencedHeap + len(h.panes)*paneHeap + len(h.unsilenced)*valueHeap,
		len(h.panes)*(paneStored+5) + len(h.unsilenced)*valueStored + 2*coversStored,
	}
}

// keepCovers stores with a key which conditions of silences its record at hand meets.
func (l *lifecycle) keepCovers(r *rule, en *entry) {
	if r.keyless() || !l.memory.has(formatEnds) {
		return // one record does not represent a whole shard
	}
	was := en.covered
	if en.covered = l.in.verdicts(r.covers); (was == 0) != (en.covered == 0) {
		l.memory.pressure.weigh(en)
	}
}

// count adds a value of the record at hand to the window of its key.
func (l *lifecycle) count(r *rule, en *entry, x float64) {
	s, by := en.window, uint32(0)
	if r.covers != 0 && l.memory.has(formatEnds) {
		covered := l.in.verdicts(r.covers)
		if s.empty() {
			s.unmet = 0
		}
		s.resized = s.resized || s.seen|s.unmet == 0
		s.seen, s.unmet = covered, s.unmet|r.covers&^covered
		by = r.activeCovers(timeOf(l.clock.now()), covered)
	}
	if by != 0 {
		s.addSilenced(x, by)
	} else {
		s.add(x)
	}
	if r.window.distinct {
		s.see(&l.in.counted, &l.memory.key, by != 0)
	}
}

// activeCovers returns those of the covered conditions whose silences are active.
func (r *rule) activeCovers(at time.Time, covered uint32) (by uint32) {
	for _, s := range r.silences {
		if s.bit != 0 && s.applies(at, covered) {
			by |= s.bit
		}
	}
	return by
}

// addSilenced adds a value that a silence covers.
func (s *window) addSilenced(v float64, by uint32) {
	if s.silenced == nil {
		s.silenced, s.resized = &silencedPart{unsilenced: maps.Clone(s.values)}, true
	}
	s.addTo(&s.silenced.panes, v)
	s.silenced.by |= by
}

// advanceSilenced drops what has left the window.
func (s *window) advanceSilenced() {
	h := s.silenced
	if h == nil {
		return
	}
	h.panes = s.inside(h.panes)
	s.age(h.unsilenced)
	if len(h.panes) == 0 {
		s.silenced = nil
	}
}

// holdsUnsilenced reports whether the window holds without what a silence covered.
func (w *windowRule) holdsUnsilenced(s *window) bool {
	if s.silenced == nil {
		return true
	}
	if len(s.panes) == 0 {
		return false
	}
	distinct := len(s.silenced.unsilenced)
	if s.legacy != nil {
		distinct = len(s.legacy) // stored without silences by an earlier format, until it has left the window
	}
	all := noPane()
	all.merge(s.panes)
	_, holds := w.judge(&all, distinct)
	return holds
}

// judgeWindow judges a window and updates its key. What a silence covers is determined when the window holds.
func (l *lifecycle) judgeWindow(r *rule, en *entry, t *trigger, now int64) {
	w, s := r.window, en.window
	value, holds := w.holds(s)
	t.value, t.hasValue = value, true
	if holds {
		was := en.covered
		if en.covered = s.seen &^ s.unmet; s.empty() {
			en.covered = s.seen
		}
		if s.silencedBy = 0; !w.holdsUnsilenced(s) {
			s.silencedBy = s.silenced.by
		}
		if (was == 0) != (en.covered == 0) {
			l.memory.pressure.weigh(en)
		}
	}
	l.judge(r, en, holds, t, now)
}

// covered returns the conditions of silences that the records behind a candidate meet.
func (c *candidate) covered(r *rule, en *entry) (covered uint32) {
	if c.record && r.covers != 0 {
		covered = c.life.in.verdicts(r.covers)
	}
	if en != nil {
		covered |= en.covered
		if en.window != nil {
			covered |= en.window.silencedBy
		}
	}
	return covered
}

// silenced reports whether a silence covers a key of a rule.
func (c *candidate) silenced(r *rule, en *entry) bool {
	covered := c.covered(r, en)
	return slices.ContainsFunc(r.silences, func(s *silence) bool { return s.applies(c.at, covered) })
}
