package alert

import (
	"bytes"
	"strings"
	"time"
)

// This file is the one place where a rule's claim becomes alerts: how it begins to hold and fires, what swallows it, how
// it ends. Everything here is a function of records and their arrival times. Time itself acts through entry.due: when the
// event time has passed it, expire does what is due, at the due time. A tick only brings that forward, so a replay of the
// same records makes the same alerts, with the same ids, however the ticks fell.

// occasion is why something is judged: a record, or that time has passed.
type occasion struct {
	rec *Record   // nil for time
	at  time.Time // the arrival of the record, or when it was due
	// value is the aggregate of a window.
	value    float64
	hasValue bool
	// ended says why a claim ends that may still hold; pushedBy is the record whose key takes the room.
	ended    string
	pushedBy *Record
}

func (o *occasion) ms() int64 { return o.at.UnixMilli() }

// lifecycle takes the keys of all rules through their states, and lets the outbox say what follows.
type lifecycle struct {
	clock  *eventClock
	in     *reading
	memory *memory
	out    *outbox
	// fired are the rules without memory that match the record at hand and that somebody knows of.
	fired ruleSet
	// mutedBy is the silence that swallowed the last alert which one did.
	mutedBy *silence
	// muted is the first reason for which an alert of the record at hand was swallowed.
	muted Reason
	// expiring is the entry for which something that is due is being done.
	expiring *entry
}

// step takes the verdict on a record through what the rule remembers, and makes the alerts that follow from it.
func (l *lifecycle) step(r *rule, v verdict, rec *Record) {
	if v.undefined() || r.absence.Of == AbsenceOfStream {
		return // an undefined condition is no match, and no normal record either; about the stream only a tick decides
	}
	o := &occasion{rec: rec, at: rec.Arrival}
	if v == yes {
		l.in.countKey(r)
	}
	if !r.remembers() {
		if v == yes && l.announce(r, nil, o) {
			l.fired.add(r.place)
		}
		return
	}
	m := l.memory.rules[r.place]
	if v == no && !r.formula.settleKey(&l.in.frame) {
		return
	}
	key := l.in.keyOf(r, rec)
	en := m.find(key)
	switch {
	case v == yes:
		en = l.remember(m, key, en)
	case en == nil:
		return
	}
	now := l.clock.now()
	if v == yes && r.severityOf != nil {
		if en.grade = l.in.severityOf(r, o); !l.memory.keyed() && (!en.firing || !en.told) {
			en.severity = en.grade
		}
	}
	if v == yes && r.timed() && en.note(rec) {
		l.memory.pressure.weigh(en)
	}
	if v == yes && r.covers != 0 && r.window == nil {
		l.noteCovers(r, en)
	}
	switch {
	case r.absence.After > 0:
		if v == yes { // any other record of the key is no sign of what is awaited
			l.arrived(r, en, o)
		}
	case r.window != nil:
		l.window(r, en, v, o)
	default:
		l.judge(r, en, v == yes, o, now)
		if v == yes && r.owes(en) && en.note(rec) { // for what may be told without another record
			l.memory.pressure.weigh(en)
		}
	}
	l.reschedule(r, en, now)
	l.fit(en, rec)
}

// remember returns the entry of a key, which is known or nil, made if there is none.
func (l *lifecycle) remember(m *ruleMemory, key []byte, known *entry) *entry {
	en := l.memory.touch(m, key, known)
	if w := m.rule.window; w != nil && (en.window == nil || w.entire && m.rule.lost(en, l.clock.now())) {
		en.window = w.newWindow(l.memory.keyed())
		en.window.last, en.window.watched = l.clock.now()/w.step, l.clock.now()
	}
	return en
}

// note keeps where the last record of the key stands, and answers whether the entry's size is another one now.
func (en *entry) note(rec *Record) (resized bool) {
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
	l.sequence, l.sub, l.arrival = rec.SequenceNumber, rec.SubSequence, rec.Arrival.UnixMilli()
	return resized
}

// countKey accounts for a record that matches a rule and has no proper key.
func (in *reading) countKey(r *rule) {
	if r.key == nil {
		return
	}
	if _, cause := r.key.load(&in.frame); cause.undefined() {
		r.metrics.undefined[cause].Add(1)
	}
}

