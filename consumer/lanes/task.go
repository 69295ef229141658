package lanes

import "kinesis-alerter/alert"

// Task is work for one partition key: alerts that have to be published in order, or a record that goes to the dead
// letters as it is. Its owner makes it, and gets it with each call of Owner.
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
	// next is the first alert that its lane has not finished. It belongs to the lane's worker.
	next int

	// The lanes' mutex guards what follows.

	out      int  // alerts that are in digests and not settled
	left     bool // the lane is done with it and waits only for digests
	freed    bool // nothing of its record is held, though it is not settled
	slot     bool // it counts among lanes.tasks
	reserved int  // of lanes.bytes
	// Result is the most consequential outcome of its alerts.
	Result alert.Decision
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
