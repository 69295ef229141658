package deadletter

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// metrics are the package's metrics. Every series exists from the start; the maps are complete and never change, so
// they are read without a lock.
type metrics struct {
	letters  map[alert.Reason]prometheus.Counter
	failures map[alert.Reason]prometheus.Counter
	faults   delivery.Faults
}

func newMetrics(reg prometheus.Registerer, reasons []alert.Reason) *metrics {
	f := promauto.With(reg)
	letters := f.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_dead_letters_total",
		Help: "Dead letters that the on-failure destination accepted, by why the record could not be published.",
	}, []string{"reason"})
	failures := f.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_dead_letter_failures_total",
		Help: "Failed attempts to send a dead letter.",
	}, []string{"reason"})
	fault := f.NewGaugeVec(prometheus.GaugeOpts{
		Name: "kinesis_alerter_dead_letter_fault",
		Help: "1 while a fault of the on-failure destination's configuration holds its dead letters.",
	}, []string{"reason"})
	m := &metrics{
		letters:  map[alert.Reason]prometheus.Counter{},
		failures: map[alert.Reason]prometheus.Counter{},
		faults:   delivery.Faults{},
	}
	for _, r := range append([]alert.Reason{alert.ReasonOther}, reasons...) {
		m.letters[r] = letters.WithLabelValues(string(r))
	}
	for _, r := range retryReasons() {
		m.failures[r] = failures.WithLabelValues(string(r))
	}
	for _, r := range holdReasons() {
		m.failures[r] = failures.WithLabelValues(string(r))
		m.faults[r] = fault.WithLabelValues(string(r))
	}
	return m
}

// sent counts a dead letter; a reason that was not announced counts as other.
func (m *metrics) sent(r alert.Reason) {
	c := m.letters[r]
	if c == nil {
		c = m.letters[alert.ReasonOther]
	}
	c.Inc()
}

func (m *metrics) failed(r alert.Reason) { m.failures[r].Inc() }
