package consumer

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
		"reading is behind and stands still":    {time.Time{}, false, ago(60), 30 * time.Second, 90 * time.Second},
		"Kinesis is silent":                     {time.Time{}, false, ago(60), 0, time.Minute},
		"not read yet":                          {time.Time{}, false, time.Time{}, 0, 0},
		"the producer's clock runs ahead of us": {now.Add(time.Second), true, ago(0), 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, c.want, lagAt(now, c.oldest, c.waiting, c.fetch, c.behind))
		})
	}
}
