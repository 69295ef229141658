package filter

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Result is what a Set makes of a record.
type Result uint8

const (
	// NotMatched means that no pattern matched.
	NotMatched Result = iota
	// Matched means that at least one pattern matched.
	Matched
	// OverBudget means that no pattern has matched by the time at which the record has cost more than it may. It is the
	// caller's matter whether such a record passes.
	OverBudget
	// NotJSON means that some pattern looks at the payload, that none matched by the partition key alone, and that the
	// payload is not valid JSON. Lambda drops such a record.
	NotJSON
)

func (r Result) String() string {
	switch r {
	case Matched:
		return "matched"
	case OverBudget:
		return "over budget"
	case NotJSON:
		return "not JSON"
	case NotMatched:
	}
	return "not matched"
}

// Matcher matches records. It holds the scratch memory of one goroutine, which it keeps from record to record.
type Matcher struct {
	set *Set

	json    *jsontext.Decoder
	options jsontext.Options
	input   bytes.Buffer
	// unquoted holds strings that had to be unescaped. It never moves while leaves point into it.
	unquoted []byte
	key      []byte

	// leaves are the values of the record that some pattern looks at, in the order of the document.
	leaves []leaf
	// slots are the leaves by field; touched are the fields that have any.
	slots   []slotLeaves
	touched []int
	// elements are the array elements that hold leaves, apart from those that are leaves; arrays are the arrays of
	// elements.
	elements []arrayElement
	arrays   []arrayExtent

	// objects counts the objects of all records; visits says, by node, in which of them the node was seen last.
	objects uint64
	visits  []visit
	dotted  []dottedVisit

	// tried has, by branch, the record for which it was tried last.
	tried  []uint64
	record uint64
	// work is what the record at hand has cost.
	work int64

	search search
}

// leaf is one value of a field.
type leaf struct {
	value

	// element is the innermost array element around the value that is an object or array; -1 for none.
	element int
	// next is the next leaf of the same field, -1 for none.
	next int
	// replaced says that a later member of the same name took its place.
	replaced bool
}

// slotLeaves is the list of a field's leaves. -1 for none.
type slotLeaves struct{ first, last int }

// maxWork is what a record may cost, in units of about ten nanoseconds: a value that an operator looks at, or perUnit
// bytes of a text that it reads. Patterns and values multiply: a record can have 250,000 values, and a filter thousands
// of patterns for their field. The work depends on the filter and the record alone.
const (
	maxWork = 200_000_000
	perUnit = 16
)

// maxKeptLeaves, of some 100 bytes each, and maxKeptText bytes bound the memory that one large record leaves behind.
const (
	maxKeptLeaves = 1 << 14
	maxKeptText   = 1 << 16
)

// Matcher returns the scratch memory of one goroutine.
func (s *Set) Matcher() *Matcher {
	m := &Matcher{
		set: s, options: jsontext.AllowDuplicateNames(true),
		slots: make([]slotLeaves, len(s.fields.paths)), visits: make([]visit, len(s.fields.nodes)),
		tried: make([]uint64, len(s.branches)), unquoted: make([]byte, 0, 256),
	}
	for i := range m.slots {
		m.slots[i] = slotLeaves{first: -1, last: -1}
	}
	m.json = jsontext.NewDecoder(&m.input, m.options)
	return m
}

// Match says what the patterns make of a record. It allocates nothing, once its scratch memory has grown to the size of
// the records, unless the payload has escaped strings or is not valid.
func (m *Matcher) Match(data []byte, partitionKey string) Result {
	s := m.set
	if s.size == 0 {
		return Matched
	}
	m.begin(partitionKey)
	if m.matchKey() {
		return Matched
	}
	if !s.readsData {
		return NotMatched
	}
	if !m.read(data) {
		return NotJSON
	}
	switch {
	case m.matchData():
		return Matched
	case m.spent():
		return OverBudget
	}
	return NotMatched
}

func (m *Matcher) spent() bool { return m.work > maxWork }

// matches tries a condition on a value, and notes what that costs.
func (m *Matcher) matches(c *condition, v *value) bool {
	m.work += 1 + c.tries + c.scans*int64(len(v.text)/perUnit)
	return c.matches(v)
}

