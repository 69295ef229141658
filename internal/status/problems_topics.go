package status

import (
	"strings"
	"time"
)

func topicProblems(t *Topic, at time.Time, add addProblem) {
	waiting := uint64(t.Waiting + t.Gathered) //nolint:gosec // counts
	switch {
	case t.Fault != "":
		add(LevelCritical, "topic_held", t.Remedy, "topic %s: %s%s, %s", t.Name, faultWords(t.Fault), said(t.Error), wait(waiting, "alert"))
	case topicFails(t, at):
		d := at.Sub(*t.FailingSince)
		add(atLeast(d, 0, failingCritical), "topic_failing", t.Remedy, "topic %s: SNS has failed for %s%s, %s",
			t.Name, words(d), said(t.Error), wait(waiting, "alert"))
	case t.AlertFailingSince != nil && at.Sub(*t.AlertFailingSince) >= failingWorthAWord:
		add(LevelWarning, "topic_failing", t.Remedy, "topic %s: SNS has failed one alert for %s while it takes others%s, %s",
			t.Name, words(at.Sub(*t.AlertFailingSince)), said(t.Error), wait(waiting, "alert"))
	case t.Digesting:
		text := "topic " + t.Name + " gathers digests"
		if waiting > 0 {
			text += ", " + wait(waiting, "alert")
		}
		add(LevelInfo, "topic_digesting", "", "%s", text)
	}
}

// said is what a service said, in brackets.
func said(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
}

// topicFails says that SNS fails as far as anybody can see: without an alert that is tried again, the failures of those that were
// given up say nothing about now.
func topicFails(t *Topic, at time.Time) bool {
	return t.FailingSince != nil && t.Waiting+t.Gathered > 0 &&
		(t.Failures >= failuresWorthAWord || t.Failures > 0 && at.Sub(*t.FailingSince) >= failingWorthAWord)
}

func letterProblems(st *Status, add addProblem) {
	d := st.DeadLetters
	switch {
	case d == nil:
	case d.Fault != "":
		add(LevelCritical, "dead_letters_held", d.Remedy, "dead letters: %s%s, %s", faultWords(d.Fault), said(d.Error), wait(d.Waiting, "letter"))
	case lettersFail(d):
		add(LevelWarning, "dead_letters_failing", "", "dead letters: %s has failed for %s%s, %s",
			strings.ToUpper(d.Kind), words(st.At.Sub(*d.FailingSince)), said(d.Error), wait(d.Waiting, "letter"))
	}
}

func lettersFail(d *DeadLetters) bool {
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
