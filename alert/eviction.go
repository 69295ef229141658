package alert

import (
	"cmp"
	"slices"
)

// This file decides which keys are evicted when rules remember more than they may. Keys of the rule that holds most go
// first, so that one rule never evicts keys of another that stays within its share. Of its keys the quiet ones go
// first. All of it is a function of what is remembered, and the snapshot keeps the order.

// phase is how far an entry has come: the later, the more its eviction would matter.
type phase uint8

const (
	quiet phase = iota
	pending
	firing
	phases
)

// phase returns the phase of an entry from what it remembers.
func (en *entry) phase() phase {
	switch {
	case en.firing:
		return firing
	case en.since != 0:
		return pending
	}
	return quiet
}

// phaseBits is the number of bits of entry.packed that hold its phase: a separate byte would make each entry 16 bytes
// larger.
const phaseBits = 2

// listedPhase returns the phase of the list that has the entry.
func (en *entry) listedPhase() phase { return phase(en.packed & (1<<phaseBits - 1)) }

func (en *entry) list(s phase) { en.packed = en.packed>>phaseBits<<phaseBits | uint32(s) }

// relist moves an entry to the list of its phase. The change of phase counts as a use.
func (en *entry) relist() {
	if now := en.phase(); now != en.listedPhase() && !en.of.rule.keyless() {
		en.of.lists[en.listedPhase()].remove(en)
		en.list(now)
		en.of.lists[now].add(en)
	}
}

// entryList is a rule's entries of one phase, in the order of their last use.
type entryList struct {
	oldest, newest *entry
	n              int
}

func (l *entryList) add(e *entry) {
	e.older, e.newer = l.newest, nil
	if l.newest != nil {
		l.newest.newer = e
	} else {
		l.oldest = e
	}
	l.newest = e
	l.n++
}

func (l *entryList) remove(e *entry) {
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		l.oldest = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		l.newest = e.older
	}
	e.older, e.newer = nil, nil
	l.n--
}

// inOrder returns all entries with a key in their order in snapshots: by phase, then by how many entries of their rule
// were used after them, the most first. A version that knows only one order for all rules then evicts quiet keys first,
// and those of the rule that has most.
func (m *memory) inOrder() []*entry {
	out := make([]*entry, 0, m.pressure.count)
	type cursor struct {
		next *entry
		left int
	}
	for s := range phases {
		var lists []cursor
		for _, r := range m.rules {
			if l := &r.lists[s]; l.n > 0 {
				lists = append(lists, cursor{l.oldest, l.n})
			}
		}
		slices.SortStableFunc(lists, func(a, b cursor) int { return cmp.Compare(b.left, a.left) })
		if len(lists) == 0 {
			continue
		}
		deep := 1
		for left := lists[0].left; left > 0; left-- {
			for deep < len(lists) && lists[deep].left >= left {
				deep++
			}
			for i := range lists[:deep] {
				out = append(out, lists[i].next)
				lists[i].next = lists[i].next.newer
			}
		}
	}
	return out
}

// pressure is how much is remembered, and how much may be.
type pressure struct {
	max int // keys
	// count is how many entries have a key, bulk the size of all entries and claims, and heaps are the rules by how
	// much they hold.
	count int
	bulk  bulk
	heaps [measures]ruleHeap
	// overfull is set if more was read or inherited than may be remembered. Evictions that need an alert wait for the
	// next record or tick.
	overfull bool
}

// measure is what is bounded.
type measure uint8

const (
	byKeys measure = iota
	byBytes
	measures
)

// ruleHeap is a heap of the rules that have keys, the one that holds most by a measure first.
type ruleHeap []*ruleMemory

func (c *ruleHeap) join(r *ruleMemory, by measure) {
	r.heapIndex[by] = len(*c)
	*c = append(*c, r)
	c.holds(r, by, 0)
}

// holds sets how much a rule holds now.
func (c ruleHeap) holds(r *ruleMemory, by measure, n int) {
	r.held[by] = n
	i := r.heapIndex[by]
	for i > 0 && c.before(i, (i-1)/2, by) {
		c.swap(i, (i-1)/2, by)
		i = (i - 1) / 2
	}
	for {
		most := i
		for child := 2*i + 1; child <= 2*i+2 && child < len(c); child++ {
			if c.before(child, most, by) {
				most = child
			}
		}
		if most == i {
			return
		}
		c.swap(i, most, by)
		i = most
	}
}

