package position_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/internal/position"
)

func TestPositionOrder(t *testing.T) {
	ordered := []position.Position{
		{},
		position.Past("9"),
		{Sequence: "10", Sub: 0},
		{Sequence: "10", Sub: 1},
		position.Past("10"),
		{Sequence: "49590338271490256608559692538361571095921575989136588898", Sub: 0},
	}
	require.True(t, slices.IsSortedFunc(ordered, position.Position.Compare))
	for _, p := range ordered[1:] {
		back, ok := position.Parse(p.String())
		require.True(t, ok)
		require.Equal(t, p, back)
	}
}

// TestBefore: behind all that comes before a record, and before everything in it.
func TestBefore(t *testing.T) {
	for sequence, want := range map[string]position.Position{
		"1":    position.Past("0"),
		"10":   position.Past("9"),
		"1000": position.Past("999"),
		"4910": position.Past("4909"),
		"0100": position.Past("0099"), // of a service that writes leading zeros
		"0":    {},
	} {
		before := position.Before(sequence)
		require.Equal(t, want, before)
		require.Negative(t, before.Compare(position.Position{Sequence: sequence}))
		require.False(t, before.Inside())
	}
	require.True(t, position.Position{Sequence: "7"}.Inside())
	require.False(t, position.Position{}.Inside())
}

func TestPositionOrderIsNumeric(t *testing.T) {
	sequence := rapid.StringMatching(`0|[1-9][0-9]{0,128}`)
	positions := rapid.Custom(func(t *rapid.T) position.Position {
		return position.Position{Sequence: sequence.Draw(t, "sequence"), Sub: rapid.Uint32().Draw(t, "sub")}
	})
	rapid.Check(t, func(t *rapid.T) {
		p, q := positions.Draw(t, "p"), positions.Draw(t, "q")
		if rapid.Bool().Draw(t, "same sequence") {
			q.Sequence = p.Sequence
		}
		a, _ := new(big.Int).SetString(p.Sequence, 10)
		b, _ := new(big.Int).SetString(q.Sequence, 10)
		want := a.Cmp(b)
		if want == 0 {
			want = new(big.Int).SetUint64(uint64(p.Sub)).Cmp(new(big.Int).SetUint64(uint64(q.Sub)))
		}
		if got := p.Compare(q); got != want {
			t.Fatalf("Compare(%v, %v) = %d, want %d", p, q, got, want)
		}
		if !position.ValidSequence(p.Sequence) {
			t.Fatalf("%q is valid", p.Sequence)
		}
	})
	for _, s := range []string{"", "01", "-1", "1a", position.ShardEnd, "@", "1 ", strings.Repeat("1", 130)} {
		require.False(t, position.ValidSequence(s), s)
	}
}

func TestRangesThatCannotBeReadAreIgnored(t *testing.T) {
	require.Empty(t, position.DecodeRanges(""))
	require.Empty(t, position.DecodeRanges("x>y"))
	require.Len(t, position.DecodeRanges("1>2,3.4>5.6,junk"), 2)
}

func TestRangesStayWithinTheRow(t *testing.T) {
	var many []position.Range
	for i := range 5000 {
		after, upTo := fmt.Sprintf("4%055d", 2*i), fmt.Sprintf("4%055d", 2*i+1)
		many = append(many, position.Range{After: position.Past(after), UpTo: position.Past(upTo)})
	}
	text := position.EncodeRanges(many)
	require.LessOrEqual(t, len(text), position.MaxText)
	kept := position.DecodeRanges(text)
	require.Equal(t, many[:len(kept)], kept)
	require.Greater(t, len(kept), 400)
}

func at(n int) position.Position { return position.Past(fmt.Sprint(1000 + n)) }

// TestUnion holds the union of ranges against a set of numbers.
func TestUnion(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		draw := func(name string) (out []position.Range) {
			for range rapid.IntRange(0, 4).Draw(t, name) {
				from := rapid.IntRange(0, 20).Draw(t, "from")
				upTo := from + rapid.IntRange(0, 5).Draw(t, "length")
				out = append(out, position.Range{After: at(from), UpTo: at(upTo)})
			}
			return out
		}
		a, b := draw("a"), draw("b")
		in := func(n int, lists ...[]position.Range) bool {
			for _, l := range lists {
				for _, s := range l {
					if at(n).Compare(s.After) > 0 && at(n).Compare(s.UpTo) <= 0 {
						return true
					}
				}
			}
			return false
		}
		u := position.Union(a, b)
		for n := range 30 {
			require.Equal(t, in(n, a, b), position.Covers(u, at(n)), "%d in %v and %v", n, a, b)
		}
		for i := 1; i < len(u); i++ {
			require.Positive(t, u[i].After.Compare(u[i-1].UpTo), "apart and in order")
		}
	})
}
