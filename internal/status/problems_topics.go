package status

import (
	"cmp"
	"strings"
	"time"
)

const (
	// failuresWarnAfter is how many calls in a row may fail, failingWarnAfter for how long.
	failuresWarnAfter = 3
	failingWarnAfter  = 5 * time.Second
	// failingCritical is how long SNS, Kinesis or an evaluation may fail.
	failingCritical = 3 * time.Minute
)

func topicKinds() []kind {
	const subscribe = "subscribe who should get its alerts, and confirm the subscription; SNS switches off an " +
		"e-mail address that gets more than ten messages in a second"
	return []kind{
		{
			code: "topic_held",
			find: ofTopics(func(_ *model, t *Topic, _ thresholds) findings {
				return found(when(t.Fault != "", LevelCritical), "topic %s: %s%s, %s",
					t.Name, faultWords(t.Fault), said(t.Error), t.waits()).advise(t.Remedy).blaming(t.Failing)
			}),
		},
		{
			code: "topic_failing", symptomOf: []string{"topic_held"},
			after: thresholds{critical: failingCritical},
			find:  ofTopics(failingTopic),
		},
		{
			code: "topic_digesting", symptomOf: []string{"topic_held", "topic_failing"},
			find: ofTopics(func(_ *model, t *Topic, _ thresholds) findings {
				waiting := ""
				if t.Waiting+t.Gathered > 0 {
					waiting = ", " + t.waits()
				}
				return found(when(t.Digesting, LevelInfo), "topic %s gathers digests%s", t.Name, waiting)
			}),
		},
		{
			code: "topic_unheard", remedy: subscribe, // what SNS takes for such a topic is gone
			find: ofTopics(func(_ *model, t *Topic, _ thresholds) findings {
				s, none := &t.Subscriptions, "it has no subscription"
				if s.Pending > 0 {
					none = are(s.Pending, "subscription") + " not confirmed"
				}
				return found(when(t.heard() && s.Confirmed == 0, LevelCritical),
					"topic %s reaches no one: %s", t.Name, none)
			}),
		},
		{
			code: "subscriptions_unknown", remedy: "allow sns:GetTopicAttributes on the topic",
			find: ofTopics(func(_ *model, t *Topic, _ thresholds) findings {
				s := &t.Subscriptions
				return found(when(!t.Ending && s.At != nil && s.Unknown != "", LevelInfo),
					"topic %s: its subscriptions are not known (%s)", t.Name, s.Unknown).blaming(s.Unknown)
			}),
		},
		{
			code: "subscriptions_fewer", remedy: subscribe + "; if that is intended, this message ends after a day",
			symptomOf: []string{"topic_unheard"},
			find: ofTopics(func(_ *model, t *Topic, _ thresholds) findings {
				s := &t.Subscriptions
				return found(when(t.heard() && s.Confirmed < s.Had, LevelWarning),
					"topic %s has %s, it had %d within the last day",
					t.Name, Number(s.Confirmed, "confirmed subscription"), s.Had)
			}),
		},
	}
}

// ofTopics looks at each topic, which is the object of what it finds.
func ofTopics(find func(*model, *Topic, thresholds) findings) func(*model, thresholds) findings {
	return func(m *model, after thresholds) (all findings) {
		for i := range m.Topics {
			for _, f := range find(m, &m.Topics[i], after) {
				f.object = m.Topics[i].Name
				all = append(all, f)
			}
		}
		return all
	}
}

func failingTopic(m *model, t *Topic, after thresholds) findings {
	var f findings
	if d := m.ago(t.FailingSince); topicFails(t, m.At) {
		f = found(
			cmp.Or(after.level(d), LevelWarning), "topic %s: SNS has failed for %s%s, %s", t.Name, words(d),
			said(t.Error), t.waits(),
		)
	} else if d := m.ago(t.AlertFailingSince); d >= failingWarnAfter {
		f = found(LevelWarning, "topic %s: SNS has refused one alert for %s while it accepts others%s, %s",
			t.Name, words(d), said(t.Error), t.waits())
	}
	return f.advise(t.Remedy).blaming(t.Failing)
}

// topicFails reports whether SNS fails now, as far as that is known: without an alert that is retried, the failures of
// those that were given up say nothing about now.
func topicFails(t *Topic, at time.Time) bool {
	return t.FailingSince != nil && t.Waiting+t.Gathered > 0 &&
		(t.Failures >= failuresWarnAfter || t.Failures > 0 && at.Sub(*t.FailingSince) >= failingWarnAfter)
}

// heard says that the topic stays and that its subscriptions are known.
func (t *Topic) heard() bool {
	return !t.Ending && t.Subscriptions.At != nil && t.Subscriptions.Unknown == ""
}

func (t *Topic) waits() string { return wait(uint64(max(0, t.Waiting+t.Gathered)), "alert") }

func deadLetterKinds() []kind {
	return []kind{
		{
			code: "dead_letters_held",
			find: func(m *model, _ thresholds) findings {
				d := m.DeadLetters
				if d == nil || d.Fault == "" {
					return nil
				}
				return found(
					LevelCritical, "dead letters: %s%s, %s", faultWords(d.Fault), said(d.Error),
					wait(d.Waiting, "letter"),
				).
					advise(d.Remedy).blaming(d.Fault, d.Error)
			},
		},
		{
			code: "dead_letters_failing", symptomOf: []string{"dead_letters_held"},
			find: func(m *model, _ thresholds) findings {
				d := m.DeadLetters
				if d == nil || !lettersFail(d) {
					return nil
				}
				return found(LevelWarning, "dead letters: %s has failed for %s%s, %s",
					strings.ToUpper(d.Kind), words(
						m.ago(d.FailingSince),
					), said(d.Error), wait(d.Waiting, "letter")).blaming(d.Error)
			},
		},
	}
}

func lettersFail(d *DeadLetters) bool {
	return d.Failures >= failuresWarnAfter && d.FailingSince != nil && d.Waiting > 0
}

// said is what a service said, in brackets.
func said(text string) string {
	if text == "" {
		return ""
	}
	return " (" + text + ")"
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
	case "topic_missing", "stream_not_found":
		return "it does not exist"
	case "stream_refused":
		return "its name or its state is refused"
	case "signature":
		return "credentials not accepted"
	case "unknown":
		return "an unknown error"
	}
	return strings.ReplaceAll(reason, "_", " ")
}
