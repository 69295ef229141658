package condition

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// TestUndefinedNeverGoesBack: a scrape in the middle of a record must not look like a counter that began anew.
func TestUndefinedNeverGoesBack(t *testing.T) {
	t.Parallel()
	s := &shelf{}
	require.Equal(t, uint64(5), s.undefined(5)[UndefinedMissing])
	s.compared.Add(1) // of a record that is being looked up
	require.Equal(t, uint64(5), s.undefined(5)[UndefinedMissing])
	require.Equal(t, uint64(5), s.undefined(6)[UndefinedMissing])
	require.Equal(t, uint64(6), s.undefined(7)[UndefinedMissing])
}
