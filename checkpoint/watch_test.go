package checkpoint

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSuccessorsCoverTheRing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-f]{1,6}`), 1, 12, rapid.ID[string]).Draw(t, "ids")
		watched := map[string]int{}
		for _, me := range ids {
			others := slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return id == me })
			for _, id := range successors(me, others) {
				if id == me {
					t.Fatalf("%s watches itself", me)
				}
				watched[id]++
			}
		}
		for _, id := range ids {
			if want := min(ringReach, len(ids)-1); watched[id] != want {
				t.Fatalf("%s is watched by %d, want %d", id, watched[id], want)
			}
		}
	})
}
