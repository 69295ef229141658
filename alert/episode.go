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

// step takes the verdict on a record through what the rule remembers, and makes the alerts that follow from it.
func (e *Evaluator) step(r *rule, v verdict, rec *Record) {
	if v == undefinedOverBudget {
		e.noteOver(r, rec)
	}
	if v.undefined() || r.absence.Of == AbsenceOfStream {
		return // an undefined condition is no match, and no normal record either; about the stream only a tick decides
	}
	o := &occasion{rec: rec, at: rec.Arrival}
	if v == yes {
		e.countKey(r)
	}
	if !r.remembers() {
		if v == yes && e.announce(r, nil, o) {
			e.fired.add(r.place)
		}
		return
	}
	m := e.memory.rules[r.place]
	if v == no && !r.formula.settleKey(&e.frame) {
		return
	}
	key := e.keyOf(r, rec)
	en := m.find(key)
	switch {
	case v == yes:
		en = e.remember(m, key, en)
	case en == nil:
		return
	}
	now := e.now()
	if v == yes && r.severityOf != nil {
		if en.grade = e.severityOf(r, o); !e.memory.keyed() && (!en.firing || !en.told) {
			en.severity = en.grade
		}
	}
	if v == yes && r.timed() && en.note(rec) {
		e.memory.weigh(en)
	}
	if v == yes && r.covers != 0 && r.window == nil {
		e.noteCovers(r, en)
	}
	switch {
	case r.absence.After > 0:
		if v == yes { // any other record of the key is no sign of what is awaited
			e.arrived(r, en, o)
		}
	case r.window != nil:
		e.window(r, en, v, o)
	default:
		e.judge(r, en, v == yes, o, now)
		if v == yes && r.owes(en) && en.note(rec) { // for what may be told without another record
			e.memory.weigh(en)
		}
	}
	e.reschedule(r, en, now)
	e.fit(en, rec)
}

// remember returns the entry of a key, which is known or nil, made if there is none.
func (e *Evaluator) remember(m *ruleMemory, key []byte, known *entry) *entry {
	en := e.memory.touch(m, key, known)
	if w := m.rule.window; w != nil && (en.window == nil || w.entire && m.rule.lost(en, e.now())) {
		en.window = w.newWindow(e.memory.keyed())
		en.window.last, en.window.watched = e.now()/w.step, e.now()
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
func (e *Evaluator) countKey(r *rule) {
	if r.key == nil {
		return
	}
	if _, cause := r.key.load(&e.frame); cause.undefined() {
		r.metrics.undefined[cause].Add(1)
	}
}

// keyOf is what "the same alert" means for a record. A key that cannot be computed is the empty one: an alert without a
// proper key is better than none. The bytes are valid until the next call.
func (e *Evaluator) keyOf(r *rule, rec *Record) []byte {
	e.keyText = e.keyText[:0]
	switch {
	case r.whole():
	case r.key == nil:
		e.keyText = append(e.keyText, rec.PartitionKey...)
	default:
		if v, cause := r.key.load(&e.frame); !cause.undefined() {
			e.keyText = v.appendText(e.keyText)
		}
		if len(e.keyText) > maxKey && e.memory.keyed() {
			return e.memory.key.shorten(e.keyText)
		}
	}
	return e.keyText
}

// window adds a record to the window of its key, if it belongs there, and judges a window that slides.
func (e *Evaluator) window(r *rule, en *entry, v verdict, o *occasion) {
	r.window.advance(en.window, e.now())
	if v == yes {
		x, cause := r.window.load(&e.frame, &e.counted)
		if cause.undefined() {
			r.metrics.undefined[cause].Add(1)
			return
		}
		e.count(r, en, x)
	}
	if r.window.tumbling || !r.window.whole(en.window) {
		return // judged at its end, or when a whole window was watched
	}
	e.judgeWindow(r, en, o, e.now())
}

// judge takes a claim that holds or does not, and makes the alerts that follow. now is the event time.
func (e *Evaluator) judge(r *rule, en *entry, holds bool, o *occasion, now int64) {
	if !r.episodic() {
		if holds {
			e.announce(r, en, o)
		}
		return
	}
	if holds {
		en.held = now
		e.holds(r, en, o, now)
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
			e.conclude(r, en, o)
		}
	case r.resolve.Time == 0:
		e.conclude(r, en, nil) // an excursion that nobody wants to hear the end of
	}
}

// holds takes a claim that holds: it may begin to fire, or fires already.
func (e *Evaluator) holds(r *rule, en *entry, o *occasion, now int64) {
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
		e.announce(r, en, o)
		return
	}
	en.streak = 0
	switch {
	case !en.told:
		e.announce(r, en, o) // something swallowed it; perhaps no longer
	case e.graver(r, en):
		e.rises(r, en, o)
	case o.rec == nil: // expire repeats what is due
	case r.repeat > 0 && now-en.sent >= r.repeat:
		e.again(r, en, o)
	default:
		e.swallow(r, en, ReasonFiring)
	}
}

