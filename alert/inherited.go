package alert

import (
	"slices"
)

// This file is about keys that a shard has inherited and has not heard of yet. See "Inherited keys" in doc.go.

// Heir is how a shard takes over from its parents.
type Heir struct {
	// Owns says which partition keys fall to the shard by the MD5 of the key. Of all children of a parent exactly one
	// owns a key.
	Owns func(partitionKey string) bool
	// Parents are the shards that it takes over from, Siblings those that take over from the same parents. Without
	// siblings the shard takes over only what it owns.
	Parents, Siblings []string
}

// family are the other shards that have a copy of the same keys.
type family struct {
	others []string
	users  int // entries and claims
}

// inheritance is what a shard shares with others, while it is not known to which of them the records of a key come.
type inheritance struct {
	provisional int // entries that other shards have, too
	families    []*family
	// parked are entries that are due and wait for what others remember, parkedTo the latest moment at which one was
	// due.
	parked   []*entry
	parkedTo int64
}

// provisional makes an entry one that was inherited, while no record of its key has come to this shard.
type provisional struct {
	family *family
	// silent says that another shard of the family speaks for the key while none of them hears of it.
	silent bool
	// partedAt is the event time at which the shards parted that have copies. Who heard of the key before that is of
	// the past.
	partedAt int64
	// due is what has come due and waits for what the others remember; 0 for nothing.
	due int64
	// elsewhere is when another shard first heard of the key; 0 while none did, as far as is known.
	elsewhere int64
}

// claim says that this shard has heard of a key that it inherited, and since when. It is kept for those of the others
// that still have a copy: the entry itself may be forgotten long before they ask.
type claim struct {
	family *family
	at     int64
}

// pending is when time next has something to do with the entry, or had if it waits for other shards.
func (en *entry) pending() int64 {
	if en.provisional != nil && en.provisional.due != 0 {
		return en.provisional.due
	}
	return en.due
}

// family returns the family of these shards, made if there is none.
func (h *inheritance) family(others []string) *family {
	for _, f := range h.families {
		if slices.Equal(f.others, others) {
			return f
		}
	}
	f := &family{others: others}
	h.families = append(h.families, f)
	return f
}

func (h *inheritance) leaveFamily(f *family) {
	if f.users--; f.users == 0 {
		h.families = slices.DeleteFunc(h.families, func(x *family) bool { return x == f })
	}
}

// bind makes an entry of the memory one that the others have, too.
func (m *memory) bind(en *entry, others []string, silent bool, born int64) {
	f := m.inherited.family(others)
	f.users++
	en.provisional = &provisional{family: f, silent: silent, partedAt: born}
	en.of.provisional++
	m.inherited.provisional++
}

// unbind makes an entry the shard's own.
func (m *memory) unbind(en *entry) {
	if en.provisional == nil {
		return
	}
	m.inherited.leaveFamily(en.provisional.family)
	en.provisional = nil
	en.of.provisional--
	m.inherited.provisional--
}

// claim notes since when the shard has heard of a key that these others have, too. One that was noted before, or by a
// parent, continues.
func (m *memory) claim(r *ruleMemory, key string, others []string, at int64) {
	if was, ok := r.claims[key]; ok {
		others = union(others, was.family.others)
		defer m.inherited.leaveFamily(was.family)
	}
	f := m.inherited.family(others)
	f.users++
	m.setClaim(r, key, claim{f, at})
}

// setClaim and dropClaim keep the size of what is remembered.
func (m *memory) setClaim(r *ruleMemory, key string, c claim) {
	if r.claims == nil {
		r.claims = make(map[string]claim)
	}
	if _, known := r.claims[key]; !known {
		m.pressure.bulk.add(bulk{claimHeap + len(key), claimStored + len(key)})
	}
	r.claims[key] = c
}

func (m *memory) dropClaim(r *ruleMemory, key string) {
	delete(r.claims, key)
	m.pressure.bulk.sub(bulk{claimHeap + len(key), claimStored + len(key)})
}

// union is the sorted union of two lists of shards.
func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// without is a list of shards without some of them.
func without(list []string, gone ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(shard string) bool { return slices.Contains(gone, shard) })
}

// park sets an entry aside that is due, until it is known what the others have heard.
func (m *memory) park(en *entry) {
	en.provisional.due = en.due
	m.schedule(en, 0)
	m.inherited.parked = append(m.inherited.parked, en)
	m.inherited.parkedTo = max(m.inherited.parkedTo, en.provisional.due)
}
