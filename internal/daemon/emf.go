package daemon

import (
	"context"
	"math"
	"time"

	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/consumer"
	"kinesis-alerter/internal/emf"
	"kinesis-alerter/internal/sleep"
	"kinesis-alerter/internal/status"
)

// readWithin is how recently Kinesis must have answered for a shard that counts as read. processing.poll_interval is a
// minute at most.
const readWithin = 2 * time.Minute

// metricLines prints the line of CloudWatch metrics: one for every minute of the service's clock, at its end.
type metricLines struct {
	meter  *emf.Meter
	sample func() emf.Sample
	now    func() time.Time
	write  func(line []byte)

	last time.Time // the minute of the last line
}

// Run prints until ctx is done, and then one line more for the minute that has begun. It may run again after a panic.
func (m *metricLines) Run(ctx context.Context) error {
	for {
		now := m.now()
		minute := m.after(now)
		done := !sleep.For(ctx, minute.Add(time.Minute).Sub(now))
		m.last = minute
		s := m.sample()
		m.write(m.meter.Line(minute, &s))
		if done {
			return ctx.Err()
		}
	}
}

// after is the minute of the next line. The clock is an estimate: a minute that it steps back into is not counted
// twice.
func (m *metricLines) after(now time.Time) time.Time {
	minute := now.Truncate(time.Minute)
	if next := m.last.Add(time.Minute); minute.Before(next) && next.Sub(minute) <= 2*time.Minute {
		return next
	}
	return minute
}

// metricSample is what the line says.
func (s *statusSource) metricSample() emf.Sample {
	seen := s.snapshot()
	out := emf.Sample{Lag: math.NaN(), Records: seen.Records, Problems: map[string]int{
		string(status.LevelCritical): 0, string(status.LevelWarning): 0, string(status.LevelInfo): 0,
	}}
	for i := range seen.Problems {
		out.Problems[string(seen.Problems[i].Level)]++
	}
	for i := range seen.Topics {
		if seen.Topics[i].Fault != "" {
			out.TopicFaults++
		}
	}
	if p := s.parts.Load(); p != nil {
		out.Lag, out.ShardsRead = readState(p.shards.Status(), time.Now())
		out.Alerts, out.AlertsByTopic = allAlerts(p.publisher.Tallies()), p.publisher.PublishedByTopic()
	}
	return out
}

// readState is the worst lag of some shards in seconds, NaN if none is known, and how many of them are read.
func readState(shards []consumer.ShardStatus, now time.Time) (lag float64, read int) {
	lag = math.NaN()
	for i := range shards {
		shard := &shards[i]
		if !shard.LastFetch.IsZero() && now.Sub(shard.LastFetch) <= readWithin {
			read++
		}
		if shard.Lag > 0 || !shard.LastFetch.IsZero() { // nothing rather than a comforting 0
			if l := seconds(shard.Lag); math.IsNaN(lag) || l > lag {
				lag = l
			}
		}
	}
	return lag, read
}

func allAlerts(tallies map[string]dispatch.Tally) (n uint64) {
	for _, t := range tallies {
		n += t.All()
	}
	return n
}
