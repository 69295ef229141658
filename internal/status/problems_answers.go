package status

import (
	"time"

	"kinesis-alerter/internal/answer"
)

// BadAnswers is an operation of AWS whose answers cannot be used.
type BadAnswers struct {
	Service   string `json:"service"`
	Operation string `json:"operation"`
	// What is wrong with the last of them.
	What  string    `json:"what"`
	Since time.Time `json:"since"`
	// Of are the shards or topics that it is about; empty where an operation has none.
	Of []string `json:"of"`
}

// BadAnswersOf are the operations whose answers cannot be used now.
func BadAnswersOf(watch *answer.Watch) []BadAnswers {
	out := []BadAnswers{}
	for _, t := range watch.Troubles() {
		one := BadAnswers{Service: t.Service, Operation: t.Operation, What: t.What, Since: t.Since.UTC(), Of: t.Subjects}
		if one.Of == nil {
			one.Of = []string{}
		}
		out = append(out, one)
	}
	return out
}

// answerProblems names the operations whose answers cannot be used now. Nothing is lost by it: the calls are repeated.
func answerProblems(st *Status, add addProblem) {
	if n := st.Recent.Untimed; n > 0 {
		add(LevelWarning, "untimed_records", "look at the clocks of what answers at AWS_ENDPOINT_URL",
			"%s had an arrival time that cannot be, in the last %s, and was not believed",
			Number(int(n), "record"), words(time.Duration(st.Recent.Window*float64(time.Second)))) //nolint:gosec // a count
	}
	for i := range st.BadAnswers {
		b := &st.BadAnswers[i]
		of := ""
		if len(b.Of) > 0 {
			of = first(b.Of)
		}
		add(LevelWarning, "bad_answers", "check AWS_ENDPOINT_URL, proxies and the network: what answers there is not AWS, or AWS is unwell; nothing is lost",
			"bad answers of %s %s for %s, %s%s", b.Service, b.Operation, words(st.At.Sub(b.Since)), b.What, of)
	}
}
