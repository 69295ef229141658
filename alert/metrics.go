package alert

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

type metrics struct {
	records   []prometheus.Counter
	invalid   map[Reason]prometheus.Counter
	panics    prometheus.Counter
	shadowed  [builtinSlots]prometheus.Counter
	templates *prometheus.CounterVec
}

// ruleMetrics are the series of one rule.
type ruleMetrics struct {
	matched   prometheus.Counter
	undefined [verdictCount]prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, c *compiled) *metrics {
	factory := promauto.With(reg)
	m := &metrics{invalid: make(map[Reason]prometheus.Counter)}

	records := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_records_total",
		Help: "Records resolved, by what became of them. The outcomes add up to the records read.",
	}, []string{"outcome"})
	for _, o := range outcomes() {
		m.records = append(m.records, records.WithLabelValues(o.String()))
	}
	invalid := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_invalid_records_total",
		Help: "Records that could not be read, by the first defect.",
	}, []string{"reason"})
	for _, r := range invalidReasons() {
		m.invalid[r] = invalid.WithLabelValues(string(r))
	}
	m.panics = factory.NewCounter(prometheus.CounterOpts{
		Name: "kinesis_alerter_panics_total",
		Help: "Panics recovered while a record was evaluated. Each is a bug; the record counts as invalid.",
	})
	shadowed := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_shadowed_fields_total",
		Help: "Records with a field that a rule cannot see, because a built-in name hides it.",
	}, []string{"field"})
	for slot, name := range builtinNames() {
		m.shadowed[slot] = shadowed.WithLabelValues(name)
	}
	m.templates = factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_template_failures_total",
		Help: "Templates that failed on an alert, which then went out with the default words.",
	}, []string{"rule", "part"})

	matched := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_rule_matches_total",
		Help: "Records that a rule matched, whatever became of the alert.",
	}, []string{"rule"})
	undefined := factory.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_rule_undefined_total",
		Help: "Records that a rule did not match because a term was undefined, by the first cause.",
	}, []string{"rule", "reason"})
	for _, r := range c.rules {
		r.metrics.matched = matched.WithLabelValues(r.name)
		for v := undefinedMissing; v < verdictCount; v++ {
			r.metrics.undefined[v] = undefined.WithLabelValues(r.name, v.cause())
		}
	}
	for _, route := range c.routes() {
		route.render.failed = newTemplateFailures(m.templates, route.render.rule)
	}
	return m
}
