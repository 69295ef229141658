package condition

import "strings"

// KindSet is a set of kinds.
type KindSet uint16

func kindsOf(kinds ...Kind) KindSet {
	var s KindSet
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

// Has says whether a kind is in the set.
func (s KindSet) Has(k Kind) bool { return s&(1<<k) != 0 }

// JSONKinds are the kinds that a field of a record can have.
const JSONKinds = KindSet(1<<Null | 1<<Boolean | 1<<Number | 1<<Text | 1<<Composite)

// KindName is what people call a kind.
func KindName(k Kind) string {
	switch k {
	case Null:
		return "null"
	case Boolean:
		return "boolean"
	case Number:
		return "number"
	case Text:
		return "text"
	case Composite:
		return "list or object"
	case Moment:
		return "time"
	case Span:
		return "duration"
	case Absent:
	}
	return "missing"
}

// KindNames are what people call the kinds of a set.
func KindNames(s KindSet) string {
	var names []string
	for k := Boolean; k <= Span; k++ {
		if s.Has(k) {
			names = append(names, KindName(k))
		}
	}
	return strings.Join(names, " or ")
}

// need is a field of which a term needs certain kinds to be true or false at all.
type need struct {
	Slot  int
	Kinds KindSet
}

// Needs are the fields that the terms need.
func (c *Condition) Needs() []need {
	var out []need
	for _, t := range c.terms {
		if slot, kinds, ok := demand(t); ok {
			out = append(out, need{slot, kinds})
		}
	}
	return out
}

// demand is the one field of which a term needs certain kinds to be true or false at all.
func demand(t term) (slot int, kinds KindSet, ok bool) {
	switch t := t.(type) {
	case *predicate:
		return t.slot, kindsOf(t.value.Kind), true
	case *memberTerm:
		if left, is := t.left.(slotOperand); is && len(t.list) > 0 {
			for i := range t.list {
				kinds |= kindsOf(t.list[i].Kind)
			}
			return int(left), kinds, true
		}
	case *textTerm:
		if left, is := t.left.(slotOperand); is {
			return int(left), kindsOf(Text), true
		}
	case *flag:
		if operand, is := t.operand.(slotOperand); is {
			return int(operand), kindsOf(Boolean), true
		}
	case *notTerm:
		return demand(t.term)
	}
	return 0, 0, false
}
