package consumer

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
)

// metrics are the series of this package. Series of a single shard exist while the process holds it.
type metrics struct {
	read *read.Metrics

	recordsRead  prometheus.Counter
	recordsSkip  prometheus.Counter
	recordsLeft  prometheus.Counter
	aggregates   prometheus.Counter
	evalDuration prometheus.Histogram
	heldAlerts   prometheus.Counter
	skipped      map[alert.Reason]prometheus.Counter
	handoffs     *prometheus.CounterVec
	panics       prometheus.Counter
	endsRefuted  prometheus.Counter
	forgotten    prometheus.Counter

	stateSaves        *prometheus.CounterVec
	stateSaveDuration prometheus.Histogram
	stateGaps         *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	f := promauto.With(reg)
	m := &metrics{
		read:    read.NewMetrics(reg),
		skipped: map[alert.Reason]prometheus.Counter{},
		recordsRead: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_records_read_total",
			Help: "User records ingested. Each is done (kinesis_alerter_records_total), left, or still waits.",
		}),
		recordsLeft: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_records_left_total",
			Help: "User records that still waited when the shard was lost or given up: its next owner " +
				"accounts for them.",
		}),
		recordsSkip: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_records_skipped_total",
			Help: "Records read again that were done under an earlier owner of the shard.",
		}),
		aggregates: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_aggregated_records_total",
			Help: "Kinesis records that were taken apart: KPL aggregates, and what `input` splits.",
		}),
		evalDuration: f.NewHistogram(prometheus.HistogramOpts{
			Name:    "kinesis_alerter_process_duration_seconds",
			Help:    "Time of ingesting a page: de-aggregation, evaluation, and the wait for room in the lanes.",
			Buckets: []float64{.0001, .0005, .001, .005, .01, .05, .1, .5, 1, 5, 10, 60},
		}),
		heldAlerts: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_alerts_held_total",
			Help: "Alerts that SNS will never accept; their partition keys are held.",
		}),
		handoffs: f.NewCounterVec(prometheus.CounterOpts{
			Name: "kinesis_alerter_handoffs_total",
			Help: "Handoffs of a shard to another worker, by how they ended here.",
		}, []string{"result"}),
		panics: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_consumer_panics_total",
			Help: "Panics that were recovered while records were ingested; the shard starts again from its checkpoint.",
		}),
		forgotten: f.NewCounter(prometheus.CounterOpts{
			Name: "kinesis_alerter_accepted_forgotten_total",
			Help: "Alerts and ranges of records, accepted and not stored, that this process no longer remembers; " +
				"taking the shard again repeats them.",
		}),
	}
	m.endsRefuted = f.NewCounter(prometheus.CounterOpts{
		Name: "kinesis_alerter_shard_ends_refuted_total",
		Help: "Answers of GetRecords that said that a shard has ended while ListShards showed it open; the shard " +
			"is read on.",
	})
	m.stateMetrics(f)
	skipped := f.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_alerts_skipped_total",
		Help: "Alerts dropped: rejected by SNS and skipped as configured, or given up within the limits without " +
			"dead letters.",
	}, []string{"reason"})
	for _, r := range []alert.Reason{alert.ReasonRejected, lanes.ReasonRecordAge, lanes.ReasonRetryAttempts} {
		m.skipped[r] = skipped.WithLabelValues(string(r))
	}
	for _, r := range []string{"done", "called_off"} {
		m.handoffs.WithLabelValues(r)
	}
	return m
}

func (m *metrics) stateMetrics(f promauto.Factory) {
	m.stateSaves = f.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_state_saves_total",
		Help: "Saves of the memory of a shard's rules, by result.",
	}, []string{"result"})
	m.stateSaveDuration = f.NewHistogram(prometheus.HistogramOpts{
		Name:    "kinesis_alerter_state_save_duration_seconds",
		Help:    "Time of saving the memory of a shard's rules, when it succeeded.",
		Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30},
	})
	m.stateGaps = f.NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_state_gaps_total",
		Help: "Shards whose evaluation continued without its memory, by reason.",
	}, []string{"reason"})
	for _, r := range []string{"done", "failed"} {
		m.stateSaves.WithLabelValues(r)
	}
	for _, r := range gapReasons() {
		m.stateGaps.WithLabelValues(r)
	}
}

// shardCollector computes the gauges of each shard at scrape time, so that they grow while nothing moves and vanish
// with the lease.
type shardCollector struct {
	shards func() []ShardStatus
	budget *read.Credits
	merge  bool // one value for all shards instead of one for each

	lag, behind, lastFetch, unresolved, heldKeys, gathered, buffered, inFlight, stateBytes, stateAge *prometheus.Desc
}

