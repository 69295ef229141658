package status

import (
	"context"
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/config"
)

func TestStatusSummary(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	well := func() Status {
		return Status{
			At:      at,
			Process: Process{State: "running"},
			Worker: Worker{
				ID:           "a/1",
				Heartbeat:    Moment(at.Add(-time.Second)),
				TrustedUntil: Moment(at.Add(8 * time.Second)),
				LeaseSeconds: 10,
			},
			Fleet: Fleet{
				Shards: []Shard{
					{
						ID: "shardId-000000000000", State: "held",
						Reading: &Reading{Phase: "reading", Lag: 0.2, LastFetch: Moment(at)},
					},
					{ID: "shardId-000000000001", State: "foreign"},
				},
				ShardCounts: map[string]int{"held": 1, "foreign": 1},
				Workers: []FleetWorker{
					{ID: "a/1", Self: true, State: "live", Shards: 1},
					{ID: "b/2", State: "live", Shards: 1},
				},
			},
		}
	}
	for name, c := range map[string]struct {
		change  func(*Status)
		level   Level
		summary string
	}{
		"well": {
			func(*Status) {}, LevelOK,
			"This worker is well: 1 shard is read here, lag 0.2 s; the fleet: 2 workers, all 2 shards read.",
		},
		"alone": {
			func(s *Status) { s.Shards, s.Workers = s.Shards[:1], s.Workers[:1] }, LevelOK,
			"All is well: 1 shard is read here, lag 0.2 s.",
		},
		"behind a parent": {func(s *Status) {
			s.Shards = append(s.Shards, Shard{ID: "shardId-000000000002", State: "blocked"})
		}, LevelOK, "This worker is well: 1 shard is read here, lag 0.2 s; the fleet: 2 workers, all 2 shards " +
			"read, 1 more behind a parent."},
		"idle": {
			func(s *Status) { s.Shards[0] = s.Shards[1] }, LevelOK,
			"This worker is well: it reads no shard and is ready to take over; " +
				"the fleet: 2 workers, all 2 shards read.",
		},
		"starting": {func(s *Status) {
			s.State, s.WaitingFor, s.WaitingSince = "starting", "the stream x in Kinesis", Moment(
				at.Add(-2*time.Second),
			)
		}, LevelInfo, "Starting; waits for the stream x in Kinesis, for 2.0 s so far."},
		"waiting": {func(s *Status) {
			s.State, s.WaitingFor, s.WaitingSince = "starting", "the stream x in Kinesis", Moment(
				at.Add(-3*time.Minute),
			)
		}, LevelWarning, "Starting; waits for the stream x in Kinesis, for 3 m so far."},
		"stopping": {
			func(s *Status) { s.State = "stopping" }, LevelInfo,
			"The daemon is stopping: it drains its shards and hands them over.",
		},
		"paused": {
			func(s *Status) { s.ShardCounts["paused"] = 2 }, LevelWarning, "2 shards are paused by an operator.",
		},
		"paused for long": {func(s *Status) {
			s.ShardCounts["paused"], s.Stream.Retention = 1, 86400
			s.Shards[1].State, s.Shards[1].CaughtUp = "paused", Moment(at.Add(-13*time.Hour))
		}, LevelCritical, "1 shard is paused by an operator, the first of them finished up to 13 h ago, which is " +
			"more than half of the stream's retention."},
		"a reload of a part": {
			func(s *Status) {
				s.Reload = &Reload{
					At: at.Add(-2 * time.Hour), OK: true,
					Changes: []string{"rule a changed", "processing" + config.RestartNeeded},
				}
			}, LevelInfo,
			"This worker is well; processing in the file differs from the configuration that runs, since a reload 2 " +
				"h ago.",
		},
		"unread": {func(s *Status) {
			s.Shards[1] = Shard{
				ID: "shardId-000000000001", State: "unread", UnreadSince: Moment(at.Add(-25 * time.Second)),
			}
		}, LevelCritical, "1 shard has had no reader for 25 s: shardId-000000000001."},
		"just released": {func(s *Status) {
			s.Shards[1] = Shard{
				ID: "shardId-000000000001", State: "unread", UnreadSince: Moment(at.Add(-5 * time.Second)),
			}
		}, LevelInfo, "1 shard waits for an owner."},
		"an owner fell silent": {func(s *Status) {
			for i := range s.Shards {
				s.Shards[i] = Shard{
					ID: s.Shards[i].ID, State: "unread", Owner: "b/2", UnreadSince: Moment(at.Add(-3 * time.Second)),
				}
			}
			s.Workers = []FleetWorker{
				{ID: "a/1", Self: true, State: "live"}, {ID: "b/2", State: "fenced", Silent: 14, Shards: 2},
			}
		}, LevelInfo, "2 shards wait for an owner; worker b/2 has been silent for 14 s."},
		"owners fell silent long ago": {func(s *Status) {
			for i, owner := range []string{"b/2", "c/3"} {
				s.Shards[i] = Shard{
					ID: s.Shards[i].ID, State: "unread", Owner: owner, UnreadSince: Moment(at.Add(-40 * time.Second)),
				}
			}
			s.Workers = []FleetWorker{
				{ID: "a/1", Self: true, State: "live"},
				{ID: "b/2", State: "fenced", Silent: 54, Shards: 1},
				{ID: "c/3", State: "live", Silent: 52, Shards: 1},
			}
		}, LevelCritical, "2 shards have had no reader for 40 s: shardId-000000000000, shardId-000000000001; " +
			"worker b/2 has been silent for 54 s, and 1 other."},
		"an owner was not heard of": {func(s *Status) {
			s.Shards[0] = s.Shards[1]
			s.Workers = []FleetWorker{{ID: "b/2", State: "live", Silent: 16, Shards: 2}}
		}, LevelInfo, "Worker b/2 has been silent for 16 s, it holds 2 shards."},
		"an owner fell silent before this process began": {func(s *Status) {
			s.Workers[1].Silent = 60
		}, LevelWarning, "Worker b/2 has been silent for 1 m, it holds 1 shard."},
		"about to read": {
			func(s *Status) { s.Shards[0].Reading = nil }, LevelOK,
			"This worker is well: 1 shard is about to be read here; the fleet: 2 workers, 1 of 2 shards read.",
		},
		"not joined": {func(s *Status) {
			s.Shards[0], s.Worker.TrustedUntil = s.Shards[1], nil
		}, LevelOK, "This worker is well: it is joining the fleet."},
		"nothing to read": {func(s *Status) {
			s.Shards = []Shard{{ID: "a", State: "ended"}, {ID: "b", State: "paused"}, {ID: "c", State: "blocked"}}
		}, LevelOK, "This worker is well: no shard is to be read now."},
		"too late": {
			func(s *Status) { s.Shards[0].Reading.Lag, s.Stream.Retention = 13*3600, 86400 }, LevelCritical,
			"Lag 13 h on shardId-000000000000, which is more than half of the stream's retention.",
		},
		"too late for a pager": {
			func(s *Status) { s.Shards[0].Reading.Lag = 301 }, LevelCritical, "Lag 5 m 1 s on shardId-000000000000.",
		},
		"late": {
			func(s *Status) { s.Shards[0].Reading.Lag = 200 }, LevelWarning, "Lag 3 m 20 s on shardId-000000000000.",
		},
		"no trust": {
			func(s *Status) {
				s.Worker.TrustedUntil, s.Worker.Heartbeat = nil, Moment(at.Add(-40*time.Second))
			}, LevelCritical,
			"DynamoDB: no success for 40 s, trust in the leases has ended: nothing is read or published.",
		},
		"less trust": {
			func(s *Status) {
				s.Worker.TrustedUntil, s.Worker.Heartbeat, s.Worker.Failure = Moment(at.Add(3*time.Second)), Moment(
					at.Add(-6*time.Second),
				), "AccessDeniedException"
			}, LevelWarning,
			"DynamoDB: no success for 6.0 s (AccessDeniedException), trust in the leases ends in 3.0 s.",
		},
		"no Kinesis": {
			func(s *Status) {
				s.Shards[0].Reading.LastFetch, s.Shards[0].Reading.ReadError = Moment(
					at.Add(-42*time.Second),
				), "timeout"
			}, LevelWarning,
			"Kinesis: no success for 42 s for 1 shard (no answer): shardId-000000000000.",
		},
		"never an answer": {
			func(s *Status) {
				s.Shards[0].Reading.LastFetch, s.Shards[0].Reading.ReadError = nil, "AccessDeniedException"
				s.Shards[0].Reading.Since = Moment(at.Add(-4 * time.Minute))
				s.Shards[0].Reading.Lag = 240
			}, LevelCritical,
			"Kinesis: no success for 4 m for 1 shard (AccessDeniedException): shardId-000000000000.",
		},
		"no memory": {
			func(s *Status) {
				s.Shards[0].Reading.LastFetch, s.Shards[0].Reading.WaitsFor = Moment(at.Add(-42*time.Second)), "memory"
				s.Shards[0].Reading.ReadError = "timeout" // before
				s.Topics = []Topic{
					{Name: "oncall", Waiting: 900, Failures: 3, FailingSince: Moment(at.Add(-50 * time.Second))},
				}
			}, LevelWarning,
			"Topic oncall: SNS has failed for 50 s, 900 alerts wait. And 1 more problem.",
		},
		"a wait for the state": {
			func(s *Status) {
				r := s.Shards[0].Reading
				r.LastFetch, r.WaitsFor, r.Since = nil, "state", Moment(at.Add(-42*time.Second))
			}, LevelWarning,
			"1 shard waits for the state in DynamoDB, for 42 s so far: shardId-000000000000.",
		},
		"a checkpoint that is not stored": {
			func(s *Status) { s.Shards[0].Reading.Checkpoint = Moment(at.Add(-6 * time.Minute)) }, LevelCritical,
			"The checkpoint of 1 shard has not been stored for 6 m: shardId-000000000000.",
		},
		"a checkpoint that lag holds": {
			func(s *Status) {
				s.Shards[0].Reading.Checkpoint, s.Shards[0].Reading.Lag = Moment(at.Add(-6*time.Minute)), 200
			}, LevelWarning, "Lag 3 m 20 s on shardId-000000000000.",
		},
		"a state that is not saved": {
			func(s *Status) { s.Shards[0].Reading.StateFailing = Moment(at.Add(-6 * time.Minute)) }, LevelWarning,
			"The state of 1 shard has not been saved for 6 m: shardId-000000000000.",
		},
		"a state that is too large": {
			func(s *Status) {
				s.Shards[0].Reading.StateFailing, s.Shards[0].Reading.StateTooLarge = Moment(at), "score ANOMALY_SCORE"
			}, LevelCritical,
			"The state of shard shardId-000000000000 is too large to be saved, most of it is of score ANOMALY_SCORE.",
		},
		"missed": {
			func(s *Status) { s.Recent = Recent{Window: 900, Missed: 2} }, LevelCritical,
			"Records may have been missed in the last 15 m: 2 checkpoints had left the stream.",
		},
		"given up": {
			func(s *Status) { s.Recent = Recent{Window: 900, GivenUp: 3} }, LevelCritical,
			"Alerts dropped in the last 15 m: 3 alerts given up at the limits of attempts or age.",
		},
		"skipped": {
			func(s *Status) { s.Recent = Recent{Window: 900, Skipped: 1} }, LevelWarning,
			"Alerts dropped in the last 15 m: 1 alert rejected by SNS and skipped as configured.",
		},
		"dead letters": {
			func(s *Status) { s.Recent = Recent{Window: 900, Letters: 2} }, LevelWarning,
			"Alerts became dead letters in the last 15 m: 2 letters.",
		},
		"dead letters of invalid records": {
			func(s *Status) { s.Recent = Recent{Window: 900, InvalidLetters: 2} }, LevelInfo,
			"This worker is well; records that cannot be read became dead letters in the last 15 m: 2 letters.",
		},
		"panics": {
			func(s *Status) { s.Recent = Recent{Window: 900, Panics: 1} }, LevelWarning,
			"1 panic recovered from in the last 15 m.",
		},
		"state lost": {
			func(s *Status) { s.Recent = Recent{Window: 900, StateGaps: 1} }, LevelWarning,
			"Evaluation continued without its state in the last 15 m, on 1 shard.",
		},
		"held keys": {
			func(s *Status) {
				s.Shards = nil
				for i := range 5 {
					s.Shards = append(
						s.Shards, Shard{ID: fmt.Sprint("s", i), State: "held", Reading: &Reading{HeldKeys: 2}},
					)
				}
			}, LevelCritical, "10 partition keys are held, because SNS will never accept an alert: s0, s1, s2, ….",
		},
		"lag with a cause": {
			func(s *Status) {
				s.Shards[0].Reading.Lag = 200
				s.Topics = []Topic{
					{Name: "oncall", Failures: 3, FailingSince: Moment(at.Add(-50 * time.Second)), Waiting: 2},
				}
			}, LevelWarning, "Topic oncall: SNS has failed for 50 s, 2 alerts wait.",
		},
		"lag with no cause": {
			func(s *Status) {
				s.Shards[0].Reading.Lag = 200
				s.Reload = &Reload{At: at.Add(-time.Minute)}
			}, LevelWarning, "Lag 3 m 20 s on shardId-000000000000. And 1 more problem.",
		},
		"two things": {func(s *Status) {
			s.Shards[0].Reading.Lag = 61
			s.Topics = []Topic{{Name: "oncall", Fault: "not_authorized", Waiting: 34}}
			s.ShardCounts["paused"] = 1
		}, LevelCritical, "Topic oncall: access denied, 34 alerts wait. And 1 more problem."},
	} {
		s := well()
		c.change(&s)
		s.Problems = Problems(&s, false)
		level, text := Summary(&s)
		require.Equal(t, c.level, level, name)
		require.Equal(t, c.summary, text, name)
	}
}

