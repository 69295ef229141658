package alert

import "strings"

// kindSet is a set of kinds.
type kindSet uint16

func kindsOf(kinds ...kind) kindSet {
	var s kindSet
	for _, k := range kinds {
		s |= 1 << k
	}
	return s
}

func (s kindSet) has(k kind) bool { return s&(1<<k) != 0 }

const jsonKinds = kindSet(1<<null | 1<<boolean | 1<<number | 1<<text | 1<<composite)

// kindName is what people call a kind.
func kindName(k kind) string {
	switch k {
	case null:
		return "null"
	case boolean:
		return "boolean"
	case number:
		return "number"
	case text:
		return "text"
	case composite:
		return "list or object"
	case moment:
		return "time"
	case span:
		return "duration"
	case absent:
	}
	return "missing"
}

func kindNames(s kindSet) string {
	var names []string
	for k := boolean; k <= span; k++ {
		if s.has(k) {
			names = append(names, kindName(k))
		}
	}
	return strings.Join(names, " or ")
}

// need is a field of which a term needs certain kinds to be true or false at all.
type need struct {
	slot  int
	kinds kindSet
}

// needs are the fields that the terms need.
func (c *condition) needs() []need {
	var out []need
	for _, t := range c.terms {
		if slot, kinds, ok := demand(t); ok {
			out = append(out, need{slot, kinds})
		}
	}
	return out
}

// demand is the one field of which a term needs certain kinds to be true or false at all.
func demand(t term) (slot int, kinds kindSet, ok bool) {
	switch t := t.(type) {
	case *predicate:
		return t.slot, kindsOf(t.value.kind), true
	case *memberTerm:
		if left, is := t.left.(slotOperand); is && len(t.list) > 0 {
			for i := range t.list {
				kinds |= kindsOf(t.list[i].kind)
			}
			return int(left), kinds, true
		}
	case *textTerm:
		if left, is := t.left.(slotOperand); is {
			return int(left), kindsOf(text), true
		}
	case *flag:
		if operand, is := t.operand.(slotOperand); is {
			return int(operand), kindsOf(boolean), true
		}
	case *notTerm:
		return demand(t.term)
	}
	return 0, 0, false
}
