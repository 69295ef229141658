package delivery

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestAgeLeavesHoldsOut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h halts
		now := time.Unix(1000, 0)
		arrival := now.Add(time.Duration(rapid.IntRange(0, 3000).Draw(t, "arrival")) * time.Second)
		free, held := time.Duration(0), false
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			step := time.Duration(rapid.IntRange(1, 200).Draw(t, "s")) * time.Second
			if next := now.Add(step); !held && next.After(arrival) {
				free += min(step, next.Sub(arrival))
			}
			now = now.Add(step)
			if held = !held; held {
				h = h.began(now)
			} else {
				h = h.ended(now)
			}
		}
		if now.Before(arrival) {
			return
		}
		require.Equal(t, free, h.age(arrival, now))
	})
	require.Zero(t, halts(nil).age(time.Time{}, time.Unix(1000, 0)))
}
