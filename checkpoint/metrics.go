package checkpoint

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/counts"
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
	eventLost      leaseEvent = "lost"    // the row has another owner, or none
	eventExpired   leaseEvent = "expired" // the trust window closed, or this worker was fenced
)

type result string

const (
	resultOK      result = "ok"
	resultError   result = "error"   // no answer, or a fault of the service; tried again
	resultFenced  result = "fenced"  // the condition on owner and epoch, or on the counter, did not hold
	resultIgnored result = "ignored" // an offer below one that was made before
	// resultUnstorable is an offer that no row can hold, or that has no order with what the row has.
	resultUnstorable result = "unstorable"
)

type metrics struct {
	held        prometheus.Gauge
	events      *prometheus.CounterVec
	renewals    *prometheus.CounterVec
	commits     *prometheus.CounterVec
	commitTime  prometheus.Histogram
	openShards  prometheus.Gauge
	gaps        *prometheus.CounterVec
	rewritten   prometheus.Counter
	damagedRows prometheus.Counter
	incidents   *prometheus.CounterVec
	liveWorkers prometheus.Gauge
	stateUnits  prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
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
			Name: "kinesis_alerter_checkpoints_total",
			Help: "Checkpoint writes, by result; ignored counts offers below an earlier one.",
		}, []string{"result"}),
		commitTime: f.NewHistogram(prometheus.HistogramOpts{
			Name: "kinesis_alerter_checkpoint_duration_seconds", Help: "Time of one checkpoint write.",
			Buckets: []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5},
		}),
		openShards: f.NewGauge(prometheus.GaugeOpts{
			Name: "kinesis_alerter_stream_open_shards", Help: "Open shards at the last listing.",
		}),
		gaps: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_checkpoint_gaps_total",
			Help: "Checkpoints that the stream no longer held, by whether records may have been missed.",
		}, []string{"missed"}),
		rewritten: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_lease_rows_rewritten_total",
			Help: "Rows that vanished from the table and were written again from memory.",
		}),
		damagedRows: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_lease_rows_unreadable_total",
			Help: "Rows of the lease table that could not be read; they are written again.",
		}),
		incidents: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_shard_incidents_total",
			Help: "Incidents of shards that were handled: gone (lost by the stream), " +
				"end_undone, order_breached, skip_undone, position_unusable, parents_circular.",
		}, []string{"kind"}),
		liveWorkers: f.NewGauge(prometheus.GaugeOpts{
			Name: "kinesis_alerter_lease_workers", Help: "Live workers in the lease table, this one included.",
		}),
		stateUnits: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_lease_state_write_units_total",
			Help: "DynamoDB write units spent on the state table.",
		}),
	}
	for _, e := range []leaseEvent{
		eventAcquired, eventStolen, eventReceived, eventHandedOff, eventReleased,
		eventEnded, eventLost, eventExpired,
	} {
		m.events.WithLabelValues(string(e))
	}
	for _, r := range []result{resultOK, resultError, resultFenced} {
		m.renewals.WithLabelValues(string(r))
		m.commits.WithLabelValues(string(r))
	}
	m.commits.WithLabelValues(string(resultIgnored))
	for _, k := range IncidentKinds() {
		m.incidents.WithLabelValues(string(k))
	}
	m.commits.WithLabelValues(string(resultUnstorable))
	m.gaps.WithLabelValues("true")
	m.gaps.WithLabelValues("false")
	return m
}

func (m *metrics) event(e leaseEvent) { m.events.WithLabelValues(string(e)).Inc() }
func (m *metrics) renewal(r result)   { m.renewals.WithLabelValues(string(r)).Inc() }
func (m *metrics) committed(r result) { m.commits.WithLabelValues(string(r)).Inc() }

// shardCollector computes the gauges of held shards at scrape time, so that no series outlives a lease.
type shardCollector struct {
	store                         *Store
	progressed, states, retention *prometheus.Desc
}

// allShards is the label value for all shards of the process, when they have no series of their own.
const allShards = "all"

func newShardCollector(s *Store) *shardCollector {
	return &shardCollector{
		store: s,
		progressed: prometheus.NewDesc("kinesis_alerter_shard_checkpoint_timestamp_seconds",
			"Time at which the stored checkpoint of a held shard was last confirmed to be current.",
			[]string{"shard"}, nil),
		states: prometheus.NewDesc("kinesis_alerter_shards",
			"Shards by state, as this process sees the lease table, which may be ten seconds old: held by it, "+
				"foreign (held by a live peer), unread (without an owner), blocked (a parent is not finished), "+
				"paused, ended, skipped.",
			[]string{"state"}, nil),
		retention: prometheus.NewDesc("kinesis_alerter_stream_retention_seconds",
			"How long the stream keeps its records, as it said within the last minute or two.", nil, nil),
	}
}

// Describe implements prometheus.Collector.
func (c *shardCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- c.progressed
	ch <- c.states
	ch <- c.retention
}

// Collect implements prometheus.Collector.
func (c *shardCollector) Collect(ch chan<- prometheus.Metric) {
	c.store.mu.Lock()
	confirmed, states, retention := c.store.view.confirmed(c.store.cfg.MergeShards),
		c.store.view.countStates(time.Now()), c.store.catalog.retention
	c.store.mu.Unlock()
	if retention > 0 {
		ch <- prometheus.MustNewConstMetric(c.retention, prometheus.GaugeValue, retention.Seconds())
	}
	for shard, at := range confirmed {
		ch <- prometheus.MustNewConstMetric(c.progressed, prometheus.GaugeValue, float64(at.UnixMilli())/1000, shard)
	}
	for _, state := range table.ShardStates() {
		ch <- prometheus.MustNewConstMetric(c.states, prometheus.GaugeValue, float64(states[state]), string(state))
	}
}

// confirmed is when the stored checkpoint of each held shard was last known to be current; with merge the
// oldest of all.
func (v *view) confirmed(merge bool) map[string]time.Time {
	out := map[string]time.Time{}
	for id := range v.leases {
		l := v.held(id)
		if l == nil || l.ledger.confirmed.IsZero() {
			continue
		}
		if merge {
			id = allShards
		}
		if at, known := out[id]; !known || l.ledger.confirmed.Before(at) {
			out[id] = l.ledger.confirmed
		}
	}
	return out
}

// countStates counts the shards by state.
func (v *view) countStates(now time.Time) map[table.ShardState]int {
	out := map[table.ShardState]int{}
	for id := range v.lineage.Shards {
		if !v.shown(id) {
			continue
		}
		out[v.shardStatus(id, now).State]++
	}
	return out
}

// Missed is how many times since the process started a checkpoint had left the stream and records may have been
// missed. Safe for concurrent use.
func (s *Store) Missed() uint64 { return counts.Of(s.m.gaps.WithLabelValues("true")) }
