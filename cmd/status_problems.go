package cmd

import (
	"fmt"
	"math"
	"strings"
	"time"
)

// What is worth a sentence on the status page. The alerting rules have thresholds of their own.
const (
	// lagWorthAWord is the lag of a shard that is a problem.
	lagWorthAWord = time.Minute
	// unreadWorthAWord is how long nobody may read a shard, beyond a lease's duration.
	unreadWorthAWord = 10 * time.Second
	// silenceWorthAWord is how long Kinesis may leave a shard's reads without an answer.
	silenceWorthAWord = 30 * time.Second
	// startWorthAWord is how long a start may wait.
	startWorthAWord = 10 * time.Second
	// failuresWorthAWord is how many calls in a row may fail.
	failuresWorthAWord = 3
)

// problems says what is wrong, the gravest first. It looks at nothing but the snapshot, so that whoever has the JSON can see
// how it comes about. hung says that the loop of the lease table stands still.
func problems(st *Status, hung bool) []Problem {
	list := []Problem{}
	add := func(level Level, subject, remedy, text string, args ...any) {
		list = append(list, Problem{Level: level, Subject: subject, Text: fmt.Sprintf(text, args...), Remedy: remedy})
	}
	ago := func(t *time.Time) time.Duration { return st.At.Sub(*t) }
	if hung {
		add(LevelCritical, "daemon", "restart this process", "the lease loop has not come round for ten seconds")
	}
	switch {
	case st.State == "stopping":
		add(LevelInfo, "daemon", "", "the daemon is stopping: it drains its shards and hands them over")
	case st.State == "starting" && st.WaitingSince != nil:
		level := LevelInfo
		if ago(st.WaitingSince) >= startWorthAWord {
			level = LevelWarning
		}
		add(level, "daemon", "the log says what AWS answers", "starting; waits for %s, for %s so far", st.WaitingFor, words(ago(st.WaitingSince)))
	case st.State == "running":
		tableProblems(st, add)
	}
	shardProblems(st, add)
	for i := range st.Topics {
		topicProblems(&st.Topics[i], st.At, add)
	}
	if d := st.DeadLetters; d != nil {
		switch {
		case d.Fault != "":
			add(LevelCritical, "dead_letters", d.Remedy, "dead letters: %s, %s", faultWords(d.Fault), wait(d.Waiting, "letter"))
		case d.Failures >= failuresWorthAWord && d.FailingSince != nil:
			add(LevelWarning, "dead_letters", "", "dead letters: %s has failed for %s, %s", strings.ToUpper(d.Kind), words(ago(d.FailingSince)), wait(d.Waiting, "letter"))
		}
	}
	if r := st.Reload; r != nil && !r.OK {
		add(LevelWarning, "configuration", "kinesis-alerter check --config FILE names every fault",
			"the last reload was refused %s ago, the old configuration stays in force", words(st.At.Sub(r.At)))
	}
	return gravest(list)
}

type addProblem func(level Level, subject, remedy, text string, args ...any)

// tableProblems looks at this worker's place in the lease table.
func tableProblems(st *Status, add addProblem) {
	const remedy = "check DynamoDB, the network and the role's permissions on the lease table"
	w := &st.Worker
	if w.Heartbeat == nil {
		return // still joining, which is a matter of moments
	}
	silent := st.At.Sub(*w.Heartbeat)
	switch {
	case w.TrustedUntil == nil && silent.Seconds() >= w.LeaseSeconds/2:
		add(LevelCritical, "table", remedy,
			"DynamoDB has not answered for %s, trust in the leases has ended: nothing is read or published", words(silent))
	case w.TrustedUntil != nil && silent.Seconds() >= w.LeaseSeconds/2:
		add(LevelWarning, "table", remedy, "DynamoDB has not answered for %s, trust in the leases ends in %s", words(silent), words(w.TrustedUntil.Sub(st.At)))
	}
}

