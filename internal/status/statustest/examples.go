package statustest

import (
	"fmt"
	"maps"
	"time"

	"kinesis-alerter/alert/payload"
	"kinesis-alerter/internal/status"
)

// ManyShards is the status of a worker that reads half of many shards, each the child of one that ended.
func ManyShards(n int) status.Status {
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	s := status.Status{
		At: at,
		Process: status.Process{
			State:   "running",
			Started: at.Add(-26 * time.Hour),
			Uptime:  26 * 3600,
			Build:   status.Build{Version: "1.0.0", Revision: "0123456789ab", GoVersion: "go1.26.8"},
		},
		Stream: status.Stream{
			Name:        "ExampleInputStream",
			Application: "heart-rate-alerts",
			Retention:   86400,
		},
		Fleet: status.Fleet{
			ShardCounts: map[string]int{},
			Workers: []status.FleetWorker{
				{
					ID:      "alerter-0/5e0f7a11",
					Version: "1.0.0",
					Self:    true,
					State:   "live",
					Shards:  (n + 1) / 2,
				},
				{
					ID:      "alerter-1/9c41bd02",
					Version: "1.0.0",
					State:   "live",
					Silent:  1.2,
					Shards:  n / 2,
				},
			},
		},
		Worker: status.Worker{
			ID:           "alerter-0/5e0f7a11",
			TrustedUntil: status.Moment(at.Add(8 * time.Second)),
			Heartbeat:    status.Moment(at.Add(-time.Second)),
			LeaseSeconds: 10,
		},
		Records: map[string]uint64{"alerted": 12, "unmatched": 3_204_118},
	}
	for i := range n {
		parent := fmt.Sprintf("shardId-%012d", i)
		s.Shards = append(s.Shards, status.Shard{ID: parent, State: "ended", Owner: "", Parents: []string{}})
		child := status.Shard{
			ID:             fmt.Sprintf("shardId-%012d", n+i),
			Parents:        []string{parent},
			State:          "foreign",
			Owner:          s.Workers[1].ID,
			CaughtUp:       status.Moment(at.Add(-3 * time.Second)),
			BytesPerSecond: 12_400,
		}
		if i%2 == 0 {
			child.State, child.Owner = "held", s.Workers[0].ID
			child.Reading = &status.Reading{
				Phase:      "reading",
				Lag:        float64(i%7) / 10,
				LastFetch:  status.Moment(at.Add(-120 * time.Millisecond)),
				Checkpoint: status.Moment(at.Add(-800 * time.Millisecond)),
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
	s.Shards = status.ByLineage(s.Shards)
	s.Totals = status.TotalsOf(&s)
	s.Problems = status.Problems(&s, false)
	s.Level, s.Summary = status.Summary(&s)
	return s
}

// ExampleStatus has something of everything, at a fixed time.
func ExampleStatus() status.Status {
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { return status.Moment(at.Add(-d)) }
	none := map[string]uint64{
		"dedup":       0,
		"firing":      0,
		"inhibited":   0,
		"silenced":    0,
		"quiet_hours": 0,
		"rate_limit":  0,
		"overdue":     0,
	}
	some := maps.Clone(none)
	some["dedup"], some["silenced"] = 310, 2
	s := status.Status{
		At: at,
		Process: status.Process{
			State:   "running",
			Started: at.Add(-200 * time.Second),
			Uptime:  200,
			Build:   status.Build{Version: "1.0.0", Revision: "0123456789ab", GoVersion: "go1.26.8"},
		},
		Stream: status.Stream{
			Name:        "ExampleInputStream",
			Application: "heart-rate-alerts",
			Retention:   86400,
		},
		Worker: status.Worker{
			ID:           "alerter-0/5e0f7a11",
			TrustedUntil: status.Moment(at.Add(3 * time.Second)),
			Heartbeat:    ago(6 * time.Second),
			Failure:      "InternalServerError",
			LeaseSeconds: 10,
		},
		Recent: status.Recent{
			Window:         900,
			Missed:         1,
			Skipped:        2,
			InvalidLetters: 3,
			Resolved:       40_000,
			Unreadable:     4000,
			UnreadableAs:   map[payload.Likely]uint64{payload.LikelyGzip: 3900, payload.LikelyText: 100},
			Inputs:         map[string]uint64{"cloudwatch_logs": 76, "": 2},
		},
		History: status.History{
			Interval: 5,
			Records:  []float64{96.2, 101.4, 110, 1240.5},
			Alerts:   []float64{0, 0.4, 8.2, 1.2},
			Lag:      numbers(0.2, 30, 120, 200),
			Fleet: status.FleetHistory{
				Records: []float64{196.2, 201.4, 220, 1340.5},
				Alerts:  []float64{0, 0.4, 8.7, 1.7},
				Lag:     numbers(0.2, 30, 120, 200),
			},
		},
		Records: map[string]uint64{
			"alerted":       120,
			"suppressed":    312,
			"unmatched":     41_204,
			"filtered":      0,
			"invalid":       1,
			"expired":       0,
			"dead_lettered": 3,
		},
		Fleet: status.Fleet{
			ShardCounts: map[string]int{
				"held":    2,
				"foreign": 1,
				"unread":  1,
				"blocked": 0,
				"paused":  1,
				"ended":   2,
				"skipped": 0,
			},
			Shards: status.ByLineage([]status.Shard{
				{
					ID:       "shardId-000000000000",
					Parents:  []string{},
					State:    "ended",
					CaughtUp: ago(time.Hour),
				},
				{
					ID:             "shardId-000000000001",
					Parents:        []string{},
					State:          "foreign",
					Owner:          "alerter-1/9c41bd02",
					BytesPerSecond: 812,
					CaughtUp:       ago(2 * time.Second),
				},
				{
					ID:          "shardId-000000000002",
					Parents:     []string{},
					State:       "unread",
					Owner:       "alerter-2/00000000",
					UnreadSince: ago(42 * time.Second),
				},
				{
					ID:      "shardId-000000000003",
					Parents: []string{"shardId-000000000009"},
					State:   "ended",
				},
				{
					ID:             "shardId-000000000004",
					Parents:        []string{"shardId-000000000000"},
					State:          "held",
					Owner:          "alerter-0/5e0f7a11",
					BytesPerSecond: 12_400,
					Reading: &status.Reading{
						Phase:      "reading",
						Lag:        200,
						Behind:     0,
						LastFetch:  ago(120 * time.Millisecond),
						Checkpoint: ago(199 * time.Second),
						Unresolved: 34,
						Gathered:   12,
						HeldKeys:   1,
					},
				},
				{
					ID:             "shardId-000000000005",
					Parents:        []string{"shardId-000000000000"},
					State:          "held",
					Owner:          "alerter-0/5e0f7a11",
					HandoffTarget:  "alerter-1/9c41bd02",
					BytesPerSecond: 2_100_000,
					CaughtUp:       ago(0),
					Reading: &status.Reading{
						Phase:        "draining",
						Lag:          0.21,
						Behind:       1.5,
						LastFetch:    ago(45 * time.Second),
						Checkpoint:   ago(800 * time.Millisecond),
						Since:        ago(100 * time.Second),
						WaitsFor:     "alerts",
						ReadError:    "timeout",
						StateFailing: ago(50 * time.Second),
					},
				},
				{
					ID:      "shardId-000000000006",
					Parents: []string{"shardId-000000000003"},
					State:   "paused",
				},
			}),
			Workers: []status.FleetWorker{
				{
					ID:      "alerter-0/5e0f7a11",
					Version: "1.0.0",
					Self:    true,
					State:   "live",
					Shards:  2,

					Configuration: "4f2a9c1e00000000000000000000000a",
					Records:       new(1240.5), Alerts: new(1.2), Lag: new(200.0),
				},
				{
					ID:      "alerter-1/9c41bd02",
					Version: "1.0.0",
					State:   "live",
					Silent:  1.2,
					Heard:   ago(1200 * time.Millisecond),
					Shards:  1,

					Configuration: "77c09b3d00000000000000000000000b",
					DiffersSince:  ago(20 * time.Second),
					Records:       new(100.0), Alerts: new(0.5), Lag: new(0.3),
				},
				{
					ID:     "alerter-2/00000000",
					State:  "fenced",
					Silent: 54,
					Heard:  ago(54 * time.Second),
					Shards: 1,
				},
			},
		},
		Rulebook: status.Rulebook{
			Rules: []status.Rule{
				{
					Name:       "high-heart-rate",
					Severity:   "critical",
					Topics:     []string{"oncall", "ward"},
					Mode:       "live",
					Judged:     41_640,
					Matched:    432,
					Undefined:  17,
					Published:  130,
					Kinds:      status.RuleAlerts{Firing: 120, Repeats: 4, Resolved: 6},
					InDigests:  57,
					Suppressed: some,
					Runbook:    "https://wiki.example.com/high-heart-rate",
				},
				{
					Name:       "new-threshold",
					Severity:   "warning",
					Topics:     []string{"ward"},
					Mode:       "shadow",
					Judged:     41_640,
					Matched:    12,
					Published:  9,
					Kinds:      status.RuleAlerts{Firing: 5, Resolved: 4},
					WouldBe:    true,
					Suppressed: none,
					Fields: []status.RuleField{
						{Field: "heartrate", Similar: "heartRate", Records: 41_204},
						{Field: "age", Wanted: "number", Has: "text", Records: 41_204},
						{Field: "ward", Records: 41_204},
					},
				},
				{
					Name: "error-rate", Severity: "warning", Topics: []string{"ward"}, Mode: "live",
					Judged: 41_640, Matched: 52, Needs: "the avg of 5m", Suppressed: none,
				},
				{
					Name: "other-records", Severity: "warning", Topics: []string{"ward"}, Mode: "live",
					Judged: 41_640, Undefined: 41_640, Suppressed: none,
				},
				{
					Name: "too-hot", Severity: "critical", Topics: []string{"oncall"}, Mode: "live",
					Judged: 41_640, Suppressed: none, Runbook: "https://wiki.example.com/{{.Key}}",
				},
			},
			Filter: &status.Filter{Dropped: 12_000, DroppingSince: ago(2 * time.Hour)},
			Silences: []status.Silence{
				{
					Name:  "holidays",
					All:   true,
					Until: status.Moment(at.Add(90 * 24 * time.Hour)),
					Muted: 4210,
				},
			},
		},
		Delivery: status.Delivery{
			Alerts: []status.Alert{
				{
					ID:        "4f1c0a9be2d35577aa",
					Kind:      "firing",
					Rule:      "high-heart-rate",
					Severity:  "critical",
					Topic:     "ward",
					Key:       "pat…042",
					Alerts:    1,
					Value:     new(187.0),
					Runbook:   "https://wiki.example.com/high-heart-rate",
					Shard:     "shardId-000000000004",
					Sequence:  "49669800000000000000000000000000000000000000000000000042",
					Occurred:  *ago(1350 * time.Millisecond),
					Accepted:  *ago(time.Second),
					MessageID: "m-2",
				},
				{
					ID:        "77ab3f00c1d2e3f401",
					Kind:      "digest",
					Topic:     "ward",
					Alerts:    57,
					Occurred:  *ago(70 * time.Second),
					Accepted:  *ago(40 * time.Second),
					MessageID: "m-1",
				},
			},
			Topics: []status.Topic{
				{
					Name:         "oncall",
					Rate:         8,
					Share:        4,
					LastAccepted: ago(200 * time.Second),
					Waiting:      34,
					Fault:        "not_authorized",
					Remedy:       "allow sns:Publish on the topic",
					Failures:     5,
					FailingSince: ago(190 * time.Second),
					Error:        "AuthorizationError: not authorized to perform SNS:Publish",
				},
				{
					Name:           "pager",
					FIFO:           true,
					SentLastMinute: 0,
					Waiting:        1,
					Failures:       4,
					FailingSince:   ago(9 * time.Second),
				},
				{
					Name:           "ward",
					Rate:           8,
					Share:          4,
					SentLastMinute: 61,
					LastAccepted:   ago(time.Second),
					Gathered:       12,
					Digesting:      true,
				},
			},
			Outputs: []status.Output{
				{
					Name:              "archive",
					Stream:            "arn:aws:kinesis:us-east-1:000000000000:stream/ExampleArchive",
					WrittenLastMinute: 74_430,
					LastWritten:       ago(40 * time.Millisecond),
					Waiting:           62,
					Oldest:            ago(20 * time.Millisecond),
					Bytes:             41_000,
					MaxBytes:          16 << 20,
				},
				{
					Name:         "scored",
					Stream:       "ExampleOutputStream",
					LastWritten:  ago(190 * time.Second),
					Waiting:      31_204,
					Oldest:       ago(190 * time.Second),
					Bytes:        9 << 20,
					MaxBytes:     16 << 20,
					Fault:        "stream_not_found",
					Remedy:       "create the output stream, or correct its name or ARN and AWS_REGION",
					Failures:     8,
					FailingSince: ago(190 * time.Second),
					Failing:      "stream_not_found",
					Error:        "ResourceNotFoundException: Stream ExampleOutputStream not found",
				},
			},
			DeadLetters: &status.DeadLetters{
				Kind:         "sqs",
				Sent:         3,
				Waiting:      1,
				Fault:        "not_authorized",
				Remedy:       "allow sqs:SendMessage on the queue",
				Failures:     2,
				FailingSince: ago(5 * time.Second),
			},
		},
		BadAnswers: []status.BadAnswers{
			{
				Service:   "SNS",
				Operation: "PublishBatch",
				What:      "an accepted entry has no MessageId",
				Since:     *ago(12 * time.Second),
				Of:        []string{"arn:aws:sns:us-east-1:000000000000:oncall"},
			},
		},
		Configured: status.Configured{
			Reload: &status.Reload{
				At:      *ago(65 * time.Second),
				Changes: []string{},
				Error:   "line 12: rules[0].when",
			},
			Configuration: "stream:\n  name: ${STREAM}\n",
		},
	}
	for i := range s.Rules {
		s.Rules[i].Standing = status.StandingOf(&s.Rules[i], "")
	}
	s.Alerts[0].Explain = status.ExplainCommand("/etc/kinesis-alerter.yaml", &s.Alerts[0], 0)
	s.Totals = status.TotalsOf(&s)
	s.Problems = status.Problems(&s, true)
	s.Level, s.Summary = status.Summary(&s)
	return s
}

func numbers(all ...float64) (out []*float64) {
	for i := range all {
		out = append(out, &all[i])
	}
	return out
}
