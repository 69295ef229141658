package consumer

import (
	"slices"
	"strings"
	"sync"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/position"
)

// maxRemembered bounds what a process remembers of all shards that it has lost, in stretches and alert ids together: about
// three megabytes.
const maxRemembered = 16 << 10

// account is what a process has dealt with in a shard above the stored checkpoint: accepted by SNS, taken by the dead
// letters, or given up.
type account struct {
	generation uint32
	// stored is the checkpoint that the table was last known to have.
	stored position.Position
	// stretches are in order. The first may begin before the first record: then it is the watermark.
	stretches []position.Range
	// alerts are those of records that were not dealt with in full, and those that time brought about and no snapshot
	// includes. They are the ids of alerts, or what letterID makes of a record.
	alerts []dealtAlert
}

// dealtAlert is an alert, or a letter, that must not be sent again.
type dealtAlert struct {
	id string
	at position.Position // of its record; a timed one has that of the record before
	// timed says that time brought it about, behind the entry of that number. A snapshot behind that entry includes it.
	timed bool
	after uint64
}

// letterID activity for the letter about a record as the id of an alert activity for that.
func letterID(at position.Position) string { return "letter " + at.String() }

// size is the number of things that an account remembers.
func (a *account) size() int { return len(a.stretches) + len(a.alerts) }

// above is what is left of an account when the table has a checkpoint: nothing, when the shard was sent back since.
func (a *account) above(generation uint32, checkpoint position.Position) *account {
	if a.generation != generation || checkpoint.Compare(a.stored) < 0 {
		return nil
	}
	a.stored = checkpoint
	a.stretches = slices.DeleteFunc(a.stretches, func(s position.Range) bool { return s.UpTo.Compare(checkpoint) <= 0 })
	mark := checkpoint
	if len(a.stretches) > 0 && a.stretches[0].After.IsZero() {
		mark = a.stretches[0].UpTo
	}
	a.alerts = slices.DeleteFunc(a.alerts, func(d dealtAlert) bool {
		if d.timed { // behind the mark it comes with the next record, if no snapshot includes it
			return d.at.Compare(mark) < 0
		}
		return d.at.Compare(mark) <= 0 || position.Covers(a.stretches, d.at)
	})
	if a.size() == 0 {
		return nil
	}
	return a
}

// shrink drops the oldest n things: stretches above the watermark first, then alerts, and the watermark last.
func (a *account) shrink(n int) {
	first := 0
	if len(a.stretches) > 0 && a.stretches[0].After.IsZero() {
		first = 1
	}
	drop := min(n, len(a.stretches)-first)
	a.stretches = slices.Delete(a.stretches, first, first+drop)
	n -= drop
	drop = min(n, len(a.alerts))
	a.alerts = slices.Delete(a.alerts, 0, drop)
	if n > drop {
		a.stretches = nil
	}
}

// ledger keeps the accounts of the shards that this process has lost, until it takes them again or the table has it all.
type ledger struct {
	dropped func(n int)

	mu       sync.Mutex
	accounts map[string]*account
	order    []string // of the shards, the one lost longest ago first
}

func newLedger(dropped func(int)) *ledger {
	return &ledger{dropped: dropped, accounts: map[string]*account{}}
}

// keep takes an account in. Where there is too much, the oldest goes.
func (l *ledger) keep(shard string, a *account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.removeLocked(shard)
	if a.size() == 0 {
		return
	}
	l.accounts[shard] = a
	l.order = append(l.order, shard)
	for over := l.sizeLocked() - maxRemembered; over > 0; over = l.sizeLocked() - maxRemembered {
		oldest := l.accounts[l.order[0]]
		n := min(over, oldest.size())
		oldest.shrink(n)
		l.dropped(n)
		if oldest.size() == 0 {
			l.removeLocked(l.order[0])
		}
	}
}

// take hands the account of a shard out for a lease that begins at a checkpoint; nil where there is nothing above that.
func (l *ledger) take(shard string, generation uint32, checkpoint position.Position) *account {
	l.mu.Lock()
	defer l.mu.Unlock()
	a := l.accounts[shard]
	l.removeLocked(shard)
	if a == nil {
		return nil
	}
	return a.above(generation, checkpoint)
}

// prune drops what the table has by now, from whichever owner.
func (l *ledger) prune(checkpoint func(shard string) (generation uint32, sequence string, sub uint32, known bool)) {
	l.mu.Lock()
	shards := slices.Clone(l.order)
	l.mu.Unlock()
	for _, shard := range shards {
		generation, sequence, sub, known := checkpoint(shard) // takes locks of its own
		if !known {
			continue
		}
		_, number := position.Parse(sequence)
		at, ended := position.Position{Sequence: sequence, Sub: sub}, sequence != "" && !number
		l.mu.Lock()
		if a := l.accounts[shard]; a != nil && (ended || a.above(generation, at) == nil) {
			l.removeLocked(shard)
		}
		l.mu.Unlock()
	}
}

func (l *ledger) removeLocked(shard string) {
	if l.accounts[shard] == nil {
		return
	}
	delete(l.accounts, shard)
	l.order = slices.DeleteFunc(l.order, func(s string) bool { return s == shard })
}

func (l *ledger) sizeLocked() int {
	n := 0
	for _, a := range l.accounts {
		n += a.size()
	}
	return n
}

func (l *ledger) size() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.sizeLocked()
}

