package status

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"kinesis-alerter/consumer/read"
)

// shardProblems looks at the shards that this process reads.
func shardProblems(st *Status, add addProblem) {
	var stuck, unsaved, late, growing shardGroup
	still := map[string]*shardGroup{} // by code
	keys, holding, heldBy := 0, []string(nil), ""
	for i := range st.Shards {
		s := &st.Shards[i]
		r := s.Reading
		if r == nil {
			continue
		}
		if keys += r.HeldKeys; r.HeldKeys > 0 {
			holding, heldBy = append(holding, s.ID), cmp.Or(heldBy, r.HeldBy)
		}
		lag := time.Duration(r.Lag * float64(time.Second))
		cause, d := standsStill(st, r)
		switch {
		case cause != "":
			if still[cause] == nil {
				still[cause] = &shardGroup{}
			}
			still[cause].Add(s.ID, d, r.ReadError)
		case r.LagGrows && lag >= lagGrowing && lag < lagWorthAWord && r.HeldKeys == 0 && (r.Unresolved == 0 || onAlerts(st) == ""):
			growing.Add(s.ID, lag, "")
		}
		if lag >= lagWorthAWord {
			late.Add(s.ID, lag, "")
		}
		if r.Checkpoint != nil && lag < lagWorthAWord {
			if d := st.At.Sub(*r.Checkpoint); d >= checkpointCritical {
				stuck.Add(s.ID, d, "")
			}
		}
		if r.StateTooLarge != "" {
			add(LevelCritical, "state_too_large", "lower score.memory or state.max_keys; until then a restart begins with the last state that was saved",
				"the state of shard %s is too large to be saved, most of it is of %s", s.ID, r.StateTooLarge)
		} else if r.StateFailing != nil {
			if d := st.At.Sub(*r.StateFailing); d >= unsavedWorthAWord {
				unsaved.Add(s.ID, d, "")
			}
		}
	}
	const table = "check the calls of DynamoDB: are they throttled, denied or without answer? The log has the errors"
	if n := len(stuck.ids); n > 0 {
		add(LevelCritical, "checkpoint_stuck", table, "the checkpoint of %s has not been stored for %s%s",
			Number(n, "shard"), words(stuck.longest), first(stuck.ids))
	}
	if n := len(unsaved.ids); n > 0 {
		add(LevelWarning, "state_unsaved", table, "the state of %s has not been saved for %s%s",
			Number(n, "shard"), words(unsaved.longest), first(unsaved.ids))
	}
	if g := still["state_awaited"]; g != nil {
		add(LevelWarning, "state_awaited", table, "%s for the state in DynamoDB, for %s so far%s",
			wait(uint64(len(g.ids)), "shard"), words(g.longest), first(g.ids))
	}
	readProblems(st, still, add)
	if keys > 0 {
		add(LevelCritical, "keys_held", "mend the rule or the record's path, then restart; dead_letter or on_rejected: skip lets them pass",
			"%s held, because SNS will never accept an alert%s%s", are(keys, "partition key"), said(heldBy), first(holding))
	}
	lagProblem(st, &late, &growing, add)
	pauseProblem(st, add)
}

// standsStill names the problem that keeps a shard from being read on, and for how long it has; it is empty where none does.
func standsStill(st *Status, r *Reading) (code string, d time.Duration) {
	if r.Evaluating != nil {
		if d := st.At.Sub(*r.Evaluating); d >= evaluationWorthAWord {
			return "evaluation_stuck", d
		}
	}
	if r.Phase != "reading" {
		return "", 0
	}
	d = unfetched(st, r)
	refused := r.ReadError != "" && r.ReadError != "timeout" && r.ReadError != "unreachable"
	switch {
	case d >= silenceWorthAWord && r.WaitsFor == read.WaitsForState:
		return "state_awaited", d
	case d >= silenceWorthAWord && r.WaitsFor == read.WaitsForMemory:
		return "memory_awaited", d
	case d >= silenceWorthAWord && r.WaitsFor == read.WaitsForAlerts:
		return "reads_held", d
	case r.WaitsFor == read.WaitsForState || r.WaitsFor == read.WaitsForMemory || r.WaitsFor == read.WaitsForAlerts:
		return "", 0
	case refused && r.ReadFailing != nil && st.At.Sub(*r.ReadFailing) >= refusalWorthAWord,
		d >= noAnswerWorthAWord && (r.ReadError != "" || r.WaitsFor == read.WaitsForKinesis):
		return "reads_failing", d
	case r.Throttled != nil && st.At.Sub(*r.Throttled) < throttledLately && r.Lag >= throttledLag.Seconds():
		return "reads_throttled", time.Duration(r.Lag * float64(time.Second))
	}
	return "", 0
}

