package condition

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/payload"
)

// manyMembers is an object of n members; the last one's name is that of the one at twice.
func manyMembers(n, twice int) []byte {
	var b strings.Builder
	for i := range n {
		name := i
		if i == n-1 && twice >= 0 {
			name = twice
		}
		fmt.Fprintf(&b, `,"member_%d":{"x":%d}`, name, i)
	}
	return []byte("{" + b.String()[1:] + "}")
}

// TestScanKnowsEveryName: the scanner takes objects of any number of members, and no name twice, wherever it was first.
func TestScanKnowsEveryName(t *testing.T) {
	t.Parallel()
	s := scanSchema(t)
	for _, n := range []int{
		2, 9, 25, smallNames - 1, smallNames, smallNames + 1, smallNames + 2, 4*smallNames + 1, 10_000,
	} {
		taken, _, _, _, _, _ := both(s, manyMembers(n, -1))
		require.True(t, taken, n)
		for _, twice := range []int{0, n / 3, n - 2} {
			taken, _, _, _, _, defect := both(s, manyMembers(n, twice))
			require.False(t, taken, "%d of %d", twice, n)
			require.Equal(t, payload.DuplicateKey, defect)
		}
	}
	// An inner object that is large must leave the names of the one around it alone, and may have the same.
	inner := string(manyMembers(1000, -1))
	outer := strings.TrimSuffix(inner, "}")
	taken, _, _, _, _, _ := both(s, []byte(outer+`,"o":`+inner+`,"last":`+inner+`}`))
	require.True(t, taken)
	taken, _, _, _, _, _ = both(s, []byte(outer+`,"o":`+inner+`,"member_7":1}`))
	require.False(t, taken)
}

// TestScanAllocatesNothing for members, once it has seen as many.
func TestScanAllocatesNothing(t *testing.T) {
	s := scanSchema(t)
	d, slots := NewDecoder(s), make([]Value, s.Slots)
	for _, n := range []int{9, 25, 65, 128, 2000} {
		doc := manyMembers(n, -1)
		require.Zero(t, testing.AllocsPerRun(10, func() { d.Decode(doc, slots) }), n)
	}
	require.Empty(t, d.Decode(manyMembers(50_000, -1), slots))
	require.Empty(t, d.Decode([]byte(`{}`), slots))
	require.LessOrEqual(t, cap(d.short.names.all), keptNames, "one huge record must not take its memory for ever")
}

// TestEqualHashesStayLinear: names whose hashes are all equal end the scan after some work, whatever their number.
func TestEqualHashesStayLinear(t *testing.T) {
	t.Parallel()
	s := scanSchema(t)
	d, slots := NewDecoder(s), make([]Value, s.Slots)
	d.short.names.secret = [3]uint64{} // every hash is 0
	doc := manyMembers(10_000, -1)
	require.False(t, d.scan(doc, slots))
	require.LessOrEqual(t, len(d.short.names.all), smallNames+namesProbed)
	require.Empty(t, d.Decode(doc, slots), "the strict decoder takes it")
	require.Equal(t, payload.DuplicateKey, d.Decode(manyMembers(10_000, 3), slots))
	require.Equal(t, payload.DuplicateKey, d.Decode(manyMembers(100, 3), slots))
}
