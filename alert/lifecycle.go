package alert

import (
	"strings"
	"time"

	"kinesis-alerter/alert/condition"
)

// This file is the one place where a rule's condition becomes alerts: how it begins to hold and fires, what suppresses
// it, and how it ends. Everything here is a function of records and their arrival times. Time acts through entry.due:
// once event time has passed it, runDue does what is due, at the due time. A tick only brings that forward. So a replay
// of the same records makes the same alerts, with the same ids, whenever the ticks come.

// trigger is why something is judged: a record, or that time has passed.
type trigger struct {
	rec *Record   // nil for time
	at  time.Time // the arrival of the record, or when it was due
	// value is the aggregate of a window.
	value    float64
	hasValue bool
	// ended says why an alert ends although its condition may still hold; evictedFor is the record whose key takes the
	// room.
	ended      string
	evictedFor *Record
}

func (t *trigger) ms() int64 { return t.at.UnixMilli() }

// lifecycle moves the keys of all rules through their states, and puts the resulting alerts into the outbox.
type lifecycle struct {
	clock  *eventClock
	in     *reading
	memory *memory
	out    *outbox
	// fired are the rules without memory that match the record at hand and were notified or silenced.
	fired condition.RuleSet
	asked candidate
	// suppressedBy is the first reason for which an alert of the record at hand was suppressed.
	suppressedBy Reason
	// running is the entry whose due work is in progress.
	running *entry
}

// step applies the verdict on a record to the rule's memory, and makes the resulting alerts.
func (l *lifecycle) step(r *rule, v condition.Verdict, rec *Record) {
	if v.Undefined() || r.absence.Of == AbsenceOfStream {
		return // undefined is neither a match nor a normal record; absence of stream is decided by ticks only
	}
	t := &trigger{rec: rec, at: rec.Arrival}
	if v == condition.Yes {
		l.in.countKey(r)
	}
	if !r.remembers() {
		if v == condition.Yes && l.announce(r, nil, t) {
			l.fired.Add(r.place)
		}
		return
	}
	m := l.memory.rules[r.place]
	if v == condition.No && !r.formula.SettleKey(&l.in.frame) {
		return
	}
	key := l.in.keyOf(r, rec.PartitionKey)
	en := m.find(key)
	switch {
	case v == condition.Yes:
		en = l.remember(m, key, en)
	case en == nil:
		return
	}
	now := l.clock.now()
	if v == condition.Yes && r.severityOf != nil {
		if en.grade = l.in.severityOf(r, t); !l.memory.keyed() && (!en.firing || !en.notified) {
			en.severity = en.grade
		}
	}
	if v == condition.Yes && r.timed() && en.setLast(rec) {
		l.memory.pressure.weigh(en)
	}
	if v == condition.Yes && r.covers != 0 && r.window == nil {
		l.keepCovers(r, en)
	}
	switch {
	case r.absence.After > 0:
		if v == condition.Yes { // other records of the key do not end the absence
			l.arrived(r, en, t)
		}
	case r.window != nil:
		l.window(r, en, v, t)
	default:
		l.judge(r, en, v == condition.Yes, t, now)
		// for an alert that may be made without another record
		if v == condition.Yes && r.needsRecheck(en) && en.setLast(rec) {
			l.memory.pressure.weigh(en)
		}
	}
	l.reschedule(r, en, now)
	l.makeRoom(en, rec)
}

// remember returns the entry of a key: known or, if that is nil, a new one.
func (l *lifecycle) remember(m *ruleMemory, key []byte, known *entry) *entry {
	en := l.memory.touch(m, key, known)
	if w := m.rule.window; w != nil && (en.window == nil || w.needsWhole && m.rule.windowLapsed(en, l.clock.now())) {
		en.window = w.newWindow(l.memory.keyed())
		en.window.last, en.window.watched = l.clock.now()/w.step, l.clock.now()
	}
	return en
}

// setLast stores the position of the key's last record, and reports whether the entry's size has changed.
func (en *entry) setLast(rec *Record) (resized bool) {
	l := en.last
	if l == nil {
		l, resized = &lastRecord{}, true
		en.last = l
	}
	if l.partitionKey != rec.PartitionKey {
		resized = resized || len(l.partitionKey) != len(rec.PartitionKey)
		l.partitionKey = strings.Clone(rec.PartitionKey)
	}
	resized = resized || len(l.sequence) != len(rec.SequenceNumber)
	l.sequence, l.sub, l.arrival = strings.Clone(rec.SequenceNumber), rec.SubSequence, rec.Arrival.UnixMilli()
	return resized
}

// window adds a record to the window of its key, if it belongs there, and judges a window that slides.
func (l *lifecycle) window(r *rule, en *entry, v condition.Verdict, t *trigger) {
	r.window.advance(en.window, l.clock.now())
	if v == condition.Yes {
		x, cause := r.window.load(&l.in.frame, &l.in.counted)
		if cause.Undefined() {
			r.metrics.undefined[cause].Add(1)
			return
		}
		l.count(r, en, x)
	}
	if r.window.tumbling || !r.window.complete(en.window) {
		return // judged at its end, or when a whole window was watched
	}
	l.judgeWindow(r, en, t, l.clock.now())
}

