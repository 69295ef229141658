package alert

import (
	"fmt"
	"time"

	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/payload"
	"kinesis-alerter/internal/counts"
)

// Status is what a Pipeline has counted since the process started. It is read from the counters of the metrics, so that
// evaluation pays nothing for it.
type Status struct {
	// Records are the records that are done, by outcome; every outcome is present.
	Records map[Outcome]uint64
	// Unreadable are the records that the rules or the filter could not read, by what they look like; only kinds that
	// occurred.
	Unreadable map[payload.Likely]uint64
	// Rules are in the order of the configuration; empty in the mode without rules.
	Rules []RuleStatus
	// Filters is set if there is a filter.
	Filters bool
	// Silences are those of the configuration, in its order.
	Silences []SilenceStatus
	// Outputs are, by output, the fields that its condition or its key looks at and no record has; only outputs with
	// such fields.
	Outputs map[string][]FieldFinding
}

// SilenceStatus is one silence.
type SilenceStatus struct {
	Name string
	// Rules are the rules that it mutes; all if it names none.
	Rules []string
	// Conditional is set if the silence has a condition.
	Conditional bool
	// From is zero if it was left out.
	From, Until time.Time
	// Muted is how many alerts it suppressed. The count survives a reload while a silence of that name remains.
	Muted uint64
}

// RuleStatus is one rule of a Status. Its counts survive a reload while a rule of that name remains.
type RuleStatus struct {
	Name, Severity string
	Topics         []string
	// Shadow is set if the rule publishes nothing; Shadowed counts the alerts that it would have made.
	Shadow   bool
	Shadowed Shadowed
	// Judged counts the records that the rule has judged, Matched those that it matched, and Undefined those that it
	// did not match because a term was undefined.
	Judged, Matched, Undefined uint64
	// Absence is set if the rule fires when no record matches. Needs is what else it needs to fire than a record that
	// matches, in words; empty if nothing.
	Absence bool
	Needs   string
	// Suppressed counts the suppressed alerts by reason; every reason is present.
	Suppressed map[Reason]uint64
	// Fields are those that keep the rule from matching, because no record has them, or none in the type that the rule
	// needs.
	Fields []FieldFinding
}

// Shadowed counts the alerts that a rule in mode shadow would have made, by kind.
type Shadowed struct{ Firing, Repeats, Resolved uint64 }

// needs returns what a rule needs to fire besides a record that matches.
func (r *rule) needs() string {
	switch w := r.window; {
	case r.absence.After > 0:
		return "no such record for " + shortDuration(r.absence.After)
	case w != nil:
		return fmt.Sprintf("the %s of %s", w.aggregate, shortDuration(time.Duration(w.length)*time.Millisecond))
	case r.hold.Records > 1:
		return fmt.Sprintf("%d such records of a key in a row", r.hold.Records)
	case r.hold.Time > 0:
		return "such records of a key for " + shortDuration(r.hold.Time)
	}
	return ""
}

