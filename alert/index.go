package alert

import (
	"cmp"
	"math/bits"
	"slices"
	"sync/atomic"
)

// ruleSet is a set of rules by their places in the rule list.
type ruleSet []uint64

func newRuleSet(rules int) ruleSet { return make(ruleSet, (rules+63)/64) }

func (s ruleSet) add(i int) { s[i/64] |= 1 << (i % 64) }

func (s ruleSet) has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

// each calls visit for the members in order.
func (s ruleSet) each(visit func(i int)) {
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			visit(w*64 + bits.TrailingZeros64(word))
		}
	}
}

// index finds the rules that a record can match, so that the time for a record does not grow with the rules that it
// cannot match. Each rule is filed under one of its terms, which compares a field with a constant and must hold for the
// rule to match: equality of texts, numbers and booleans in maps, thresholds in sorted lists. A rule without such a term
// is always tried.
//
// The fields of the record are the way in: what a record lacks costs nothing either. How often a rule did not match
// because its field was missing, null or of another type is counted by field, and added up when somebody asks.
type index struct {
	always ruleSet
	// bySlot are the shelves of a slot, one for each kind of constant.
	bySlot [][]*shelf
	// records counts the records that were looked up.
	records atomic.Uint64
}

// shelf holds the rules that compare one field with constants of one kind.
type shelf struct {
	kind  kind
	text  map[string][]int
	num   map[float64][]int
	above []threshold // ascending
	below []threshold // descending
	// The records in which the field could be compared, was null, and was of another type. It was missing in the others.
	compared, null, mistyped atomic.Uint64
	// missing is the most that was reported: while a record is looked up, the sum is one less for a moment, and a counter that
	// goes back is taken for one that began anew.
	missing atomic.Uint64
}

// threshold is a rule that needs a number beyond num.
type threshold struct {
	num       float64
	inclusive bool
	rule      int
}

// newIndex files the conditions of rules. It moves the term under which one is filed to its front.
func newIndex(conditions []*condition, slots int) *index {
	x := &index{always: newRuleSet(len(conditions)), bySlot: make([][]*shelf, slots)}
	for i, c := range conditions {
		at := slices.IndexFunc(c.terms, isEquality)
		if at < 0 {
			at = slices.IndexFunc(c.terms, isThreshold)
		}
		if at < 0 {
			x.always.add(i)
			continue
		}
		c.file(at, x.file(c.terms[at], i))
	}
	for _, shelves := range x.bySlot {
		for _, s := range shelves {
			slices.SortFunc(s.above, func(a, b threshold) int { return cmp.Compare(a.num, b.num) })
			slices.SortFunc(s.below, func(a, b threshold) int { return cmp.Compare(b.num, a.num) })
		}
	}
	return x
}

func isEquality(t term) bool {
	switch t := t.(type) {
	case *predicate:
		return t.op == equal && indexable(&t.value)
	case *memberTerm:
		_, ok := t.left.(slotOperand)
		return ok && len(t.list) > 0 && !slices.ContainsFunc(t.list, func(v value) bool {
			return v.kind != t.list[0].kind || !indexable(&v)
		})
	}
	return false
}

func isThreshold(t term) bool {
	p, ok := t.(*predicate)
	return ok && p.op != equal && p.op != notEqual && p.value.kind == number && !p.value.wide
}

func indexable(v *value) bool {
	return v.kind == text || v.kind == boolean || v.kind == number && !v.wide
}

// file puts a rule on the shelf of its term.
func (x *index) file(t term, rule int) *shelf {
	if m, ok := t.(*memberTerm); ok {
		left, _ := m.left.(slotOperand)
		s := x.shelf(int(left), m.list[0].kind)
		for i := range m.list {
			s.equal(&m.list[i], rule)
		}
		return s
	}
	p, ok := t.(*predicate)
	if !ok {
		return nil // isEquality and isThreshold let nothing else through
	}
	s := x.shelf(p.slot, p.value.kind)
	at := threshold{num: p.value.num, inclusive: p.op == moreOrEqual || p.op == lessOrEqual, rule: rule}
	switch p.op {
	case more, moreOrEqual:
		s.above = append(s.above, at)
	case less, lessOrEqual:
		s.below = append(s.below, at)
	case equal, notEqual:
		s.equal(&p.value, rule)
	}
	return s
}

func (x *index) shelf(slot int, k kind) *shelf {
	for _, s := range x.bySlot[slot] {
		if s.kind == k {
			return s
		}
	}
	s := &shelf{kind: k, text: map[string][]int{}, num: map[float64][]int{}}
	x.bySlot[slot] = append(x.bySlot[slot], s)
	return s
}

func (s *shelf) equal(v *value, rule int) {
	if v.kind == text {
		s.text[string(v.raw)] = append(s.text[string(v.raw)], rule)
	} else {
		s.num[v.num] = append(s.num[v.num], rule)
	}
}

// lookUp adds the rules that the value of a slot admits to hits.
func (x *index) lookUp(slot int, v *value, hits ruleSet) {
	for _, s := range x.bySlot[slot] {
		switch v.kind { //nolint:exhaustive // all other kinds are mistyped
		case s.kind:
			s.compared.Add(1)
			s.find(v, hits)
		case null:
			s.null.Add(1)
		default:
			s.mistyped.Add(1)
		}
	}
}

func (s *shelf) find(v *value, hits ruleSet) {
	if v.kind == text {
		for _, rule := range s.text[string(v.raw)] {
			hits.add(rule)
		}
		return
	}
	for _, rule := range s.num[v.num] {
		hits.add(rule)
	}
	// Of a wide value num is only the nearest float64: it may lie on either side of a bound that equals it, such as 1e19.
	for _, t := range s.above {
		if t.num > v.num {
			break
		}
		if t.num < v.num || t.inclusive || v.wide {
			hits.add(t.rule)
		}
	}
	for _, t := range s.below {
		if t.num < v.num {
			break
		}
		if t.num > v.num || t.inclusive || v.wide {
			hits.add(t.rule)
		}
	}
}

// undefined is how many records left the shelf's term undefined, by cause. records must have been read before.
func (s *shelf) undefined(records uint64) map[verdict]uint64 {
	compared, null, mistyped := s.compared.Load(), s.null.Load(), s.mistyped.Load()
	missing := s.missing.Load()
	for seen := compared + null + mistyped; seen+missing < records; missing = s.missing.Load() {
		if s.missing.CompareAndSwap(missing, records-seen) {
			missing = records - seen
			break
		}
	}
	return map[verdict]uint64{undefinedMissing: missing, undefinedNull: null, undefinedMistyped: mistyped}
}
