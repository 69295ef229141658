package alert

import (
	"slices"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/alert/condition"
	"kinesis-alerter/alert/payload"
)

type metrics struct {
	records []prometheus.Counter
	invalid map[Reason]prometheus.Counter
	likely  map[payload.Likely]prometheus.Counter
	panics  prometheus.Counter
	notJSON prometheus.Counter
	// filterOver counts the records that passed because the filter was over its budget.
	filterOver prometheus.Counter
	shadowed   [condition.BuiltinSlots]prometheus.Counter
	templates  *prometheus.CounterVec

	matched         *prometheus.CounterVec
	suppressed      *prometheus.CounterVec
	shadow          *prometheus.CounterVec
	evicted         *prometheus.CounterVec
	evictedActive   *prometheus.CounterVec
	unscored        *prometheus.CounterVec
	forestEvictions *prometheus.CounterVec
	uncovered       *prometheus.CounterVec
	undefined       *undefinedCollector
	// shadowKinds are those of the rules in mode shadow, by name. Only adopt and forget look at it, one at a time.
	shadowKinds map[string]*shadowKinds
}

// ruleMetrics are the series of one rule.
type ruleMetrics struct {
	matched, shadow prometheus.Counter
	// evicted counts the keys that were evicted, evictedActive those of them that fired or were pending.
	evicted, evictedActive prometheus.Counter
	suppressed             map[Reason]prometheus.Counter
	// undefined counts the undefined terms that kept the rule from matching, except the one under which the index has
	// the rule.
	undefined *[condition.VerdictCount]atomic.Uint64
	// over counts the messages whose templates were over budget.
	over *atomic.Uint64
	// shadowed counts the alerts of shadow by kind; nil for a rule that publishes.
	shadowed *shadowKinds
}

// shadowKinds counts the alerts that a rule in mode shadow would have made.
type shadowKinds struct{ firing, repeat, resolved atomic.Uint64 }

func (k *shadowKinds) add(kind Kind) {
	switch kind {
	case KindFiring:
		k.firing.Add(1)
	case KindRepeat:
		k.repeat.Add(1)
	case KindResolved:
		k.resolved.Add(1)
	case KindWatchdog, KindDigest, KindDrill: // no rule makes them
	}
}

func newMetrics(reg prometheus.Registerer) *metrics {
	factory := promauto.With(reg)
	m := &metrics{invalid: make(map[Reason]prometheus.Counter), likely: make(map[payload.Likely]prometheus.Counter)}
	m.shadowKinds = make(map[string]*shadowKinds)

	records := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_records_total",
		Help: "Records that are done, by outcome. The outcomes and the records left add up to the records read.",
	}, []string{"outcome"})
	for _, o := range outcomes() {
		m.records = append(m.records, records.WithLabelValues(o.String()))
	}
	invalid := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_invalid_records_total",
		Help: "Records that could not be read, by the first defect, dead letters included.",
	}, []string{"reason"})
	for _, r := range InvalidReasons() {
		m.invalid[r] = invalid.WithLabelValues(string(r))
	}
	likely := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_unreadable_records_total",
		Help: "Records that could not be read, or not by the filter, by what they look like.",
	}, []string{"likely"})
	for _, l := range payload.Likelies() {
		m.likely[l] = likely.WithLabelValues(string(l))
	}
	m.panics = factory.NewCounter(prometheus.CounterOpts{
		Name: "kinesis_alerter_panics_total",
		Help: "Panics recovered while a record was evaluated. Each is a bug; the record counts as invalid.",
	})
	m.filterOver = factory.NewCounter(prometheus.CounterOpts{
		Name: "kinesis_alerter_filter_over_budget_total",
		Help: "Records that passed the filter because it would have cost more than it may: it has too many patterns " +
			"for that many values.",
	})
	m.notJSON = factory.NewCounter(prometheus.CounterOpts{
		Name: "kinesis_alerter_filter_not_json_total",
		Help: "Records that a filter on data dropped because they are no JSON. They count as filtered, or " +
			"dead_lettered where dead_letter.invalid keeps them.",
	})
	shadowed := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_shadowed_fields_total",
		Help: "Records with a field that a rule cannot see, because a built-in name hides it.",
	}, []string{"field"})
	for slot, name := range condition.BuiltinNames() {
		m.shadowed[slot] = shadowed.WithLabelValues(name)
	}
	m.templates = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_template_failures_total",
		Help: "Templates that failed on an alert, which then went out with the default words.",
	}, []string{"rule", "part"})
	m.matched = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_rule_matches_total",
		Help: "Records that a rule matched, whether or not an alert was sent.",
	}, []string{"rule"})
	m.suppressed = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_alerts_suppressed_total",
		Help: "Alerts that were suppressed.",
	}, []string{"rule", "reason"})
	m.shadow = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_shadow_alerts_total",
		Help: "Alerts that a rule in mode shadow would have made.",
	}, []string{"rule"})
	m.evicted = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_state_evictions_total",
		Help: "Keys that were forgotten because a shard remembers state.max_keys others, or all the bytes that it may.",
	}, []string{"rule"})
	m.evictedActive = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_state_active_evictions_total",
		Help: "Keys among state_evictions_total that fired or were about to. A notified topic gets a last " +
			"word for each.",
	}, []string{"rule"})
	m.unscored = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_unscored_records_total",
		Help: "Records without a score, by reason: a field is no number, or the record has the score's field already.",
	}, []string{"score", "reason"})
	m.forestEvictions = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_score_evictions_total",
		Help: "Keys whose forest was forgotten because those of a shard take the memory of their score.",
	}, []string{"score"})
	m.uncovered = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_silence_over_budget_total",
		Help: "Records that a silence did not cover, because its condition would have cost more than its budget.",
	}, []string{"silence"})
	m.undefined = &undefinedCollector{desc: prometheus.NewDesc("kinesis_alerter_rule_undefined_total",
		"Records that a rule did not match because a term was undefined, by the first cause.",
		[]string{"rule", "reason"}, nil)}
	reg.MustRegister(m.undefined)
	return m
}

