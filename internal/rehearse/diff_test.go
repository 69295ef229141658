package rehearse

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// word is a thing of one text, for tests of assigning.
type word string

func (w word) String() string { return string(w) }

func (w word) against(got word) []Difference {
	var d fieldDiff
	d.plain("key", string(w), string(got))
	return d
}

// Whatever comes and is expected: nothing differs if all is the same, each thing that is too much or too little is told
// once, and what stands before and behind it is not blamed.
func TestAlign(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		words := rapid.SliceOfN(rapid.Map(rapid.StringMatching(`[a-c]`), func(s string) word { return word(s) }), 0, 12)
		want := words.Draw(t, "want")
		if d := align("word", want, want); len(d) > 0 {
			t.Fatalf("the same differs: %v", d)
		}
		at := rapid.IntRange(0, len(want)).Draw(t, "at")
		got := append(append(append([]word{}, want[:at]...), "new"), want[at:]...)
		if d := align("word", want, got); len(d) != 1 || d[0].Where != fmt.Sprintf("word %d is not expected", at+1) ||
			d[0].Got != "new" {
			t.Fatalf("one too many is %v", d)
		}
		if d := align("word", got, want); len(d) != 1 ||
			d[0].Where != fmt.Sprintf("word %d of those expected is missing", at+1) || d[0].Want != "new" {
			t.Fatalf("one too few is %v", d)
		}
		got = words.Draw(t, "got")
		if len(align("word", want, got)) == 0 != (fmt.Sprint(want) == fmt.Sprint(got)) {
			t.Fatalf("%v and %v", want, got)
		}
	})
	long := make([]word, 3000)
	require.Len(t, align("word", append([]word{"x"}, long...), long), 2, "beyond a size, place by place")
}

func TestContrast(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 200)
	for _, texts := range [][2]string{
		{"", long}, {long, long + "x"}, {long + "x", long}, {long + "ä", long + "ö"}, {"x" + long, "y" + long},
	} {
		w, g := contrast(texts[0], texts[1])
		require.NotEqual(t, w, g)
		require.NotContains(t, w+g, "\uFFFD")
		require.NotContains(t, w+g, `\x`, "no character is cut: %s, %s", w, g)
	}
}