func (c ruleHeap) before(i, j int, by measure) bool {
	a, b := c[i], c[j]
	return a.held[by] > b.held[by] || a.held[by] == b.held[by] && a.rule.place > b.rule.place
}

func (c ruleHeap) swap(i, j int, by measure) {
	c[i], c[j] = c[j], c[i]
	c[i].heapIndex[by], c[j].heapIndex[by] = i, j
}

// second returns the rule that holds most after the first one; nil if there is none.
func (c ruleHeap) second(by measure) *ruleMemory {
	switch {
	case len(c) < 2:
		return nil
	case len(c) > 2 && c.before(2, 1, by):
		return c[2]
	}
	return c[1]
}

// over returns the measure by which too much is remembered, if there is one.
func (p *pressure) over() (by measure, over bool) {
	if p.count > p.max {
		return byKeys, true
	}
	return byBytes, p.bulk.over()
}

// toEvict returns the entry to evict next; nil if none can be. The entry in hand, if there is one, is evicted only if
// it is quiet and its rule has no other quiet entry. No pending key is evicted for a quiet one.
func (p *pressure) toEvict(inHand *entry, by measure) *entry {
	c := p.heaps[by]
	if len(c) == 0 {
		return nil
	}
	first, next := c[0], c.second(by)
	if inHand != nil && inHand.of != first && !inHand.of.rule.keyless() && inHand.of.held[by] == first.held[by] {
		first, next = inHand.of, first // of two that hold as much, the one that grows gives way
	}
	if en := first.evictable(inHand); en != nil || next == nil {
		return en
	}
	return next.evictable(inHand)
}

// evictable returns the key that a rule can best do without. An absence rule must not forget a key because it sends
// nothing. So there the key of the last record goes, and the others stay watched.
func (m *ruleMemory) evictable(inHand *entry) *entry {
	if m.rule.absence.After > 0 && m.lists[quiet].newest != nil && m.held[byKeys] > 1 {
		return m.lists[quiet].newest
	}
	for s := range phases {
		en := m.lists[s].oldest
		if en != nil && en == inHand {
			en = en.newer
		}
		if en != nil {
			return en
		}
		if s == quiet && m.lists[quiet].n > 0 && m.held[byKeys] > 1 {
			return inHand
		}
	}
	return nil
}

// forgotten is the reason in an alert that ends because its key was evicted.
const forgotten = "the shard has more keys than it can remember, so this one is no longer watched"

// evict removes an entry, and counts it.
func (m *memory) evict(en *entry) {
	en.of.rule.metrics.forgot(en.listedPhase())
	m.drop(en)
}

// evictUnannounced evicts what was read or inherited beyond the bounds, as long as that needs no alert. The rest waits
// for the next record or tick.
func (m *memory) evictUnannounced() {
	for by, over := m.pressure.over(); over; by, over = m.pressure.over() {
		en := m.pressure.toEvict(nil, by)
		if en == nil || en.firing && en.notified {
			m.pressure.overfull = true
			return
		}
		m.evict(en)
	}
}

// makeRoomForLoaded evicts what was read or inherited beyond the bounds, now that alerts can be made.
func (l *lifecycle) makeRoomForLoaded() {
	if l.memory.pressure.overfull {
		l.memory.pressure.overfull = false
		l.makeRoom(nil, nil)
	}
}

// makeRoom evicts keys while too much is remembered. If a topic was notified that an evicted key fires, an alert says
// that it is no longer watched. rec is the record at hand and inHand its entry; both are nil in makeRoomForLoaded.
func (l *lifecycle) makeRoom(inHand *entry, rec *Record) {
	m := l.memory
	for by, over := m.pressure.over(); over && !m.pressure.overfull; by, over = m.pressure.over() {
		en := m.pressure.toEvict(inHand, by)
		if en == nil {
			return
		}
		if en.firing && en.notified {
			before := len(l.out.alerts)
			l.out.silent = en.provisional != nil && en.provisional.silent
			l.notifyEnd(en.of.rule, en, &trigger{at: timeOf(l.reached()), ended: forgotten, evictedFor: rec})
			l.out.silent = false
			l.out.evictions += len(l.out.alerts) - before
		}
		m.evict(en)
	}
}
