package consumer

import (
	"kinesis-alerter/alert"
)

// task is the part of an entry that concerns one partition key: alerts that have to be dealt with in order, or a record
// that goes to the dead letters as it is.
type task struct {
	entry  *entry
	key    string
	alerts []*alert.Alert
	// letter is the record itself, as a dead letter; nil once it is sent.
	letter *alert.Letter
	// decides says that the outcome of the record depends on the task. Alerts of other keys that ride along do not count.
	decides bool
	// tracked says that the ids of its alerts are kept as they are dealt with: an offer cannot say that a part of them is.
	tracked bool
	// bytes is the memory that the task keeps.
	bytes int
	// page is whose credit the task keeps; nil when it keeps none. The shard's mutex guards it.
	page *takenPage
	// next is the first alert that its lane has not dealt with. It belongs to the lane's worker.
	next int

	// The lanes' mutex guards what follows.

	out      int  // alerts that are gathered and not settled
	left     bool // the lane is through with it and waits for nothing but what is out
	freed    bool // nothing of its record is kept, though it is not resolved
	slot     bool // it counts among lanes.tasks
	reserved int  // of lanes.bytes
	// result is the most consequential of what became of its alerts.
	result alert.Decision
}

// note adds what became of an alert, or of a letter.
func (t *task) note(id string, f fate) {
	o, r := f.outcome()
	worsen(&t.result, o, r)
	if t.tracked {
		t.entry.dealt = append(t.entry.dealt, id)
	}
}

// worsen makes d the more consequential of itself and an outcome.
func worsen(d *alert.Decision, o alert.Outcome, r alert.Reason) {
	if o < d.Outcome {
		return
	}
	if o == alert.DeadLettered && d.Outcome == alert.Invalid {
		r = d.Reason // the letter is about the record, and why it could not be read is counted wherever it went
	}
	d.Outcome, d.Reason = o, r
}

// tasksOf sorts alerts by partition key, each key's in their order, into tasks in the order of their first alerts.
func tasksOf(alerts []*alert.Alert) []*task {
	tasks := make([]*task, 0, 1)
	var byKey map[string]*task
	find := func(key string) *task {
		if n := len(tasks); n > 0 && tasks[n-1].key == key {
			return tasks[n-1]
		}
		if byKey == nil && len(tasks) > 0 {
			byKey = map[string]*task{tasks[0].key: tasks[0]}
		}
		t := byKey[key]
		if t == nil {
			t = &task{key: key, bytes: len(key) + recordOverhead}
			tasks = append(tasks, t)
			if byKey != nil {
				byKey[key] = t
			}
		}
		return t
	}
	for _, a := range alerts {
		t := find(a.Record.PartitionKey)
		t.alerts = append(t.alerts, a)
		t.bytes = max(t.bytes, len(a.Record.Data)+len(t.key)+recordOverhead)
	}
	return tasks
}

// keepsPayload says whether a task keeps a part of the page that its record came with.
func (t *task) keepsPayload() bool {
	if t.letter != nil {
		return true
	}
	for _, a := range t.alerts {
		if len(a.Record.Data) > 0 {
			return true
		}
	}
	return false
}