func newShardCollector(shards func() []ShardStatus, b *read.Credits, merge bool) *shardCollector {
	d := func(name, help string, labels ...string) *prometheus.Desc {
		return prometheus.NewDesc("kinesis_alerter_"+name, help, labels, nil)
	}
	return &shardCollector{
		shards: shards, budget: b, merge: merge,
		lag: d("shard_lag_seconds",
			"Age of the oldest record whose alerts are not done; without one, how far reading is behind the tip and "+
				"for how long Kinesis has not answered, from 5 s on.", "shard"),
		behind: d("shard_behind_seconds",
			"Distance of reading from the tip of the shard, at the last answer.", "shard"),
		lastFetch:  d("shard_last_fetch_timestamp_seconds", "When Kinesis last answered for the shard.", "shard"),
		unresolved: d("shard_unresolved_records", "Records whose alerts wait to be accepted.", "shard"),
		heldKeys: d("shard_held_keys",
			"Partition keys held because of an alert that SNS will never accept.", "shard"),
		gathered:   d("shard_gathered_records", "Records whose alerts wait in digests.", "shard"),
		stateBytes: d("state_bytes", "Size of the last saved memory of the shard's rules.", "shard"),
		stateAge: d("state_age_seconds",
			"Age of the last saved memory of the shard's rules; it stays while nothing is evaluated.", "shard"),
		buffered: d("buffered_bytes", "Byte credits in use by pages and by records that are not done."),
		inFlight: d("inflight_records",
			"Records of all shards whose alerts wait to be accepted, those in digests included."),
	}
}

// Describe implements prometheus.Collector.
func (c *shardCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{
		c.lag, c.behind, c.lastFetch, c.unresolved, c.heldKeys, c.gathered, c.buffered, c.inFlight, c.stateBytes,
		c.stateAge,
	} {
		ch <- d
	}
}

// Collect implements prometheus.Collector.
func (c *shardCollector) Collect(ch chan<- prometheus.Metric) {
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	gauge(c.buffered, float64(c.budget.InUse()))
	shards, inFlight := c.shards(), 0
	for _, s := range shards {
		inFlight += s.Unresolved
	}
	gauge(c.inFlight, float64(inFlight))
	if c.merge {
		shards = merged(shards)
	}
	for _, s := range shards {
		gauge(c.unresolved, float64(s.Unresolved), s.Shard)
		gauge(c.heldKeys, float64(s.HeldKeys), s.Shard)
		gauge(c.gathered, float64(s.Gathered), s.Shard)
		if !s.StateTaken.IsZero() {
			gauge(c.stateBytes, float64(s.StateBytes), s.Shard)
			gauge(c.stateAge, time.Since(s.StateTaken).Seconds(), s.Shard)
		}
		if s.Lag > 0 || !s.LastFetch.IsZero() { // no series rather than a comforting 0
			gauge(c.lag, s.Lag.Seconds(), s.Shard)
		}
		if s.LastFetch.IsZero() {
			continue
		}
		gauge(c.behind, s.Behind.Seconds(), s.Shard)
		gauge(c.lastFetch, float64(s.LastFetch.UnixMilli())/1000, s.Shard)
	}
}

// AllShards is the label value of the one series for all shards of the process, when shards have no series of their
// own.
const AllShards = "all"

// merged is one status for all shards: the worst of each figure, and the sum of each count; none without shards. A
// shard that has no time yet is left out of the earliest time, or there would be no figure for all. Its lag shows it.
func merged(shards []ShardStatus) []ShardStatus {
	if len(shards) == 0 {
		return nil
	}
	out := ShardStatus{Shard: AllShards, LastFetch: shards[0].LastFetch}
	out.StateTaken = shards[0].StateTaken
	for _, s := range shards {
		out.Lag, out.Behind = max(out.Lag, s.Lag), max(out.Behind, s.Behind)
		out.Unresolved, out.HeldKeys, out.Gathered = out.Unresolved+s.Unresolved, out.HeldKeys+s.HeldKeys,
			out.Gathered+s.Gathered
		out.StateBytes, out.Load = out.StateBytes+s.StateBytes, out.Load+s.Load
		out.LastFetch, out.StateTaken = earlier(out.LastFetch, s.LastFetch), earlier(out.StateTaken, s.StateTaken)
	}
	return []ShardStatus{out}
}

// earlier is the earlier of two times, of which the zero time is none.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
