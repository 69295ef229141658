package cmd

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"kinesis-alerter/checkpoint"

	"kinesis-alerter/consumer"
)

// What is worth a sentence on the status page. The alerting rules have thresholds of their own, and what makes them page is critical
// here (TestEveryPageHasAProblem).
const (
	// lagWorthAWord is the lag of a shard that is a problem, lagCritical one that somebody should have seen to.
	lagWorthAWord = time.Minute
	lagCritical   = 5 * time.Minute
	// unreadCritical is how long nobody may read a shard, beyond a lease's duration.
	unreadCritical = 10 * time.Second
	// silenceWorthAWord is how long the reads of a shard may be without success.
	silenceWorthAWord = 30 * time.Second
	// failingCritical is how long SNS, or Kinesis, may fail.
	failingCritical = 3 * time.Minute
	// startWorthAWord is how long a start may wait.
	startWorthAWord = 10 * time.Second
	startCritical   = 5 * time.Minute
	// failuresWorthAWord is how many calls in a row may fail.
	failuresWorthAWord = 3
	// checkpointCritical is how old a stored checkpoint may be that no lag holds.
	checkpointCritical = 5 * time.Minute
	// unsavedWorthAWord is for how long saving a state may fail.
	unsavedWorthAWord = 2 * time.Minute
)

// subjects are in the order of problems of one level: what brings about before what is brought about. Those before shards can make
// shards lag.
func subjects() []string {
	return []string{"daemon", "table", "topic", "dead_letters", "kinesis", "owners", "shards", "records", "lag", "configuration"}
}

// problems says what is wrong, the gravest first. It looks at nothing but the snapshot, so that whoever has the JSON can see
// how it comes about. hung says that the loop of the lease table stands still.
func problems(st *Status, hung bool) []Problem {
	list := []Problem{}
	subjects := problemSubjects()
	add := func(level Level, code, remedy, text string, args ...any) {
		list = append(list, Problem{Level: level, Code: code, Subject: subjects[code], Text: fmt.Sprintf(text, args...), Remedy: remedy})
	}
	ago := func(t *time.Time) time.Duration { return st.At.Sub(*t) }
	if hung {
		add(LevelCritical, "lease_loop_stuck", "restart this process", "the lease loop has not come round for ten seconds")
	}
	unread := ownerProblems(st, add)
	switch {
	case st.State == "stopping":
		add(LevelInfo, "stopping", "", "the daemon is stopping: it drains its shards and hands them over")
	case st.State == "starting" && st.WaitingSince != nil:
		waited := ago(st.WaitingSince)
		level := atLeast(waited, startWorthAWord, startCritical)
		if unread == LevelCritical { // by the whole fleet, and this is why it is not read here
			level = unread
		}
		add(level, "start_waits", "the log says what AWS answers",
			"starting; waits for %s, for %s so far", st.WaitingFor, words(waited))
	case st.State == "running":
		tableProblems(st, add)
	}
	shardProblems(st, add)
	memoryProblems(st, add)
	for i := range st.Topics {
		topicProblems(&st.Topics[i], st.At, add)
	}
	if d := st.DeadLetters; d != nil {
		switch {
		case d.Fault != "":
			add(LevelCritical, "dead_letters_held", d.Remedy, "dead letters: %s, %s", faultWords(d.Fault), wait(d.Waiting, "letter"))
		case lettersFail(d):
			add(LevelWarning, "dead_letters_failing", "", "dead letters: %s has failed for %s, %s", strings.ToUpper(d.Kind), words(ago(d.FailingSince)), wait(d.Waiting, "letter"))
		}
	}
	recentProblems(st, add)
	if r := st.Reload; r != nil && r.OK {
		for _, change := range r.Changes {
			if part, waits := strings.CutSuffix(change, restartNeeded); waits {
				add(LevelInfo, "restart_needed", "restart the workers one after the other",
					"%s in the file differs from what is in force, since a reload %s ago", part, words(st.At.Sub(r.At)))
			}
		}
	}
	if r := st.Reload; r != nil && !r.OK {
		add(LevelWarning, "reload_refused", "kinesis-alerter check --config FILE names every fault",
			"the last reload was refused %s ago, the old configuration stays in force", words(st.At.Sub(r.At)))
	}
	return gravest(list)
}

// atLeast is a warning from one duration on, critical from another.
func atLeast(d, warning, critical time.Duration) Level {
	switch {
	case d >= critical:
		return LevelCritical
	case d >= warning:
		return LevelWarning
	}
	return LevelInfo
}

type addProblem func(level Level, code, remedy, text string, args ...any)

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

// because is the reason of failed calls, in brackets.
func because(code string) string {
	switch code {
	case "":
		return ""
	case "timeout":
		return " (no answer)"
	}
	return " (" + code + ")"
}

// ownerProblems looks at shards that nobody reads, or whose owner is silent, and says how grave the former is.
func ownerProblems(st *Status, add addProblem) Level {
	lease := time.Duration(st.Worker.LeaseSeconds * float64(time.Second))
	workers := make(map[string]*StatusFleetWorker, len(st.Workers))
	for i := range st.Workers {
		workers[st.Workers[i].ID] = &st.Workers[i]
	}
	var waits, late []string
	var longest time.Duration
	silent := map[string]bool{} // owners of what nobody reads
	for i := range st.Shards {
		s := &st.Shards[i]
		if s.UnreadSince == nil {
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
			add(LevelInfo, "worker_silent", "", "worker %s has been silent for %s, it holds %s", w.ID, words(time.Duration(w.Silent*float64(time.Second))), number(w.Shards, "shard"))
		}
	}
	return level
}

