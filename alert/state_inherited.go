package alert

import (
	"cmp"
	"maps"
	"slices"
)

// kinPrefix precedes the name of a rule in the name of the section with what the shard shares with others. Versions
// that do not know it keep it as the state of an unknown rule. They continue with the keys whose alerts this shard
// makes.
//
//	0 (float), 0, 0 | version | families | copies { family, parted at, entry } |
//	keys in the rule's own section { family, parted at, key } | claims { family, time, key }
//
// The zeros are an empty section of a rule. Such a version does not understand what follows them, and leaves it alone.
const (
	inheritedPrefix  = "inherited:"
	inheritedVersion = 1
)

// inheritedSection is such a section. Its parts refer to the snapshot.
type inheritedSection struct {
	families               [][]string
	copies, shared, claims sectionPart
}

// sectionPart is count things in a row; the first one starts at from.
type sectionPart struct {
	count uint64
	from  []byte
}

func (p sectionPart) reader() *reader { return &reader{buf: p.from} }

// inheritedCopy is what precedes an entry whose alerts another shard makes.
type inheritedCopy struct {
	family int
	born   int64
}

// family reads the index of a family.
func (k *inheritedSection) family(r *reader) int {
	n := r.uint()
	if n >= uint64(len(k.families)) {
		r.fail()
		return 0
	}
	return int(n) //nolint:gosec // below the length of a list
}

// each reads keys with a time: keys of the rule's own section with the time of the split, or claims with the time of
// the claim.
func (k *inheritedSection) each(p sectionPart, do func(family int, at int64, key []byte)) {
	r := p.reader()
	for range p.count {
		do(k.family(r), r.time(), r.take(r.uint()))
	}
}

// writeInherited writes what a rule shares with other shards; nil if that is nothing. ranks are the ranks of entries in
// the order of use.
func (m *memory) writeInherited(r *ruleMemory, ranks map[*entry]uint64, audiences []uint64) []byte {
	if r.provisional == 0 && len(r.claims) == 0 {
		return nil
	}
	var copies, shared []*entry
	for _, en := range r.entries {
		switch {
		case en.provisional == nil:
		case en.provisional.silent:
			copies = append(copies, en)
		default:
			shared = append(shared, en)
		}
	}
	slices.SortFunc(copies, func(a, b *entry) int { return cmp.Compare(ranks[a], ranks[b]) })
	slices.SortFunc(shared, func(a, b *entry) int { return cmp.Compare(ranks[a], ranks[b]) })
	w := &writer{format: m.format, audiences: audiences}
	w.float(0)
	w.int(0)
	w.uint(0)
	w.uint(inheritedVersion)
	var families [][]string
	use := func(f *family) {
		if i, known := slices.BinarySearchFunc(families, f.others, slices.Compare); !known {
			families = slices.Insert(families, i, f.others)
		}
	}
	for _, en := range slices.Concat(copies, shared) {
		use(en.provisional.family)
	}
	for _, c := range r.claims {
		use(c.family)
	}
	place := make(map[*family]uint64, len(m.inherited.families))
	for _, f := range m.inherited.families {
		i, _ := slices.BinarySearchFunc(families, f.others, slices.Compare)
		place[f] = uint64(i) //nolint:gosec // an index
	}
	w.uint(uint64(len(families)))
	for _, others := range families {
		w.uint(uint64(len(others)))
		for _, shard := range others {
			w.text(shard)
		}
	}
	w.uint(uint64(len(copies)))
	for _, en := range copies {
		w.uint(place[en.provisional.family])
		w.int(en.provisional.partedAt)
		w.entry(ranks[en], en)
	}
	w.uint(uint64(len(shared)))
	for _, en := range shared {
		w.uint(place[en.provisional.family])
		w.int(en.provisional.partedAt)
		w.text(en.key)
	}
	w.uint(uint64(len(r.claims)))
	for _, key := range slices.Sorted(maps.Keys(r.claims)) {
		w.uint(place[r.claims[key].family])
		w.int(r.claims[key].at)
		w.text(key)
	}
	return w.buf
}

// readInherited checks such a section.
func readInherited(body []byte) (*inheritedSection, bool) {
	k := &inheritedSection{}
	r := &reader{buf: body}
	r.limit()
	if r.uint() != 0 || r.uint() != inheritedVersion {
		return nil, false
	}
	names := uint64(0)
	for range r.count() {
		n := r.count()
		if names += n; n == 0 || names > maxNames {
			return nil, false
		}
		others := make([]string, 0, n)
		for range n {
			others = append(others, r.text())
		}
		if r.failed {
			return nil, false
		}
		slices.Sort(others)
		k.families = append(k.families, slices.Compact(others))
	}
	part := func(thing func()) (p sectionPart) {
		p.count = r.count()
		p.from = r.buf
		for range p.count {
			if thing(); r.failed {
				break
			}
		}
		return p
	}
	v := &entryView{}
	key := func() {
		k.family(r)
		r.time()
		r.take(r.uint())
	}
	k.copies = part(func() {
		k.family(r)
		r.time()
		r.entry(v)
	})
	k.shared, k.claims = part(key), part(key)
	return k, !r.failed && len(r.buf) == 0
}