// announce makes the alert of a claim, unless something swallows it. en is nil for a rule that remembers nothing. It answers
// whether anybody knows: an alert was made, or a person has silenced it.
func (e *Evaluator) announce(r *rule, en *entry, o *occasion) (known bool) {
	if reason := e.hindrance(r, en, o); reason != "" {
		e.swallow(r, en, reason)
		return reason == ReasonSilenced
	}
	e.tell(r, en, o)
	return true
}

// rises tells that a claim which was told has become graver: at once, whatever was told before, and once for each grade.
func (e *Evaluator) rises(r *rule, en *entry, o *occasion) {
	if reason := e.mute(r, en, o); reason != "" {
		e.swallow(r, en, reason)
		return
	}
	e.tellRise(r, en, o)
}

func (e *Evaluator) tellRise(r *rule, en *entry, o *occasion) {
	en.severity = en.grade
	e.memory.rules[r.place].joins(en)
	e.emit(r, en, KindFiring, o)
	en.sent, en.swallowed = e.at(o), 0
}

// graver says whether the last record of a key is graver than what was told of it. The plain format has room for one severity, so
// that a restart would forget which.
func (e *Evaluator) graver(r *rule, en *entry) bool {
	return r.severityOf != nil && en.grade < en.severity && e.memory.keyed()
}

// hindrance is what swallows the alert that a claim fires, or nothing.
func (e *Evaluator) hindrance(r *rule, en *entry, o *occasion) Reason {
	if en != nil && r.dedup > 0 && en.sent != 0 && e.at(o)-en.sent < r.dedup && !e.graver(r, en) && !en.owed(e.at(o)) {
		return ReasonDedup
	}
	return e.mute(r, en, o)
}

// lastWord is for how long the last word on a claim that holds may be that it is over.
const lastWord = 60 * 1000

// owed says whether somebody was told that a claim is over which has held for a while again: that is told, whatever dedup and rate
// limits say. A key that flaps faster makes no message more.
func (en *entry) owed(at int64) bool {
	return en.firing && !en.told && en.ended && at-en.since >= lastWord
}

// tell makes the alert of a claim.
func (e *Evaluator) tell(r *rule, en *entry, o *occasion) {
	if en != nil {
		if en.severity = en.grade; r.severityOf == nil {
			en.severity = e.severityOf(r, o)
		}
	}
	e.emit(r, en, KindFiring, o)
	if en != nil {
		en.told, en.ended, en.sent, en.swallowed, en.heard = true, false, e.at(o), 0, 0
	}
}

// again repeats the alert of a claim that still holds. It counts as made also when it is muted: the next one is due an
// interval later.
func (e *Evaluator) again(r *rule, en *entry, o *occasion) {
	reason := e.mute(r, en, o)
	if reason == "" {
		e.memory.rules[r.place].joins(en)
		reason = e.overdue(r, en, o)
	}
	if reason != "" {
		e.swallow(r, en, reason)
	} else {
		e.emit(r, en, KindRepeat, o)
		en.swallowed = 0
		if e.graver(r, en) {
			en.severity = en.grade // that is told now
		}
	}
	en.sent = e.at(o)
}

// conclude ends an excursion. Whoever was told of its beginning is told of its end, whatever mutes the rule by now; with
// a nil occasion nobody is.
func (e *Evaluator) conclude(r *rule, en *entry, o *occasion) {
	if o != nil && en.told {
		e.emitEnd(r, en, o)
		en.swallowed, en.ended = 0, e.memory.keyed() // or a restart would forget it
	}
	en.firing, en.told, en.heard = false, false, 0
	en.since, en.streak = 0, 0
}

// at is the event time of an occasion: a record that came late happens now.
func (e *Evaluator) at(o *occasion) int64 {
	if o.rec != nil {
		return e.now()
	}
	return o.ms()
}

// arrived takes a sign of life for what can be absent.
func (e *Evaluator) arrived(r *rule, en *entry, o *occasion) {
	en.held = e.at(o)
	if en.firing {
		e.conclude(r, en, o)
	}
}

// swallow accounts for an alert that is not made.
func (e *Evaluator) swallow(r *rule, en *entry, reason Reason) {
	if e.silent {
		en.swallowed++ // and counted by the shard that speaks for the key
		return
	}
	r.metrics.suppressed[reason].Inc()
	if reason == ReasonSilenced {
		e.mutedBy.muted.Add(1)
	}
	if en != nil {
		en.swallowed++
	}
	if e.muted == "" && !r.shadow {
		e.muted = reason
	}
}

