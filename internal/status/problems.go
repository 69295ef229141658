package status

import (
	"fmt"
	"time"
)

// What is worth a sentence on the status page. The alerting rules have thresholds of their own, and what makes them page is critical
// here (TestEveryPageHasAProblem).
const (
	// lagWorthAWord is the lag of a shard that is a problem, lagCritical one that somebody should have seen to.
	lagWorthAWord = time.Minute
	lagCritical   = 5 * time.Minute
	// unreadCritical is how long nobody may read a shard, beyond a lease's duration.
	unreadCritical = 10 * time.Second
	// lagGrowing is the lag from which on its growth is a problem.
	lagGrowing = 15 * time.Second
	// silenceWorthAWord is how long a shard may wait for anything else than Kinesis. Kinesis itself may refuse calls for
	// refusalWorthAWord, and leave them without answer for noAnswerWorthAWord.
	silenceWorthAWord  = 30 * time.Second
	noAnswerWorthAWord = 10 * time.Second
	refusalWorthAWord  = 5 * time.Second
	// throttledLag is a lag that throttling explains if it happened within throttledLately.
	throttledLag    = 10 * time.Second
	throttledLately = 15 * time.Second
	// evaluationWorthAWord is how long the evaluation of a page may take.
	evaluationWorthAWord = 10 * time.Second
	// failingCritical is how long SNS, or Kinesis, may fail.
	failingCritical = 3 * time.Minute
	// startWorthAWord is how long a start may wait.
	startWorthAWord = 10 * time.Second
	startCritical   = 5 * time.Minute
	// failuresWorthAWord is how many calls in a row may fail, failingWorthAWord for how long.
	failuresWorthAWord = 3
	failingWorthAWord  = 5 * time.Second
	// checkpointCritical is how old a stored checkpoint may be that no lag holds.
	checkpointCritical = 5 * time.Minute
	// reloadWorthAWord is how long a reload may take.
	reloadWorthAWord = 5 * time.Second
	// unsavedWorthAWord is for how long saving a state may fail.
	unsavedWorthAWord = 2 * time.Minute
)

// subjects are in the order of problems of one level: what brings about before what is brought about. Those before shards can make
// shards lag.
func subjects() []string {
	return []string{"credentials", "daemon", "answers", "table", "topic", "dead_letters", "kinesis", "owners", "shards", "records", "rules", "lag", "configuration"}
}

// Problems says what is wrong, the gravest first. It looks at nothing but the snapshot, so that whoever has the JSON can see
// how it comes about. hung says that the loop of the lease table stands still.
func Problems(st *Status, hung bool) []Problem {
	list, subjects := []Problem{}, ProblemSubjects()
	add := func(level Level, code, remedy, text string, args ...any) {
		list = append(list, Problem{
			Level: level, Code: code, Subject: subjects[code], Text: fmt.Sprintf(text, args...), Remedy: remedy,
		})
	}
	ago := func(t *time.Time) time.Duration { return st.At.Sub(*t) }
	if hung {
		add(LevelCritical, "lease_loop_stuck", "restart this process", "the lease loop has not come round for ten seconds")
	}
	answerProblems(st, add)
	clockProblems(st, add)
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
	endProblems(st, add)
	progressProblems(st, add)
	memoryProblems(st, add)
	for i := range st.Topics {
		before := len(list)
		topicProblems(&st.Topics[i], st.At, add)
		subscriptionProblems(&st.Topics[i], add)
		for j := before; j < len(list); j++ {
			list[j].Object = st.Topics[i].Name
		}
	}
	letterProblems(st, add)
	recentProblems(st, add)
	ruleProblems(st, add)
	reloadProblems(st, add)
	fleetConfigProblems(st, add)
	endpointProblems(st, add)
	logProblems(st, add)
	if credentialsProblems(st, add) {
		list = withoutSymptoms(list, st)
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

// addProblem notes a problem; its code is one of problemSubjects.
type addProblem func(level Level, code, remedy, text string, args ...any)

// recentProblems looks at what befell the process lately.
func recentProblems(st *Status, add addProblem) {
	r := &st.Recent
	lately := "in the last " + words(time.Duration(r.Window*float64(time.Second)))
	count := func(n uint64, thing string) string { return Number(int(n), thing) } //nolint:gosec // counts
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
