package alert

import (
	"time"

	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/payload"
	"kinesis-alerter/internal/counts"
)

// Status is what a Pipeline has counted since the process started. It is read from the counters of the metrics, so that
// evaluation pays nothing for it.
type Status struct {
	// Records are the resolved records by outcome; every outcome is there.
	Records map[Outcome]uint64
	// Unreadable are the records that could not be read, or not by the filter, by what they look like; only those that
	// came.
	Unreadable map[payload.Likely]uint64
	// Rules are in the order of the configuration; none where every record alerts.
	Rules []RuleStatus
	// Filters says that there is a filter.
	Filters bool
	// Silences are those of the configuration, in its order.
	Silences []SilenceStatus
}

// SilenceStatus is one silence.
type SilenceStatus struct {
	Name string
	// Rules are the rules that it mutes; all where it names none.
	Rules []string
	// Conditional says that it looks at the records.
	Conditional bool
	// From is zero where it was left out.
	From, Until time.Time
	// Muted are the alerts that it suppressed. The count continues over a reload, as long as a silence of that name
	// stays.
	Muted uint64
}

// RuleStatus is one rule of a Status. Its counts continue over a reload, as long as a rule of that name stays.
type RuleStatus struct {
	Name, Severity string
	Topics         []string
	// Shadow says that the rule publishes nothing; Shadowed are the alerts that it would have made.
	Shadow   bool
	Shadowed uint64
	// Matched are the records that the rule matched, Undefined those that it did not because a term was undefined.
	Matched, Undefined uint64
	// Suppressed are the alerts that something suppressed, by what it was; every reason is there.
	Suppressed map[Reason]uint64
	// Fields are those that keep the rule from matching, as no record has them, or none of the type that the rule
	// needs.
	Fields []FieldFinding
}

// Status returns what was counted. Safe for concurrent use.
func (p *Pipeline) Status() Status {
	s := Status{Records: p.Resolutions(), Unreadable: p.Unreadable()}
	undefined := make(map[string]uint64)
	if counts := p.metrics.undefined.current.Load(); counts != nil {
		counts.each(func(rule string, causes [condition.VerdictCount]uint64) {
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
			Undefined:  undefined[r.name],
			Suppressed: make(map[Reason]uint64), Fields: fields[i],
		}
		if r.shadow {
			one.Shadowed = counts.Of(r.metrics.shadow)
		}
		for reason, c := range r.metrics.suppressed {
			one.Suppressed[reason] = counts.Of(c)
		}
		for _, to := range r.routes {
			one.Topics = append(one.Topics, to.topic)
		}
		s.Rules = append(s.Rules, one)
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

// Resolutions are the resolved records by outcome; every outcome is there. Safe for concurrent use.
func (p *Pipeline) Resolutions() map[Outcome]uint64 {
	all := make(map[Outcome]uint64, len(p.metrics.records))
	for i, o := range outcomes() {
		all[o] = counts.Of(p.metrics.records[i])
	}
	return all
}

// Unreadable are the records that could not be read, or not by the filter, by what they look like; only those that
// came. Safe for concurrent use.
func (p *Pipeline) Unreadable() map[payload.Likely]uint64 {
	seen := make(map[payload.Likely]uint64)
	for l, c := range p.metrics.likely {
		if n := counts.Of(c); n > 0 {
			seen[l] = n
		}
	}
	return seen
}

// OverBudget are the records that a rule did not judge, and the messages that got the default words, because the rule
// would have cost more than it may, by rule; only those that came. The count of a rule's messages starts again with
// each reload. Safe for concurrent use.
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

// FilterOverBudget are the records that passed the filter because it would have cost more than it may. Safe for
// concurrent use.
func (p *Pipeline) FilterOverBudget() uint64 { return counts.Of(p.metrics.filterOver) }

// SilencesOverBudget are the records that a silence did not cover, because its condition would have cost more than one
// may, by silence. Safe for concurrent use.
func (p *Pipeline) SilencesOverBudget() map[string]uint64 {
	return counts.By(p.metrics.uncovered, "silence")
}

// TemplateFailures are the templates of messages that failed, by rule. Safe for concurrent use.
func (p *Pipeline) TemplateFailures() map[string]uint64 {
	return counts.By(p.metrics.templates, "rule")
}

// Evicted are the keys that were forgotten because there were too many, by rule. Safe for concurrent use.
func (p *Pipeline) Evicted() map[string]uint64 { return counts.By(p.metrics.evicted, "rule") }

// EvictedActive are those of them that fired or were about to. Safe for concurrent use.
func (p *Pipeline) EvictedActive() map[string]uint64 { return counts.By(p.metrics.cut, "rule") }

// Panics are those that were recovered while a record was evaluated, since the process started. Safe for concurrent
// use.
func (p *Pipeline) Panics() uint64 { return counts.Of(p.metrics.panics) }
