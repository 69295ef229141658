package status

import (
	"cmp"

	"kinesis-alerter/checkpoint"
)

// TotalsOf adds up what is known of all workers.
func TotalsOf(f *Fleet) FleetTotals {
	t := FleetTotals{Versions: map[string]int{}}
	readers := map[string]bool{}
	for i := range f.Shards {
		s := &f.Shards[i]
		if over(s) {
			continue
		}
		t.Open++
		if s.State == string(checkpoint.ShardHeld) || s.State == string(checkpoint.ShardForeign) {
			t.Read++
			t.Bytes += s.BytesPerSecond
			readers[s.Owner] = true
		}
		if r := s.Reading; r != nil {
			t.Lag = max(t.Lag, r.Lag)
		}
	}
	t.Readers = len(readers)
	configurations := map[string]bool{}
	for i := range f.Workers {
		w := &f.Workers[i]
		if w.State == workerFenced {
			continue
		}
		if w.State == workerLive {
			t.Workers++
		}
		t.Versions[cmp.Or(w.Version, "unknown")]++
		if w.Configuration != "" {
			configurations[w.Configuration] = true
		}
		if w.Records == nil || w.Alerts == nil || w.Lag == nil {
			t.Unsaid++
			continue
		}
		t.Records, t.Alerts, t.Lag = t.Records+*w.Records, t.Alerts+*w.Alerts, max(t.Lag, *w.Lag)
	}
	t.Configurations = len(configurations)
	return t
}

// The states of a worker.
const (
	workerLive    = "live"
	workerLeaving = "leaving"
	workerFenced  = "fenced"
)
