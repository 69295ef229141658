// Package counts reads counters of Prometheus back, for the status page: what is counted once need not be counted
// twice, and the hot path pays nothing for being shown.
package counts

import (
	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Of returns the value of a counter.
func Of(c prometheus.Counter) uint64 {
	var m dto.Metric
	if err := c.Write(&m); err != nil {
		return 0 // unreachable: a counter can always be written
	}
	return uint64(m.GetCounter().GetValue())
}

// By are the values of a family of counters by one of its labels, summed up over the others.
func By(v *prometheus.CounterVec, label string) map[string]uint64 {
	series := make(chan prometheus.Metric)
	go func() {
		defer close(series)
		v.Collect(series)
	}()
	sums := map[string]uint64{}
	for c := range series {
		var m dto.Metric
		if err := c.Write(&m); err != nil {
			continue // unreachable, as above
		}
		for _, l := range m.GetLabel() {
			if l.GetName() == label {
				sums[l.GetValue()] += uint64(m.GetCounter().GetValue())
			}
		}
	}
	return sums
}
