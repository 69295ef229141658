package status

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestMemoryProblems(t *testing.T) {
	t.Parallel()
	st := &Status{Fleet: Fleet{Shards: []Shard{
		{ID: "a", Reading: &Reading{Unheard: []string{"b", "c"}}},
		{ID: "b", Reading: &Reading{Unheard: []string{"c"}, Keyless: true, Leaving: map[string]int{"r": 2}}},
		{ID: "c"},
	}}}
	found := map[string]string{}
	for _, p := range Problems(st, false) {
		found[p.Code] = string(p.Level) + ": " + p.Text
	}
	require.Equal(t, map[string]string{
		"inherited_unsure": "warning: since a reshard 2 shards share keys with 2 other shards whose memory was not " +
			"readable for five minutes: b, c: " +
			"what was reported about silent keys may be wrong",
		"rule_edited_firing": "info: rule r was taken out or changed with 2 keys firing: the topics that were " +
			"notified get the end once all workers have had the same " +
			"configuration for a minute",
		"keyless_records": "info: records without partition key come from 1 shard: what rules remember by " +
			"partition key they remember by shard: b",
	}, found)
}
