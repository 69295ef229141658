package cmd

import (
	"strings"
	"time"
)

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

// topicFails says that SNS fails as far as anybody can see: without an alert that is tried again, the failures of those that were
// given up say nothing about now.
func topicFails(t *StatusTopic) bool {
	return t.Failures >= failuresWorthAWord && t.FailingSince != nil && t.Waiting+t.Gathered > 0
}

func letterProblems(st *Status, add addProblem) {
	d := st.DeadLetters
	switch {
	case d == nil:
	case d.Fault != "":
		add(LevelCritical, "dead_letters_held", d.Remedy, "dead letters: %s, %s", faultWords(d.Fault), wait(d.Waiting, "letter"))
	case lettersFail(d):
		add(LevelWarning, "dead_letters_failing", "", "dead letters: %s has failed for %s, %s",
			strings.ToUpper(d.Kind), words(st.At.Sub(*d.FailingSince)), wait(d.Waiting, "letter"))
	}
}

func lettersFail(d *StatusDeadLetters) bool {
	return d.Failures >= failuresWorthAWord && d.FailingSince != nil && d.Waiting > 0
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
