package alert

import (
	"math"
	"time"

	"kinesis-alerter/alert/template"
)

// lateness is how far the clock of Kinesis must be past an event time before a tick counts it as passed. That clock is
// known only to the second, and a record in transit already has its arrival time. A record that is even later is
// evaluated as it comes, and a replay may then decide differently from the tick.
const lateness = 2 * 1000 // milliseconds

// maxMissed is how many missed repetitions of one alert are made at once, where time advances far in a single step.
// Beyond that only the last is made: after days in which no worker read an idle shard there could be millions.
const maxMissed = 60

// repeatAt returns when an alert last made at sent is repeated, if time advances to to in one step.
func (r *rule) repeatAt(sent, to int64) int64 {
	if missed := (to - sent) / r.repeat; missed > maxMissed {
		return sent + missed*r.repeat
	}
	return sent + r.repeat
}

// runDue does what is due for an entry, at its due time. to is the time reached.
func (l *lifecycle) runDue(en *entry, to int64) {
	r, due, fired := en.of.rule, en.due, en.firing
	t := &trigger{at: timeOf(due)}
	switch {
	case r.absence.After > 0:
		if !en.firing && due >= en.held+millis(r.absence.After) {
			en.firing, en.notified, en.since = true, false, en.held
			l.announce(r, en, t)
		}
	case r.window != nil && r.window.tumbling && due >= r.window.end(en.window):
		if r.window.complete(en.window) && !r.windowLapsed(en, due-r.window.length) {
			l.judgeWindow(r, en, t, due) // the window that ends here
		}
		r.window.advance(en.window, due)
		r.window.skip(en.window, to)
	case r.window != nil && !r.window.tumbling && r.windowDue(en, due):
		if r.window.advance(en.window, due); r.window.complete(en.window) {
			l.judgeWindow(r, en, t, due)
		}
		r.window.skip(en.window, to)
	case !en.firing && en.since != 0 && r.hold.Time > 0 && due >= en.since+millis(r.hold.Time):
		if r.resolve.Time > 0 && due >= en.held+millis(r.resolve.Time) {
			l.endPeriod(r, en, nil) // it ends before it could fire
		} else {
			l.holds(r, en, t, due) // no record has shown that it no longer holds
		}
	}
	switch {
	case !en.firing:
	case r.givesUp(en) != 0 && due >= r.givesUp(en):
		l.giveUp(r, en, t)
		return
	case r.resolve.Time > 0 && due >= en.held+millis(r.resolve.Time):
		l.endPeriod(r, en, t)
	case r.repeat > 0 && en.notified && due >= en.sent+r.repeat:
		if at := r.repeatAt(en.sent, min(to, r.lastRepeat(en))); at > due {
			en.sent = at - r.repeat // unless it is resolved before
		} else {
			l.repeat(r, en, t)
		}
	case !fired || !r.needsRecheck(en) || l.nextRecheck(r, en, due-1) > due:
	case !en.notified:
		if l.mute(r, en, t, false) == nil {
			l.notify(r, en, t)
		}
	case l.escalates(r, en):
		if l.mute(r, en, t, false) == nil {
			l.notifyEscalation(r, en, t)
		}
	}
	if r.needsRecheck(en) {
		due = max(due, to-maxSteps*maxRecheckInterval)
	}
	l.reschedule(r, en, due)
}

// windowDue reports whether a sliding window may have changed by now, or must show whether its condition still holds.
// Only then is it judged: for and resolve in records count every judgement.
func (r *rule) windowDue(en *entry, due int64) bool {
	switch {
	case due >= r.window.end(en.window):
		return true
	case en.firing:
		return r.resolve.Time > 0 && due >= en.held+millis(r.resolve.Time)
	}
	return r.hold.Time > 0 && en.since != 0 && due >= en.since+millis(r.hold.Time)
}

// givesUp returns when a key that was reported as absent is given up; 0 for never. That is once the absence has been
// reported for the configured time, in place of the next repetition. It is never sooner after the last alert than a
// repetition would be, or than the configured time if that is shorter.
func (r *rule) givesUp(en *entry) int64 {
	if !r.perKey() || !en.notified {
		return 0
	}
	wait := millis(r.absence.GiveUp)
	if r.repeat > 0 {
		wait = min(wait, r.repeat)
	}
	return max(r.lastRepeat(en), en.sent+wait)
}

// lastRepeat returns until when the alert about an absent key is repeated.
func (r *rule) lastRepeat(en *entry) int64 {
	if !r.perKey() {
		return math.MaxInt64
	}
	return en.since + millis(r.absence.After) + millis(r.absence.GiveUp)
}

// perKey reports whether the rule is about the absence of keys.
func (r *rule) perKey() bool { return r.absence.After > 0 && r.absence.Of == AbsenceOfKey }

