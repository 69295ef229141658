package alert

// overdueLeast is how far behind the clock a repetition is at least that counts as overdue: a little more than reading
// and ticks take.
const overdueLeast = 5 * 1000 // milliseconds

// overdue says whether a repetition goes unsaid because a later one is due by now: after an hour of downtime nobody
// wants sixty. Where evaluation stays behind, one is made for each interval that passes by the clock.
//
// A replay sees a later clock, so it may leave out a repetition that was made, or count another number as suppressed.
// Nothing else may differ. So this is asked last, when the repetition has spent what it spends of a rate limit, and an
// overdue one counts as made.
func (l *lifecycle) overdue(r *rule, en *entry, t *trigger) Reason {
	m := l.memory
	if l.clock.at(t)+max(r.repeat, overdueLeast) > l.clock.clock {
		delete(m.late, en)
		return ""
	}
	since, known := m.late[en]
	if passed := l.clock.clock - since; known && passed >= 0 && passed < r.repeat {
		return ReasonOverdue
	}
	if m.late == nil {
		m.late = make(map[*entry]int64)
	}
	if m.late[en] = l.clock.clock; known {
		return ""
	}
	return ReasonOverdue
}