// keyOf is what "the same alert" means for a record. A key that cannot be computed is the empty one: an alert without a
// proper key is better than none. The bytes are valid until the next call.
func (in *reading) keyOf(r *rule, rec *Record) []byte {
	in.keyText = in.keyText[:0]
	switch {
	case r.whole():
	case r.key == nil:
		in.keyText = append(in.keyText, rec.PartitionKey...)
	default:
		if v, cause := r.key.load(&in.frame); !cause.undefined() {
			in.keyText = v.appendText(in.keyText)
		}
		if len(in.keyText) > maxKey && in.agreed.keyed() {
			return in.agreed.key.shorten(in.keyText)
		}
	}
	return in.keyText
}

// window adds a record to the window of its key, if it belongs there, and judges a window that slides.
func (l *lifecycle) window(r *rule, en *entry, v verdict, o *occasion) {
	r.window.advance(en.window, l.clock.now())
	if v == yes {
		x, cause := r.window.load(&l.in.frame, &l.in.counted)
		if cause.undefined() {
			r.metrics.undefined[cause].Add(1)
			return
		}
		l.count(r, en, x)
	}
	if r.window.tumbling || !r.window.whole(en.window) {
		return // judged at its end, or when a whole window was watched
	}
	l.judgeWindow(r, en, o, l.clock.now())
}

// judge takes a claim that holds or does not, and makes the alerts that follow. now is the event time.
func (l *lifecycle) judge(r *rule, en *entry, holds bool, o *occasion, now int64) {
	if !r.episodic() {
		if holds {
			l.announce(r, en, o)
		}
		return
	}
	if holds {
		en.held = now
		l.holds(r, en, o, now)
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
			l.conclude(r, en, o)
		}
	case r.resolve.Time == 0:
		l.conclude(r, en, nil) // an excursion that nobody wants to hear the end of
	}
}

// holds takes a claim that holds: it may begin to fire, or fires already.
func (l *lifecycle) holds(r *rule, en *entry, o *occasion, now int64) {
	if !en.firing {
		if en.since == 0 {
			en.since = now
		}
		en.streak++
		if int(en.streak) < r.hold.Records || now-en.since < millis(r.hold.Time) {
			return
		}
		en.firing, en.told = true, false
		en.streak = 0
		l.announce(r, en, o)
		return
	}
	en.streak = 0
	switch {
	case !en.told:
		l.announce(r, en, o) // something swallowed it; perhaps no longer
	case l.graver(r, en):
		l.rises(r, en, o)
	case o.rec == nil: // expire repeats what is due
	case r.repeat > 0 && now-en.sent >= r.repeat:
		l.again(r, en, o)
	default:
		l.swallow(r, en, ReasonFiring)
	}
}

// announce makes the alert of a claim, unless something swallows it. en is nil for a rule that remembers nothing. It answers
// whether anybody knows: an alert was made, or a person has silenced it.
func (l *lifecycle) announce(r *rule, en *entry, o *occasion) (known bool) {
	if reason := l.hindrance(r, en, o); reason != "" {
		l.swallow(r, en, reason)
		return reason == ReasonSilenced
	}
	l.tell(r, en, o)
	return true
}

// rises tells that a claim which was told has become graver: at once, whatever was told before, and once for each grade.
func (l *lifecycle) rises(r *rule, en *entry, o *occasion) {
	if reason := l.mute(r, en, o); reason != "" {
		l.swallow(r, en, reason)
		return
	}
	l.tellRise(r, en, o)
}

func (l *lifecycle) tellRise(r *rule, en *entry, o *occasion) {
	en.severity = en.grade
	l.memory.rules[r.place].joins(en)
	l.out.emit(r, en, KindFiring, o)
	en.sent, en.swallowed = l.clock.at(o), 0
}

// graver says whether the last record of a key is graver than what was told of it. The plain format has room for one severity, so
// that a restart would forget which.
func (l *lifecycle) graver(r *rule, en *entry) bool {
	return r.severityOf != nil && en.grade < en.severity && l.memory.keyed()
}

// hindrance is what swallows the alert that a claim fires, or nothing.
func (l *lifecycle) hindrance(r *rule, en *entry, o *occasion) Reason {
	if en != nil && r.dedup > 0 && en.sent != 0 && l.clock.at(o)-en.sent < r.dedup && !l.graver(r, en) && !en.owed(l.clock.at(o)) {
		return ReasonDedup
	}
	return l.mute(r, en, o)
}

// lastWord is for how long the last word on a claim that holds may be that it is over.
const lastWord = 60 * 1000