// Status returns the counts. It is safe for concurrent use.
func (p *Pipeline) Status() Status {
	s := Status{Records: p.Resolutions(), Unreadable: p.Unreadable()}
	undefined, judged := make(map[string]uint64), make(map[string]uint64)
	if counts := p.metrics.undefined.current.Load(); counts != nil {
		counts.each(func(rule string, causes [condition.VerdictCount]uint64) {
			judged[rule] = counts.judgedBy(rule)
			for v := condition.UndefinedMissing; v < condition.VerdictCount; v++ {
				undefined[rule] += causes[v]
			}
		})
	}
	set := p.current.Load()
	fields := set.watch.findings(func(rule int) uint64 {
		r := set.rules[rule]
		return r.metrics.undefined[condition.UndefinedMistyped].Load() + r.formula.When.Mistyped()
	})
	for i, r := range set.rules {
		one := RuleStatus{
			Name: r.name, Severity: r.severity, Shadow: r.shadow, Matched: counts.Of(r.metrics.matched),
			Undefined: undefined[r.name], Judged: judged[r.name],
			Absence: r.absence.After > 0, Needs: r.needs(),
			Suppressed: make(map[Reason]uint64), Fields: fields[i],
		}
		if r.shadow {
			kinds := r.metrics.shadowed
			one.Shadowed = Shadowed{kinds.firing.Load(), kinds.repeat.Load(), kinds.resolved.Load()}
		}
		for reason, c := range r.metrics.suppressed {
			one.Suppressed[reason] = counts.Of(c)
		}
		for _, to := range r.routes {
			one.Topics = append(one.Topics, to.topic)
		}
		s.Rules = append(s.Rules, one)
	}
	for i, o := range set.outputs {
		if missing := fields[len(set.rules)+i]; missing != nil {
			if s.Outputs == nil {
				s.Outputs = make(map[string][]FieldFinding)
			}
			s.Outputs[o.name] = missing
		}
	}
	s.Filters = set.filter != nil
	for _, x := range set.silences {
		one := SilenceStatus{
			Name: x.name, Rules: x.rules, Conditional: x.bit != 0, From: x.from, Until: x.until,
			Muted: x.muted.Load(),
		}
		if len(one.Rules) == 0 {
			for _, r := range set.rules {
				one.Rules = append(one.Rules, r.name)
			}
		}
		s.Silences = append(s.Silences, one)
	}
	return s
}

// Resolutions returns how many records are done, by outcome; every outcome is present. It is safe for concurrent use.
func (p *Pipeline) Resolutions() map[Outcome]uint64 {
	all := make(map[Outcome]uint64, len(p.metrics.records))
	for i, o := range outcomes() {
		all[o] = counts.Of(p.metrics.records[i])
	}
	return all
}

// Unreadable returns how many records the rules or the filter could not read, by what they look like; only kinds that
// occurred. It is safe for concurrent use.
func (p *Pipeline) Unreadable() map[payload.Likely]uint64 {
	seen := make(map[payload.Likely]uint64)
	for l, c := range p.metrics.likely {
		if n := counts.Of(c); n > 0 {
			seen[l] = n
		}
	}
	return seen
}

// OverBudget returns how often each rule exceeded its budget, if it ever did: records that it did not judge, and
// messages that got the default words. The count of a rule's messages starts again with each reload. It is safe for
// concurrent use.
func (p *Pipeline) OverBudget() map[string]uint64 {
	seen := make(map[string]uint64)
	add := func(rule string, n uint64) {
		if n > 0 {
			seen[rule] += n
		}
	}
	if counts := p.metrics.undefined.current.Load(); counts != nil {
		counts.each(func(rule string, causes [condition.VerdictCount]uint64) {
			add(rule, causes[condition.UndefinedOverBudget])
		})
	}
	for _, r := range p.current.Load().rules {
		add(r.name, r.metrics.over.Load())
	}
	return seen
}

// FilterOverBudget returns how many records passed the filter because it would have exceeded its budget. It is safe for
// concurrent use.
func (p *Pipeline) FilterOverBudget() uint64 { return counts.Of(p.metrics.filterOver) }

// SilencesOverBudget returns, by silence, how many records it did not cover because its condition would have exceeded
// its budget. It is safe for concurrent use.
func (p *Pipeline) SilencesOverBudget() map[string]uint64 {
	return counts.By(p.metrics.uncovered, "silence")
}

// TemplateFailures returns how many message templates failed, by rule. It is safe for concurrent use.
func (p *Pipeline) TemplateFailures() map[string]uint64 {
	return counts.By(p.metrics.templates, "rule")
}

// Evicted returns how many keys were evicted, by rule. It is safe for concurrent use.
func (p *Pipeline) Evicted() map[string]uint64 { return counts.By(p.metrics.evicted, "rule") }

// EvictedActive returns how many of them fired or were pending, by rule. It is safe for concurrent use.
func (p *Pipeline) EvictedActive() map[string]uint64 {
	return counts.By(p.metrics.evictedActive, "rule")
}

// Panics returns how many panics of record evaluation were recovered since the process started. It is safe for
// concurrent use.
func (p *Pipeline) Panics() uint64 { return counts.Of(p.metrics.panics) }