// judge updates a key whose condition holds or does not, and makes the resulting alerts. now is the event time.
func (l *lifecycle) judge(r *rule, en *entry, holds bool, t *trigger, now int64) {
	if !r.hasPeriods() {
		if holds {
			l.announce(r, en, t)
		}
		return
	}
	if holds {
		en.held = now
		l.holds(r, en, t, now)
		return
	}
	if !en.firing {
		en.since, en.streak = 0, 0
		return
	}
	en.streak++
	switch {
	case r.resolve.Records > 0:
		if int(en.streak) >= r.resolve.Records {
			l.endPeriod(r, en, t)
		}
	case r.resolve.Time == 0:
		l.endPeriod(r, en, nil) // without resolve, the end is not notified
	}
}

// holds updates a key whose condition holds: it may begin to fire, or fires already.
func (l *lifecycle) holds(r *rule, en *entry, t *trigger, now int64) {
	if !en.firing {
		if en.since == 0 {
			en.since = now
		}
		en.streak++
		if int(en.streak) < r.hold.Records || now-en.since < millis(r.hold.Time) {
			return
		}
		en.firing, en.notified = true, false
		en.streak = 0
		l.announce(r, en, t)
		return
	}
	en.streak = 0
	switch {
	case !en.notified:
		l.announce(r, en, t) // something suppressed it; perhaps no longer
	case l.escalates(r, en):
		l.escalate(r, en, t)
	case t.rec == nil: // expire repeats what is due
	case r.repeat > 0 && now-en.sent >= r.repeat:
		l.repeat(r, en, t)
	default:
		l.suppress(r, en, ReasonFiring)
	}
}

// announce makes the alert of a key that fires, unless something suppresses it. en is nil for a rule without memory. It
// reports whether an alert was made or a silence covers it.
func (l *lifecycle) announce(r *rule, en *entry, t *trigger) (known bool) {
	if by := l.mute(r, en, t, false); by != nil {
		l.suppressBy(r, en, by)
		return by.reason() == ReasonSilenced
	}
	l.notify(r, en, t)
	return true
}

// escalate makes an alert when a firing key becomes more severe: at once, whatever was sent before, and once for each
// grade.
func (l *lifecycle) escalate(r *rule, en *entry, t *trigger) {
	if by := l.mute(r, en, t, false); by != nil {
		l.suppressBy(r, en, by)
		return
	}
	l.notifyEscalation(r, en, t)
}

func (l *lifecycle) notifyEscalation(r *rule, en *entry, t *trigger) {
	en.severity = en.grade
	l.memory.rules[r.place].addAudience(en)
	l.out.emit(r, en, KindFiring, t)
	en.sent, en.suppressed = l.clock.at(t), 0
}

// escalates reports whether the last record of a key is more severe than the alerts about it. The plain format has room
// for one severity, so a restart would forget which.
func (l *lifecycle) escalates(r *rule, en *entry) bool {
	return r.severityOf != nil && en.grade < en.severity && l.memory.keyed()
}

// resolvedGrace is how long a key may fire while its last alert says that it is resolved.
const resolvedGrace = 60 * 1000

// mustNotify reports whether the last alert said that the key is resolved, although it has been firing again for a
// while. Then dedup and rate limits do not apply. A key that flaps faster makes no extra message.
func (en *entry) mustNotify(at int64) bool {
	return en.firing && !en.notified && en.ended && at-en.since >= resolvedGrace
}

// notify makes the first alert of a firing period, or the alert of a rule without memory.
func (l *lifecycle) notify(r *rule, en *entry, t *trigger) {
	if en != nil {
		if en.severity = en.grade; r.severityOf == nil {
			en.severity = l.in.severityOf(r, t)
		}
	}
	l.out.emit(r, en, KindFiring, t)
	if en != nil {
		en.notified, en.ended, en.sent, en.suppressed, en.audience = true, false, l.clock.at(t), 0, 0
	}
}

// repeat repeats the alert of a key that still fires. A muted repetition counts as made: the next one is due an
// interval later.
func (l *lifecycle) repeat(r *rule, en *entry, t *trigger) {
	l.repeatUnlessMuted(r, en, t)
	en.sent = l.clock.at(t)
}

func (l *lifecycle) repeatUnlessMuted(r *rule, en *entry, t *trigger) {
	if by := l.mute(r, en, t, true); by != nil {
		l.suppressBy(r, en, by)
		return
	}
	l.memory.rules[r.place].addAudience(en)
	if reason := l.overdue(r, en, t); reason != "" {
		l.suppress(r, en, reason)
		return
	}
	l.out.emit(r, en, KindRepeat, t)
	en.suppressed = 0
	if l.escalates(r, en) {
		en.severity = en.grade // the repetition has this severity
	}
}

// endPeriod ends a firing period. Topics that were notified of its beginning are notified of its end, even if the rule
// is muted by now. With a nil trigger none is.
func (l *lifecycle) endPeriod(r *rule, en *entry, t *trigger) {
	if t != nil && en.notified {
		l.notifyEnd(r, en, t)
		en.suppressed, en.ended = 0, l.memory.keyed() // the plain format cannot store it
	}
	en.firing, en.notified, en.audience = false, false, 0
	en.since, en.streak = 0, 0
}

// arrived handles a record that a rule on absence waits for.
func (l *lifecycle) arrived(r *rule, en *entry, t *trigger) {
	en.held = l.clock.at(t)
	if en.firing {
		l.endPeriod(r, en, t)
	}
}

// suppress counts an alert that is not made.
func (l *lifecycle) suppress(r *rule, en *entry, reason Reason) {
	if l.out.silent {
		en.suppressed++ // the shard that makes the key's alerts counts it in the metrics
		return
	}
	r.metrics.suppressed[reason].Inc()
	if en != nil {
		en.suppressed++
	}
	if l.suppressedBy == "" && !r.shadow {
		l.suppressedBy = reason
	}
}
