package cmd

import (
	"fmt"
	"strings"
	"time"

	"kinesis-alerter/consumer"
)

// shardProblems looks at the shards that this process reads.
func shardProblems(st *Status, add addProblem) {
	var refused, crowded, starved, stateless, stuck, unsaved, late shardGroup
	keys, holding := 0, []string(nil)
	for i := range st.Shards {
		s := &st.Shards[i]
		r := s.Reading
		if r == nil {
			continue
		}
		if keys += r.HeldKeys; r.HeldKeys > 0 {
			holding = append(holding, s.ID)
		}
		lag := time.Duration(r.Lag * float64(time.Second))
		if lag >= lagWorthAWord {
			late.add(s.ID, lag, "")
		}
		if d := unfetched(st, r); r.Phase == "reading" && d >= silenceWorthAWord {
			switch {
			case r.WaitsFor == consumer.WaitsForState:
				stateless.add(s.ID, d, "")
			case r.WaitsFor == consumer.WaitsForMemory:
				starved.add(s.ID, d, "")
			case r.WaitsFor == consumer.WaitsForAlerts:
				crowded.add(s.ID, d, "")
			case r.ReadError != "":
				refused.add(s.ID, d, r.ReadError)
			}
		}
		if r.Checkpoint != nil && lag < lagWorthAWord {
			if d := st.At.Sub(*r.Checkpoint); d >= checkpointCritical {
				stuck.add(s.ID, d, "")
			}
		}
		if r.StateFailing != nil {
			if d := st.At.Sub(*r.StateFailing); d >= unsavedWorthAWord {
				unsaved.add(s.ID, d, "")
			}
		}
	}
	const table = "check the calls of DynamoDB: are they throttled, denied or without answer? The log has the errors"
	if n := len(stuck.ids); n > 0 {
		add(LevelCritical, "checkpoint_stuck", table, "the checkpoint of %s has not been stored for %s%s", number(n, "shard"), words(stuck.longest), first(stuck.ids))
	}
	if n := len(unsaved.ids); n > 0 {
		add(LevelWarning, "state_unsaved", table, "the state of %s has not been saved for %s%s", number(n, "shard"), words(unsaved.longest), first(unsaved.ids))
	}
	if n := len(stateless.ids); n > 0 {
		add(LevelWarning, "state_awaited", table, "%s for the state in DynamoDB, for %s so far%s", wait(uint64(n), "shard"), words(stateless.longest), first(stateless.ids))
	}
	if n := len(refused.ids); n > 0 {
		add(atLeast(refused.longest, silenceWorthAWord, failingCritical), "reads_failing", readRemedy(refused.code),
			"Kinesis: no success for %s for %s%s%s", words(refused.longest), number(n, "shard"), because(refused.code), first(refused.ids))
	}
	if keys > 0 {
		add(LevelCritical, "keys_held", "mend the rule or the record's path, then restart; dead_letter or on_rejected: skip lets them pass",
			"%s held, because SNS will never accept an alert%s", are(keys, "partition key"), first(holding))
	}
	for _, g := range []struct {
		*shardGroup
		what string
	}{{&starved, "for memory"}, {&crowded, "before reading on"}} {
		if n := len(g.ids); n > 0 {
			add(LevelWarning, "reads_held", "", "%s %s%s%s", wait(uint64(n), "shard"), g.what, onAlerts(st), first(g.ids))
		}
	}
	lagProblem(st, &late, add)
	pauseProblem(st, add)
}

func lagProblem(st *Status, late *shardGroup, add addProblem) {
	n := len(late.ids)
	if n == 0 {
		return
	}
	others := ""
	if n > 1 {
		others = fmt.Sprintf(", and more than %s on %s", words(lagWorthAWord), number(n-1, "other"))
	}
	remedy := "if nothing else is wrong and it does not shrink: more workers, or more shards, or a higher rate of the topic that alerts wait for"
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

func (g *shardGroup) add(id string, d time.Duration, code string) {
	g.ids = append(g.ids, id)
	if d > g.longest {
		g.longest, g.worst, g.code = d, id, code
	}
}

// unfetched is for how long a shard has not been read, since reading began at most.
func unfetched(st *Status, r *StatusReading) time.Duration {
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

// readRemedy is what to do about an error code of Kinesis.
func readRemedy(code string) string {
	switch {
	case strings.HasPrefix(code, "KMS"):
		return "the role needs kms:Decrypt on the stream's key, and the key must be enabled"
	case strings.Contains(code, "AccessDenied"):
		return "the role needs kinesis:GetRecords and kinesis:GetShardIterator on the stream"
	case strings.Contains(code, "Throughput"), strings.Contains(code, "LimitExceeded"):
		return "look at who else reads the stream: Kinesis allows five reads a second and 2 MB/s a shard to all together"
	}
	return "check Kinesis and the network; the log has the errors"
}
