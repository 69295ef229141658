package alert

// What rules remember is bounded in bytes, beside state.max_keys: beyond it keys are forgotten (eviction.go). Its size
// is a function of what is remembered and of nothing else, so that a restart forgets the same keys.
const (
	// maxHeap bounds what a shard remembers in memory, and maxStored in its snapshot: a little below what can be stored
	// of one, so that no state of rules is too large to be saved.
	maxHeap   = 48 << 20
	maxStored = 22 << 20
)

// What things take in memory, about, and at most in a snapshot.
const (
	entryHeap, entryStored = 160, 40
	lastHeap, lastStored   = 56, 10
	claimHeap, claimStored = 80, 16
	windowHeap             = 72
	windowStored           = 16
	paneHeap, paneStored   = 60, 34 // one with something in it; each other takes a byte of a snapshot
	valuesHeap             = 190    // with room for eight
	valueHeap, valueStored = 24, 13
	silencedHeap           = 32
	coversStored           = 5 // of conditions of silences, where there are some
)

// bulk is a size in memory and in a snapshot.
type bulk struct{ heap, stored int }

func (b bulk) over() bool { return b.heap > maxHeap || b.stored > maxStored }

func (b *bulk) add(x bulk) { b.heap, b.stored = b.heap+x.heap, b.stored+x.stored }
func (b *bulk) sub(x bulk) { b.heap, b.stored = b.heap-x.heap, b.stored-x.stored }

// bulk is what an entry takes.
func (en *entry) bulk() bulk {
	b := bulk{entryHeap + len(en.key), entryStored + len(en.key)}
	if l := en.last; l != nil {
		n := len(l.partitionKey) + len(l.sequence)
		b.add(bulk{lastHeap + n, lastStored + n})
	}
	if w := en.window; w != nil {
		b.add(w.bulk())
	}
	if en.covered != 0 {
		b.stored += coversStored
	}
	return b
}

func (s *window) bulk() bulk {
	n, seen := len(s.panes), len(s.values)+len(s.legacy)
	b := bulk{windowHeap + n*paneHeap + seen*valueHeap, windowStored + int(s.size) + n*paneStored + seen*valueStored}
	if s.values != nil {
		b.heap += valuesHeap
	}
	if s.seen|s.spared|s.silencedBy != 0 {
		b.stored += 3 * coversStored
	}
	if h := s.silenced; h != nil {
		b.add(h.bulk())
	}
	if s.legacy != nil {
		b.heap += valuesHeap
	}
	return b
}

// weigh notes what an entry takes by now: where its key, its last record's texts or its window's parts have changed,
// and not with every record.
func (p *pressure) weigh(en *entry) {
	now := en.bulk()
	if uint32(now.heap) == en.heap && uint32(now.stored) == en.packed>>phaseBits { //nolint:gosec // as below
		return
	}
	p.resize(en, now)
}

func (p *pressure) resize(en *entry, now bulk) {
	more := bulk{now.heap - int(en.heap), now.stored - int(en.packed>>phaseBits)}
	en.heap = uint32(now.heap)                                           //nolint:gosec // keys, values and panes are bounded
	en.packed = uint32(now.stored)<<phaseBits | uint32(en.listedPhase()) //nolint:gosec // as above
	p.bulk.add(more)
	if r := en.of; !r.rule.keyless() {
		r.bulk.add(more)
		p.heaps[byBytes].holds(r, byBytes, r.bulk.weight())
	}
}

// weight is a size as one number: the share of the bound that is nearer, in bytes of memory.
func (b bulk) weight() int { return max(b.heap, b.stored*maxHeap/maxStored) }