// adopt creates the series of a set's rules.
func (m *metrics) adopt(c *compiled) {
	for _, r := range c.rules {
		r.metrics = ruleMetrics{
			matched: m.matched.WithLabelValues(r.name), evicted: m.evicted.WithLabelValues(r.name),
			evictedActive: m.evictedActive.WithLabelValues(r.name),
			suppressed:    make(map[Reason]prometheus.Counter), undefined: new([condition.VerdictCount]atomic.Uint64),
			over: new(atomic.Uint64),
		}
		if r.shadow {
			r.metrics.shadow = m.shadow.WithLabelValues(r.name)
			if m.shadowKinds[r.name] == nil {
				m.shadowKinds[r.name] = new(shadowKinds)
			}
			r.metrics.shadowed = m.shadowKinds[r.name]
		}
		for _, reason := range suppressions() {
			r.metrics.suppressed[reason] = m.suppressed.WithLabelValues(r.name, string(reason))
		}
	}
	for _, x := range c.scores {
		x.metrics = scoreMetrics{
			skipped: make(map[Reason]prometheus.Counter),
			evicted: m.forestEvictions.WithLabelValues(x.config.As),
		}
		for _, reason := range skipReasons() {
			x.metrics.skipped[reason] = m.unscored.WithLabelValues(x.config.As, string(reason))
		}
	}
	for _, x := range c.silences {
		for i, cover := range c.covers {
			if x.bit == 1<<i {
				cover.over = append(cover.over, m.uncovered.WithLabelValues(x.name))
			}
		}
	}
	for _, route := range c.routes() {
		route.render.failed = newTemplateFailures(m.templates, route.render.rule)
		if route.rule != nil && route.rule.metrics.over != nil {
			over := route.rule.metrics.over
			route.render.over = func(string) { over.Add(1) }
		}
	}
	m.undefined.adopt(c)
}

// forgot counts a key that was evicted in a phase.
func (m *ruleMetrics) forgot(reached phase) {
	m.evicted.Inc()
	if reached != quiet {
		m.evictedActive.Inc()
	}
}

// forget removes the series of rules and silences that are gone.
func (m *metrics) forget(old, now *compiled) {
	for _, x := range old.silences {
		if !slices.ContainsFunc(now.silences, func(y *silence) bool { return y.name == x.name && y.bit != 0 }) {
			m.uncovered.DeleteLabelValues(x.name)
		}
	}
	kept := make(map[string]bool)
	for _, route := range now.routes() {
		kept[route.render.rule] = true
	}
	for _, route := range old.routes() {
		if name := route.render.rule; !kept[name] {
			delete(m.shadowKinds, name)
			for _, vec := range []*prometheus.CounterVec{
				m.matched, m.suppressed, m.shadow, m.evicted, m.evictedActive,
				m.templates,
			} {
				vec.DeletePartialMatch(prometheus.Labels{"rule": name})
			}
		}
	}
}

// undefinedCollector adds up, at each scrape, how often each rule was undefined. The index counts for its own terms,
// once for all rules of a slot; each rule counts for its others.
type undefinedCollector struct {
	desc    *prometheus.Desc
	current atomic.Pointer[undefinedCounts]
}

type undefinedCounts struct {
	set *compiled
	// before are the counts of earlier sets, by rule and cause; judged are the records that they judged.
	before map[string][condition.VerdictCount]uint64
	judged map[string]uint64
}

// judgedBy is how many records a rule of the set has judged.
func (u *undefinedCounts) judgedBy(rule string) uint64 {
	return u.judged[rule] + u.set.index.Records.Load()
}

// adopt continues the counts with another set of rules. It is called by one goroutine at a time.
func (u *undefinedCollector) adopt(c *compiled) {
	next := &undefinedCounts{
		set: c, before: make(map[string][condition.VerdictCount]uint64), judged: make(map[string]uint64),
	}
	if last := u.current.Load(); last != nil {
		last.each(func(rule string, counts [condition.VerdictCount]uint64) {
			next.before[rule], next.judged[rule] = counts, last.judgedBy(rule)
		})
	}
	u.current.Store(next)
}

func (u *undefinedCounts) each(visit func(rule string, counts [condition.VerdictCount]uint64)) {
	for _, r := range u.set.rules {
		counts := u.before[r.name]
		for v := range r.metrics.undefined {
			counts[v] += r.metrics.undefined[v].Load()
		}
		for v, n := range r.formula.When.Undefined(u.set.index) {
			counts[v] += n
		}
		visit(r.name, counts)
	}
}

// Describe implements prometheus.Collector.
func (u *undefinedCollector) Describe(ch chan<- *prometheus.Desc) { ch <- u.desc }

// Collect implements prometheus.Collector.
func (u *undefinedCollector) Collect(ch chan<- prometheus.Metric) {
	counts := u.current.Load()
	if counts == nil {
		return
	}
	counts.each(func(rule string, counts [condition.VerdictCount]uint64) {
		for v := condition.UndefinedMissing; v < condition.VerdictCount; v++ {
			ch <- prometheus.MustNewConstMetric(u.desc, prometheus.CounterValue, float64(counts[v]), rule, v.Cause())
		}
	})
}
