package checkpoint

import (
	"maps"
	"slices"
)

// missing are the shards to ask Kinesis about: known ones that were absent for a minute, and parents that no listing
// ever held, which are past the retention if Kinesis does not know them either.
func (l *lineage) missing() []string {
	ask := map[string]bool{}
	for id, s := range l.shards {
		if s.absent.confirmed() && !s.gone {
			ask[id] = true
		}
		if !s.inListing || s.absent.any() {
			continue
		}
		for _, p := range s.parents {
			if l.shards[p] == nil && !l.trimmed[p] {
				ask[p] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(ask))
}

// sought notes what Kinesis said of a shard that listings do not show.
func (l *lineage) sought(id string, found bool) {
	if s := l.shards[id]; s != nil {
		if s.absent.confirmed() { // it may have been listed meanwhile
			s.gone, s.found = !found, found
		}
		return
	}
	if found {
		l.shard(id).found = true // unlisted, and there: read it before its children
		return
	}
	l.trimmed[id] = true
}
