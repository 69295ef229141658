package alert

import (
	"container/heap"
	"strings"
)

// timers is a heap of entries by due time. Entries due at the same moment are ordered by rule, so that an inhibiting
// rule is decided first, and then by key, so that the order is the same after a restart.
type timers []*entry

// restore rebuilds the heap after keys have changed, since keys are part of the order.
func (t *timers) restore() { heap.Init(t) }

// Len implements heap.Interface.
func (t timers) Len() int { return len(t) }

// Less implements heap.Interface.
func (t timers) Less(i, j int) bool {
	a, b := t[i], t[j]
	if a.due != b.due {
		return a.due < b.due
	}
	if a.of != b.of {
		return a.of.rule.place < b.of.rule.place
	}
	return strings.Compare(a.key, b.key) < 0
}

// Swap implements heap.Interface.
func (t timers) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].place, t[j].place = int32(i), int32(j) //nolint:gosec // state.max_keys is far below
}

// Push implements heap.Interface.
func (t *timers) Push(x any) {
	if e, ok := x.(*entry); ok {
		e.place = int32(len(*t)) //nolint:gosec // as in Swap
		*t = append(*t, e)
	}
}

// Pop implements heap.Interface.
func (t *timers) Pop() any {
	old := *t
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*t = old[:len(old)-1]
	e.place = -1
	return e
}
