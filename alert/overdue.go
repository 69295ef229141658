package alert

// minOverdue is how far behind the clock a repetition must be to count as overdue: a little more than reading and
// ticks take.
const minOverdue = 5 * 1000 // milliseconds

// overdue returns ReasonOverdue for a repetition that is skipped because a later one is due by now: an hour of downtime
// must not end with sixty repetitions. While evaluation stays behind, one is made for each interval that passes by the
// clock.
//
// A replay sees a later clock, so it may leave out a repetition that was made, or count another number as suppressed.
// Nothing else may differ. So this check comes last, when the repetition has taken its token of the rate limit, and an
// overdue repetition counts as made.
func (l *lifecycle) overdue(r *rule, en *entry, t *trigger) Reason {
	m := l.memory
	if l.clock.at(t)+max(r.repeat, minOverdue) > l.clock.clock {
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
