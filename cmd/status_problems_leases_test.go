package cmd

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProgressThatCannotBeStoredIsAProblem(t *testing.T) {
	st := &Status{State: "running", Shards: []StatusShard{
		{ID: "shardId-000000000000", Reading: &StatusReading{Phase: "reading"}},
		{ID: "shardId-000000000001", Reading: &StatusReading{Phase: "reading", Unstorable: `the position "x": it is none`}},
	}}
	var found []Problem
	for _, p := range problems(st, false) {
		if p.Code == "offer_unstorable" {
			found = append(found, p)
		}
	}
	require.Len(t, found, 1)
	require.Equal(t, LevelCritical, found[0].Level)
	require.Contains(t, found[0].Text, "shardId-000000000001")
	require.Contains(t, found[0].Text, `the position "x": it is none`)
	require.Contains(t, found[0].Remedy, "leases rewind")
}