// recall begins a shard with what this process has dealt with above the checkpoint: the watermark is where all below is,
// and the rest is as if an earlier owner had named it.
func (s *shard) recall(a *account) {
	if a == nil {
		return
	}
	s.recalled = make(map[string]dealtAlert, len(a.alerts))
	for _, d := range a.alerts {
		s.recalled[d.id] = d
	}
	s.inherited = position.Union([]position.Range{{UpTo: s.stored}}, s.inherited, a.stretches)
	if first := s.inherited; len(first) > 0 && first[0].After.IsZero() {
		s.startAt, s.inherited = first[0].UpTo, first[1:]
	}
	if s.startAt != s.stored {
		s.start = startBehind(s.startAt)
	}
}

// keepAccount keeps what a shard dealt with, unless its last write has stored it.
func (c *Consumer) keepAccount(s *shard) {
	s.mu.Lock()
	stored := s.phase == handedOver || s.phase == ended
	s.mu.Unlock()
	if stored {
		return
	}
	a := s.account()
	if generation, sequence, sub, known := c.leases.Checkpoint(s.id); known && generation == a.generation {
		if at := (position.Position{Sequence: sequence, Sub: sub}); at.Compare(a.stored) > 0 {
			a = a.above(generation, at)
		}
	}
	if a != nil {
		c.ledger.keep(s.id, a)
	}
}

// account sums up what was dealt with here. The lanes must have been stopped.
func (s *shard) account() *account {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := &account{generation: s.lease.Generation(), stored: s.stored}
	if mark := s.mark.mark(); !mark.IsZero() {
		a.stretches = append(a.stretches, position.Range{UpTo: mark})
	}
	// What is too much goes here already, the oldest first, so that one shard does not push out all others.
	above, dropped := s.mark.lastAbove(position.MaxRanges)
	a.stretches = position.Union(a.stretches, above, s.inheritedAbove(s.mark.mark()))
	for e := s.mark.first; e != nil; e = e.next {
		for _, id := range e.dealt {
			a.alerts = append(a.alerts, dealtAlert{id: id, at: e.at, timed: e.timed, after: e.number})
		}
	}
	for _, d := range s.recalled {
		a.alerts = append(a.alerts, d)
	}
	a.alerts = append(a.alerts, s.dealt...)
	slices.SortStableFunc(a.alerts, func(x, y dealtAlert) int { return x.at.Compare(y.at) })
	if over := len(a.alerts) - position.MaxRanges; over > 0 {
		a.alerts, dropped = slices.Delete(a.alerts, 0, over), dropped+over
	}
	if dropped > 0 {
		s.metrics.forgotten.Add(float64(dropped))
	}
	return a
}

// lastAbove lists what is resolved above the mark, up to the first time entry: the last n of it. It says how many it left out.
func (w *watermark) lastAbove(n int) (out []position.Range, dropped int) {
	add := func(s position.Range) {
		if out = append(out, s); len(out) == 2*n {
			out = append(out[:0], out[n:]...)
			dropped += n
		}
	}
	after, timed := position.Position{}, false
	for e := w.first; e != nil && !timed; e = e.next {
		if !after.IsZero() && after != e.before {
			add(position.Range{After: after, UpTo: e.before})
		}
		after, timed = e.at, e.timed
	}
	if !timed && !after.IsZero() && after != w.last {
		add(position.Range{After: after, UpTo: w.last})
	}
	if over := len(out) - n; over > 0 {
		out, dropped = slices.Delete(out, 0, over), dropped+over
	}
	return out, dropped
}

// dealtBefore takes out of alerts those that this process has dealt with before, and answers the ids of those.
func (s *shard) dealtBefore(alerts []*alert.Alert) (left []*alert.Alert, ids []string) {
	if len(s.recalled) == 0 {
		return alerts, nil
	}
	for _, a := range alerts {
		if s.wasDealt(a.ID) {
			ids = append(ids, a.ID)
		} else {
			left = append(left, a)
		}
	}
	return left, ids
}

// wasDealt answers whether this process has dealt with an alert, or a letter, before. It answers so once: a second one with
// the id would be another.
func (s *shard) wasDealt(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	_, ok := s.recalled[id]
	delete(s.recalled, id)
	return ok
}

// remain undoes wasDealt for the alerts of a record that is not taken in after all.
func (s *shard) remain(at position.Position, ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.recalled[id] = dealtAlert{id: id, at: at}
	}
}

// noteDealt keeps what was dealt with in an entry that is resolved and that no offer can name: one that time brought about,
// and those behind one that waits. The entry is no longer in the watermark. Call it with the mutex held.
func (s *shard) noteDealt(e *entry) {
	if s.mark.unresolved() == 0 {
		s.dealt = slices.DeleteFunc(s.dealt, func(d dealtAlert) bool { return !d.timed })
	}
	if !e.timed && !s.mark.timedBefore(e.number) {
		return
	}
	for _, id := range e.dealt {
		s.dealt = append(s.dealt, dealtAlert{id: strings.Clone(id), at: e.at, timed: e.timed, after: e.number})
	}
	if over := len(s.dealt) - 2*position.MaxRanges; over > 0 { // oldest first
		s.dealt = slices.Delete(s.dealt, 0, over)
		s.metrics.forgotten.Add(float64(over))
	}
}

// dealtByTime keeps what time brought about once more, all of it dealt with in an earlier life.
func (s *shard) dealtByTime(ids []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mark.count++
	for _, id := range ids {
		s.dealt = append(s.dealt, dealtAlert{id: id, at: s.mark.last, timed: true, after: s.mark.count})
	}
}

// includes drops the alerts of time that a stored snapshot includes. Call it with the mutex held.
func (s *shard) includes(entries uint64) {
	s.dealt = slices.DeleteFunc(s.dealt, func(d dealtAlert) bool { return d.timed && d.after <= entries })
}

// timedBefore says whether a time entry waits before the entry of a number.
func (w *watermark) timedBefore(number uint64) bool {
	return len(w.timed) > 0 && w.timed[0].number < number
}