func shardProblems(st *Status, add addProblem) {
	var unread, late, silent []string
	var lag, silence time.Duration
	var latest string
	for i := range st.Shards {
		s := &st.Shards[i]
		least := time.Duration(st.Worker.LeaseSeconds*float64(time.Second)) + unreadWorthAWord
		if s.UnreadSince != nil && st.At.Sub(*s.UnreadSince) >= least {
			unread = append(unread, s.ID)
		}
		r := s.Reading
		if r == nil {
			continue
		}
		if r.HeldKeys > 0 {
			add(LevelCritical, "shards", "mend the rule or the record's path, then restart; dead_letter or on_rejected: skip lets them pass",
				"%s held on %s: SNS will never accept an alert", are(r.HeldKeys, "partition key"), s.ID)
		}
		if d := time.Duration(r.Lag * float64(time.Second)); d >= lagWorthAWord {
			late = append(late, s.ID)
			if d > lag {
				lag, latest = d, s.ID
			}
		}
		// With records that wait for SNS it may be that nothing more is asked for.
		if r.LastFetch != nil && r.Unresolved == 0 && r.Phase == "reading" {
			if d := st.At.Sub(*r.LastFetch); d >= silenceWorthAWord {
				silent, silence = append(silent, s.ID), max(silence, d)
			}
		}
	}
	if n := len(unread); n > 0 {
		verb := "have"
		if n == 1 {
			verb = "has"
		}
		add(LevelCritical, "shards", "look at the log of the workers: one should take them within a lease's duration",
			"%s %s no owner%s", number(n, "shard"), verb, first(unread))
	}
	if n := len(late); n > 0 {
		others := ""
		if n > 1 {
			others = fmt.Sprintf(", and more than %s on %s", words(lagWorthAWord), number(n-1, "other"))
		}
		level, remedy := LevelWarning, ""
		if half := st.Stream.Retention / 2; half > 0 && lag.Seconds() >= half {
			level, remedy = LevelCritical, "raise the stream's retention now, then find out what holds the shard: what it no longer keeps is lost"
			others += ", which is more than half of the stream's retention"
		}
		add(level, "shards", remedy, "lag %s on %s%s", words(lag), latest, others)
	}
	if n := len(silent); n > 0 {
		add(LevelWarning, "shards", "check Kinesis and the network; kinesis_alerter_aws_requests_total has the error codes",
			"Kinesis has not answered for %s for %s%s", words(silence), number(n, "shard"), first(silent))
	}
	if n := st.ShardCounts["paused"]; n > 0 {
		add(LevelInfo, "shards", "kinesis-alerter leases resume", "%s paused by an operator", are(n, "shard"))
	}
	for i := range st.Workers {
		if w := &st.Workers[i]; w.State == "fenced" && w.Shards > 0 {
			add(LevelInfo, "shards", "", "worker %s fell silent, its %s being taken over", w.ID, are(w.Shards, "shard"))
		}
	}
}

func topicProblems(t *StatusTopic, at time.Time, add addProblem) {
	waiting := uint64(t.Waiting + t.Gathered) //nolint:gosec // counts
	switch {
	case t.Fault != "":
		add(LevelCritical, "topic", t.Remedy, "topic %s: %s, %s", t.Name, faultWords(t.Fault), wait(waiting, "alert"))
	case t.Failures >= failuresWorthAWord && t.FailingSince != nil:
		add(LevelWarning, "topic", "", "topic %s: SNS has failed for %s, %s", t.Name, words(at.Sub(*t.FailingSince)), wait(waiting, "alert"))
	case t.Digesting:
		text := "topic " + t.Name + " gathers digests"
		if waiting > 0 {
			text += ", " + wait(waiting, "alert")
		}
		add(LevelInfo, "topic", "", "%s", text)
	}
}

// summary is the one sentence at the top.
func summary(st *Status) (Level, string) {
	sentence := func(s string) string { return strings.ToUpper(s[:1]) + s[1:] + "." }
	if len(st.Problems) == 0 {
		return LevelOK, sentence("all is well: " + wellness(st))
	}
	worst, others := st.Problems[0], 0
	for i := range st.Problems[1:] {
		if st.Problems[1+i].Level != LevelInfo {
			others++
		}
	}
	switch {
	case worst.Level == LevelInfo && st.State == "running":
		return LevelInfo, sentence("all is well; " + worst.Text)
	case others > 0:
		return worst.Level, sentence(worst.Text + ". And " + number(others, "more problem"))
	}
	return worst.Level, sentence(worst.Text)
}

// wellness says what goes well.
func wellness(st *Status) string {
	open, lag := 0, 0.0
	for i := range st.Shards {
		if r := st.Shards[i].Reading; r != nil {
			open, lag = open+1, math.Max(lag, r.Lag)
		}
	}
	switch {
	case len(st.Shards) == 0:
		return "the shards of the stream are being listed"
	case open == 0:
		return "other workers read all shards, this one is ready to take over"
	}
	return fmt.Sprintf("%s read here, lag %s", are(open, "shard"), words(time.Duration(lag*float64(time.Second))))
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
