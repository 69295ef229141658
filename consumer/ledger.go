package consumer

import (
	"slices"
	"sync"

	"kinesis-alerter/internal/position"
)

// maxRemembered bounds what a process remembers of all shards that it has lost: ranges and alert ids together, about
// three megabytes.
const maxRemembered = 16 << 10

// account is what a process has dealt with in a shard above the stored checkpoint: accepted by SNS or by the
// dead-letter destination, or given up.
type account struct {
	generation uint32
	// stored is the checkpoint that the table was last known to have.
	stored position.Position
	// ranges are in order. The first may begin before the first record: then it is the watermark.
	ranges []position.Range
	// alerts are those of records that were not dealt with in full, and those that a timer caused and no snapshot
	// includes. They are the ids of alerts, or what letterID makes of a record.
	alerts []dealtAlert
}

// dealtAlert is an alert, or a dead letter, that must not be sent again.
type dealtAlert struct {
	id string
	at position.Position // of its record; a timed one has that of the record before
	// timed says that a timer caused it, behind the entry of that number. A snapshot behind that entry includes it.
	timed bool
	after uint64
}

// letterID is the id of a record's dead letter, as an alert's id is that of an alert.
func letterID(at position.Position) string { return "letter " + at.String() }

// size is the number of things that an account remembers.
func (a *account) size() int { return len(a.ranges) + len(a.alerts) }

// above returns what is left of an account above a checkpoint of the table: nothing, if the shard was rewound since.
func (a *account) above(generation uint32, checkpoint position.Position) *account {
	if a.generation != generation || checkpoint.Compare(a.stored) < 0 {
		return nil
	}
	a.stored = checkpoint
	a.ranges = slices.DeleteFunc(a.ranges, func(s position.Range) bool { return s.UpTo.Compare(checkpoint) <= 0 })
	mark := checkpoint
	if len(a.ranges) > 0 && a.ranges[0].After.IsZero() {
		mark = a.ranges[0].UpTo
	}
	a.alerts = slices.DeleteFunc(a.alerts, func(d dealtAlert) bool {
		if d.timed { // above the watermark it comes with the next record, if no snapshot includes it
			return d.at.Compare(mark) < 0
		}
		return d.at.Compare(mark) <= 0 || position.Covers(a.ranges, d.at)
	})
	if a.size() == 0 {
		return nil
	}
	return a
}

// shrink drops the oldest n things: ranges above the watermark first, then alerts, and the watermark last.
func (a *account) shrink(n int) {
	first := 0
	if len(a.ranges) > 0 && a.ranges[0].After.IsZero() {
		first = 1
	}
	drop := min(n, len(a.ranges)-first)
	a.ranges = slices.Delete(a.ranges, first, first+drop)
	n -= drop
	drop = min(n, len(a.alerts))
	a.alerts = slices.Delete(a.alerts, 0, drop)
	if n > drop {
		a.ranges = nil
	}
}

// ledger keeps the accounts of the shards that this process has lost, until it takes them again or the table has it
// all.
type ledger struct {
	dropped func(n int)

	mu       sync.Mutex
	accounts map[string]*account
	order    []string // of the shards, the one lost longest ago first
}

func newLedger(dropped func(int)) *ledger {
	return &ledger{dropped: dropped, accounts: map[string]*account{}}
}

// keep adds an account. When there is too much, the oldest is dropped.
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

// take removes and returns the account of a shard, for a lease that begins at a checkpoint; nil if it has nothing above
// that.
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

// prune drops what the table has by now, whichever worker stored it.
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

// keepAccount keeps what a shard dealt with, unless its last write has stored it.
func (c *Consumer) keepAccount(s *shard) {
	s.mu.Lock()
	stored := s.phase == handedOver || s.phase == ended
	s.mu.Unlock()
	if stored {
		return
	}
	a := s.progress.account()
	if generation, sequence, sub, known := c.leases.Checkpoint(s.id); known && generation == a.generation {
		if at := (position.Position{Sequence: sequence, Sub: sub}); at.Compare(a.stored) > 0 {
			a = a.above(generation, at)
		}
	}
	if a != nil {
		c.ledger.keep(s.id, a)
	}
}
