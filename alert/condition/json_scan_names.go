package condition

import (
	"encoding/binary"
	"hash/maphash"
	"math/bits"
)

// scannedNames are those of the objects that are open, the innermost last, to find one that occurs twice. A name is
// compared only with those that its hash may be equal to: a small object marks the hashes that it has seen in a set of
// bits, a large one has a hash table. It holds places in the document, not slices, so that it keeps no record in
// memory.
type scannedNames struct {
	all    []scannedName
	tables []uint32 // of the objects that are large, the innermost last: an index into all, plus one
	// secret keeps whoever writes the records from choosing names whose hashes are equal.
	secret [3]uint64
}

type scannedName struct {
	hash       uint64
	start, end uint32
}

// objectNames is an object that is open.
type objectNames struct {
	set   [smallNames * 4 / 64]uint64 // a quarter full at most
	first int                         // its first name
	from  int                         // its table in tables
	size  int                         // its size, a power of two; 0 is a small object
}

const (
	// smallNames is how many names a small object has.
	smallNames = 128
	// namesProbed is how many slots of a table a name may collide with. Random hashes do not get there. Whatever does
	// is left to the strict decoder, so that the work stays in proportion to the document.
	namesProbed = 64
	// keptNames is how many names there is memory kept for after a document.
	keptNames = 4096
)

func newScannedNames() scannedNames {
	var n scannedNames
	for i, seed := 0, maphash.MakeSeed(); i < len(n.secret); i++ {
		n.secret[i] = maphash.Comparable(seed, i) | 1
	}
	return n
}

// reset forgets everything, also what a document that was given up left open.
func (n *scannedNames) reset() {
	n.all, n.tables = n.all[:0], n.tables[:0]
	if cap(n.all) > keptNames {
		n.all, n.tables = nil, nil
	}
}

func (n *scannedNames) open() objectNames { return objectNames{first: len(n.all), from: len(n.tables)} }

func (n *scannedNames) close(o *objectNames) { n.all, n.tables = n.all[:o.first], n.tables[:o.from] }

// add notes a name of the innermost object. It is false if the object has it already, or if that is too dear to say.
func (n *scannedNames) add(o *objectNames, data []byte, start, end int) bool {
	name := data[start:end]
	h := n.hash(name)
	if len(n.all)-o.first >= smallNames {
		return n.addLarge(o, data, scannedName{h, uint32(start), uint32(end)}) //nolint:gosec // within a record
	}
	word, bit := &o.set[h>>6%uint64(len(o.set))], uint64(1)<<(h&63)
	if *word&bit != 0 {
		for i := range n.all[o.first:] {
			if n.all[o.first+i].is(h, data, name) {
				return false
			}
		}
	}
	*word |= bit
	n.all = append(n.all, scannedName{h, uint32(start), uint32(end)}) //nolint:gosec // within a record
	return true
}

func (s *scannedName) is(h uint64, data, name []byte) bool {
	return s.hash == h && string(data[s.start:s.end]) == string(name)
}

func (n *scannedNames) addLarge(o *objectNames, data []byte, name scannedName) bool {
	if count := len(n.all) - o.first; count*2 >= o.size && !n.grow(o, count) {
		return false
	}
	if !n.place(o, data, name, len(n.all)) {
		return false
	}
	n.all = append(n.all, name)
	return true
}

// place finds a name its slot. Names of equal objects are compared only with data.
func (n *scannedNames) place(o *objectNames, data []byte, name scannedName, index int) bool {
	table := n.tables[o.from : o.from+o.size]
	mask := uint64(len(table) - 1) //nolint:gosec // not empty
	at := spread(name.hash)
	for i := range uint64(namesProbed) {
		slot := &table[(at+i)&mask]
		if *slot == 0 {
			*slot = uint32(index + 1) //nolint:gosec // there are fewer names than bytes
			return true
		}
		if data != nil && n.all[*slot-1].is(name.hash, data, data[name.start:name.end]) {
			return false
		}
	}
	return false
}

// spread makes every bit of a hash count for its slot: those of names that count up lie in rows, which some factors
// fold onto each other.
func spread(h uint64) uint64 {
	h = (h ^ h>>32) * 0xd6e8feb86659fd93
	return h ^ h>>32
}

// grow makes a table for four times as many names; the first is of a small object's names.
func (n *scannedNames) grow(o *objectNames, count int) bool {
	o.size = 1 << bits.Len(uint(count*4))
	n.tables = n.tables[:o.from]
	if cap(n.tables)-o.from < o.size {
		n.tables = append(make([]uint32, 0, o.from+o.size), n.tables...)
	}
	n.tables = n.tables[:o.from+o.size]
	clear(n.tables[o.from:])
	for i, name := range n.all[o.first:] {
		if !n.place(o, nil, name, o.first+i) {
			return false
		}
	}
	return true
}

// hash folds a name eight bytes at a time, with secret factors. The last eight bytes overlap others, which is cheaper
// than a loop over what is left.
func (n *scannedNames) hash(p []byte) uint64 {
	h := n.secret[0] ^ uint64(len(p))
	switch {
	case len(p) >= 8:
		last := binary.LittleEndian.Uint64(p[len(p)-8:])
		for ; len(p) > 8; p = p[8:] {
			h = fold(h^binary.LittleEndian.Uint64(p), n.secret[1])
		}
		return fold(h^last, n.secret[2])
	case len(p) >= 4:
		ends := uint64(binary.LittleEndian.Uint32(p)) | uint64(binary.LittleEndian.Uint32(p[len(p)-4:]))<<32
		return fold(h^ends, n.secret[2])
	case len(p) > 0:
		return fold(h^(uint64(p[0])|uint64(p[len(p)/2])<<8|uint64(p[len(p)-1])<<16), n.secret[2])
	}
	return fold(h, n.secret[2])
}

func fold(a, b uint64) uint64 {
	high, low := bits.Mul64(a, b)
	return high ^ low
}