// giveUp makes the last alert about an absent key and forgets the key. Otherwise it would be reported forever.
func (l *lifecycle) giveUp(r *rule, en *entry, t *trigger) {
	t.ended = "no record has come for " + template.Duration(time.Duration(t.ms()-en.held)*time.Millisecond) +
		", so the key is given up; it is reported again once it sends and then stops"
	l.endPeriod(r, en, t)
	l.memory.drop(en)
}

// maxSteps bounds how many windows without a record are judged one by one when time advances far in one step, and how
// often a suppressed alert is rechecked. Beyond that the first ones are skipped: they are alike, and there have been
// billions since 1970.
const maxSteps = 1000

// skip skips windows without a record when time advances far, up to to.
func (w *windowRule) skip(s *window, to int64) {
	if s.empty() {
		s.last = max(s.last, to/w.step-maxSteps)
	}
}

// reschedule sets when an entry is next due, or forgets an entry that no longer remembers anything.
func (l *lifecycle) reschedule(r *rule, en *entry, now int64) {
	next := r.nextDue(en, now)
	if r.needsRecheck(en) {
		if again := l.nextRecheck(r, en, now); next == 0 || again < next {
			next = again
		}
	}
	if next == 0 && r.forgettable(en) {
		l.memory.drop(en)
		return
	}
	if next != 0 && next <= en.due && en.due <= now {
		next = en.due + 1 // whatever else was missed, time moves on
	}
	l.memory.schedule(en, next)
	en.countNotified()
	en.relist()
	if w := en.window; w != nil && w.resized {
		l.memory.pressure.weigh(en)
		w.resized = false
	}
}

// needsRecheck reports whether a firing key is rechecked without a record, because its alert, or its rise in severity,
// was suppressed. There may never be another record, and the last alert of the key may have said that it is resolved.
func (r *rule) needsRecheck(en *entry) bool {
	unsaid := !en.notified || r.severityOf != nil && en.grade < en.severity
	return en.firing && unsaid && r.hasPeriods() && r.absence.Of != AbsenceOfStream
}

// endLife is how long a rule with a rate limit remembers that the last alert of a key said that it is resolved.
const endLife = 24 * 60 * 60 * 1000

// nextDue returns the earliest time after now at which something falls due for an entry; 0 for never.
func (r *rule) nextDue(en *entry, now int64) int64 {
	next := int64(0)
	at := func(ms int64) {
		if next == 0 || ms < next {
			next = ms
		}
	}
	if en.firing {
		if r.resolve.Time > 0 {
			at(en.held + millis(r.resolve.Time))
		}
		if r.repeat > 0 && en.notified {
			at(en.sent + r.repeat)
		}
		if end := r.givesUp(en); end != 0 {
			at(end)
		}
	} else {
		if r.absence.After > 0 && r.absence.Of != AbsenceOfStream {
			at(en.held + millis(r.absence.After))
		}
		if r.hold.Time > 0 && en.since != 0 {
			at(en.since + millis(r.hold.Time))
		}
		if end := en.dedupEnd(r); end > now {
			at(end)
		}
		if end := en.sent + endLife; en.ended && !r.limit.IsZero() && end > now {
			at(end)
		}
	}
	if w := r.window; w != nil && (en.firing || en.since != 0 || !en.window.empty() || w.keepsEmpty(en, now)) {
		at(w.end(en.window))
	}
	return next
}

// dedupEnd returns when dedup no longer needs an entry. The count of suppressed alerts is kept for another dedup
// interval, so that the next alert can report it.
func (en *entry) dedupEnd(r *rule) int64 {
	switch {
	case r.dedup == 0 || en.sent == 0:
		return 0
	case en.suppressed > 0:
		return en.sent + 2*r.dedup
	}
	return en.sent + r.dedup
}

// forgettable reports whether an entry for which nothing is due is equivalent to a new one.
func (r *rule) forgettable(en *entry) bool {
	return !en.firing && en.since == 0 && en.streak == 0 && r.absence.After == 0
}

// reached returns the time reached, by records or by ticks.
func (l *lifecycle) reached() int64 { return max(l.clock.now(), l.memory.clock) }

// resume continues with an entry of a rule that was inactive for a while. The records of that time were not seen, so
// their absence proves nothing: pending waits start again. It returns false if nothing is left to remember.
func (r *rule) resume(en *entry, now int64) bool {
	if r.absence.Of == AbsenceOfStream {
		return true // what the workers know of the stream has no gap
	}
	if en.window != nil {
		r.window.advance(en.window, now)
		en.window.watched = now
	}
	switch {
	case en.firing:
		en.held = max(en.held, now)
		if r.repeat > 0 && now > en.sent {
			en.sent += (now - en.sent) / r.repeat * r.repeat
		}
	case r.absence.After > 0:
		en.held = max(en.held, now)
	default:
		en.since, en.streak = 0, 0
	}
	en.due = r.nextDue(en, now)
	if r.needsRecheck(en) {
		en.due = now + recheckInterval
	}
	return en.due != 0 || !r.forgettable(en)
}
