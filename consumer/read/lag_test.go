package read

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestLag(t *testing.T) {
	now := time.Unix(1000, 0)
	ago := func(s int) time.Time { return now.Add(-time.Duration(s) * time.Second) }
	for name, c := range map[string]struct {
		oldest  time.Time
		waiting bool
		fetch   time.Time
		behind  time.Duration
		want    time.Duration
	}{
		"a record waits for SNS":                {ago(40), true, ago(0), 0, 40 * time.Second},
		"idle and read":                         {time.Time{}, false, ago(0), 0, 0},
		"reading is behind":                     {time.Time{}, false, ago(1), 30 * time.Second, 31 * time.Second},
		"reading is behind and has stalled":     {time.Time{}, false, ago(60), 30 * time.Second, 90 * time.Second},
		"Kinesis is silent":                     {time.Time{}, false, ago(60), 0, time.Minute},
		"not read yet":                          {time.Time{}, false, time.Time{}, 0, 0},
		"the producer's clock runs ahead of us": {now.Add(time.Second), true, ago(0), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, LagAt(now, c.oldest, c.waiting, c.fetch, c.behind))
		})
	}
}

func TestUnheard(t *testing.T) {
	now := time.Unix(10_000, 0)
	ago := func(s int) time.Time { return now.Add(-time.Duration(s) * time.Second) }
	for name, c := range map[string]struct{ began, caughtUp, want time.Time }{
		"a restart in a long outage":          {ago(60), ago(7200), ago(7200)},
		"the first answer is under way":       {ago(1), ago(7200), ago(1)},
		"a shard that nobody has read before": {ago(60), time.Time{}, ago(60)},
		"a last owner whose clock runs ahead": {ago(60), ago(30), ago(60)},
	} {
		t.Run(name, func(t *testing.T) { require.Equal(t, c.want, Unheard(now, c.began, c.caughtUp)) })
	}
}
