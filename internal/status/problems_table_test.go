package status

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProgressThatCannotBeStoredIsAProblem(t *testing.T) {
	st := &Status{Process: Process{State: "running"}, Fleet: Fleet{Shards: []Shard{
		{ID: "shardId-000000000000", Reading: &Reading{Phase: "reading"}},
		{ID: "shardId-000000000001", Reading: &Reading{Phase: "reading", Unstorable: `the position "x": it is none`}},
	}}}
	var found []Problem
	for _, p := range Problems(st, false) {
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

func TestRowsThatCannotBeReadAreAProblem(t *testing.T) {
	st := &Status{Process: Process{State: "running"}, UnreadableRows: []Row{
		{Key: "shardId-000000000000", Cause: `leaseEpoch is the text "seven", and should be a number`},
		{Key: "#fleet", Cause: "counter is missing, and should be a number", Mended: true},
	}}
	levels := map[Level]string{}
	for _, p := range Problems(st, false) {
		if p.Code == "row_unreadable" {
			levels[p.Level] = p.Text
			require.Contains(t, p.Remedy, "leases list")
		}
	}
	require.Contains(
		t, levels[LevelCritical],
		`shardId-000000000000 of the lease table cannot be read: leaseEpoch is the text "seven"`,
	)
	require.Contains(t, levels[LevelWarning], "#fleet")
}
