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
			write int // outputs
			entry *Entry
		}
		waits := func(r *ref) bool { return r.left > 0 || r.write > 0 }
		var all []*ref
		var w Watermark
		next := 0
		last := func() position.Position {
			if next == 0 {
				return position.Position{}
			}
			return position.Past(fmt.Sprint(next))
		}
		parts, outputs := rapid.IntRange(1, 3), rapid.IntRange(0, 2)
		t.Repeat(map[string]func(*rapid.T){
			"pass": func(*rapid.T) {
				next++
				all = append(all, &ref{at: last()})
				w.Pass(last())
			},
			"wait": func(t *rapid.T) {
				next++
				r := &ref{at: last(), left: parts.Draw(t, "parts"), write: outputs.Draw(t, "outputs")}
				if r.write > 0 && rapid.Bool().Draw(t, "no alert") {
					r.left = 0
				}
				r.entry = w.Wait(r.at, time.Unix(int64(len(all)), 0), r.left, r.write)
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
				if rapid.Bool().Draw(t, "an output") {
					require.Equal(t, r.left == 0 && r.write == 1, w.ResolveOutput(r.entry))
					r.write = max(0, r.write-1)
					return
				}
				require.Equal(t, r.left == 1 && r.write == 0, w.Resolve(r.entry))
				r.left = max(0, r.left-1)
			},
			"": func(t *rapid.T) {
				mark, unresolved, oldest, through := position.Position{}, 0, time.Time{}, uint64(0)
				alerting := 0
				for _, r := range all {
					if r.left > 0 {
						if alerting++; alerting == 1 {
							oldest = r.entry.arrival
						}
					}
					switch {
					case waits(r):
						unresolved++
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
				require.Equal(t, alerting > 0, ok)
				require.Equal(t, alerting, w.Alerting())
				require.Equal(t, oldest, at)
				above := position.DecodeRanges(position.EncodeRanges(w.SettledAbove()))
				behindTime := false // of what waits
				for _, r := range all {
					behindTime = behindTime || r.timed && waits(r)
					if r.timed {
						continue
					}
					done := r.at.Compare(mark) <= 0 || position.Covers(above, r.at)
					require.Equal(t, !waits(r) && !behindTime, done, "%v with %v", r.at, above)
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
