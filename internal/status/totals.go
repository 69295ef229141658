package status

import (
	"cmp"

	"kinesis-alerter/checkpoint"
)

// unwatched is how late a heartbeat may be seen here, in seconds, with more workers than watch each other closely: the
// lease table is scanned every ten seconds.
const unwatched = 10

// hasGoneSilent reports whether a worker that counts as live has missed a heartbeat. Nobody knows whether it still
// reads its shards, and what it said last is not of now.
func (st *Status) hasGoneSilent(w *FleetWorker) bool {
	late := st.Worker.LeaseSeconds / 2
	if len(st.Workers) > 3 {
		late += unwatched
	}
	return !w.Self && w.State == workerLive && late > 0 && w.Silent >= late
}

// silentOwners are the ids of the workers that have gone silent.
func (st *Status) silentOwners() map[string]bool {
	ids := map[string]bool{}
	for i := range st.Workers {
		if w := &st.Workers[i]; st.hasGoneSilent(w) {
			ids[w.ID] = true
		}
	}
	return ids
}

// TotalsOf adds up what is known of all workers.
func TotalsOf(st *Status) FleetTotals {
	t := FleetTotals{Versions: map[string]int{}}
	readers, silent := map[string]bool{}, st.silentOwners()
	for i := range st.Shards {
		s := &st.Shards[i]
		if over(s) {
			continue
		}
		t.Open++
		switch {
		case s.State == string(checkpoint.ShardForeign) && silent[s.Owner]:
			t.Silent++
		case s.State == string(checkpoint.ShardHeld) || s.State == string(checkpoint.ShardForeign):
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
	for i := range st.Workers {
		w := &st.Workers[i]
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
		if silent[w.ID] || w.Records == nil || w.Alerts == nil || w.Lag == nil {
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
