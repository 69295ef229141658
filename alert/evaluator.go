package alert

import (
	"runtime/debug"
	"strconv"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"
)

// Evaluator evaluates the records of one shard, in sequence order. It belongs to one goroutine.
type Evaluator struct {
	pipeline *Pipeline
	shard    string
	// generation is how often the shard was rewound.
	generation uint32
	decoder    *decoder
	frame      frame
	// eventTime is the latest arrival so far. Arrivals of a shard do not always increase.
	eventTime time.Time
	// key and name are copies that the slots of the built-in names point to.
	key, name []byte
	alerts    []*Alert
}

func newEvaluator(p *Pipeline, shard string) *Evaluator {
	return &Evaluator{
		pipeline: p,
		shard:    shard,
		decoder:  newDecoder(p.schema),
		frame:    newFrame(p.schema),
		name:     []byte(shard),
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
	clear(e.alerts)
	e.alerts = e.alerts[:0]
	if rec.Arrival.After(e.eventTime) {
		e.eventTime = rec.Arrival
	}

	if len(rec.Data) > maxRetained {
		defer e.release()
	}

	// The stages, in order. One that filters belongs behind read, one that computes a field behind that, and one that
	// suppresses between match and the decision.
	if reason := e.read(rec); reason != "" {
		return Poison(reason)
	}
	if every := e.pipeline.every; every != nil {
		e.fire(every, rec)
	} else {
		e.match(rec)
	}
	if len(e.alerts) == 0 {
		return Decision{Outcome: Unmatched}
	}
	return Decision{Outcome: Alerted, Alerts: e.alerts}
}

// release drops everything that may point into a payload or have grown with it.
func (e *Evaluator) release() {
	e.decoder = newDecoder(e.pipeline.schema)
	e.frame = newFrame(e.pipeline.schema)
}

// read fills the slots. It returns the reason why the record is invalid, or the empty reason.
func (e *Evaluator) read(rec *Record) Reason {
	p := e.pipeline
	if p.every != nil || p.schema.format == FormatText {
		if len(rec.Data) > MaxRecordBytes {
			return ReasonTooLarge
		}
		if !utf8.Valid(rec.Data) {
			return ReasonInvalidUTF8
		}
		if p.every != nil {
			return ""
		}
		e.builtins(rec)
		return ""
	}
	clear(e.frame.slots)
	if reason := e.decoder.decode(rec.Data, e.frame.slots); reason != "" {
		return reason
	}
	for slot, hidden := range e.decoder.shadowed {
		if hidden {
			p.shadowed(slot)
		}
	}
	e.builtins(rec)
	return ""
}

// builtins fills the slots of the built-in names that some rule mentions.
func (e *Evaluator) builtins(rec *Record) {
	used := &e.pipeline.schema.used
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

// match tries every rule.
func (e *Evaluator) match(rec *Record) {
	for _, r := range e.pipeline.rules {
		v := r.when.eval(&e.frame)
		if v.undefined() {
			r.metrics.undefined[v].Inc()
		}
		if v != yes {
			continue
		}
		r.metrics.matched.Inc()
		for _, to := range r.routes {
			e.fire(to, rec)
		}
	}
}

// fire makes the alert of one rule for one topic.
func (e *Evaluator) fire(to *route, rec *Record) {
	name := to.render.rule
	e.alerts = append(e.alerts, &Alert{
		ID:     alertID(e.pipeline.stream, rec, name, to.topic, KindFiring, e.generation),
		Rule:   name,
		Topic:  to.topic,
		Kind:   KindFiring,
		Record: *rec,
		render: to.render.message,
	})
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
	eventTime, generation := e.eventTime, e.generation
	*e = *newEvaluator(p, e.shard)
	e.eventTime, e.generation = eventTime, generation
	return Poison(ReasonPanic)
}

func decimal(n uint32) string { return strconv.FormatUint(uint64(n), 10) }