// readProblems tells of the shards that stand still.
func readProblems(st *Status, still map[string]*shardGroup, add addProblem) {
	if g := still["reads_failing"]; g != nil {
		add(atLeast(g.longest, 0, failingCritical), "reads_failing", read.Remedy(g.code),
			"Kinesis: no success for %s for %s%s%s", words(g.longest), Number(len(g.ids), "shard"), because(g.code), first(g.ids))
	}
	if g := still["reads_throttled"]; g != nil {
		add(LevelWarning, "reads_throttled", read.Remedy("ProvisionedThroughputExceededException"),
			"Kinesis throttles the reads of %s, lag %s%s", Number(len(g.ids), "shard"), words(g.longest), first(g.ids))
	}
	if g := still["evaluation_stuck"]; g != nil {
		add(atLeast(g.longest, 0, failingCritical), "evaluation_stuck",
			"a rule takes too long: find it with kinesis-alerter explain on the shard's next record, make it cheaper, and reload",
			"the evaluation of %s has not come to an end for %s%s", Number(len(g.ids), "shard"), words(g.longest), first(g.ids))
	}
	for _, held := range [][2]string{{"memory_awaited", "for memory"}, {"reads_held", "before reading on"}} {
		if g := still[held[0]]; g != nil {
			add(LevelWarning, "reads_held", "", "%s %s%s%s", wait(uint64(len(g.ids)), "shard"), held[1], onAlerts(st), first(g.ids))
		}
	}
}

func lagProblem(st *Status, late, growing *shardGroup, add addProblem) {
	remedy := "if nothing else is wrong and it does not shrink: more workers, or more shards, or a higher rate of the topic that alerts wait for"
	if n := len(growing.ids); n > 0 {
		add(LevelWarning, "lag_growing", remedy, "the lag of %s grows, %s on %s", Number(n, "shard"), words(growing.longest), growing.worst)
	}
	n := len(late.ids)
	if n == 0 {
		return
	}
	others := ""
	if n > 1 {
		others = fmt.Sprintf(", and more than %s on %s", words(lagWorthAWord), Number(n-1, "other"))
	}
	if half := st.Stream.Retention / 2; half > 0 && late.longest.Seconds() >= half {
		remedy = "raise the stream's retention now, then find out what holds the shard: what it no longer keeps is lost"
		others += ", which is more than half of the stream's retention"
	}
	add(atLeast(late.longest, lagWorthAWord, lagCritical), "lag", remedy, "lag %s on %s%s", words(late.longest), late.worst, others)
}

// shardGroup are shards with the same problem.
type shardGroup struct {
	ids     []string
	longest time.Duration
	worst   string // the shard of longest
	code    string // its error
}

func (g *shardGroup) Add(id string, d time.Duration, code string) {
	g.ids = append(g.ids, id)
	if d > g.longest {
		g.longest, g.worst, g.code = d, id, code
	}
}

// unfetched is for how long a shard has not been read, since reading began at most.
func unfetched(st *Status, r *Reading) time.Duration {
	switch {
	case r.LastFetch != nil:
		return st.At.Sub(*r.LastFetch)
	case r.Since != nil:
		return st.At.Sub(*r.Since)
	}
	return 0
}

// onAlerts says for what the alerts wait that keep shards from being read on.
func onAlerts(st *Status) string {
	for i := range st.Topics {
		if t := &st.Topics[i]; t.Waiting+t.Gathered > 0 {
			return ", because alerts wait for SNS"
		}
	}
	if d := st.DeadLetters; d != nil && d.Waiting > 0 {
		return ", because dead letters wait for " + strings.ToUpper(d.Kind)
	}
	return ""
}
