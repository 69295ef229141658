package cmd

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/alert"
)

const (
	// unreadableWorthAWord is how many records must have been unreadable lately, which must be one in unreadableShare of all.
	unreadableWorthAWord = 10
	unreadableShare      = 100
	// filterWorthAWord is for how long a filter must have dropped every record, and filteredLeast how many these must be.
	filterWorthAWord = time.Hour
	filteredLeast    = 10
	// silenceLong is the length from which on a silence is called long.
	silenceLong = 31 * 24 * time.Hour
)

// ruleProblems looks at records that rules never get to see, and at rules that can have nothing to say.
func ruleProblems(st *Status, add addProblem) {
	unreadableProblem(&st.Recent, add)
}

func unreadableProblem(r *StatusRecent, add addProblem) {
	all := max(r.Resolved, r.Unreadable) // a dead letter may still be waiting
	if r.Unreadable < unreadableWorthAWord || r.Unreadable*unreadableShare < all {
		return
	}
	top := mostLikely(r.UnreadableAs)
	looks := fmt.Sprintf("they look like %s", top.Words())
	if n := r.UnreadableAs[top]; n < r.Unreadable {
		looks = fmt.Sprintf("%s of them look like %s", percent(n, r.Unreadable), top.Words())
	}
	add(LevelWarning, "records_unreadable", top.Remedy(), "%s of the records of the last %s cannot be read (%s of %s), so no rule sees them: %s",
		percent(r.Unreadable, all), words(time.Duration(r.Window*float64(time.Second))), grouped(r.Unreadable), grouped(all), looks)
}

// mostLikely is what most records look like.
func mostLikely(seen map[alert.Likely]uint64) alert.Likely {
	var top alert.Likely
	for _, l := range slices.Sorted(maps.Keys(seen)) {
		if top == "" || seen[l] > seen[top] {
			top = l
		}
	}
	return top
}

// percent is a share in whole per cent; all and nothing only where they are.
func percent(n, all uint64) string {
	p := n * 100 / max(all, 1)
	switch {
	case n == all:
		p = 100
	case n > 0 && p == 0:
		return "less than 1 %"
	}
	return fmt.Sprintf("%d %%", p)
}

var _ = strings.Join
