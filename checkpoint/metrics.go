package checkpoint

import (
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
)

// leaseEvent is a change of what this process holds; it is a label value.
type leaseEvent string

const (
	eventAcquired  leaseEvent = "acquired"   // a free shard
	eventStolen    leaseEvent = "stolen"     // a shard of a worker that fell silent
	eventReceived  leaseEvent = "received"   // handed over by a peer
	eventHandedOff leaseEvent = "handed_off" // to a peer
	eventReleased  leaseEvent = "released"
	eventEnded     leaseEvent = "ended"   // SHARD_END
	eventLost      leaseEvent = "lost"    // another worker, or nobody, has the row
	eventExpired   leaseEvent = "expired" // the trust window closed, or this worker was fenced
)

type result string

const (
	resultOK      result = "ok"
	resultError   result = "error"   // no answer, or a fault of the service; tried again
	resultFenced  result = "fenced"  // the condition on owner and epoch, or on the counter, did not hold
	resultIgnored result = "ignored" // an offer below one that was made before
)

type metrics struct {
	held        prometheus.Gauge
	events      *prometheus.CounterVec
	renewals    *prometheus.CounterVec
	commits     *prometheus.CounterVec
	commitTime  prometheus.Histogram
	openShards  prometheus.Gauge
	progress    *prometheus.GaugeVec
	gaps        *prometheus.CounterVec
	rewritten   prometheus.Counter
	liveWorkers prometheus.Gauge
	stateUnits  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, stream string) *metrics {
	f := promauto.With(prometheus.WrapRegistererWith(prometheus.Labels{"stream": stream}, reg))
	m := &metrics{
		held: f.NewGauge(prometheus.GaugeOpts{
			Name: "kinesis_alerter_leases_held", Help: "Leases that this process holds.",
		}),
		events: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_lease_events_total", Help: "Changes of the leases of this process.",
		}, []string{"event"}),
		renewals: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_lease_renewals_total", Help: "Heartbeats of this process, by result.",
		}, []string{"result"}),
		commits: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_checkpoints_total", Help: "Checkpoint writes, by result; ignored counts offers below an earlier one.",
		}, []string{"result"}),
		commitTime: f.NewHistogram(prometheus.HistogramOpts{
			Name: "kinesis_alerter_checkpoint_duration_seconds", Help: "Time of one checkpoint write.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
		openShards: f.NewGauge(prometheus.GaugeOpts{
			Name: "kinesis_alerter_stream_open_shards", Help: "Open shards at the last listing.",
		}),
		progress: f.NewGaugeVec(prometheus.GaugeOpts{
			Name: "kinesis_alerter_shard_checkpoint_timestamp_seconds", Help: "Time at which the stored checkpoint of a held shard was last confirmed to be current.",
		}, []string{"shard"}),
		gaps: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_checkpoint_gaps_total", Help: "Checkpoints that the stream no longer held, by whether records may have been missed.",
		}, []string{"missed"}),
		rewritten: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_lease_rows_rewritten_total", Help: "Rows that vanished from the table and were written again from memory.",
		}),
		liveWorkers: f.NewGauge(prometheus.GaugeOpts{
			Name: "kinesis_alerter_lease_workers", Help: "Live workers in the lease table, this one included.",
		}),
		stateUnits: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_lease_state_write_units_total", Help: "DynamoDB write units spent on the state table.",
		}),
	}
	for _, e := range []leaseEvent{eventAcquired, eventStolen, eventReceived, eventHandedOff, eventReleased, eventEnded, eventLost, eventExpired} {
		m.events.WithLabelValues(string(e))
	}
	for _, r := range []result{resultOK, resultError, resultFenced} {
		m.renewals.WithLabelValues(string(r))
		m.commits.WithLabelValues(string(r))
	}
	m.commits.WithLabelValues(string(resultIgnored))
	m.gaps.WithLabelValues("true")
	m.gaps.WithLabelValues("false")
	return m
}

func (m *metrics) event(e leaseEvent)  { m.events.WithLabelValues(string(e)).Inc() }
func (m *metrics) renewal(r result)    { m.renewals.WithLabelValues(string(r)).Inc() }
func (m *metrics) committed(r result)  { m.commits.WithLabelValues(string(r)).Inc() }
func (m *metrics) forget(shard string) { m.progress.DeleteLabelValues(shard) }
