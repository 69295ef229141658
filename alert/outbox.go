package alert

import (
	"time"

	"kinesis-alerter/alert/condition"
)

// outbox makes the alerts of the record or tick at hand.
type outbox struct {
	stream, shard string
	input         string // the hash of how Kinesis records are taken apart
	// generation is how often the shard was rewound.
	generation uint32
	in         *reading
	agreed     *agreement // of the memory

	alerts []*Alert
	// evictions counts the alerts about other keys, which were evicted to make room for the record at hand.
	evictions int
	// silent is set while another shard makes the alerts. unsure names the shards whose unknown state might contradict
	// them.
	silent bool
	unsure string
}

// emit makes an alert of a rule for each of its topics.
func (out *outbox) emit(r *rule, en *entry, kind Kind, t *trigger) {
	if out.silent {
		return // another shard makes it
	}
	if r.shadow {
		r.metrics.shadow.Inc()
		r.metrics.shadowed.add(kind)
		return
	}
	for _, to := range r.routes {
		out.make(to, kind, t, en)
	}
}

// make makes one alert.
func (out *outbox) make(to *route, kind Kind, t *trigger, en *entry) {
	a := &Alert{
		Topic: to.topic, Kind: kind, At: t.at, Ended: t.ended, Unsure: out.unsure, render: to.render.message,
		sample: to.render.sampled,
	}
	r := to.rule
	if r != nil {
		a.Rule, a.sent = r.name, r.audience
		out.describe(a, r, en, t)
	}
	if t.rec != nil {
		a.Record = out.in.keep(t.rec)
		a.ID = alertID(out.stream, t.rec, a.Rule, to.topic, kind, out.generation, out.input)
	} else {
		a.Record = Record{Shard: out.shard, Arrival: t.at}
		shard := out.shard
		if r != nil && r.absence.Of == AbsenceOfStream || kind == KindWatchdog {
			shard = ""
		}
		if en != nil && en.last != nil {
			a.Record.PartitionKey, a.Record.SequenceNumber = en.last.partitionKey, en.last.sequence
			a.Record.SubSequence, a.Record.Arrival = en.last.sub, timeOf(en.last.arrival)
		}
		if t.evictedFor != nil {
			a.ID = evictionID(out.stream, t.evictedFor, a.Rule, to.topic, kind, a.Key, out.generation, out.input)
		} else {
			a.ID = timeID(out.stream, shard, a.Rule, to.topic, kind, a.Key, t.ms(), out.generation)
		}
	}
	out.alerts = append(out.alerts, a)
}

// began returns when the condition of an alert began to hold; 0 if that is not known. For a tumbling window, which is
// judged at its end, it is the start of the window.
func (en *entry) began(r *rule) int64 {
	switch {
	case r.window == nil || !r.window.tumbling:
		return en.since
	case en.since == 0:
		return r.window.end(en.window) - r.window.length
	}
	return en.since - r.window.length
}

// describe fills in the rule's part of an alert.
func (out *outbox) describe(a *Alert, r *rule, en *entry, t *trigger) {
	a.Severity = severities()[out.in.severityOf(r, t)]
	if en != nil {
		place := en.severity
		if a.Kind == KindRepeat && r.severityOf != nil && out.agreed.keyed() {
			place = en.grade // what holds now
		}
		a.Severity = severities()[place]
		a.Key, a.Suppressed, a.Since = en.key, en.suppressed, timeOf(en.began(r))
	} else if t.rec != nil {
		a.Key = string(out.in.keyOf(r, t.rec.PartitionKey))
	}
	switch {
	case t.hasValue && r.window != nil:
		a.Value, a.Worse = t.value, direction(r.window.op)
	case t.rec != nil && r.value != nil:
		if v, cause := r.value.Load(&out.in.frame); !cause.Undefined() && v.Kind == condition.Number {
			a.Value, a.Worse = v.Num, r.worse
		}
	}
	if a.Kind == KindWatchdog {
		a.Severity = r.severity
	}
}

// made returns the alerts of the record at hand; nil if there are none.
func (out *outbox) made() []*Alert {
	if len(out.alerts) == 0 {
		return nil
	}
	return out.alerts
}

// routeTo returns the route to a topic that was notified of an entry.
func (out *outbox) routeTo(m *ruleMemory, topic string) *route {
	if to := m.rule.route(topic); to != nil {
		return to
	}
	x := m.formerTopics[topic]
	if x == nil { // unreachable: each topic of an audience was stored with its words
		x = &formerTopic{}
	}
	if x.route == nil {
		x.route = &route{rule: m.rule, topic: topic, render: rendererOf(m.rule.name, out.stream, x.own, x.shared)}
	}
	return x.route
}

// makeEnd makes the alert that ends an earlier one. Its id is that of the firing period, so a replay after a crash, or
// another shard that has the key, makes the same alert.
func (out *outbox) makeEnd(to *route, en *entry, at time.Time, why string) {
	a := &Alert{
		Rule: to.render.rule, Topic: to.topic, Kind: KindResolved, Ended: why, Severity: severities()[en.severity],
		Key: en.key,
		At:  at, Since: timeOf(en.since), Suppressed: en.suppressed, render: to.render.message,
		sample: to.render.sampled,
	}
	a.Record = Record{Shard: out.shard, PartitionKey: en.key, Arrival: a.At}
	if en.last != nil {
		a.Record.PartitionKey, a.Record.SequenceNumber = en.last.partitionKey, en.last.sequence
		a.Record.SubSequence, a.Record.Arrival = en.last.sub, timeOf(en.last.arrival)
	}
	a.ID = timeID(out.stream, "", a.Rule, a.Topic, "ended", a.Key, en.since, out.generation)
	out.alerts = append(out.alerts, a)
}
