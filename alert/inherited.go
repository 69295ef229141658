package alert

import (
	"slices"
)

// This file is about keys that a shard has inherited and has had no record of yet. See "Inherited keys" in doc.go.

// Heir is a shard that takes over from its parents.
type Heir struct {
	// Owns reports whether the shard owns a partition key by its MD5. Of all children of a parent exactly one owns a
	// key.
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

// inheritance is what a shard shares with others until a record shows which of them gets the records of a key.
type inheritance struct {
	provisional int // entries that other shards have, too
	families    []*family
	// parked are entries that are due and wait for what others remember, parkedTo the latest moment at which one was
	// due.
	parked   []*entry
	parkedTo int64
}

// provisional marks an inherited entry while no record of its key has come to this shard.
type provisional struct {
	family *family
	// silent is set if another shard of the family makes the key's alerts while none of them has a record of it.
	silent bool
	// partedAt is the event time of the split that made the copies. Records of the key before that do not count.
	partedAt int64
	// due is when something fell due that waits for the others' states; 0 for nothing.
	due int64
	// elsewhere is when another shard first had a record of the key; 0 while none is known to have had one.
	elsewhere int64
}

// claim says that this shard has had a record of an inherited key, and when. It is kept for the other shards that still
// have a copy: the entry itself may be forgotten long before they read it.
type claim struct {
	family *family
	at     int64
}

// pending returns when the entry is next due, or was due if it waits for other shards.
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

// bind marks an entry of the memory as one that the others have, too.
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

// claim records since when the shard has had records of a key that these others have, too. An earlier claim, or one of
// a parent, stays.
func (m *memory) claim(r *ruleMemory, key string, others []string, at int64) {
	if was, ok := r.claims[key]; ok {
		others = union(others, was.family.others)
		defer m.inherited.leaveFamily(was.family)
	}
	f := m.inherited.family(others)
	f.users++
	m.setClaim(r, key, claim{f, at})
}

// setClaim and dropClaim keep the total size up to date.
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

// union returns the sorted union of two lists of shards.
func union(a, b []string) []string {
	out := slices.Concat(a, b)
	slices.Sort(out)
	return slices.Compact(out)
}

// without returns a list of shards without some of them.
func without(list []string, gone ...string) []string {
	return slices.DeleteFunc(slices.Clone(list), func(shard string) bool { return slices.Contains(gone, shard) })
}

// park sets a due entry aside until the others' states show whether they had records of its key.
func (m *memory) park(en *entry) {
	en.provisional.due = en.due
	m.schedule(en, 0)
	m.inherited.parked = append(m.inherited.parked, en)
	m.inherited.parkedTo = max(m.inherited.parkedTo, en.provisional.due)
}
