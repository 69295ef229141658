package status

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/checkpoint"
)

// What is unproven or disputed about a shard's end is named with the shard, and with the children that wait.
func TestEndProblems(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 27, 22, 15, 3, 0, time.UTC)
	ago := func(d time.Duration) *time.Time { return Moment(at.Add(-d)) }
	tests := map[string]struct {
		change func(*Status)
		code   string
		level  Level
		text   string
	}{
		"an end without proof": {
			change: func(s *Status) {
				s.Shards[0].Reading.EndUnproven, s.Shards[0].Reading.EndChildren = ago(time.Minute), []string{"c", "b"}
			},
			code: "end_unproven", level: LevelWarning,
			text: "Kinesis says that 1 shard has ended, and for 1 m no listing has confirmed it: a; its children " +
				"wait: b, c",
		},
		"for long": {
			change: func(s *Status) { s.Shards[0].Reading.EndUnproven = ago(5 * time.Minute) },
			code:   "end_unproven", level: LevelCritical,
			text: "Kinesis says that 1 shard has ended, and for 5 m no listing has confirmed it: a",
		},
		"not yet": {change: func(s *Status) { s.Shards[0].Reading.EndUnproven = ago(50 * time.Second) }},
		"listings": {
			change: func(s *Status) { s.Stream.Incomplete = ago(40 * time.Second) }, code: "listing_incomplete",
			level: LevelWarning,
			text: "for 40 s ListShards has not named all shards of the stream as they are: the open ones do not " +
				"hold every key, or a shard's parent is open or has other keys",
		},
		"children that wait": {
			change: func(s *Status) {
				s.Shards = append(s.Shards, Shard{ID: "c", State: "blocked", UnreadSince: ago(time.Minute)})
			},
			code: "shards_blocked", level: LevelWarning,
			text: "1 shard waits for parents that are not read to their end, for 1 m: c",
		},
		"children that wait for a moment": {change: func(s *Status) {
			s.Shards = append(s.Shards, Shard{ID: "c", State: "blocked", UnreadSince: ago(50 * time.Second)})
		}},
		"an end that is doubted": {
			change: func(s *Status) { s.Shards[0].EndDoubted = ago(2 * time.Minute) }, code: "open_shard_ended",
			level: LevelCritical,
			text:  "the lease table says that 1 shard has ended, but the stream lists it open, for 2 m: a",
		},
		"gone": {
			change: func(s *Status) {
				s.Incidents = []Incident{
					{Kind: string(checkpoint.IncidentGone), Shard: "a"},
					{Kind: string(checkpoint.IncidentGone), Shard: "b"},
				}
			},
			code: "shard_gone", level: LevelCritical,
			text: "the stream lost 2 shards before they were read to the end: a, b",
		},
		"an end that was taken back": {
			change: func(s *Status) {
				s.Incidents = []Incident{
					{Kind: string(checkpoint.IncidentEndUndone), Shard: "a", Detail: "trim_horizon"},
				}
			},
			code: "open_shard_ended", level: LevelCritical,
			text: "the lease table said that 1 shard has ended although open; reading continues: a, from the oldest " +
				"record, which repeats alerts",
		},
		"a breach of order": {
			change: func(s *Status) {
				s.Incidents = []Incident{{Kind: string(checkpoint.IncidentOrderBreached), Shard: "b", Detail: "a"}}
			},
			code: "order_breached", level: LevelWarning, text: "1 shard is read before a parent had ended: b",
		},
		"a circle": {
			change: func(s *Status) {
				s.Incidents = []Incident{
					{Kind: string(checkpoint.IncidentParents), Shard: "b"},
					{Kind: string(checkpoint.IncidentParents), Shard: "a"},
				}
			},
			code: "parents_circular", level: LevelCritical,
			text: "rows of the lease table named 2 shards as their own ancestors: the parents that the stream " +
				"lists are used, and written back: a, b",
		},
		"a position": {
			change: func(s *Status) {
				s.Incidents = []Incident{{Kind: string(checkpoint.IncidentPosition), Shard: "a", Detail: "yesterday"}}
			},
			code: "position_unusable", level: LevelCritical,
			text: "the stored checkpoint of 1 shard is no position in the shard: read again from the beginning: a " +
				"(yesterday)",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := calm(at)
			tt.change(&s)
			found := Problems(&s, false)
			if tt.code == "" {
				require.Empty(t, found)
				return
			}
			require.Len(t, found, 1)
			require.Equal(t, tt.code, found[0].Code)
			require.Equal(t, tt.level, found[0].Level)
			require.Equal(t, tt.text, found[0].Text)
			require.NotEmpty(t, found[0].Subject)
		})
	}
}
