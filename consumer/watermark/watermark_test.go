package watermark

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/internal/position"
)

// TestWatermarkAgainstReference compares the watermark with the obvious implementation: a list of all that was taken
// in, with what is left of each.
func TestWatermarkAgainstReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		type ref struct {
			at    position.Position
			timed bool
			left  int // parts
			entry *Entry
		}
		var all []*ref
		var w Watermark
		next := 0
		last := func() position.Position {
			if next == 0 {
				return position.Position{}
			}
			return position.Past(fmt.Sprint(next))
		}
		parts := rapid.IntRange(1, 3)
		t.Repeat(map[string]func(*rapid.T){
			"pass": func(*rapid.T) {
				next++
				all = append(all, &ref{at: last()})
				w.Pass(last())
			},
			"wait": func(t *rapid.T) {
				next++
				r := &ref{at: last(), left: parts.Draw(t, "parts")}
				r.entry = w.Wait(r.at, time.Unix(int64(len(all)), 0), r.left, 0)
				all = append(all, r)
			},
			"time": func(t *rapid.T) {
				r := &ref{at: last(), timed: true, left: parts.Draw(t, "parts")}
				r.entry = w.WaitTimed(time.Unix(int64(len(all)), 0), r.left)
				all = append(all, r)
			},
			"resolve": func(t *rapid.T) {
				var open []*ref
				for _, r := range all {
					if r.entry != nil {
						open = append(open, r)
					}
				}
				if len(open) == 0 {
					t.Skip("nothing waits")
				}
				r := rapid.SampledFrom(open).Draw(t, "entry") // also one that is settled already
				require.Equal(t, r.left == 1, w.Resolve(r.entry))
				r.left = max(0, r.left-1)
			},
			"": func(t *rapid.T) {
				mark, unresolved, oldest, through := position.Position{}, 0, time.Time{}, uint64(0)
				for _, r := range all {
					switch {
					case r.left > 0:
						if unresolved++; unresolved == 1 {
							oldest = r.entry.arrival
						}
					case unresolved == 0:
						mark = r.at
					}
					if unresolved == 0 && r.entry != nil {
						through++
					}
				}
				require.Equal(t, mark, w.Mark())
				require.Equal(t, unresolved, w.Waiting())
				require.True(t, w.SettledThrough(through))
				require.Equal(t, unresolved == 0, w.SettledThrough(through+1))
				at, ok := w.Oldest()
				require.Equal(t, unresolved > 0, ok)
				require.Equal(t, oldest, at)
				above := position.DecodeRanges(position.EncodeRanges(w.SettledAbove()))
				behindTime := false // of what waits
				for _, r := range all {
					behindTime = behindTime || r.timed && r.left > 0
					if r.timed {
						continue
					}
					done := r.at.Compare(mark) <= 0 || position.Covers(above, r.at)
					require.Equal(t, r.left == 0 && !behindTime, done, "%v with %v", r.at, above)
				}
			},
		})
	})
}

// TestWatermarkForgetsWhatIsResolved: a held key keeps the watermark for days, and the other keys continue.
func TestWatermarkForgetsWhatIsResolved(t *testing.T) {
	var w Watermark
	w.Wait(position.Past("1"), time.Time{}, 1, 0)
	for i := range 10_000 {
		w.Resolve(w.Wait(position.Past(fmt.Sprint(i+2)), time.Time{}, 1, 0))
	}
	require.Equal(t, 1, w.Waiting())
	require.Same(t, w.First, w.tail)
}
