package fakeaws

import "time"

// dedupInterval is how long SNS and SQS remember a deduplication id, from the message that used it first.
const dedupInterval = 5 * time.Minute

// dedupFirst is the answer that the first message got; later ones get it again.
type dedupFirst struct {
	messageID, sequence string
	at                  time.Time
}

// dedupWindow remembers the messages of the last five minutes by deduplication id. The zero value is empty.
type dedupWindow struct {
	first map[string]dedupFirst
	order []string // by age, oldest first
}

// lookup reports whether the id was used within the interval.
func (w *dedupWindow) lookup(at time.Time, id string) (dedupFirst, bool) {
	for len(w.order) > 0 && at.Sub(w.first[w.order[0]].at) >= dedupInterval {
		delete(w.first, w.order[0])
		w.order = w.order[1:]
	}
	f, ok := w.first[id]
	return f, ok
}

// add remembers an id that lookup did not find.
func (w *dedupWindow) add(id string, f dedupFirst) {
	if w.first == nil {
		w.first = map[string]dedupFirst{}
	}
	w.first[id] = f
	w.order = append(w.order, id)
}
