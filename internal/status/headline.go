package status

import (
	"fmt"
	"slices"
	"strings"

	"kinesis-alerter/checkpoint"
)

// Summary is the one sentence at the top.
func Summary(st *Status) (Level, string) {
	sentence := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
	if len(st.Problems) == 0 {
		return LevelOK, sentence(whoIsWell(st) + ": " + wellness(st))
	}
	worst, others, cause := st.Problems[0], 0, false
	for i := range st.Problems {
		switch p := &st.Problems[i]; {
		case p.Level == LevelInfo && p.Subject == "owners" && worst.Level == LevelInfo && st.State == "running":
			return LevelInfo, sentence(p.Text) // with a shard that no worker reads, all is not well
		case i > 0 && p.Level != LevelInfo && (p.Subject != "lag" || !cause): // lag follows from a cause
			others++
		}
		cause = cause || slices.Index(subjects(), st.Problems[i].Subject) <= slices.Index(subjects(), "shards")
	}
	switch {
	case worst.Level == LevelInfo && st.State == "running":
		return LevelInfo, sentence(whoIsWell(st) + "; " + worst.Text)
	case others > 0:
		return worst.Level, sentence(worst.Text + ". And " + Number(others, "more problem"))
	}
	return worst.Level, sentence(worst.Text)
}

// headcount is who reads the shards that are to be read now, as far as this worker knows.
type headcount struct {
	here, soon, others, blocked int // shards: read here, about to be, read by other workers, and behind their parents
	workers                     int // that live and are heard
	lag                         float64
}

func (st *Status) count() (h headcount) {
	silent := st.silentOwners()
	for i := range st.Shards {
		switch s := &st.Shards[i]; {
		case over(s):
		case s.Reading != nil:
			h.here++
			h.lag = max(h.lag, s.Reading.Lag)
		case s.State == string(checkpoint.ShardHeld):
			h.soon++
		case s.State == string(checkpoint.ShardForeign) && !silent[s.Owner]:
			h.others++
		case s.State == string(checkpoint.ShardBlocked):
			h.blocked++
		}
	}
	for i := range st.Workers {
		if w := &st.Workers[i]; w.State == workerLive && !silent[w.ID] {
			h.workers++
		}
	}
	return h
}

// whoIsWell is all only where this worker is the whole fleet and reads every shard itself. A worker does not see the
// pages of the others.
func whoIsWell(st *Status) string {
	if h := st.count(); h.here > 0 && h.soon+h.others == 0 && h.workers <= 1 {
		return "all is well"
	}
	return "this worker is well"
}

// wellness returns what goes well, where there is no problem: first here, then what is known of the fleet.
func wellness(st *Status) string {
	h := st.count()
	var fleet string
	own := "no shard is to be read now"
	switch {
	case h.here > 0:
		own = fmt.Sprintf("%s read here, lag %s", are(h.here, "shard"), words(seconds(h.lag)))
	case h.soon > 0:
		own = fmt.Sprintf("%s about to be read here", are(h.soon, "shard"))
	case st.Worker.TrustedUntil == nil:
		return "it is joining the fleet"
	case h.others > 0:
		own = "it reads no shard and is ready to take over"
	}
	if h.others == 0 && h.workers <= 1 {
		return own
	}
	switch read := h.here + h.others; {
	case h.soon > 0:
		fleet = fmt.Sprintf("%d of %s read", read, Number(read+h.soon, "shard"))
	case read == 1:
		fleet = "its 1 shard read"
	case read > 0:
		fleet = "all " + Number(read, "shard") + " read"
	default:
		return own
	}
	if h.blocked > 0 {
		fleet += fmt.Sprintf(", %d more behind a parent", h.blocked)
	}
	return own + "; the fleet: " + Number(h.workers, "worker") + ", " + fleet
}
