package status

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestByLineage(t *testing.T) {
	t.Parallel()
	ids := func(shards []Shard) (out []string) {
		for i := range shards {
			out = append(out, shards[i].ID)
		}
		return out
	}
	require.Equal(t, []string{"a", "c", "b", "e", "d", "g"}, ids(ByLineage([]Shard{
		{ID: "a"},
		{ID: "b"},
		{ID: "c", Parents: []string{"a"}},
		{ID: "d", Parents: []string{"gone"}},
		{ID: "e", Parents: []string{"b", "c"}},
		{ID: "g", Parents: []string{"d"}},
	})))
}
