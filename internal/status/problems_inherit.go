package status

import (
	"maps"
	"slices"
)

// memoryProblems looks at what rules cannot know: where the records of inherited keys go, and keys where there are none.
func memoryProblems(st *Status, add addProblem) {
	var unsure, keyless []string
	unheard, leaving := map[string]bool{}, map[string]uint64(nil)
	for i := range st.Shards {
		s := &st.Shards[i]
		if s.Reading == nil {
			continue
		}
		for rule, keys := range s.Reading.Leaving {
			if leaving == nil {
				leaving = map[string]uint64{}
			}
			leaving[rule] += uint64(keys) //nolint:gosec // a count
		}
		if s.Reading.Keyless {
			keyless = append(keyless, s.ID)
		}
		if len(s.Reading.Unheard) > 0 {
			unsure = append(unsure, s.ID)
		}
		for _, id := range s.Reading.Unheard {
			unheard[id] = true
		}
	}
	if n := len(unsure); n > 0 {
		add(LevelWarning, "inherited_unsure", "find out why the other shards do not save their state: is each of them read, by workers with the same rules, and do its alerts get out?",
			"since a reshard %s keys with %s whose memory was not readable for five minutes%s: what was said of silent keys may be wrong",
			share(n), Number(len(unheard), "other shard"), first(slices.Sorted(maps.Keys(unheard))))
	}
	ofRules(leaving, func(worst, more string, n int) {
		add(LevelInfo, "rule_edited_firing", "",
			"rule %s was taken out or changed with %s firing%s: the topics that were notified get the end once all workers have had the same configuration for a minute",
			worst, Number(n, "key"), more)
	})
	if n := len(keyless); n > 0 {
		add(LevelInfo, "keyless_records", "", "records without partition key come from %s: what rules remember by partition key they remember by shard%s",
			Number(n, "shard"), first(keyless))
	}
}

func share(n int) string {
	if n == 1 {
		return "1 shard shares"
	}
	return Number(n, "shard") + " share"
}
