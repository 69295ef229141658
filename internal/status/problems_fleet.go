package status

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"kinesis-alerter/checkpoint"
)

// tableProblems looks at this worker's place in the lease table.
func tableProblems(st *Status, add addProblem) {
	const remedy = "check DynamoDB, the network and the role's permissions on the lease table"
	w := &st.Worker
	if w.Heartbeat == nil {
		return // still joining, which a start waits for
	}
	silent := st.At.Sub(*w.Heartbeat)
	if silent.Seconds() < w.LeaseSeconds/2 {
		return
	}
	if w.TrustedUntil == nil {
		add(LevelCritical, "trust_ended", remedy, "DynamoDB: no success for %s%s, trust in the leases has ended: nothing is read or published",
			words(silent), because(w.Failure))
		return
	}
	add(LevelWarning, "table_failing", remedy, "DynamoDB: no success for %s%s, trust in the leases ends in %s", words(silent), because(w.Failure), words(w.TrustedUntil.Sub(st.At)))
}

// blockedWorthAWord is how long a shard may wait for its parents. A reshard takes seconds.
const blockedWorthAWord = time.Minute

// ownerProblems looks at shards that nobody reads, or whose owner is silent, and says how grave the former is.
func ownerProblems(st *Status, add addProblem) Level {
	lease := time.Duration(st.Worker.LeaseSeconds * float64(time.Second))
	workers := make(map[string]*FleetWorker, len(st.Workers))
	for i := range st.Workers {
		workers[st.Workers[i].ID] = &st.Workers[i]
	}
	var waits, late []string
	var longest time.Duration
	var blocked shardGroup
	silent := map[string]bool{} // owners of what nobody reads
	for i := range st.Shards {
		s := &st.Shards[i]
		if s.UnreadSince == nil {
			continue
		}
		if s.State == string(checkpoint.ShardBlocked) {
			if d := st.At.Sub(*s.UnreadSince); d >= blockedWorthAWord {
				blocked.Add(s.ID, d, "")
			}
			continue
		}
		waits = append(waits, s.ID)
		if d := st.At.Sub(*s.UnreadSince); d >= lease+unreadCritical {
			late, longest = append(late, s.ID), max(longest, d)
		}
		if w := workers[s.Owner]; w != nil && !w.Self {
			silent[w.ID] = true
		}
	}
	if n := len(blocked.ids); n > 0 {
		add(LevelWarning, "shards_blocked", "look at what holds their parents: lag, alerts that wait, held keys, a pause; kinesis-alerter leases list names the parents",
			"%s for parents that are not read to their end, for %s%s", wait(uint64(n), "shard"), words(blocked.longest), first(blocked.ids))
	}
	level := LevelOK
	switch whose := silence(silent, workers); {
	case len(late) > 0:
		level = LevelCritical
		add(level, "shards_unread", "look at the log of the workers, and at DynamoDB's UpdateItem: one should take them within a lease's duration",
			"%s been read by nobody for %s%s%s", have(len(late), "shard"), words(longest), first(late), whose)
	case len(waits) > 0:
		level = LevelInfo
		add(level, "shards_free", "", "%s for an owner%s", wait(uint64(len(waits)), "shard"), whose)
	}
	for i := range st.Workers { // not taken over yet, as far as this process can see
		if w := &st.Workers[i]; w.State == "live" && !w.Self && w.Shards > 0 && !silent[w.ID] && w.Silent >= 1.5*lease.Seconds() {
			silence := time.Duration(w.Silent * float64(time.Second))
			add(atLeast(silence, lease+2*unreadCritical, math.MaxInt64), "worker_silent", "", "worker %s has been silent for %s, it holds %s", w.ID, words(silence), Number(w.Shards, "shard"))
		}
	}
	return level
}

// silence says which workers were last heard of when.
func silence(ids map[string]bool, workers map[string]*FleetWorker) string {
	var longest *FleetWorker
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		if w := workers[id]; longest == nil || w.Silent > longest.Silent {
			longest = w
		}
	}
	if longest == nil {
		return ""
	}
	text := fmt.Sprintf("; worker %s has been silent for %s", longest.ID, words(time.Duration(longest.Silent*float64(time.Second))))
	if n := len(ids) - 1; n > 0 {
		text += ", and " + Number(n, "other")
	}
	return text
}

// pauseProblem tells of what an operator has paused. It was wanted, and it is no less a stream that nobody reads: a pause that is
// forgotten loses what leaves the stream meanwhile.
func pauseProblem(st *Status, add addProblem) {
	n := st.ShardCounts["paused"]
	if n == 0 {
		return
	}
	var oldest *time.Time
	for i := range st.Shards {
		if s := &st.Shards[i]; s.State == string(checkpoint.ShardPaused) && s.CaughtUp != nil && (oldest == nil || s.CaughtUp.Before(*oldest)) {
			oldest = s.CaughtUp
		}
	}
	since, level := "", LevelWarning
	if oldest != nil {
		age := st.At.Sub(*oldest)
		since = ", the first of them resolved up to " + words(age) + " ago"
		if half := st.Stream.Retention / 2; half > 0 && age.Seconds() >= half {
			level, since = LevelCritical, since+", which is more than half of the stream's retention"
		}
	}
	add(level, "shards_paused", "kinesis-alerter leases resume --table "+st.Stream.Application+" --all", "%s paused by an operator%s", are(n, "shard"), since)
}
