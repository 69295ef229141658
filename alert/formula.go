package alert

import "slices"

// condition is a compiled condition: the terms that must all be true. Those that need no virtual machine come first,
// otherwise the order is the rule's own, so that a test in front of a term keeps guarding it.
//
// Pulling terms forward changes neither truth nor falsehood, only the work: the virtual machine runs for the few records
// that pass the rest.
type condition struct {
	conjuncts []conjunct
	terms     []term // those of the conjuncts
	// shelf is where the index has the condition, by its first term; nil if it is always tried.
	shelf *shelf
}

// eval returns the first verdict that is not yes.
func (c *condition) eval(f *frame) verdict { return eval(c.terms, f) }

func eval(terms []term, f *frame) verdict {
	for _, t := range terms {
		if v := t.eval(f); v != yes {
			return v
		}
	}
	return yes
}

// judge is eval. counted says that the index counts what is undefined, by the term under which it has the condition.
func (c *condition) judge(f *frame) (v verdict, counted bool) {
	terms := c.terms
	if c.shelf != nil {
		if v := terms[0].eval(f); v != yes {
			return v, true
		}
		terms = terms[1:]
	}
	return eval(terms, f), false
}

// file moves the term under which the index has the condition to its front.
func (c *condition) file(at int, in *shelf) {
	first := c.conjuncts[at]
	c.conjuncts = slices.Insert(slices.Delete(c.conjuncts, at, at+1), 0, first)
	for i := range c.conjuncts {
		c.terms[i] = c.conjuncts[i].term
	}
	c.shelf = in
}

// isTrue says that the condition is the word true.
func (c *condition) isTrue() bool { return len(c.terms) == 1 && c.terms[0] == literal(true) }

// uses says whether a term looks at a slot.
func (c *condition) uses(slot int) bool {
	return slices.ContainsFunc(c.conjuncts, func(c conjunct) bool {
		return slices.ContainsFunc(c.fields, func(f usedField) bool { return f.slot == slot })
	})
}

// threshold is the first term that holds a field against a number, other than for being equal.
func (c *condition) threshold() (field operand, op operator, ok bool) {
	for _, t := range c.terms {
		if p, is := t.(*predicate); is && p.value.kind == number && p.op != equal && p.op != notEqual {
			return slotOperand(p.slot), p.op, true
		}
	}
	return nil, 0, false
}

// undefined is how many records left the term undefined by which an index has the condition, by cause.
func (c *condition) undefined(in *index) map[verdict]uint64 {
	if c.shelf == nil {
		return nil
	}
	return c.shelf.undefined(in.records.Load())
}

// mistyped is how many records had another type than that term needs.
func (c *condition) mistyped() uint64 {
	if c.shelf == nil {
		return 0
	}
	return c.shelf.mistyped.Load()
}

// formula is all that a rule computes of a record: its condition, and beside it the key and what its alerts say. It is
// evaluated within the budget of a rule.
type formula struct {
	when *condition
	// computed is what is computed beside the condition; the first keyed of it are the key. priced says that the whole has a
	// price at all.
	computed []operand
	keyed    int
	priced   bool
}

// newFormula makes the formula of a rule. Any operand may be nil.
func newFormula(when *condition, key operand, others ...operand) formula {
	x := formula{when: when}
	note := func(o operand) {
		if p, ok := o.(*program); ok {
			x.computed = append(x.computed, p)
		}
	}
	note(key)
	x.keyed = len(x.computed)
	for _, o := range others {
		note(o)
	}
	x.priced = len(x.computed) > 0 || slices.ContainsFunc(when.conjuncts, func(c conjunct) bool { return c.priced })
	return x
}

// judge evaluates the condition. counted says that the caller need not count what is undefined: the index does, or it
// matters to nobody.
func (x *formula) judge(f *frame) (v verdict, counted bool) {
	if x.priced {
		return x.within(f)
	}
	return x.when.judge(f)
}

// within is judge within the budget of a rule and the record's. For a record that matches, what is computed beside the
// condition is paid for, too.
func (x *formula) within(f *frame) (v verdict, counted bool) {
	f.begin()
	v, counted = x.evaluate(f)
	f.rules -= f.meter.spent()
	return v, counted
}

func (x *formula) evaluate(f *frame) (v verdict, counted bool) {
	v, counted = x.when.judge(f)
	switch {
	case counted: // the term of the index has no price
	case f.meter.over != "":
		return undefinedOverBudget, false
	case len(x.computed) == 0:
	case v == yes && !f.settle(x.computed):
		return undefinedOverBudget, false
	case v == no && !f.settle(x.computed[:x.keyed]):
		// It matters only where the rule remembers a key, so it does not matter anywhere.
		return undefinedFailed, true
	}
	return v, counted
}

// settleKey pays for the key of a record that the condition does not hold for: it is asked for where the rule remembers
// something. It is false beyond the budget.
func (x *formula) settleKey(f *frame) bool {
	if x.keyed == 0 || f.meter.settled {
		return true
	}
	f.meter.lend(f.others)
	ok := f.settle(x.computed[:x.keyed])
	f.others -= f.meter.spent()
	return ok
}

// apart evaluates a condition that belongs to no rule, with a budget of its own. over says that it costs too much, which
// is no.
func (f *frame) apart(c *condition) (holds, over bool) {
	rules := f.meter
	f.meter.lend(f.others)
	v := c.eval(f)
	over = f.meter.over != ""
	f.others -= f.meter.spent()
	f.meter = rules
	return v == yes && !over, over
}
