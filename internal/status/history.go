package status

import (
	"context"
	"math"
	"sync"
	"time"
)

const (
	// HistoryEvery is how often the throughput is sampled.
	HistoryEvery = 5 * time.Second
	// HistoryLength is how many samples are kept: 15 minutes.
	HistoryLength = 180
)

// Totals are counts that only grow, and the lag of now.
type Totals struct {
	Records, Alerts uint64
	Events          Recent // since the process started
	// Lag is the greatest of the shards that are read, in seconds; NaN while none is.
	Lag float64
	// Fleet is of all workers: records and alerts a second, and the greatest lag.
	Fleet FleetTotals
}

// sample is what happened in an interval, here and in all workers: records and alerts a second, and the lag at its end.
type sample struct{ here, fleet figures }

type figures struct{ records, alerts, lag float64 }

// Recorder keeps what a process did in its last 15 minutes. One goroutine runs it; reading it is safe for all.
type Recorder struct {
	mu   sync.Mutex
	last Totals
	at   time.Time // of last; zero before the first sample
	ring [HistoryLength]sample
	n    int // samples ever
	// events are the counts since the process started, of the last 15 minutes; the oldest is at turn.
	events [HistoryLength]Recent
	turn   int
}

// Run samples until ctx is done. count returns the totals, and false while there is nothing to count.
func (h *Recorder) Run(ctx context.Context, count func(now time.Time) (Totals, bool)) error {
	ticker := time.NewTicker(HistoryEvery)
	defer ticker.Stop()
	for {
		if t, ok := count(time.Now()); ok {
			h.note(time.Now(), t)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}

// note takes a sample. What was counted before the first one is not known to belong to any interval.
func (h *Recorder) note(now time.Time, t Totals) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if seconds := now.Sub(h.at).Seconds(); !h.at.IsZero() && seconds > 0 {
		rate := func(now, before uint64) float64 {
			return math.Round(float64(now-min(now, before))/seconds*1000) / 1000
		}
		h.ring[h.n%HistoryLength] = sample{
			figures{rate(t.Records, h.last.Records), rate(t.Alerts, h.last.Alerts), t.Lag},
			figures{t.Fleet.Records, t.Fleet.Alerts, t.Fleet.Lag},
		}
		h.n++
	}
	h.last, h.at = t, now
	h.events[h.turn] = t.Events
	h.turn = (h.turn + 1) % HistoryLength
}

// Recent are the events of the last 15 minutes, of all since the process started.
func (h *Recorder) Recent(all Recent) Recent {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.events[h.turn] // zero in a young process
	out := Recent{
		Window: HistoryLength * HistoryEvery.Seconds(),
		Missed: all.Missed - before.Missed, Skipped: all.Skipped - before.Skipped,
		GivenUp: all.GivenUp - before.GivenUp,
		Letters: all.Letters - before.Letters, InvalidLetters: all.InvalidLetters - before.InvalidLetters,
		Panics: all.Panics - before.Panics, StateGaps: all.StateGaps - before.StateGaps,
		Resolved: all.Resolved - before.Resolved, Unreadable: all.Unreadable - before.Unreadable,
		Untimed: all.Untimed - before.Untimed, FilterOverBudget: all.FilterOverBudget - before.FilterOverBudget,
	}
	out.UnreadableAs = since(all.UnreadableAs, before.UnreadableAs)
	if out.Inputs = since(all.Inputs, before.Inputs); out.Inputs == nil {
		out.Inputs = all.Inputs // few are looked at
	}
	out.OverBudget = since(all.OverBudget, before.OverBudget)
	out.SilencesOverBudget = since(all.SilencesOverBudget, before.SilencesOverBudget)
	out.TemplateFailures = since(all.TemplateFailures, before.TemplateFailures)
	out.Evicted = since(all.Evicted, before.Evicted)
	out.EvictedActive = since(all.EvictedActive, before.EvictedActive)
	return out
}

// since is what was counted since before; nil for nothing. A count can begin again.
func since[K comparable](now, before map[K]uint64) map[K]uint64 {
	var out map[K]uint64
	for k, n := range now {
		if n -= min(n, before[k]); n > 0 {
			if out == nil {
				out = make(map[K]uint64)
			}
			out[k] = n
		}
	}
	return out
}

// Status returns the figures, the oldest first.
func (h *Recorder) Status() History {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := min(h.n, HistoryLength)
	out := History{Interval: HistoryEvery.Seconds()}
	out.Records, out.Alerts, out.Lag = h.curves(n, func(s sample) figures { return s.here })
	out.Fleet.Records, out.Fleet.Alerts, out.Fleet.Lag = h.curves(n, func(s sample) figures { return s.fleet })
	return out
}

// curves are the last n samples of some figures.
func (h *Recorder) curves(n int, of func(sample) figures) (records, alerts []float64, lag []*float64) {
	records, alerts, lag = make([]float64, n), make([]float64, n), make([]*float64, n)
	for i := range n {
		x := of(h.ring[(h.n-n+i)%HistoryLength])
		records[i], alerts[i] = x.records, x.alerts
		if !math.IsNaN(x.lag) {
			lag[i] = &x.lag
		}
	}
	return records, alerts, lag
}

// Latest are the records and alerts a second of the last sample; ok is false before there is one.
func (h *Recorder) Latest() (records, alerts float64, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.n == 0 {
		return 0, 0, false
	}
	x := h.ring[(h.n-1)%HistoryLength].here
	return x.records, x.alerts, true
}
