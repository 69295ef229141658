package demo

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// figures are what the demo shows of the daemon's metrics: it looks where any operator would.
type figures struct {
	outcomes    map[string]int64
	alerts      int64
	checkpoints int64
	lag         float64 // seconds, of the shard that is furthest behind
}

func (d *demo) figures() figures {
	f := figures{outcomes: map[string]int64{}}
	families, err := d.registry.Gather()
	if err != nil {
		return f
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			labels := map[string]string{}
			for _, l := range m.GetLabel() {
				labels[l.GetName()] = l.GetValue()
			}
			switch family.GetName() {
			case "kinesis_alerter_records_total":
				f.outcomes[labels["outcome"]] += int64(m.GetCounter().GetValue())
			case "kinesis_alerter_alerts_published_total":
				f.alerts += int64(m.GetCounter().GetValue())
			case "kinesis_alerter_checkpoints_total":
				if labels["result"] == "ok" {
					f.checkpoints += int64(m.GetCounter().GetValue())
				}
			case "kinesis_alerter_shard_lag_seconds":
				f.lag = max(f.lag, m.GetGauge().GetValue())
			}
		}
	}
	return f
}

// resolved is how many records have an outcome.
func (f figures) resolved() int64 {
	sum := int64(0)
	for _, n := range f.outcomes {
		sum += n
	}
	return sum
}

// outcomeList names the outcomes that occurred.
func (f figures) outcomeList() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(f.outcomes)) {
		if n := f.outcomes[name]; n > 0 {
			parts = append(parts, fmt.Sprintf("%s %d", name, n))
		}
	}
	if len(parts) == 0 {
		return "none yet"
	}
	return strings.Join(parts, ", ")
}

// meter turns growing counts into a rate.
type meter struct {
	at       time.Time
	resolved int64
	rate     float64
}

// line is the progress line.
func (m *meter) line(now time.Time, put int64, f figures) string {
	if since := now.Sub(m.at); since >= time.Second {
		m.rate = float64(f.resolved()-m.resolved) / since.Seconds()
		m.at, m.resolved = now, f.resolved()
	}
	return fmt.Sprintf("%.0f records/s | lag %.1f s | put %d | %s | alerts %d", m.rate, f.lag, put, f.outcomeList(),
		f.alerts)
}

// logTap reads the daemon's log: it takes the latency of every published alert from the audit lines and shows warnings
// and errors. It is safe for concurrent use.
type logTap struct {
	all  io.Writer // gets everything, when set
	warn func(text string)

	mu        sync.Mutex
	latencies []time.Duration
}

// Write implements io.Writer. The logger hands over whole lines.
func (t *logTap) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		var entry struct{ Level, Logger, Msg, Error, Latency string }
		if err := json.Unmarshal(line, &entry); err != nil {
			continue
		}
		switch {
		case entry.Logger == "audit":
			if latency, err := time.ParseDuration(entry.Latency); err == nil {
				t.mu.Lock()
				t.latencies = append(t.latencies, latency)
				t.mu.Unlock()
			}
		case entry.Level == "warn" || entry.Level == "error":
			t.warn(strings.TrimSuffix(fmt.Sprintf("%s: %s: %s", entry.Level, entry.Msg, entry.Error), ": "))
		}
	}
	if t.all != nil {
		return t.all.Write(p)
	}
	return len(p), nil
}

// latency is a quantile of the latencies, 0 without any.
func (t *logTap) latency(quantile float64) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.latencies) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(t.latencies))
	return sorted[min(len(sorted)-1, int(quantile*float64(len(sorted))))]
}
