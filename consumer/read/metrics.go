package read

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// Metrics are the series of this package, of all shards together.
type Metrics struct {
	// Untimed counts records whose arrival times were not believed. The shards count theirs here too.
	Untimed       prometheus.Counter
	recordBytes   prometheus.Counter
	readFailures  *prometheus.CounterVec
	fetchDuration prometheus.Histogram
}

// NewMetrics registers the series of this package.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	f := promauto.With(reg)
	m := &Metrics{
		Untimed: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_untimed_records_total",
			Help: "Kinesis records whose arrival times were not believed: they were impossible, or nothing " +
				"confirmed that they were so late.",
		}),
		recordBytes: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_record_bytes_total",
			Help: "Payload and partition key bytes read from Kinesis.",
		}),
		readFailures: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_read_failures_total",
			Help: "Calls for pages and iterators that failed and are tried again.",
		}, []string{"reason"}),
		fetchDuration: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "kinesis_alerter_fetch_duration_seconds",
			Help:    "Time of a GetRecords call that was answered.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}),
	}
	for _, r := range []string{"throttled", "expired_iterator", "too_large", "error"} {
		m.readFailures.WithLabelValues(r)
	}
	return m
}

// fetched records an answered GetRecords call.
func (m *Metrics) fetched(took time.Duration, payload int) {
	m.fetchDuration.Observe(took.Seconds())
	m.recordBytes.Add(float64(payload))
}
