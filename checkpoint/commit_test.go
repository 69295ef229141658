package checkpoint

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestCommitCreditBoundsTheWrites(t *testing.T) {
	t.Parallel()
	var c credit
	now := time.Unix(1000, 0)
	require.Equal(t, commitBudget, c.spend(now, 1000), "what was saved up is one second's worth")
	total := 0
	for range 10 * 4 {
		now = now.Add(250 * time.Millisecond)
		total += c.spend(now, 1000)
	}
	require.InDelta(t, 10*commitBudget, total, 1)
	require.Equal(t, 3, c.spend(now.Add(time.Minute), 3), "no more than is asked for")
}