// silence says which workers were last heard of when.
func silence(ids map[string]bool, workers map[string]*StatusFleetWorker) string {
	var longest *StatusFleetWorker
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
		text += ", and " + number(n, "other")
	}
	return text
}

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

// recentProblems looks at what befell the process lately.
func recentProblems(st *Status, add addProblem) {
	r := &st.Recent
	lately := "in the last " + words(time.Duration(r.Window*float64(time.Second)))
	count := func(n uint64, thing string) string { return number(int(n), thing) } //nolint:gosec // counts
	if r.Missed > 0 {
		add(LevelCritical, "records_missed", "raise the stream's retention, and find out what held the shards, which the log names",
			"records may have been missed %s: %s had left the stream", lately, count(r.Missed, "checkpoint"))
	}
	if r.GivenUp > 0 {
		add(LevelCritical, "alerts_given_up", "a dead_letter destination would keep them", "alerts dropped %s: %s given up at the limits of attempts or age", lately, count(r.GivenUp, "alert"))
	}
	if r.Skipped > 0 {
		add(LevelWarning, "alerts_skipped", "the log has the reasons; a dead_letter destination would keep them",
			"alerts dropped %s: %s rejected by SNS and skipped as configured", lately, count(r.Skipped, "alert"))
	}
	if r.Letters > 0 {
		add(LevelWarning, "alerts_dead_lettered", "the letters have payload and reason", "alerts became dead letters %s: %s", lately, count(r.Letters, "letter"))
	}
	if r.InvalidLetters > 0 {
		add(LevelInfo, "records_dead_lettered", "the letters have payload and reason", "records that cannot be read became dead letters %s: %s", lately, count(r.InvalidLetters, "letter"))
	}
	if r.Panics > 0 {
		add(LevelWarning, "panics", "report it: each is a bug, and the log has where", "%s recovered from %s", count(r.Panics, "panic"), lately)
	}
	if r.StateGaps > 0 {
		add(LevelWarning, "state_lost", "the log has the reasons; windows, counts and suppressions may be off for a while",
			"evaluation went on without its state %s, on %s", lately, count(r.StateGaps, "shard"))
	}
}

// topicFails says that SNS fails as far as anybody can see: without an alert that is tried again, the failures of those that were
// given up say nothing about now.
func topicFails(t *StatusTopic) bool {
	return t.Failures >= failuresWorthAWord && t.FailingSince != nil && t.Waiting+t.Gathered > 0
}

func lettersFail(d *StatusDeadLetters) bool {
	return d.Failures >= failuresWorthAWord && d.FailingSince != nil && d.Waiting > 0
}

func topicProblems(t *StatusTopic, at time.Time, add addProblem) {
	waiting := uint64(t.Waiting + t.Gathered) //nolint:gosec // counts
	switch {
	case t.Fault != "":
		add(LevelCritical, "topic_held", t.Remedy, "topic %s: %s, %s", t.Name, faultWords(t.Fault), wait(waiting, "alert"))
	case topicFails(t):
		add(atLeast(at.Sub(*t.FailingSince), 0, failingCritical), "topic_failing", "", "topic %s: SNS has failed for %s, %s", t.Name, words(at.Sub(*t.FailingSince)), wait(waiting, "alert"))
	case t.Digesting:
		text := "topic " + t.Name + " gathers digests"
		if waiting > 0 {
			text += ", " + wait(waiting, "alert")
		}
		add(LevelInfo, "topic_digesting", "", "%s", text)
	}
}

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

// faultWords says a reason of a held destination as people do.
func faultWords(reason string) string {
	switch reason {
	case "not_authorized":
		return "access denied"
	case "kms_access_denied":
		return "access to its KMS key denied"
	case "kms_key_unusable":
		return "its KMS key cannot be used"
	case "topic_missing":
		return "it does not exist"
	case "signature":
		return "credentials not accepted"
	case "unknown":
		return "an unknown error"
	}
	return strings.ReplaceAll(reason, "_", " ")
}

func first(ids []string) string {
	const most = 3
	if len(ids) <= most {
		return ": " + strings.Join(ids, ", ")
	}
	return ": " + strings.Join(ids[:most], ", ") + ", …"
}

// number writes a count with its thing.
func number(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return grouped(uint64(max(0, n))) + " " + thing + "s"
}

func are(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " is"
	}
	return number(n, thing) + " are"
}

func have(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " has"
	}
	return number(n, thing) + " have"
}

func wait(n uint64, thing string) string {
	if n == 1 {
		return "1 " + thing + " waits"
	}
	return grouped(n) + " " + thing + "s wait"
}

// grouped writes 1234567 as 1,234,567.
func grouped(n uint64) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// words writes a duration with at most two units: 0.2 s, 40 s, 3 m 20 s, 2 h 5 m, 3 d 4 h.
func words(d time.Duration) string {
	s := d.Seconds()
	switch {
	case s < 0.05:
		return "0 s"
	case s < 9.95:
		return fmt.Sprintf("%.1f s", s)
	}
	n := int64(math.Round(s))
	pair := func(unit int64, big, small string, smallUnit int64) string {
		if rest := n % unit / smallUnit; rest > 0 {
			return fmt.Sprintf("%d %s %d %s", n/unit, big, rest, small)
		}
		return fmt.Sprintf("%d %s", n/unit, big)
	}
	switch {
	case n < 60:
		return fmt.Sprintf("%d s", n)
	case n < 3600:
		return pair(60, "m", "s", 1)
	case n < 86400:
		return pair(3600, "h", "m", 60)
	}
	return pair(86400, "d", "h", 3600)
}
