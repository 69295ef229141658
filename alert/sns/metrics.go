package sns

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/alert"
)

// metrics are the package's metrics. Every series exists from the start.
type metrics struct {
	target time.Duration

	published *prometheus.CounterVec
	failures  *prometheus.CounterVec
	retries   *prometheus.CounterVec
	fault     *prometheus.GaugeVec
	duration  *prometheus.HistogramVec
	latency   prometheus.Histogram
	good, bad prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, cfg Config) *metrics {
	f := promauto.With(reg)
	slo := f.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_slo_events_total",
		Help: "Published alerts by result: good when the time from the record's arrival to SNS' answer met the target.",
	}, []string{"result"})
	m := &metrics{
		target: cfg.LatencyTarget,
		published: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_alerts_published_total",
			Help: "Alerts that SNS accepted.",
		}, []string{"rule", "topic"}),
		failures: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_publish_failures_total",
			Help: "Failed attempts to publish an alert; one attempt of a call counts for each alert in it.",
		}, []string{"topic", "reason"}),
		retries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_publish_retries_total",
			Help: "Alerts sent again, by why the attempt before failed; probes of a held topic do not count.",
		}, []string{"topic", "reason"}),
		fault: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "kinesis_alerter_topic_fault",
			Help: "1 while a fault of the topic's configuration holds its alerts.",
		}, []string{"topic", "reason"}),
		duration: f.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "kinesis_alerter_publish_duration_seconds",
			Help:    "Time of one PublishBatch call, failed ones included.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"topic"}),
		latency: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "kinesis_alerter_alert_latency_seconds",
			Help:    "Time from the record's approximate arrival in the stream to SNS' acceptance of its alert.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600},
		}),
		good: slo.WithLabelValues("good"), bad: slo.WithLabelValues("bad"),
	}
	for name, t := range cfg.Topics {
		rules := t.Rules
		if len(rules) == 0 {
			rules = []string{""}
		}
		for _, rule := range rules {
			m.published.WithLabelValues(rule, name)
		}
	}
	return m
}

// topicMetrics are the series of one topic. The maps are complete and never change, so they are read without a lock.
type topicMetrics struct {
	all         *metrics
	name        string
	failures    map[alert.Reason]prometheus.Counter
	retries     map[alert.Reason]prometheus.Counter
	faults      map[alert.Reason]prometheus.Gauge
	callSeconds prometheus.Observer
}

func (m *metrics) topic(name string) *topicMetrics {
	t := &topicMetrics{
		all: m, name: name, callSeconds: m.duration.WithLabelValues(name),
		failures: map[alert.Reason]prometheus.Counter{},
		retries:  map[alert.Reason]prometheus.Counter{},
		faults:   map[alert.Reason]prometheus.Gauge{},
	}
	for _, r := range retryReasons() {
		t.failures[r] = m.failures.WithLabelValues(name, string(r))
		t.retries[r] = m.retries.WithLabelValues(name, string(r))
	}
	for r := range remedies() {
		t.failures[r] = m.failures.WithLabelValues(name, string(r))
		t.faults[r] = m.fault.WithLabelValues(name, string(r))
	}
	for _, r := range rejectReasons() {
		t.failures[r] = m.failures.WithLabelValues(name, string(r))
	}
	return t
}

func (t *topicMetrics) failure(r alert.Reason) { t.failures[r].Inc() }

// retry counts a repeat; the first way of an alert and the probes of a fault are none.
func (t *topicMetrics) retry(r alert.Reason) {
	if c := t.retries[r]; c != nil {
		c.Inc()
	}
}

// setFault moves the gauge from one reason to another; empty is none.
func (t *topicMetrics) setFault(from, to alert.Reason) {
	if g := t.faults[from]; g != nil {
		g.Set(0)
	}
	if g := t.faults[to]; g != nil {
		g.Set(1)
	}
}

func (t *topicMetrics) accepted(rule string, latency time.Duration) {
	t.all.published.WithLabelValues(rule, t.name).Inc()
	t.all.latency.Observe(latency.Seconds())
	if latency <= t.all.target {
		t.all.good.Inc()
	} else {
		t.all.bad.Inc()
	}
}
