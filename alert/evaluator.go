package alert

import (
	"cmp"
	"runtime/debug"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"kinesis-alerter/alert/filter"
)

// Evaluator evaluates the records of one shard, in sequence order. It belongs to one goroutine.
type Evaluator struct {
	pipeline *Pipeline
	// set is the version of the rules that this evaluator runs.
	set   *compiled
	shard string
	// generation is how often the shard was rewound.
	generation uint32
	decoder    *decoder
	scoring    *scoring // nil where there are no scores
	matcher    *filter.Matcher
	frame      frame
	// eventTime is the latest arrival so far. Arrivals of a shard do not always increase.
	eventTime time.Time
	memory    *memory
	// agreed is what the workers of the application have agreed on, as far as the evaluator was told.
	agreed agreement
	// clock is how late it is for the stream, in milliseconds; 0 where nobody says so.
	clock int64
	// unwell is since when the fleet has been in no state for the watchdog to speak; zero while it is in one.
	unwell time.Time
	// key and name are copies that the slots of the built-in names point to; keyText is the key of the rule at hand.
	key, name, keyText []byte
	// counted is what a distinct window counts of the record at hand.
	counted value

	// notes are which fields records had that set.watch does not know of yet.
	notes fieldNotes

	// What follows is about keys that other shards have, too (kin.go). met are those shards, as far as is known, and without those
	// for which nothing waits; missing is what the last look at what is due has missed. news says that another look is worth while.
	met      map[string]*met
	without  []string
	missing  map[string]bool
	news     bool
	deciding bool // a tick looks at what waits
	// silent says that what is being done is said by another shard, unsure of which shards nothing is known that may contradict it.
	silent bool
	unsure string

	// What follows is of the record or tick at hand.

	alerts []*Alert
	// scored is the record with what the scores add to its payload.
	scored Record
	// payload is what the alerts of a scored record keep, once one is made: the scores' own memory is used again.
	payload []byte
	// hits are the rules to try, fired those without memory that match the record and that somebody knows of.
	hits, fired ruleSet
	// covered are the conditions of silences that the record meets, of those that were judged.
	covered, judged uint32
	// mutedBy is the silence that swallowed the last alert which one did.
	mutedBy *silence
	// muted is the first reason for which an alert was swallowed.
	muted Reason
	// aside counts the alerts that are about other keys than the record at hand, which pushed them out.
	aside int
	// over says that a rule would have cost more than its budget.
	over bool
	// expiring is the entry for which something that is due is being done.
	expiring *entry

	// lettered and toldOver are when a record beyond a budget last went to the dead letters, and to the log, in event time.
	lettered, toldOver int64
}

func newEvaluator(p *Pipeline, shard string) *Evaluator {
	e := &Evaluator{pipeline: p, shard: shard, name: []byte(shard), agreed: agreement{format: SnapshotFormat}}
	e.run(p.current.Load())
	e.memory = newMemory(e.set, e.agreed)
	return e
}

// run makes the evaluator work by a version of the rules. The memory is not its matter.
func (e *Evaluator) run(set *compiled) {
	e.set = set
	e.release()
	e.hits, e.fired = newRuleSet(len(set.rules)), newRuleSet(len(set.rules))
	e.notes = fieldNotes{seen: make([]kindSet, set.schema.slots)}
}

// release drops everything that may point into a payload or have grown with it.
func (e *Evaluator) release() {
	e.decoder, e.frame, e.matcher = newDecoder(e.set.schema), newFrame(e.set.schema), nil
	e.keyText, e.counted = nil, value{}
	if e.scoring = nil; len(e.set.scores) > 0 {
		e.scoring = newScoring(e.set.scored)
	}
	if e.set.filter != nil {
		e.matcher = e.set.filter.Matcher()
	}
}

// maxRetained is the payload up to which an evaluator keeps its working memory, and with it the payload, until the next
// record. A larger one is let go at once: an idle shard must not pin megabytes.
const maxRetained = 64 << 10

