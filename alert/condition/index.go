package condition

import (
	"cmp"
	"math/bits"
	"slices"
	"sync/atomic"
)

// RuleSet is a set of rules by their places in the rule list.
type RuleSet []uint64

// NewRuleSet makes an empty set for so many rules.
func NewRuleSet(rules int) RuleSet { return make(RuleSet, (rules+63)/64) }

// Add puts a rule into the set.
func (s RuleSet) Add(i int) { s[i/64] |= 1 << (i % 64) }

// Has says whether a rule is in the set.
func (s RuleSet) Has(i int) bool { return s[i/64]&(1<<(i%64)) != 0 }

// Each calls visit for the members in order.
func (s RuleSet) Each(visit func(i int)) {
	for w, word := range s {
		for ; word != 0; word &= word - 1 {
			visit(w*64 + bits.TrailingZeros64(word))
		}
	}
}

// Index finds the rules that a record can match, so that the time for a record does not grow with the rules that it
// cannot match. Each rule is filed under one of its terms, which compares a field with a constant and must hold for the
// rule to match: equality of texts, numbers and booleans in maps, thresholds in sorted lists. A rule without such a
// term is always tried.
//
// The fields of the record are the way in: what a record lacks costs nothing either. How often a rule did not match
// because its field was missing, null or of another type is counted by field, and added up when somebody asks.
type Index struct {
	Always RuleSet
	// bySlot are the shelves of a slot, one for each kind of constant.
	bySlot [][]*shelf
	// Records counts the records that were looked up.
	Records atomic.Uint64
}

// shelf holds the rules that compare one field with constants of one kind.
type shelf struct {
	kind  Kind
	text  map[string][]int
	num   map[float64][]int
	above []threshold // ascending
	below []threshold // descending
	// The records in which the field could be compared, was null, and was of another type. It was missing in the
	// others.
	compared, null, mistyped atomic.Uint64
	// missing is the most that was reported: while a record is looked up, the sum is one less for a moment, and a
	// counter that goes back is taken for one that began anew.
	missing atomic.Uint64
}

// threshold is a rule that needs a number beyond num.
type threshold struct {
	num       float64
	inclusive bool
	rule      int
}

// NewIndex files the conditions of rules. It moves the term under which one is filed to its front.
func NewIndex(conditions []*Condition, slots int) *Index {
	x := &Index{Always: NewRuleSet(len(conditions)), bySlot: make([][]*shelf, slots)}
	for i, c := range conditions {
		at := slices.IndexFunc(c.terms, isEquality)
		if at < 0 {
			at = slices.IndexFunc(c.terms, isThreshold)
		}
		if at < 0 {
			x.Always.Add(i)
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
		return t.op == Equal && indexable(&t.value)
	case *memberTerm:
		_, ok := t.left.(slotOperand)
		return ok && len(t.list) > 0 && !slices.ContainsFunc(t.list, func(v Value) bool {
			return v.Kind != t.list[0].Kind || !indexable(&v)
		})
	}
	return false
}

func isThreshold(t term) bool {
	p, ok := t.(*predicate)
	return ok && p.op != Equal && p.op != NotEqual && p.value.Kind == Number && !p.value.Wide
}

func indexable(v *Value) bool {
	return v.Kind == Text || v.Kind == Boolean || v.Kind == Number && !v.Wide
}

// file puts a rule on the shelf of its term.
func (x *Index) file(t term, rule int) *shelf {
	if m, ok := t.(*memberTerm); ok {
		left, _ := m.left.(slotOperand)
		s := x.shelf(int(left), m.list[0].Kind)
		for i := range m.list {
			s.equal(&m.list[i], rule)
		}
		return s
	}
	p, ok := t.(*predicate)
	if !ok {
		return nil // isEquality and isThreshold let nothing else through
	}
	s := x.shelf(p.slot, p.value.Kind)
	at := threshold{num: p.value.Num, inclusive: p.op == MoreOrEqual || p.op == LessOrEqual, rule: rule}
	switch p.op {
	case More, MoreOrEqual:
		s.above = append(s.above, at)
	case Less, LessOrEqual:
		s.below = append(s.below, at)
	case Equal, NotEqual:
		s.equal(&p.value, rule)
	}
	return s
}

func (x *Index) shelf(slot int, k Kind) *shelf {
	for _, s := range x.bySlot[slot] {
		if s.kind == k {
			return s
		}
	}
	s := &shelf{kind: k, text: map[string][]int{}, num: map[float64][]int{}}
	x.bySlot[slot] = append(x.bySlot[slot], s)
	return s
}

func (s *shelf) equal(v *Value, rule int) {
	if v.Kind == Text {
		s.text[string(v.Raw)] = append(s.text[string(v.Raw)], rule)
	} else {
		s.num[v.Num] = append(s.num[v.Num], rule)
	}
}

// LookUp adds the rules that the value of a slot admits to hits.
func (x *Index) LookUp(slot int, v *Value, hits RuleSet) {
	for _, s := range x.bySlot[slot] {
		switch v.Kind { //nolint:exhaustive // all other kinds are mistyped
		case s.kind:
			s.compared.Add(1)
			s.find(v, hits)
		case Null:
			s.null.Add(1)
		default:
			s.mistyped.Add(1)
		}
	}
}

func (s *shelf) find(v *Value, hits RuleSet) {
	if v.Kind == Text {
		for _, rule := range s.text[string(v.Raw)] {
			hits.Add(rule)
		}
		return
	}
	for _, rule := range s.num[v.Num] {
		hits.Add(rule)
	}
	// Of a wide value num is only the nearest float64: it may lie on either side of a bound that equals it, such as
	// 1e19.
	for _, t := range s.above {
		if t.num > v.Num {
			break
		}
		if t.num < v.Num || t.inclusive || v.Wide {
			hits.Add(t.rule)
		}
	}
	for _, t := range s.below {
		if t.num < v.Num {
			break
		}
		if t.num > v.Num || t.inclusive || v.Wide {
			hits.Add(t.rule)
		}
	}
}

// undefined is how many records left the shelf's term undefined, by cause. records must have been read before.
func (s *shelf) undefined(records uint64) map[Verdict]uint64 {
	compared, null, mistyped := s.compared.Load(), s.null.Load(), s.mistyped.Load()
	missing := s.missing.Load()
	for seen := compared + null + mistyped; seen+missing < records; missing = s.missing.Load() {
		if s.missing.CompareAndSwap(missing, records-seen) {
			missing = records - seen
			break
		}
	}
	return map[Verdict]uint64{UndefinedMissing: missing, undefinedNull: null, UndefinedMistyped: mistyped}
}