// owed says whether somebody was told that a claim is over which has held for a while again: that is told, whatever dedup and rate
// limits say. A key that flaps faster makes no message more.
func (en *entry) owed(at int64) bool {
	return en.firing && !en.told && en.ended && at-en.since >= lastWord
}

// tell makes the alert of a claim.
func (l *lifecycle) tell(r *rule, en *entry, o *occasion) {
	if en != nil {
		if en.severity = en.grade; r.severityOf == nil {
			en.severity = l.in.severityOf(r, o)
		}
	}
	l.out.emit(r, en, KindFiring, o)
	if en != nil {
		en.told, en.ended, en.sent, en.swallowed, en.heard = true, false, l.clock.at(o), 0, 0
	}
}

// again repeats the alert of a claim that still holds. It counts as made also when it is muted: the next one is due an
// interval later.
func (l *lifecycle) again(r *rule, en *entry, o *occasion) {
	reason := l.mute(r, en, o)
	if reason == "" {
		l.memory.rules[r.place].joins(en)
		reason = l.overdue(r, en, o)
	}
	if reason != "" {
		l.swallow(r, en, reason)
	} else {
		l.out.emit(r, en, KindRepeat, o)
		en.swallowed = 0
		if l.graver(r, en) {
			en.severity = en.grade // that is told now
		}
	}
	en.sent = l.clock.at(o)
}

// conclude ends an excursion. Whoever was told of its beginning is told of its end, whatever mutes the rule by now; with
// a nil occasion nobody is.
func (l *lifecycle) conclude(r *rule, en *entry, o *occasion) {
	if o != nil && en.told {
		l.emitEnd(r, en, o)
		en.swallowed, en.ended = 0, l.memory.keyed() // or a restart would forget it
	}
	en.firing, en.told, en.heard = false, false, 0
	en.since, en.streak = 0, 0
}

// at is the event time of an occasion: a record that came late happens now.
func (c *eventClock) at(o *occasion) int64 {
	if o.rec != nil {
		return c.now()
	}
	return o.ms()
}

// arrived takes a sign of life for what can be absent.
func (l *lifecycle) arrived(r *rule, en *entry, o *occasion) {
	en.held = l.clock.at(o)
	if en.firing {
		l.conclude(r, en, o)
	}
}

// swallow accounts for an alert that is not made.
func (l *lifecycle) swallow(r *rule, en *entry, reason Reason) {
	if l.out.silent {
		en.swallowed++ // and counted by the shard that speaks for the key
		return
	}
	r.metrics.suppressed[reason].Inc()
	if reason == ReasonSilenced {
		l.mutedBy.muted.Add(1)
	}
	if en != nil {
		en.swallowed++
	}
	if l.muted == "" && !r.shadow {
		l.muted = reason
	}
}

// mute says what swallows an alert, or nothing. A rule in mode shadow takes no notice.
func (l *lifecycle) mute(r *rule, en *entry, o *occasion) Reason {
	for _, other := range r.inhibitors {
		if l.inhibits(other, r, en, o) {
			return ReasonInhibited
		}
	}
	if l.mutedBy = l.silenced(r, en, o); l.mutedBy != nil {
		return ReasonSilenced
	}
	at := timeOf(l.clock.at(o))
	for _, q := range r.quiet {
		if q.cover(at) {
			return ReasonQuietHours
		}
	}
	if !r.limit.IsZero() && !l.memory.rules[r.place].spend(l.clock.at(o)) && (en == nil || !en.owed(l.clock.at(o))) {
		return ReasonRateLimit
	}
	return ""
}

// inhibits says whether other is active for the key that r is about to alert on, and somebody knows. What nobody was told,
// because of quiet hours or a rate limit, mutes nothing: or nobody would hear of the key at all.
func (l *lifecycle) inhibits(other, r *rule, en *entry, o *occasion) bool {
	if other.shadow {
		return false
	}
	if !other.remembers() {
		return o.rec != nil && l.fired.has(other.place)
	}
	var theirs *entry
	switch {
	case other.whole(): // it is about the keys of all others, too
		theirs = l.memory.rules[other.place].find(nil)
	case en != nil:
		theirs = l.memory.rules[other.place].entries[en.key]
	case o.rec != nil:
		theirs = l.memory.rules[other.place].find(l.in.keyOf(r, o.rec))
	}
	if theirs == nil {
		return false
	}
	if theirs.firing && (theirs.told || l.silenced(other, theirs, o) != nil) {
		return true
	}
	return !other.concludes() && other.dedup > 0 && theirs.sent != 0 && l.clock.at(o)-theirs.sent < other.dedup
}