func TestWords(t *testing.T) {
	t.Parallel()
	for want, d := range map[string]time.Duration{
		"0 s": 20 * time.Millisecond, "0.2 s": 230 * time.Millisecond, "9.9 s": 9940 * time.Millisecond,
		"10 s": 9960 * time.Millisecond, "59 s": 59 * time.Second,
		"1 m": 60 * time.Second, "3 m 20 s": 200 * time.Second,
		"2 h 5 m": 2*time.Hour + 5*time.Minute + 3*time.Second, "3 d 4 h": 76 * time.Hour,
	} {
		require.Equal(t, want, words(d))
	}
	require.Equal(
		t, []string{"0", "999", "1,000", "1,234,567"},
		[]string{grouped(0), grouped(999), grouped(1000), grouped(1234567)},
	)
}

// The ring keeps 15 minutes, and one goroutine feeds it until its context is done.
func TestHistory(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var h Recorder
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		began := time.Now()
		go func() {
			done <- h.Run(ctx, func(now time.Time) (Totals, bool) {
				s := uint64(now.Sub(began).Seconds())
				return Totals{
					Records: 100 * s, Alerts: s, Lag: math.NaN(), Fleet: FleetTotals{Records: 300, Alerts: 2, Lag: 0.5},
				}, true
			})
		}()
		time.Sleep(61 * time.Second)
		require.Equal(
			t,
			History{
				Interval: 5, Records: slices.Repeat([]float64{100}, 12), Alerts: slices.Repeat([]float64{1}, 12),
				Lag: make([]*float64, 12), Fleet: FleetHistory{
					Records: slices.Repeat([]float64{300}, 12), Alerts: slices.Repeat([]float64{2}, 12),
					Lag: slices.Repeat([]*float64{new(0.5)}, 12),
				},
			},
			h.Status(),
		)
		time.Sleep(time.Hour)
		require.Len(t, h.Status().Records, HistoryLength)
		events := Recent{Panics: 2, Missed: 1}
		require.Equal(t, Recent{Window: 900, Panics: 2, Missed: 1}, h.Recent(events), "before the next sample")
		stop()
		require.NoError(t, <-done)
	})
}

