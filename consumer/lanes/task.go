package lanes

import (
	"slices"

	"kinesis-alerter/alert"
)

// Task is work for one partition key: alerts, of which those for one topic have to be published in order, or a record
// that goes to the dead letters as it is. Its owner makes it, and gets it with each call of Owner.
type Task struct {
	Owner  any // the owner's own value
	Key    string
	Alerts []*alert.Alert
	// Letter is the record itself, as a dead letter; nil once it is sent. letterID is its id, as an alert has one.
	Letter   *alert.Letter
	LetterID string
	Bytes    int // of memory that the task holds
	// Dealt, if not nil, gets the ids of what is done, one by one. The lanes' mutex guards it.
	Dealt *[]string

	first leg // the only one of most tasks

	// The lanes' mutex guards what follows.

	number   uint64 // in the order of Submit
	legs     int    // that their lanes are not done with
	out      int    // alerts that are in digests and not settled
	freed    bool   // nothing of its record is held, though it is not settled
	slot     bool   // it counts among lanes.tasks
	reserved int    // of lanes.bytes
	// Result is the most consequential outcome of its alerts.
	Result alert.Decision
}

// leg is a task's work for one topic.
type leg struct {
	task   *Task
	alerts []*alert.Alert
	// next is the first alert that its lane has not finished. It belongs to the lane's worker.
	next int

	// The lanes' mutex guards what follows, and changes of alerts.

	// after are older legs of the key whose alerts may yet go to the topic of this one.
	after []*leg
	out   int  // alerts that are in digests and not settled
	left  bool // the lane is done with it and waits only for digests
}

// split divides a task into legs, in the order of their first alerts. A letter of the record has a leg of its own.
func (t *Task) split() []*leg {
	t.first = leg{task: t, alerts: t.Alerts}
	legs := []*leg{&t.first}
	if same := func(a *alert.Alert) bool { return a.Topic == t.Alerts[0].Topic }; len(t.Alerts) < 2 ||
		!slices.ContainsFunc(t.Alerts, func(a *alert.Alert) bool { return !same(a) }) {
		return legs
	}
	t.first.alerts = nil
	for _, a := range t.Alerts {
		i := slices.IndexFunc(legs, func(g *leg) bool { return len(g.alerts) == 0 || g.topic() == a.Topic })
		if i < 0 {
			i, legs = len(legs), append(legs, &leg{task: t})
		}
		legs[i].alerts = append(legs[i].alerts, a)
	}
	return legs
}

// topic is that of a leg that has not begun; empty for a letter.
func (g *leg) topic() string {
	if len(g.alerts) == 0 {
		return ""
	}
	return g.alerts[0].Topic
}

// over says that all of the leg is settled.
func (g *leg) over() bool { return g.left && g.out == 0 }

// mayGoTo says whether an alert of the leg may be redirected to the topic of an alert: it is of the same rule, which
// did not have that topic then.
func (g *leg) mayGoTo(to *alert.Alert) bool {
	return slices.ContainsFunc(g.alerts, func(a *alert.Alert) bool { return a.Rule == to.Rule && !a.SentTo(to.Topic) })
}

// waits says whether older alerts of the key may have to go before the leg.
func (g *leg) waits() bool {
	g.after = slices.DeleteFunc(g.after, (*leg).over)
	return len(g.after) > 0
}

// note adds the outcome of an alert, or of a dead letter.
func (t *Task) note(id string, f Disposition) {
	outcome, reason := f.outcome()
	MergeOutcome(&t.Result, outcome, reason)
	if t.Dealt != nil {
		*t.Dealt = append(*t.Dealt, id)
	}
}

// MergeOutcome makes d the more consequential of itself and an outcome.
func MergeOutcome(d *alert.Decision, o alert.Outcome, r alert.Reason) {
	if o < d.Outcome {
		return
	}
	if o == alert.DeadLettered && d.Outcome == alert.Invalid {
		r = d.Reason // the dead letter is about the record, and why it could not be read is counted wherever it went
	}
	d.Outcome, d.Reason = o, r
}
