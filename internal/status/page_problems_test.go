package status

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v4"
)

// Whoever is paged about one process and looks at its page finds the reason there.
func TestEveryPageHasAProblem(t *testing.T) {
	t.Parallel()
	const fleet = "it is about the fleet: a process that is not there shows nothing"
	const slow = "it looks back over hours at alerts that went out in the end; the page shows what makes them late " +
		"now, as topic, lag or digests"
	reading := func(change func(*Reading)) func(*Status) {
		return func(s *Status) { change(s.Shards[0].Reading) }
	}
	pages := map[string]struct {
		change func(*Status)
		want   string
		none   string // why there is no problem to find
	}{
		"KinesisAlerterDown":            {none: fleet},
		"KinesisAlerterProblemCritical": {none: "it is made of the problems"},
		"KinesisAlerterCrashLooping":    {none: fleet},
		"KinesisAlerterSLOBurnFast":     {none: slow}, "KinesisAlerterSLOBurnMedium": {none: slow},
		"KinesisAlerterNothingRead": {change: func(s *Status) {
			s.State, s.WaitingFor, s.WaitingSince = "starting", "the stream x in Kinesis", Moment(
				s.At.Add(-5*time.Minute),
			)
		}, want: "waits for the stream x in Kinesis"},
		"KinesisAlerterShardUnread": {change: func(s *Status) {
			s.Shards[0] = Shard{ID: "a", State: "unread", UnreadSince: Moment(s.At.Add(-3 * time.Minute))}
		}, want: "had no reader for 3 m"},
		"KinesisAlerterShardLagHigh": {change: reading(func(r *Reading) { r.Lag = 301 }), want: "lag 5 m 1 s"},
		"KinesisAlerterDataLossImminent": {
			change: reading(func(r *Reading) { r.Lag = 13 * 3600 }), want: "more than half of the stream's retention",
		},
		"KinesisAlerterRecordsMissed": {
			change: func(s *Status) { s.Recent.Missed = 1 }, want: "records may have been missed",
		},
		"KinesisAlerterCheckpointStuck": {change: func(s *Status) {
			s.Shards[0].Reading.Checkpoint = Moment(s.At.Add(-301 * time.Second))
		}, want: "the checkpoint of 1 shard has not been stored"},
		"KinesisAlerterTopicFault": {
			change: func(s *Status) { s.Topics = []Topic{{Name: "oncall", Fault: "not_authorized"}} },
			want:   "access denied",
		},
		"KinesisAlerterPublishFailing": {change: func(s *Status) {
			s.Topics = []Topic{
				{Name: "oncall", Waiting: 1, Failures: 9, FailingSince: Moment(s.At.Add(-3 * time.Minute))},
			}
		}, want: "SNS has failed for 3 m"},
		"KinesisAlerterOutputFault": {
			change: func(s *Status) { s.Outputs = []Output{{Name: "scored", Fault: "stream_not_found"}} },
			want:   "output scored: it does not exist",
		},
		"KinesisAlerterOutputFailing": {change: func(s *Status) {
			s.Outputs = []Output{
				{Name: "scored", Waiting: 1, Failures: 9, FailingSince: Moment(s.At.Add(-5 * time.Minute))},
			}
		}, want: "output scored: Kinesis has failed for 5 m"},
		"KinesisAlerterDeadLetterFault": {
			change: func(s *Status) { s.DeadLetters = &DeadLetters{Kind: "sqs", Fault: "not_authorized"} },
			want:   "dead letters: access denied",
		},
		"KinesisAlerterKeysHeld": {
			change: reading(func(r *Reading) { r.HeldKeys = 1 }), want: "1 partition key is held",
		},
	}
	text, err := os.ReadFile("../../deploy/prometheus/rules.yaml")
	require.NoError(t, err)
	var rules struct {
		Groups []struct {
			Rules []struct {
				Alert  string            `yaml:"alert"`
				Labels map[string]string `yaml:"labels"`
			} `yaml:"rules"`
		} `yaml:"groups"`
	}
	require.NoError(t, yaml.Unmarshal(text, &rules))
	seen := 0
	for _, g := range rules.Groups {
		for _, r := range g.Rules {
			if r.Labels["severity"] != "page" {
				continue
			}
			seen++
			page, known := pages[r.Alert]
			require.True(
				t, known,
				"%s pages somebody: say here with which problem the status page explains it, or why it does not",
				r.Alert,
			)
			if page.none != "" {
				continue
			}
			at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
			s := calm(at)
			require.Empty(t, Problems(&s, false))
			page.change(&s)
			found := Problems(&s, false)
			require.NotEmpty(t, found, r.Alert)
			require.Equal(t, LevelCritical, found[0].Level, r.Alert)
			require.Contains(t, found[0].Text, page.want, r.Alert)
		}
	}
	require.Equal(t, len(pages), seen, "an alert of this table is no longer there, or does not page")
}

// calm is the snapshot of a worker that reads one shard and has no problem.
func calm(at time.Time) Status {
	return Status{
		At:      at,
		Process: Process{State: "running"},
		Worker:  Worker{LeaseSeconds: 10, Heartbeat: &at, TrustedUntil: Moment(at.Add(9 * time.Second))},
		Stream:  Stream{Retention: 86400},
		Recent:  Recent{Window: 900},
		Fleet: Fleet{
			ShardCounts: map[string]int{},
			Shards: []Shard{
				{ID: "a", State: "held", Reading: &Reading{Phase: "reading", LastFetch: &at, Checkpoint: &at}},
			},
		},
	}
}
