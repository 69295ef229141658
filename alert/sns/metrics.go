package sns

import (
	"math"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// metrics are what SNS says of topics; what is sent is counted by the publisher.
type metrics struct {
	subscriptions *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	return &metrics{subscriptions: promauto.With(reg).NewGaugeVec(prometheus.GaugeOpts{
		Name: "kinesis_alerter_topic_subscriptions",
		Help: "Subscriptions of the topic as SNS counts them: confirmed, pending, deleted; NaN while that is not " +
			"known.",
	}, []string{"topic", "state"})}
}

// subscribed shows how many subscriptions a topic has.
func (m *metrics) subscribed(topic string, s Subscriptions) {
	for state, n := range map[string]int{"confirmed": s.Confirmed, "pending": s.Pending, "deleted": s.Deleted} {
		value := math.NaN()
		if s.Known() {
			value = float64(n)
		}
		m.subscriptions.WithLabelValues(topic, state).Set(value)
	}
}

// forget deletes the series of a topic.
func (m *metrics) forget(topic string) {
	m.subscriptions.DeletePartialMatch(prometheus.Labels{"topic": topic})
}