// Evaluate says what becomes of rec. It does not keep rec, but its alerts keep rec.Data. It never panics: a panic in a
// rule or a stage is counted and logged, and the record is Invalid with ReasonPanic.
func (e *Evaluator) Evaluate(rec *Record) (d Decision) {
	defer func() {
		if r := recover(); r != nil {
			d = e.panicked(rec, r)
		}
	}()
	e.begin()
	if !rec.Replayed {
		e.trim()
	}
	if rec.Arrival.After(e.eventTime) {
		e.eventTime = rec.Arrival
	}
	if len(rec.Data) > maxRetained {
		defer e.release()
	}

	// The stages, in order.
	e.advance(e.now())
	if e.scoring != nil {
		e.scored = *rec
		e.scored.Data = e.scoring.apply(e.set, e.memory, rec)
		rec = &e.scored
	}
	e.muted = "" // what time brought about is not of the record
	switch e.admit(rec) {
	case filter.NotMatched:
		return Decision{Outcome: Filtered, Alerts: e.made()}
	case filter.NotJSON:
		e.notJSON(rec)
		return Decision{Outcome: Filtered, Reason: ReasonNotJSON, Alerts: e.made(), DeadLetter: e.set.letters}
	case filter.OverBudget: // better an alert too many
		e.pipeline.metrics.filterOver.Inc()
	case filter.Matched:
	}
	if reason := e.read(rec); reason != "" {
		e.pipeline.unreadable(rec.Data, reason)
		return Decision{Outcome: Invalid, Reason: reason, Alerts: e.made(), DeadLetter: e.set.letters}
	}
	if e.memory.kin > 0 {
		e.hear(rec)
	}
	timed := len(e.alerts)
	e.aside = 0
	if every := e.set.every; every != nil {
		e.make(every, KindFiring, &occasion{rec: rec, at: rec.Arrival}, nil)
	} else if e.match(rec); e.over {
		return e.overBudget(len(e.alerts) > timed+e.aside)
	}
	switch {
	case len(e.alerts) > timed+e.aside:
		return Decision{Outcome: Alerted, Alerts: e.made()}
	case e.muted != "":
		return Decision{Outcome: Suppressed, Reason: e.muted, Alerts: e.made()}
	}
	return Decision{Outcome: Unmatched, Alerts: e.made()}
}

// begin makes ready for a record or a tick.
func (e *Evaluator) begin() {
	if set := e.pipeline.current.Load(); set != e.set {
		e.adopt(set)
	}
	clear(e.alerts)
	e.alerts = e.alerts[:0]
	e.muted, e.payload, e.over, e.aside, e.judged, e.covered = "", nil, false, 0, 0, 0
}

// overBudget is the decision on a record that some rule could not judge within its budget. One a second of event time goes to the
// dead letters: a producer that sends nothing else must not flood them.
func (e *Evaluator) overBudget(alerted bool) Decision {
	d := Decision{Outcome: OverBudget, Reason: ReasonOverBudget, Alerts: e.made()}
	if alerted {
		d.Outcome = Alerted
	}
	if now := e.now(); e.lettered == 0 || now >= e.lettered+1000 {
		e.lettered, d.DeadLetter = now, true
	}
	return d
}

// noteOver accounts for a record that a rule cannot judge within its budget. The rule's memory stays as it is.
func (e *Evaluator) noteOver(r *rule, rec *Record) {
	e.over = e.over || !r.shadow
	const atMost = int64(time.Minute / time.Millisecond)
	if now := e.now(); e.toldOver == 0 || now >= e.toldOver+atMost {
		e.toldOver = now
		e.pipeline.log.Warn("a rule is beyond its budget and did not judge a record; told once a minute at most",
			zap.String("rule", r.name), zap.String("why", BudgetRemedy(e.frame.meter.over)),
			zap.String("shard", e.shard), zap.String("sequence", rec.SequenceNumber), zap.Int("bytes", len(rec.Data)))
	}
}

// now is the event time in milliseconds. It never goes back.
func (e *Evaluator) now() int64 { return millisOf(e.eventTime) }

// admit asks the filter.
func (e *Evaluator) admit(rec *Record) filter.Result {
	if e.matcher == nil {
		return filter.Matched
	}
	return e.matcher.Match(rec.Data, rec.PartitionKey)
}

// notJSON accounts for a record that a filter on data dropped unread. Lambda does the same, and says nothing.
func (e *Evaluator) notJSON(rec *Record) {
	e.pipeline.metrics.notJSON.Inc()
	e.pipeline.unreadable(rec.Data, cmp.Or(e.decode(rec), ReasonNotJSON))
	const atMost = int64(time.Minute / time.Millisecond)
	if now := e.now(); e.memory.noted == 0 || now >= e.memory.noted+atMost {
		e.memory.noted = now
		e.pipeline.log.Warn("a record is no JSON, the filter on data dropped it, as Lambda does; told once a minute at most",
			zap.String("shard", e.shard), zap.String("sequence", rec.SequenceNumber), zap.Int("bytes", len(rec.Data)))
	}
}

