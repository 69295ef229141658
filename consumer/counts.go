package consumer

import (
	"kinesis-alerter/alert"
	"kinesis-alerter/internal/counts"
)

// Counts are what happened to the alerts and shards of a Consumer since the process started, as its metrics count it.
type Counts struct {
	// Skipped are the alerts that were dropped, by reason; every reason is there.
	Skipped map[alert.Reason]uint64
	// Panics are those that were recovered while records were ingested.
	Panics uint64
	// StateGaps are shards whose evaluation continued without its memory, or a part of it.
	StateGaps uint64
	// Untimed are records with impossible arrival times.
	Untimed uint64
}

// Counts reads the counters of the metrics. Safe for concurrent use.
func (c *Consumer) Counts() Counts {
	out := Counts{
		Skipped: make(map[alert.Reason]uint64, len(c.metrics.skipped)), Panics: counts.Of(c.metrics.panics),
		Untimed: counts.Of(c.metrics.read.Untimed),
	}
	for reason, n := range c.metrics.skipped {
		out.Skipped[reason] = counts.Of(n)
	}
	for _, n := range counts.By(c.metrics.stateGaps, "reason") {
		out.StateGaps += n
	}
	return out
}
