package position

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestFindShard(t *testing.T) {
	t.Parallel()
	shards := []string{"shardId-000000000002", "shardId-000000000012", "shardId-000000000102", "2"}
	for name, want := range map[string]string{
		"shardId-000000000002": "shardId-000000000002",
		"…0002":                "shardId-000000000002",
		"...0002":              "shardId-000000000002",
		"0002":                 "shardId-000000000002",
		"12":                   "shardId-000000000012",
		"2":                    "2", // a whole id
		"3":                    "3",
		"…":                    "…",
		"":                     "",
	} {
		got, err := FindShard(name, shards)
		require.NoError(t, err)
		require.Equal(t, want, got, name)
	}
	_, err := FindShard("…02", shards)
	require.EqualError(t, err,
		`shard "…02" is one of shardId-000000000002, shardId-000000000102; write more of its id`)
}
