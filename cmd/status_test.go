package cmd

import (
	"fmt"
	"time"
)

// manyShards is the status of a worker that reads half of many shards, each the child of one that ended.
func manyShards(n int) Status {
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	s := Status{
		At: at, State: "running", Started: at.Add(-26 * time.Hour), Uptime: 26 * 3600, Build: StatusBuild{"1.0.0", "0123456789ab", "go1.26.8"},
		Stream: StatusStream{"ExampleInputStream", "heart-rate-alerts"}, ShardCounts: map[string]int{},
		Worker: StatusWorker{ID: "alerter-0/5e0f7a11", TrustedUntil: moment(at.Add(8 * time.Second)), Heartbeat: moment(at.Add(-time.Second)), LeaseSeconds: 10},
		Workers: []StatusFleetWorker{
			{ID: "alerter-0/5e0f7a11", Version: "1.0.0", Self: true, State: "live", Shards: (n + 1) / 2},
			{ID: "alerter-1/9c41bd02", Version: "1.0.0", State: "live", Silent: 1.2, Shards: n / 2},
		},
		Records: map[string]uint64{"alerted": 12, "unmatched": 3_204_118},
	}
	for i := range n {
		parent := fmt.Sprintf("shardId-%012d", i)
		s.Shards = append(s.Shards, StatusShard{ID: parent, State: "ended", Owner: "", Parents: []string{}})
		child := StatusShard{
			ID: fmt.Sprintf("shardId-%012d", n+i), Parents: []string{parent}, State: "foreign", Owner: s.Workers[1].ID, CaughtUp: moment(at.Add(-3 * time.Second)),
			BytesPerSecond: 12_400,
		}
		if i%2 == 0 {
			child.State, child.Owner = "held", s.Workers[0].ID
			child.Reading = &StatusReading{
				Phase: "reading", Lag: float64(i%7) / 10, LastFetch: moment(at.Add(-120 * time.Millisecond)), Checkpoint: moment(at.Add(-800 * time.Millisecond)),
				Unresolved: i % 3,
			}
			if i == 40 {
				child.Reading.Lag = 200
			}
		}
		s.Shards = append(s.Shards, child)
		s.ShardCounts[child.State]++
		s.ShardCounts["ended"]++
	}
	s.Shards = byLineage(s.Shards)
	s.Problems = problems(&s, false)
	s.Level, s.Summary = summary(&s)
	return s
}