// mute says what swallows an alert, or nothing. A rule in mode shadow takes no notice.
func (e *Evaluator) mute(r *rule, en *entry, o *occasion) Reason {
	for _, other := range r.inhibitors {
		if e.inhibits(other, r, en, o) {
			return ReasonInhibited
		}
	}
	if e.mutedBy = e.silenced(r, en, o); e.mutedBy != nil {
		return ReasonSilenced
	}
	at := timeOf(e.at(o))
	for _, q := range r.quiet {
		if q.cover(at) {
			return ReasonQuietHours
		}
	}
	if !r.limit.IsZero() && !e.memory.rules[r.place].spend(e.at(o)) && (en == nil || !en.owed(e.at(o))) {
		return ReasonRateLimit
	}
	return ""
}

// inhibits says whether other is active for the key that r is about to alert on, and somebody knows. What nobody was told,
// because of quiet hours or a rate limit, mutes nothing: or nobody would hear of the key at all.
func (e *Evaluator) inhibits(other, r *rule, en *entry, o *occasion) bool {
	if other.shadow {
		return false
	}
	if !other.remembers() {
		return o.rec != nil && e.fired.has(other.place)
	}
	var theirs *entry
	switch {
	case other.whole(): // it is about the keys of all others, too
		theirs = e.memory.rules[other.place].find(nil)
	case en != nil:
		theirs = e.memory.rules[other.place].entries[en.key]
	case o.rec != nil:
		theirs = e.memory.rules[other.place].find(e.keyOf(r, o.rec))
	}
	if theirs == nil {
		return false
	}
	if theirs.firing && (theirs.told || e.silenced(other, theirs, o) != nil) {
		return true
	}
	return !other.concludes() && other.dedup > 0 && theirs.sent != 0 && e.at(o)-theirs.sent < other.dedup
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
func (e *Evaluator) severityOf(r *rule, o *occasion) uint8 {
	word := r.severity
	if r.severityOf != nil && o.rec != nil {
		if v, cause := r.severityOf.load(&e.frame); !cause.undefined() && v.kind == text {
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
func (e *Evaluator) emit(r *rule, en *entry, kind Kind, o *occasion) {
	if e.silent {
		return // another shard says it
	}
	if r.shadow {
		r.metrics.shadow.Inc()
		return
	}
	for _, to := range r.routes {
		e.make(to, kind, o, en)
	}
}

// make makes one alert.
func (e *Evaluator) make(to *route, kind Kind, o *occasion, en *entry) {
	a := &Alert{
		Topic: to.topic, Kind: kind, At: o.at, Ended: o.ended, Unsure: e.unsure, render: to.render.message, sample: to.render.sampled,
	}
	r := to.rule
	if r != nil {
		a.Rule, a.sent = r.name, r.audience
		e.describe(a, r, en, o)
	}
	if o.rec != nil {
		a.Record = e.kept(o.rec)
		a.ID = alertID(e.pipeline.stream, o.rec, a.Rule, to.topic, kind, e.generation)
	} else {
		a.Record = Record{Shard: e.shard, Arrival: o.at}
		shard := e.shard
		if r != nil && r.absence.Of == AbsenceOfStream || kind == KindWatchdog {
			shard = ""
		}
		if en != nil && en.last != nil {
			a.Record.PartitionKey, a.Record.SequenceNumber = en.last.partitionKey, en.last.sequence
			a.Record.SubSequence, a.Record.Arrival = en.last.sub, timeOf(en.last.arrival)
		}
		if o.pushedBy != nil {
			a.ID = pushedID(e.pipeline.stream, o.pushedBy, a.Rule, to.topic, kind, a.Key, e.generation)
		} else {
			a.ID = timeID(e.pipeline.stream, shard, a.Rule, to.topic, kind, a.Key, o.ms(), e.generation)
		}
	}
	e.alerts = append(e.alerts, a)
}

// kept is a record that may be kept.
func (e *Evaluator) kept(rec *Record) Record {
	kept := *rec
	if e.scoring != nil {
		if e.payload == nil {
			e.payload = bytes.Clone(rec.Data)
		}
		kept.Data = e.payload
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
func (e *Evaluator) describe(a *Alert, r *rule, en *entry, o *occasion) {
	a.Severity = severities()[e.severityOf(r, o)]
	if en != nil {
		place := en.severity
		if a.Kind == KindRepeat && r.severityOf != nil && e.memory.keyed() {
			place = en.grade // what holds now
		}
		a.Severity = severities()[place]
		a.Key, a.Suppressed, a.Since = en.key, en.swallowed, timeOf(en.began(r))
	} else if o.rec != nil {
		a.Key = string(e.keyOf(r, o.rec))
	}
	switch {
	case o.hasValue && r.window != nil:
		a.Value, a.Worse = o.value, direction(r.window.op)
	case o.rec != nil && r.value != nil:
		if v, cause := r.value.load(&e.frame); !cause.undefined() && v.kind == number {
			a.Value, a.Worse = v.num, r.worse
		}
	}
	if a.Kind == KindWatchdog {
		a.Severity = r.severity
	}
}
