package consumer

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestLifecycleStories(t *testing.T) {
	for story, c := range map[string]struct {
		events []event
		want   phase
	}{
		"a handoff":                           {[]event{handoffAsked, quietNow}, handedOver},
		"a handoff that takes too long":       {[]event{handoffAsked, drainLimit}, reading},
		"a shard that was split":              {[]event{shardClosed, quietNow}, ended},
		"a stop":                              {[]event{stopAsked, quietNow}, released},
		"a stop while SNS stalls":             {[]event{stopAsked, budgetSpent}, released},
		"a stop in the middle of a handoff":   {[]event{handoffAsked, stopAsked, quietNow}, released},
		"a stop while a closed shard drains":  {[]event{shardClosed, stopAsked, budgetSpent}, released},
		"a lease lost while stopping":         {[]event{stopAsked, leaseLost, quietNow}, lost},
		"a handoff asked for a closed shard":  {[]event{shardClosed, handoffAsked, quietNow}, ended},
		"quiet means nothing while reading":   {[]event{quietNow}, reading},
		"what comes after the end is nothing": {[]event{shardClosed, quietNow, leaseLost, stopAsked}, ended},
	} {
		t.Run(story, func(t *testing.T) {
			p := reading
			for _, e := range c.events {
				p = p.next(e)
			}
			require.Equal(t, c.want.String(), p.String())
		})
	}
}

// TestReportSpeaksOfAShardUntilItsLeaseIsGone: a heartbeat between the end of a shard and the release of its row names
// the shard as held, so the times beside it must not leave the shard out.
func TestReportSpeaksOfAShardUntilItsLeaseIsGone(t *testing.T) {
	inWorld(t, 2, func(w *world) {
		n := w.join("one")
		w.eventually(lease, "reading", func() bool { return n.reading() == 2 })
		id := n.consumer.sorted()[0].id
		released := n.consumer.end(id)
		require.Len(t, n.consumer.sorted(), 2)
		released()
		require.Len(t, n.consumer.sorted(), 1)
		released() // and never takes out one that has begun since
		require.Len(t, n.consumer.sorted(), 1)
	})
}
