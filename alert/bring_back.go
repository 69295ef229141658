package alert

import (
	"slices"
	"time"
)

// aheadSlack is how far the time of a state may be ahead of the service's clock, since clocks differ.
const aheadSlack = 5 * time.Minute

// BringBack moves a state back to now if its time is more than five minutes ahead. It returns by how much it was ahead.
// Records with impossible arrival times may have been evaluated before there was a check for them. Without this, every
// rule with memory would stay silent until the clock had caught up with that time.
//
// What rules remember stays. A time that is ahead becomes now.
func (e *Evaluator) BringBack(now time.Time) time.Duration {
	m, limit := e.memory, millisOf(now)
	latest := max(e.life.reached(), m.watchdog)
	for _, r := range m.rules {
		latest = max(latest, r.at)
		for _, en := range r.entries {
			latest = max(latest, en.latest(r.rule))
		}
	}
	ahead := time.Duration(latest-limit) * time.Millisecond
	if ahead <= aheadSlack {
		return 0
	}
	if e.clock.eventTime.After(now) {
		e.clock.eventTime = timeOf(limit)
	}
	m.clock, m.watchdog, m.loggedNotJSON = min(m.clock, limit), min(m.watchdog, limit), min(m.loggedNotJSON, limit)
	for i := range m.former {
		m.former[i].used = min(m.former[i].used, limit)
	}
	for _, r := range m.rules {
		r.at = min(r.at, limit)
		for key, c := range r.claims {
			r.claims[key] = claim{c.family, min(c.at, limit)} // its size stays
		}
		for _, en := range r.entries {
			e.life.bringBack(r.rule, en, limit)
		}
	}
	return ahead
}

// latest returns the latest time that an entry remembers.
func (en *entry) latest(r *rule) int64 {
	t := max(en.since, en.held, en.sent)
	if en.last != nil {
		t = max(t, en.last.arrival)
	}
	if en.window != nil {
		t = max(t, en.window.last*r.window.step)
	}
	return t
}

func (l *lifecycle) bringBack(r *rule, en *entry, limit int64) {
	en.since, en.held, en.sent = min(en.since, limit), min(en.held, limit), min(en.sent, limit)
	if en.last != nil {
		en.last.arrival = min(en.last.arrival, limit)
	}
	if en.window != nil {
		en.window.back(limit / r.window.step)
	}
	if en.provisional != nil {
		en.provisional.partedAt = min(en.provisional.partedAt, limit-1) // before the claims
	}
	if en.due > limit {
		l.reschedule(r, en, limit)
	}
}

// back moves a window to the pane n, with all that is in it.
func (s *window) back(n int64) {
	by := s.last - n
	if by <= 0 {
		return
	}
	moved := func(panes []pane) []pane {
		for i := range panes {
			panes[i].n -= by
		}
		return slices.DeleteFunc(panes, func(p pane) bool { return p.n < 0 })
	}
	s.panes = moved(s.panes)
	all := []map[uint64]int64{s.values, s.legacy}
	if h := s.silenced; h != nil {
		h.panes = moved(h.panes)
		all = append(all, h.unsilenced)
	}
	for _, values := range all {
		for hash, seen := range values {
			values[hash] = seen - by
		}
	}
	s.last, s.since, s.resized = n, s.since-by, true
}