// read fills the slots. It returns the reason why the record is invalid, or the empty reason.
func (e *Evaluator) read(rec *Record) Reason {
	c := e.set
	if c.every != nil || c.schema.text {
		if len(rec.Data) > MaxRecordBytes {
			return ReasonTooLarge
		}
		if !utf8.Valid(rec.Data) {
			return ReasonInvalidUTF8
		}
		if c.every != nil {
			return ""
		}
		e.builtins(rec)
		return ""
	}
	if reason := e.decode(rec); reason != "" {
		return reason
	}
	for slot, hidden := range e.decoder.shadowed {
		if hidden {
			e.pipeline.shadowed(slot)
		}
	}
	e.builtins(rec)
	return ""
}

// decode fills the slots of the fields.
func (e *Evaluator) decode(rec *Record) Reason {
	for _, slot := range e.decoder.touched { // of the record before
		e.frame.slots[slot] = value{}
	}
	return Reason(e.decoder.decode(rec.Data, e.frame.slots))
}

// builtins fills the slots of the built-in names that some rule mentions.
func (e *Evaluator) builtins(rec *Record) {
	used := &e.set.schema.used
	slots := e.frame.slots
	if used[slotPartitionKey] {
		e.key = append(e.key[:0], rec.PartitionKey...)
		slots[slotPartitionKey] = value{kind: text, raw: e.key}
	}
	if used[slotShard] {
		slots[slotShard] = value{kind: text, raw: e.name}
	}
	if used[slotArrival] {
		slots[slotArrival] = value{kind: moment, at: rec.Arrival.UTC()}
	}
	if used[slotAge] {
		slots[slotAge] = value{kind: span, ns: int64(e.eventTime.Sub(rec.Arrival))}
	}
	if used[slotData] {
		slots[slotData] = value{kind: text, raw: rec.Data}
	}
}

// match tries the rules that the record can match, and those to which it means something that it does not.
func (e *Evaluator) match(rec *Record) {
	x := e.set.index
	e.frame.record()
	copy(e.hits, x.always)
	clear(e.fired)
	for _, slot := range e.decoder.touched {
		e.notes.seen[slot] |= 1 << e.frame.slots[slot].kind
		x.lookUp(slot, &e.frame.slots[slot], e.hits)
	}
	if now := e.now(); e.notes.due(now) {
		e.set.watch.note(&e.notes, now, rec.Data)
	}
	for slot, used := range e.set.schema.used {
		if used {
			x.lookUp(slot, &e.frame.slots[slot], e.hits)
		}
	}
	x.records.Add(1)
	if e.memory.count > 0 {
		e.set.mindful.each(func(i int) {
			if len(e.memory.rules[i].entries) > 0 {
				e.hits.add(i)
			}
		})
	}
	e.hits.each(func(i int) {
		r := e.set.rules[i]
		v := r.verdict(&e.frame)
		if v == yes {
			r.metrics.matched.Inc()
		}
		e.step(r, v, rec)
	})
}

// verdict evaluates the condition and counts what is undefined in it, but for the term by which the index has the rule:
// the index counts for it.
func (r *rule) verdict(f *frame) verdict {
	v, counted := r.formula.judge(f)
	if v.undefined() && !counted {
		r.metrics.undefined[v].Add(1)
	}
	return v
}

// panicked makes the evaluator usable again and accounts for the panic.
func (e *Evaluator) panicked(rec *Record, cause any) Decision {
	p := e.pipeline
	p.metrics.panics.Inc()
	p.log.Error("evaluation panicked, record is invalid",
		zap.String("shard", e.shard),
		zap.String("sequence", rec.SequenceNumber),
		zap.Uint32("sub_sequence", rec.SubSequence),
		zap.Any("panic", cause),
		zap.ByteString("stack", debug.Stack()))
	e.release()
	if en := e.expiring; en != nil && en.of.entries[en.key] == en { // or it would be due, and panic, with every record to come
		e.memory.drop(en)
	}
	e.expiring, e.silent, e.unsure, e.deciding = nil, false, "", false
	// What was made before the panic is due: what is remembered says that it was told.
	return Decision{Outcome: Invalid, Reason: ReasonPanic, Alerts: e.made(), DeadLetter: e.set.letters}
}

// made are the alerts of the record at hand; nil if there are none.
func (e *Evaluator) made() []*Alert {
	if len(e.alerts) == 0 {
		return nil
	}
	return e.alerts
}
