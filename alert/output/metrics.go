package output

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
)

// result is how a record ended.
type result uint8

const (
	resultWritten result = iota
	resultDeadLettered
	resultRejected
	resultGivenUp
	results
)

// String is the label of the metric.
func (r result) String() string {
	return [results]string{"written", "dead_lettered", "rejected", "given_up"}[r]
}

// metrics are the package's metrics.
type metrics struct {
	records, retries *prometheus.CounterVec
	fault            *prometheus.GaugeVec
}

func newMetrics(reg prometheus.Registerer, status func() []Status) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		records: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_output_records_total",
			Help: "Records for an output stream by how they ended: written, dead_lettered, rejected and skipped, or " +
				"given_up at a limit without dead letters.",
		}, []string{"output", "result"}),
		retries: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_output_retries_total",
			Help: "Records sent to an output stream again, by why the attempt before failed; probes of a held one do " +
				"not count.",
		}, []string{"output", "reason"}),
		fault: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "kinesis_alerter_output_fault",
			Help: "1 while a fault of the output's configuration holds its records.",
		}, []string{"output", "reason"}),
	}
	if reg != nil {
		reg.MustRegister(newBacklog(status))
	}
	return m
}

func (m *metrics) forget(output string) {
	label := prometheus.Labels{"output": output}
	m.records.DeletePartialMatch(label)
	m.retries.DeletePartialMatch(label)
	m.fault.DeletePartialMatch(label)
}

// streamMetrics are the series of one output. The maps are complete and never change, so they are read without a lock.
type streamMetrics struct {
	results [results]prometheus.Counter
	retries map[alert.Reason]prometheus.Counter
	faults  delivery.Faults
}

func (m *metrics) of(output string) *streamMetrics {
	s := &streamMetrics{
		retries: map[alert.Reason]prometheus.Counter{}, faults: delivery.Faults{},
	}
	for r := range results {
		s.results[r] = m.records.WithLabelValues(output, r.String())
	}
	for _, r := range retryReasons() {
		s.retries[r] = m.retries.WithLabelValues(output, string(r))
	}
	for _, r := range holdReasons() {
		s.faults[r] = m.fault.WithLabelValues(output, string(r))
	}
	return s
}

// backlog are the gauges of what waits, as it is when they are read.
type backlog struct {
	status                 func() []Status
	records, bytes, oldest *prometheus.Desc
}

func newBacklog(status func() []Status) *backlog {
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("kinesis_alerter_output_"+name, help, []string{"output"}, nil)
	}
	return &backlog{
		status:  status,
		records: desc("waiting_records", "Records that wait for an output stream, those under way included."),
		bytes: desc("waiting_bytes", "Bytes of memory of the records that wait for an output stream; their bound is "+
			"the budget of each output."),
		oldest: desc("oldest_seconds", "How long the record that has waited longest for an output stream has waited."),
	}
}

// Describe implements prometheus.Collector.
func (c *backlog) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.records
	ch <- c.bytes
	ch <- c.oldest
}

// Collect implements prometheus.Collector. Of an output that has another stream by now, both count.
func (c *backlog) Collect(ch chan<- prometheus.Metric) {
	type sum struct{ records, bytes, oldest float64 }
	sums, now := map[string]sum{}, time.Now()
	for _, s := range c.status() {
		n := sums[s.Name]
		n.records += float64(s.Waiting)
		n.bytes += float64(s.Bytes)
		if !s.Oldest.IsZero() {
			n.oldest = max(n.oldest, now.Sub(s.Oldest).Seconds())
		}
		sums[s.Name] = n
	}
	for name, n := range sums {
		gauge := func(d *prometheus.Desc, v float64) {
			ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, name)
		}
		gauge(c.records, n.records)
		gauge(c.bytes, n.bytes)
		gauge(c.oldest, n.oldest)
	}
}
