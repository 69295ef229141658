package delivery

import (
	"github.com/prometheus/client_golang/prometheus"

	"kinesis-alerter/alert"
)

// Faults are the gauges of the reasons for which a destination can be held: 1 while it is. The map is complete and
// never changes, so it is read without a lock.
type Faults map[alert.Reason]prometheus.Gauge

// Move turns the gauge of one reason off and that of another one on; empty is none.
func (f Faults) Move(from, to alert.Reason) {
	if g := f[from]; g != nil {
		g.Set(0)
	}
	if g := f[to]; g != nil {
		g.Set(1)
	}
}