// spend takes a token of the rule's rate limit.
func (m *ruleMemory) spend(at int64) bool {
	limit := m.rule.limit
	if at > m.at {
		m.tokens = min(float64(limit.Events), m.tokens+float64(at-m.at)/1000*limit.PerSecond())
		m.at = at
	}
	if m.tokens < 1 {
		return false
	}
	m.tokens--
	return true
}

// severityOf is the place of an alert's severity among severities.
func (in *reading) severityOf(r *rule, o *occasion) uint8 {
	word := r.severity
	if r.severityOf != nil && o.rec != nil {
		if v, cause := r.severityOf.load(&in.frame); !cause.undefined() && v.kind == text {
			word = string(v.raw)
		}
	}
	for i, s := range severities() {
		if s == word {
			return uint8(i)
		}
	}
	return warning // what an expression says that is no severity
}

// emit makes an alert of a rule for each of its topics.
func (out *outbox) emit(r *rule, en *entry, kind Kind, o *occasion) {
	if out.silent {
		return // another shard says it
	}
	if r.shadow {
		r.metrics.shadow.Inc()
		return
	}
	for _, to := range r.routes {
		out.make(to, kind, o, en)
	}
}

// make makes one alert.
func (out *outbox) make(to *route, kind Kind, o *occasion, en *entry) {
	a := &Alert{
		Topic: to.topic, Kind: kind, At: o.at, Ended: o.ended, Unsure: out.unsure, render: to.render.message, sample: to.render.sampled,
	}
	r := to.rule
	if r != nil {
		a.Rule, a.sent = r.name, r.audience
		out.describe(a, r, en, o)
	}
	if o.rec != nil {
		a.Record = out.in.kept(o.rec)
		a.ID = alertID(out.stream, o.rec, a.Rule, to.topic, kind, out.generation)
	} else {
		a.Record = Record{Shard: out.shard, Arrival: o.at}
		shard := out.shard
		if r != nil && r.absence.Of == AbsenceOfStream || kind == KindWatchdog {
			shard = ""
		}
		if en != nil && en.last != nil {
			a.Record.PartitionKey, a.Record.SequenceNumber = en.last.partitionKey, en.last.sequence
			a.Record.SubSequence, a.Record.Arrival = en.last.sub, timeOf(en.last.arrival)
		}
		if o.pushedBy != nil {
			a.ID = pushedID(out.stream, o.pushedBy, a.Rule, to.topic, kind, a.Key, out.generation)
		} else {
			a.ID = timeID(out.stream, shard, a.Rule, to.topic, kind, a.Key, o.ms(), out.generation)
		}
	}
	out.alerts = append(out.alerts, a)
}

// kept is a record that may be kept.
func (in *reading) kept(rec *Record) Record {
	kept := *rec
	if in.scoring != nil {
		if in.payload == nil {
			in.payload = bytes.Clone(rec.Data)
		}
		kept.Data = in.payload
	}
	return kept
}

// began is when what the alert is about began; 0 where that is not known. A tumbling window is judged at its end, and about all of it.
func (en *entry) began(r *rule) int64 {
	switch {
	case r.window == nil || !r.window.tumbling:
		return en.since
	case en.since == 0:
		return r.window.end(en.window) - r.window.length
	}
	return en.since - r.window.length
}

// describe fills in what the rule knows about an alert.
func (out *outbox) describe(a *Alert, r *rule, en *entry, o *occasion) {
	a.Severity = severities()[out.in.severityOf(r, o)]
	if en != nil {
		place := en.severity
		if a.Kind == KindRepeat && r.severityOf != nil && out.agreed.keyed() {
			place = en.grade // what holds now
		}
		a.Severity = severities()[place]
		a.Key, a.Suppressed, a.Since = en.key, en.swallowed, timeOf(en.began(r))
	} else if o.rec != nil {
		a.Key = string(out.in.keyOf(r, o.rec))
	}
	switch {
	case o.hasValue && r.window != nil:
		a.Value, a.Worse = o.value, direction(r.window.op)
	case o.rec != nil && r.value != nil:
		if v, cause := r.value.load(&out.in.frame); !cause.undefined() && v.kind == number {
			a.Value, a.Worse = v.num, r.worse
		}
	}
	if a.Kind == KindWatchdog {
		a.Severity = r.severity
	}
}