// Events of a process are shown for 15 minutes.
func TestHistoryForgets(t *testing.T) {
	t.Parallel()
	var h Recorder
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	events := Recent{Skipped: 3}
	for i := range 3 * HistoryLength {
		if i == HistoryLength {
			events.Skipped += 2
		}
		h.note(at.Add(time.Duration(i)*HistoryEvery), Totals{Events: events})
		want := uint64(3) // before the first sample, and since the start all the same
		switch {
		case i >= 2*HistoryLength-1:
			want = 0
		case i >= HistoryLength:
			want = 2
		case i == HistoryLength-1:
			want = 0
		}
		require.Equal(t, want, h.Recent(events).Skipped, i)
	}
}

// A code stands once in the catalog, and what explains a problem is in it too.
func TestCatalogOfProblems(t *testing.T) {
	t.Parallel()
	codes := ProblemSubjects()
	n := 0
	for _, s := range catalog() {
		for _, k := range s.kinds {
			n++
			for _, cause := range k.symptomOf {
				require.Contains(t, codes, cause, k.code)
			}
		}
	}
	require.Len(t, codes, n, "one code is declared twice")
}

// What explains a problem hides it, of the same object only; what has a cause of its own stays.
func TestSymptomsAreHidden(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	failing := Topic{Waiting: 1, Failures: 9, FailingSince: Moment(at.Add(-time.Minute)), Digesting: true}
	held, refused := failing, failing
	failing.Name = "failing"
	held.Name, held.Fault = "held", "not_authorized"
	refused.Name, refused.Failing = "refused", "credentials"
	st := Status{
		At:       at,
		Process:  Process{State: "running"},
		Fleet:    Fleet{Shards: []Shard{{ID: "a", State: "unread", UnreadSince: Moment(at.Add(-time.Minute))}}},
		Delivery: Delivery{Topics: []Topic{failing, held, refused}},
	}
	shown := func() (codes []string) {
		for _, p := range Problems(&st, false) {
			codes = append(codes, p.Code+" "+p.Object)
		}
		return codes
	}
	require.Equal(
		t, []string{"topic_held held", "shards_unread ", "topic_failing failing", "topic_failing refused"}, shown(),
	)
	st.Credentials.Refused = []refusal{
		{Service: "SNS", Code: "ExpiredTokenException", Since: at.Add(-10 * time.Second)},
	}
	require.Equal(
		t, []string{"credentials_refused ", "topic_held held", "shards_unread ", "topic_failing failing"}, shown(),
	)
}
