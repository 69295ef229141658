package alert

// What rules remember is bounded in bytes as well as by state.max_keys: beyond that, keys are evicted (eviction.go).
// The size depends only on what is remembered, so that a restart evicts the same keys.
const (
	// maxHeap bounds what a shard remembers in memory, and maxStored in its snapshot: a little below MaxState, so that
	// the state of rules can always be saved.
	maxHeap   = 48 << 20
	maxStored = 22 << 20
)

// Sizes: approximate in memory, and at most in a snapshot.
const (
	entryHeap, entryStored = 160, 40
	lastHeap, lastStored   = 56, 10
	claimHeap, claimStored = 80, 16
	windowHeap             = 72
	windowStored           = 16
	paneHeap, paneStored   = 60, 34 // of a pane that is not empty; an empty one takes a byte of a snapshot
	valuesHeap             = 190    // with room for eight
	valueHeap, valueStored = 24, 13
	silencedHeap           = 32
	coversStored           = 5 // the conditions of silences, if there are any
)

// bulk is a size in memory and in a snapshot.
type bulk struct{ heap, stored int }

func (b bulk) over() bool { return b.heap > maxHeap || b.stored > maxStored }

func (b *bulk) add(x bulk) { b.heap, b.stored = b.heap+x.heap, b.stored+x.stored }
func (b *bulk) sub(x bulk) { b.heap, b.stored = b.heap-x.heap, b.stored-x.stored }

// bulk returns the size of an entry.
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
	if s.seen|s.unmet|s.silencedBy != 0 {
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

// weigh updates the size of an entry. It is called when its key, its last record's texts or its window's parts have
// changed, not with every record.
func (p *pressure) weigh(en *entry) {
	now := en.bulk()
	if uint32(now.heap) == en.heap && uint32(now.stored) == en.packed>>phaseBits { //nolint:gosec // as below
		return
	}
	p.resize(en, now)
}

func (p *pressure) resize(en *entry, now bulk) {
	more := bulk{now.heap - int(en.heap), now.stored - int(en.packed>>phaseBits)}
	en.heap = uint32(now.heap)                                           //nolint:gosec // its parts are bounded
	en.packed = uint32(now.stored)<<phaseBits | uint32(en.listedPhase()) //nolint:gosec // as above
	p.bulk.add(more)
	if r := en.of; !r.rule.keyless() {
		r.bulk.add(more)
		p.heaps[byBytes].holds(r, byBytes, r.bulk.weight())
	}
}

// weight returns a size as one number: the larger share of the two bounds, in bytes of memory.
func (b bulk) weight() int { return max(b.heap, b.stored*maxHeap/maxStored) }
