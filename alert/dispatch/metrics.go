package dispatch

import (
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// metrics are the package's metrics. Every series exists from the start.
type metrics struct {
	target atomic.Int64 // Config.LatencyTarget

	published *prometheus.CounterVec
	failures  *prometheus.CounterVec
	retries   *prometheus.CounterVec
	fault     *prometheus.GaugeVec
	duration  *prometheus.HistogramVec
	latency   latency
	good, bad prometheus.Counter

	digestMode *prometheus.GaugeVec
	rateShare  *prometheus.GaugeVec
	digests    *prometheus.CounterVec
	members    *prometheus.CounterVec
	givenUp    *prometheus.CounterVec

	reasons Reasons
}

func newMetrics(reg prometheus.Registerer, cfg Config, reasons Reasons) *metrics {
	f := promauto.With(reg)
	slo := f.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_slo_events_total",
		Help: "Published alerts by result: good when the time from the record's arrival to SNS' answer met the target.",
	}, []string{"result"})
	m := &metrics{
		reasons: reasons,
		published: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_alerts_published_total",
			Help: "Alerts that SNS accepted, also inside digests.",
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
		latency: latency{f.NewHistogram(prometheus.HistogramOpts{
			Name: "kinesis_alerter_alert_latency_seconds",
			Help: "Time from the record's approximate arrival in the stream, or from the timer that caused the " +
				"alert, to SNS' acceptance.",
			Buckets: []float64{.05, .1, .25, .5, 1, 2, 5, 10, 30, 60, 120, 300, 600},
		})},
		good: slo.WithLabelValues("good"), bad: slo.WithLabelValues("bad"),
		digestMode: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "kinesis_alerter_topic_digest_mode",
			Help: "1 while the topic's alerts are gathered into digests.",
		}, []string{"topic"}),
		rateShare: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "kinesis_alerter_topic_rate_share",
			Help: "Messages per second that this worker may send to the topic, its share of the topic's rate; +Inf " +
				"without a rate.",
		}, []string{"topic"}),
		digests: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_digests_total",
			Help: "Digests that SNS accepted.",
		}, []string{"topic"}),
		members: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_digest_members_total",
			Help: "Alerts that SNS accepted inside digests.",
		}, []string{"topic"}),
		givenUp: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_alerts_given_up_total",
			Help: "Alerts that were given up at the limits of attempts or of their record's age.",
		}, []string{"topic", "condition"}),
	}
	m.target.Store(int64(cfg.LatencyTarget))
	for name, t := range cfg.Topics {
		m.expect(name, t.Rules)
	}
	return m
}

// expect makes the series of a topic's rules.
func (m *metrics) expect(topic string, rules []string) {
	if len(rules) == 0 {
		rules = []string{""}
	}
	for _, rule := range rules {
		m.published.WithLabelValues(rule, topic)
	}
}

// forget deletes the series of a topic.
func (m *metrics) forget(topic string) {
	label := prometheus.Labels{"topic": topic}
	for _, v := range []interface{ DeletePartialMatch(prometheus.Labels) int }{
		m.published, m.failures, m.retries, m.fault, m.duration, m.digestMode, m.rateShare, m.digests, m.members,
		m.givenUp,
	} {
		v.DeletePartialMatch(label)
	}
}

// topicMetrics are the series of one topic. The maps are complete and never change, so they are read without a lock.
type topicMetrics struct {
	all         *metrics
	name        string
	failures    map[alert.Reason]prometheus.Counter
	retries     map[alert.Reason]prometheus.Counter
	faults      delivery.Faults
	givenUp     map[string]prometheus.Counter // by condition
	callSeconds prometheus.Observer

	digestMode, rateShare prometheus.Gauge
	digests, members      prometheus.Counter
}

func (m *metrics) topic(name string) *topicMetrics {
	t := &topicMetrics{
		all: m, name: name, callSeconds: m.duration.WithLabelValues(name),
		failures: map[alert.Reason]prometheus.Counter{},
		retries:  map[alert.Reason]prometheus.Counter{},
		faults:   delivery.Faults{},
		givenUp:  map[string]prometheus.Counter{},

		digestMode: m.digestMode.WithLabelValues(name), rateShare: m.rateShare.WithLabelValues(name),
		digests: m.digests.WithLabelValues(name), members: m.members.WithLabelValues(name),
	}
	for _, condition := range []string{alert.ConditionRetries, alert.ConditionAge} {
		t.givenUp[condition] = m.givenUp.WithLabelValues(name, condition)
	}
	for _, r := range m.reasons.Retry {
		t.failures[r] = m.failures.WithLabelValues(name, string(r))
		t.retries[r] = m.retries.WithLabelValues(name, string(r))
	}
	for _, r := range m.reasons.Hold {
		t.failures[r] = m.failures.WithLabelValues(name, string(r))
		t.faults[r] = m.fault.WithLabelValues(name, string(r))
	}
	for _, r := range m.reasons.Reject {
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

func (t *topicMetrics) gaveUp(condition string) { t.givenUp[condition].Inc() }

// accepted counts an alert. An id makes it the exemplar of its bucket.
func (t *topicMetrics) accepted(rule, id string, latency time.Duration) {
	t.all.published.WithLabelValues(rule, t.name).Inc()
	t.all.latency.observe(latency, id)
	if latency <= time.Duration(t.all.target.Load()) {
		t.all.good.Inc()
	} else {
		t.all.bad.Inc()
	}
}

// latency is a histogram whose buckets each name an alert that fell into them lately, which leads from a slow bucket
// to that alert's line in the audit log.
type latency struct{ prometheus.Histogram }

func (h latency) observe(d time.Duration, id string) {
	with, ok := h.Histogram.(prometheus.ExemplarObserver)
	if id == "" || !ok {
		h.Observe(d.Seconds())
	} else {
		with.ObserveWithExemplar(d.Seconds(), prometheus.Labels{"alert_id": id})
	}
}
