package alert

import (
	"cmp"
	"runtime/debug"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/alert/budget"
	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/filter"
)

// Evaluator evaluates the records of one shard, in sequence order. It belongs to one goroutine.
//
// It runs the stages. Its parts do the work, and each owns what it writes: the clock (event_clock.go), the record at
// hand as rules see it (reading.go), the memory of rules (memory.go), the life cycle of firing periods (lifecycle.go),
// what other shards know of inherited keys (siblings.go), and the resulting alerts (outbox.go).
type Evaluator struct {
	pipeline *Pipeline
	shard    string
	// agreed is what the workers of the application have agreed on, as last set by Agree.
	agreed agreement
	clock  eventClock
	in     reading
	memory *memory // one forever: what is restored replaces what is in it
	out    outbox
	life   lifecycle
	others siblings
	// unavailableSince is since when the workers have been too far behind for the watchdog's message; zero while they
	// keep up.
	unavailableSince time.Time
	// notes are the fields of recent records that are not in the field watch yet.
	notes fieldNotes
	// hits are the rules to try on the record at hand.
	hits condition.RuleSet

	// outputs are those of the record at hand.
	outputs []Output

	// over is set if a rule would have exceeded its budget on the record at hand. lastLetter and lastLogged are the
	// event times at which such a record last went to the dead letters and to the log.
	over                   bool
	lastLetter, lastLogged int64
}

func newEvaluator(p *Pipeline, shard string) *Evaluator {
	e := &Evaluator{pipeline: p, shard: shard, agreed: agreement{format: StateFormat}}
	set := p.current.Load()
	e.memory = newMemory(set, e.agreed)
	e.in = reading{pipeline: p, clock: &e.clock, agreed: &e.memory.agreement, name: []byte(shard)}
	e.out = outbox{stream: p.stream, input: p.input, shard: shard, in: &e.in, agreed: &e.memory.agreement}
	e.life = lifecycle{clock: &e.clock, in: &e.in, memory: e.memory, out: &e.out}
	e.others = siblings{shard: shard, memory: e.memory, life: &e.life}
	e.run(set)
	return e
}

// run switches the evaluator to a version of the rules. It does not change the memory.
func (e *Evaluator) run(set *compiled) {
	e.in.set = set
	e.in.release()
	e.in.heads = set.outputHeads(e.pipeline.stream, e.shard)
	e.hits, e.life.fired = condition.NewRuleSet(len(set.rules)), condition.NewRuleSet(len(set.rules))
	e.notes = fieldNotes{seen: make([]condition.KindSet, set.schema.Slots)}
}

// Evaluate decides what happens to rec. It does not keep rec, but its alerts keep a rec.Data that is not Borrowed. It
// never panics: a panic in a rule or a stage is counted and logged, and the record is Invalid with ReasonPanic.
func (e *Evaluator) Evaluate(rec *Record) (d Decision) {
	defer func() {
		if r := recover(); r != nil {
			d = e.panicked(rec, r)
		}
	}()
	e.begin()
	if !rec.Replayed {
		e.life.makeRoomForLoaded()
	}
	if rec.Arrival.After(e.clock.eventTime) {
		e.clock.eventTime = rec.Arrival
	}
	if rec.size() > maxRetained {
		defer e.in.release()
	}
	rec = e.in.spell(rec)

	// The stages, in order.
	e.others.advance(e.clock.now())
	if e.in.scoring != nil {
		e.in.scored = *rec
		e.in.scored.Data = e.in.scoring.apply(e.in.set, e.memory, rec)
		rec = &e.in.scored
	}
	e.life.suppressedBy = "" // timers caused it, not the record
	switch e.in.admit(rec) {
	case filter.NotMatched:
		return Decision{Outcome: Filtered, Alerts: e.out.made()}
	case filter.NotJSON:
		if rec.isEmpty() {
			return Decision{Outcome: Filtered, Reason: ReasonEmpty, Alerts: e.out.made()}
		}
		e.notJSON(rec)
		return Decision{
			Outcome: Filtered, Reason: ReasonNotJSON, Alerts: e.out.made(), DeadLetter: e.in.set.deadLetterInvalid,
		}
	case filter.OverBudget: // rather an extra alert than a missing one
		e.pipeline.metrics.filterOver.Inc()
	case filter.Matched:
	}
	if reason := e.in.read(rec); reason != "" {
		if rec.isEmpty() {
			return Decision{Outcome: Filtered, Reason: ReasonEmpty, Alerts: e.out.made()}
		}
		e.pipeline.unreadable(e.in.textOf(rec), reason)
		return Decision{Outcome: Invalid, Reason: reason, Alerts: e.out.made(), DeadLetter: e.in.set.deadLetterInvalid}
	}
	if e.memory.inherited.provisional > 0 {
		e.others.claimKeys(rec)
	}
	timed := len(e.out.alerts)
	e.out.evictions = 0
	if every := e.in.set.every; every != nil {
		e.in.frame.Record()
		e.out.make(every, KindFiring, &trigger{rec: rec, at: rec.Arrival}, nil)
	} else {
		e.match(rec)
	}
	if len(e.in.set.outputs) > 0 && !rec.Replayed {
		e.write(rec)
	}
	alerted := len(e.out.alerts) > timed+e.out.evictions
	switch {
	case e.over:
		d = e.overBudget(alerted)
	case alerted:
		d = Decision{Outcome: Alerted, Alerts: e.out.made()}
	case e.life.suppressedBy != "":
		d = Decision{Outcome: Suppressed, Reason: e.life.suppressedBy, Alerts: e.out.made()}
	default:
		d = Decision{Outcome: Unmatched, Alerts: e.out.made()}
	}
	if d.Outcome != OverBudget {
		d.Outputs = e.outputs
	}
	return d
}

