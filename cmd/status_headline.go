package cmd

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// summary is the one sentence at the top.
func summary(st *Status) (Level, string) {
	sentence := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
	if len(st.Problems) == 0 {
		return LevelOK, sentence("all is well: " + wellness(st))
	}
	worst, others, cause := st.Problems[0], 0, false
	for i := range st.Problems {
		switch p := &st.Problems[i]; {
		case p.Level == LevelInfo && p.Subject == "owners" && worst.Level == LevelInfo && st.State == "running":
			return LevelInfo, sentence(p.Text) // with a shard that nobody reads, all is not well
		case i > 0 && p.Level != LevelInfo && (p.Subject != "lag" || !cause): // lag is what a cause brings about
			others++
		}
		cause = cause || slices.Index(subjects(), st.Problems[i].Subject) <= slices.Index(subjects(), "shards")
	}
	switch {
	case worst.Level == LevelInfo && st.State == "running":
		return LevelInfo, sentence("all is well; " + worst.Text)
	case others > 0:
		return worst.Level, sentence(worst.Text + ". And " + number(others, "more problem"))
	}
	return worst.Level, sentence(worst.Text)
}

// wellness says what goes well, where there is no problem.
func wellness(st *Status) string {
	lag, states := 0.0, map[string]int{}
	for i := range st.Shards {
		s := &st.Shards[i]
		switch {
		case over(s):
			continue
		case s.Reading != nil:
			states["read"]++
			lag = math.Max(lag, s.Reading.Lag)
		default:
			states[s.State]++
		}
	}
	switch {
	case states["read"] > 0:
		return fmt.Sprintf("%s read here, lag %s", are(states["read"], "shard"), words(time.Duration(lag*float64(time.Second))))
	case states["held"] > 0:
		return fmt.Sprintf("%s about to be read here", are(states["held"], "shard"))
	case st.Worker.TrustedUntil == nil:
		return "this worker is joining the fleet"
	case states["foreign"] > 0: // what is left is blocked: its parents are being read
		return "other workers read all shards, this one is ready to take over"
	}
	return "no shard is to be read now"
}