// begin forgets the record before.
func (m *Matcher) begin(partitionKey string) {
	for _, slot := range m.touched {
		m.slots[slot] = slotLeaves{first: -1, last: -1}
	}
	if cap(m.leaves) > maxKeptLeaves {
		m.leaves, m.elements, m.arrays, m.search = nil, nil, nil, search{}
	}
	if cap(m.unquoted) > maxKeptText {
		m.unquoted = make([]byte, 0, 256)
	}
	m.touched, m.leaves = m.touched[:0], m.leaves[:0]
	m.elements, m.arrays = m.elements[:0], m.arrays[:0]
	m.unquoted, m.dotted = m.unquoted[:0], m.dotted[:0]
	m.record++
	m.work = 0
	if slot := m.set.keySlot; slot >= 0 {
		m.key = append(m.key[:0], partitionKey...)
		m.add(slot, -1, value{kind: kindString, text: m.key})
	}
}

// add appends a leaf.
func (m *Matcher) add(slot, element int, v value) {
	at := len(m.leaves)
	m.leaves = append(m.leaves, leaf{value: v, element: element, next: -1})
	list := &m.slots[slot]
	if list.first < 0 {
		list.first = at
		m.touched = append(m.touched, slot)
	} else {
		m.leaves[list.last].next = at
	}
	list.last = at
}

// matchKey tries the branches that look at the partition key alone.
func (m *Matcher) matchKey() bool {
	x := m.set.byKey
	if x == nil {
		return false
	}
	v := &m.leaves[m.slots[m.set.keySlot].first].value
	return m.tryAll(x.present) || m.lookUp(x, v)
}

// matchData tries the branches that the values of the record lead to.
func (m *Matcher) matchData() bool {
	for _, slot := range m.touched {
		x := m.set.indexes[slot]
		if x == nil {
			continue
		}
		if m.tryAll(x.present) {
			return true
		}
		for at := m.slots[slot].first; at >= 0; at = m.leaves[at].next {
			if l := &m.leaves[at]; !l.replaced && m.lookUp(x, &l.value) {
				return true
			}
		}
	}
	return m.tryAll(m.set.always)
}

// lookUp tries the branches for which v is a candidate.
func (m *Matcher) lookUp(x *index, v *value) bool {
	switch v.kind {
	case kindString:
		return x.strings && m.lookUpText(x, v.text)
	case kindNumber:
		return x.numeric && m.lookUpNumber(x, &v.number)
	case kindNull, kindTrue, kindFalse, kindCount:
	}
	return m.tryAll(x.literals[v.kind])
}

func (m *Matcher) lookUpText(x *index, text []byte) bool {
	if m.tryAll(x.text[string(text)]) {
		return true
	}
	if len(x.addresses) > 0 {
		if address, ok := parseAddress(text); ok && m.tryAll(x.addresses[address]) {
			return true
		}
	}
	for _, n := range x.prefixes.lengths {
		if n > len(text) {
			break
		}
		if m.tryAll(x.prefixes.text[string(text[:n])]) {
			return true
		}
	}
	for _, n := range x.suffixes.lengths {
		if n > len(text) {
			break
		}
		if m.tryAll(x.suffixes.text[string(text[len(text)-n:])]) {
			return true
		}
	}
	return false
}

func (m *Matcher) lookUpNumber(x *index, n *number) bool {
	if len(x.numbers) > 0 && m.tryAll(x.numbers[n.key()]) {
		return true
	}
	if x.ranges == nil {
		return false
	}
	for node := x.ranges.size + x.ranges.leaf(n); node > 0; node /= 2 {
		if m.tryAll(x.ranges.at(node)) {
			return true
		}
	}
	return false
}

// tryAll tries those of the branches that were not tried for this record.
func (m *Matcher) tryAll(branches []int) bool {
	for _, b := range branches {
		if m.tried[b] == m.record {
			continue
		}
		if m.spent() {
			return false
		}
		m.tried[b] = m.record
		m.work++
		if m.satisfied(&m.set.branches[b]) {
			return true
		}
	}
	return false
}

// satisfied reports whether every condition of a branch holds.
func (m *Matcher) satisfied(b *branch) bool {
	for i := range b.conditions {
		if c := &b.conditions[i]; !m.holds(c) {
			return false
		}
	}
	return len(m.elements) == 0 || m.consistent(b.conditions)
}

// holds reports whether a condition holds by itself, whatever array elements it needs.
func (m *Matcher) holds(c *condition) bool {
	found := false
	for at := m.slots[c.slot].first; at >= 0; at = m.leaves[at].next {
		if l := &m.leaves[at]; !l.replaced {
			found = true
			if m.matches(c, &l.value) {
				return true
			}
			if m.spent() {
				return false
			}
		}
	}
	// With array elements, a value in another element than those chosen does not count; consistent decides then.
	return c.absent && (!found || len(m.elements) > 0)
}
