package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/checkpoint"
)

const (
	// unprovenWorthAWord is how long the end of a shard may wait for a listing that confirms it, unprovenCritical how long
	// its children may wait for that.
	unprovenWorthAWord = time.Minute
	unprovenCritical   = 5 * time.Minute
	// incompleteWorthAWord is how long the listings of a stream may lack shards.
	incompleteWorthAWord = 30 * time.Second
	// doubtCritical is how long listings show a shard open whose row says that it ended.
	doubtCritical = time.Minute
)

// endProblems looks at shards that end, or do not, or are not there, against what is known of them.
func endProblems(st *Status, add addProblem) {
	if since := st.Stream.Incomplete; since != nil && st.At.Sub(*since) >= incompleteWorthAWord {
		add(LevelWarning, "listing_incomplete", "none if it passes: ListShards is asked again every few seconds; else ask AWS support",
			"for %s ListShards has not named all shards of the stream as they are: the open ones do not hold every key, or a shard's parent is open or has other keys", words(st.At.Sub(*since)))
	}
	var unproven, doubted shardGroup
	waiting := []string(nil)
	for i := range st.Shards {
		s := &st.Shards[i]
		if r := s.Reading; r != nil && r.EndUnproven != nil {
			if d := st.At.Sub(*r.EndUnproven); d >= unprovenWorthAWord {
				unproven.Add(s.ID, d, "")
				waiting = append(waiting, r.EndChildren...)
			}
		}
		if s.EndDoubted != nil {
			if d := st.At.Sub(*s.EndDoubted); d >= doubtCritical {
				doubted.Add(s.ID, d, "")
			}
		}
	}
	if n := len(unproven.ids); n > 0 {
		text := ""
		if len(waiting) > 0 {
			slices.Sort(waiting)
			text = "; its children wait" + first(slices.Compact(waiting))
		}
		add(atLeast(unproven.longest, unprovenWorthAWord, unprovenCritical), "end_unproven", "check kinesis:ListShards; the log has the errors",
			"Kinesis says that %s ended, and for %s no listing has confirmed it%s%s", have(n, "shard"), words(unproven.longest), first(unproven.ids), text)
	}
	if n := len(doubted.ids); n > 0 {
		add(LevelCritical, "open_shard_ended", "none if it passes: the end is taken back when GetRecords answers; the log has the errors",
			"the lease table says that %s ended, but the stream lists %s open, for %s%s", have(n, "shard"), them(n), words(doubted.longest), first(doubted.ids))
	}
	incidentProblems(st, add)
}

func them(n int) string {
	if n == 1 {
		return "it"
	}
	return "them"
}

// incidentProblems tells what befell shards lately and was dealt with.
func incidentProblems(st *Status, add addProblem) {
	group := func(kind checkpoint.IncidentKind) (n int, shards, details string) {
		var ids, more []string
		for _, i := range st.Incidents {
			if i.Kind == string(kind) {
				ids = append(ids, i.Shard)
				if i.Detail != "" {
					more = append(more, i.Detail)
				}
			}
		}
		slices.Sort(ids)
		ids = slices.Compact(ids)
		return len(ids), first(ids), strings.Join(slices.Compact(slices.Sorted(slices.Values(more))), ", ")
	}
	if n, shards, _ := group(checkpoint.IncidentGone); n > 0 {
		add(LevelCritical, "shard_gone", "raise the stream's retention, and find out what held the shards; if one is listed again it is read on",
			"the stream lost %s before %s read to the end%s", Number(n, "shard"), was(n), shards)
	}
	if n, shards, from := group(checkpoint.IncidentEndUndone); n > 0 {
		add(LevelCritical, "open_shard_ended", "alerts may come late or twice; find out what wrote SHARD_END: an import, a tool or an older version",
			"the lease table said that %s ended although open; reading goes on%s", have(n, "shard"), shards+fromWhere(from))
	}
	if n, shards, _ := group(checkpoint.IncidentOrderBreached); n > 0 {
		add(LevelWarning, "order_breached", "alerts of one partition key may be out of order across these shards",
			"%s read before a parent had ended%s", are(n, "shard"), shards)
	}
	if n, shards, _ := group(checkpoint.IncidentSkipUndone); n > 0 {
		add(LevelWarning, "skip_undone", "alerts may come late: the shards are read from the first start of this application",
			"%s taken for closed at the first start, but open: reading began now%s", are(n, "shard"), shards)
	}
	if n, shards, _ := group(checkpoint.IncidentParents); n > 0 {
		add(LevelCritical, "parents_circular", "find out who else writes to the lease table",
			"rows of the lease table named %s as their own ancestors: the parents that the stream lists are believed, and written anew%s", Number(n, "shard"), shards)
	}
	if n, shards, position := group(checkpoint.IncidentPosition); n > 0 {
		add(LevelCritical, "position_unusable", "alerts of these shards are repeated; find out what wrote the checkpoint",
			"the stored checkpoint of %s is no position in the shard: read again from the beginning%s", Number(n, "shard"), shards+fmt.Sprintf(" (%s)", position))
	}
}

func fromWhere(from string) string {
	if from == "trim_horizon" {
		return ", from the oldest record, which repeats alerts"
	}
	return ""
}

func was(n int) string {
	if n == 1 {
		return "it was"
	}
	return "they were"
}