// begin prepares for a record or a tick.
func (e *Evaluator) begin() {
	if set := e.pipeline.current.Load(); set != e.in.set {
		e.adopt(set)
	}
	clear(e.out.alerts)
	e.out.alerts = e.out.alerts[:0]
	clear(e.outputs)
	e.outputs, e.in.unwritable = e.outputs[:0], ""
	e.life.suppressedBy, e.in.kept, e.over, e.out.evictions, e.in.judged, e.in.covered = "", nil, false, 0, 0, 0
}

// overBudget returns the decision on a record that some rule could not judge within its budget. One such record per
// second of event time goes to the dead letters, so that a producer of nothing else cannot flood them.
func (e *Evaluator) overBudget(alerted bool) Decision {
	d := Decision{Outcome: OverBudget, Reason: ReasonOverBudget, Alerts: e.out.made()}
	if alerted {
		d.Outcome = Alerted
	}
	if now := e.clock.now(); e.lastLetter == 0 || now >= e.lastLetter+1000 {
		e.lastLetter, d.DeadLetter = now, true
	}
	return d
}

// recordOver counts and logs a record that a rule cannot judge within its budget. The rule's memory does not change.
func (e *Evaluator) recordOver(r *rule, rec *Record) {
	e.over = e.over || !r.shadow
	const atMost = int64(time.Minute / time.Millisecond)
	if now := e.clock.now(); e.lastLogged == 0 || now >= e.lastLogged+atMost {
		e.lastLogged = now
		e.pipeline.log.Warn("a rule exceeded its budget and did not judge a record; logged at most once a minute",
			zap.String("rule", r.name), zap.String("why", budget.Remedy(e.in.frame.Meter.Over)),
			zap.String("shard", e.shard), zap.String("sequence_number", rec.SequenceNumber),
			zap.Int("bytes", rec.size()))
	}
}

// notJSON counts and logs a record that a filter on data dropped because it is not JSON. Lambda drops such records
// silently.
func (e *Evaluator) notJSON(rec *Record) {
	e.pipeline.metrics.notJSON.Inc()
	e.pipeline.unreadable(rec.Data, cmp.Or(e.in.decode(rec), ReasonNotJSON))
	const atMost = int64(time.Minute / time.Millisecond)
	if now := e.clock.now(); e.memory.loggedNotJSON == 0 || now >= e.memory.loggedNotJSON+atMost {
		e.memory.loggedNotJSON = now
		e.pipeline.log.Warn(
			"the filter on data dropped a record that is not JSON, as Lambda does; logged at most once a minute",
			zap.String("shard", e.shard), zap.String("sequence_number", rec.SequenceNumber),
			zap.Int("bytes", len(rec.Data)))
	}
}

// match tries the rules that the record can match, and those whose memory changes if it does not match.
func (e *Evaluator) match(rec *Record) {
	x := e.in.set.index
	e.in.frame.Record()
	copy(e.hits, x.Always)
	clear(e.life.fired)
	for _, slot := range e.in.decoder.Touched {
		e.notes.seen[slot] |= 1 << e.in.frame.Slots[slot].Kind
		x.LookUp(slot, &e.in.frame.Slots[slot], e.hits)
	}
	if now := e.clock.now(); e.notes.due(now) {
		e.in.set.watch.note(&e.notes, now, e.in.textOf(rec))
	}
	for slot, used := range e.in.set.schema.Used {
		if used {
			x.LookUp(slot, &e.in.frame.Slots[slot], e.hits)
		}
	}
	x.Records.Add(1)
	if e.memory.pressure.count > 0 {
		e.in.set.needNonMatches.Each(func(i int) {
			if len(e.memory.rules[i].entries) > 0 {
				e.hits.Add(i)
			}
		})
	}
	e.hits.Each(func(i int) {
		r := e.in.set.rules[i]
		v := r.verdict(&e.in.frame)
		if v == condition.Yes {
			r.metrics.matched.Inc()
		}
		if v == condition.UndefinedOverBudget {
			e.recordOver(r, rec)
		}
		e.life.step(r, v, rec)
	})
}

// verdict evaluates the condition and counts undefined terms. The index counts those of the term under which it has the
// rule.
func (r *rule) verdict(f *condition.Frame) condition.Verdict {
	v, counted := r.formula.Judge(f)
	if v.Undefined() && !counted {
		r.metrics.undefined[v].Add(1)
	}
	return v
}

// panicked makes the evaluator usable again, and counts and logs the panic.
func (e *Evaluator) panicked(rec *Record, cause any) Decision {
	p := e.pipeline
	p.metrics.panics.Inc()
	p.log.Error("evaluation panicked, record is invalid",
		zap.String("shard", e.shard),
		zap.String("sequence_number", rec.SequenceNumber),
		zap.Uint32("sub_sequence", rec.SubSequence),
		zap.Any("panic", cause),
		zap.ByteString("stack", debug.Stack()))
	e.in.release()
	// otherwise it would be due, and panic, with every later record
	if en := e.life.running; en != nil && en.of.entries[en.key] == en {
		e.memory.drop(en)
	}
	e.life.running, e.out.silent, e.out.unsure, e.others.deciding = nil, false, "", false
	// Alerts from before the panic are published: the memory has them as sent.
	return Decision{Outcome: Invalid, Reason: ReasonPanic, Alerts: e.out.made(), DeadLetter: e.in.set.deadLetterInvalid}
}

// Forget drops what of the last record may keep its payload in memory, before a wait that may be long.
func (e *Evaluator) Forget() { e.in.release() }

// Scored returns the payload of the last evaluated record as filters, rules and templates saw it: with the scores
// added. It is valid until the next call of the evaluator, and nil without scores.
func (e *Evaluator) Scored() []byte { return e.in.scored.Data }
