package condition

import "slices"

// Condition is a compiled condition: the terms that must all be true. Those that need no virtual machine come first,
// otherwise the order is the rule's own, so that a test in front of a term keeps guarding it.
//
// Pulling terms forward changes neither truth nor falsehood, only the work: the virtual machine runs for the few
// records that pass the rest.
type Condition struct {
	conjuncts []conjunct
	terms     []term // those of the conjuncts
	// shelf is where the index has the condition, by its first term; nil if it is always tried.
	shelf *shelf
}

// Eval returns the first verdict that is not yes.
func (c *Condition) Eval(f *Frame) Verdict { return eval(c.terms, f) }

func eval(terms []term, f *Frame) Verdict {
	for _, t := range terms {
		if v := t.eval(f); v != Yes {
			return v
		}
	}
	return Yes
}

// judge is Eval. counted says that the index counts what is undefined, by the term under which it has the condition.
func (c *Condition) judge(f *Frame) (v Verdict, counted bool) {
	terms := c.terms
	if c.shelf != nil {
		if v := terms[0].eval(f); v != Yes {
			return v, true
		}
		terms = terms[1:]
	}
	return eval(terms, f), false
}

// file moves the term under which the index has the condition to its front.
func (c *Condition) file(at int, in *shelf) {
	first := c.conjuncts[at]
	c.conjuncts = slices.Insert(slices.Delete(c.conjuncts, at, at+1), 0, first)
	for i := range c.conjuncts {
		c.terms[i] = c.conjuncts[i].term
	}
	c.shelf = in
}

// IsTrue says that the condition is the word true.
func (c *Condition) IsTrue() bool { return len(c.terms) == 1 && c.terms[0] == literal(true) }

// Uses says whether a term looks at a slot.
func (c *Condition) Uses(slot int) bool {
	return slices.ContainsFunc(c.conjuncts, func(c conjunct) bool {
		return slices.ContainsFunc(c.fields, func(f usedField) bool { return f.slot == slot })
	})
}

// Threshold is the first term that holds a field against a number, other than for being equal.
func (c *Condition) Threshold() (field Operand, op Operator, ok bool) {
	for _, t := range c.terms {
		if p, is := t.(*predicate); is && p.value.Kind == Number && p.op != Equal && p.op != NotEqual {
			return slotOperand(p.slot), p.op, true
		}
	}
	return nil, 0, false
}

// Undefined is how many records left the term undefined by which an index has the condition, by cause.
func (c *Condition) Undefined(in *Index) map[Verdict]uint64 {
	if c.shelf == nil {
		return nil
	}
	return c.shelf.undefined(in.Records.Load())
}

// Mistyped is how many records had another type than that term needs.
func (c *Condition) Mistyped() uint64 {
	if c.shelf == nil {
		return 0
	}
	return c.shelf.mistyped.Load()
}

// Formula is all that a rule computes of a record: its condition, and beside it the key and what its alerts say. It is
// evaluated within the budget of a rule.
type Formula struct {
	When *Condition
	// computed is what is computed beside the condition; the first keyed of it are the key. priced says that the whole
	// has a price at all.
	computed []Operand
	keyed    int
	priced   bool
}

// NewFormula makes the formula of a rule. Any operand may be nil.
func NewFormula(when *Condition, key Operand, others ...Operand) Formula {
	x := Formula{When: when}
	note := func(o Operand) {
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

// Judge evaluates the condition. counted says that the caller need not count what is undefined: the index does, or it
// matters to nobody.
func (x *Formula) Judge(f *Frame) (v Verdict, counted bool) {
	if x.priced {
		return x.Within(f)
	}
	return x.When.judge(f)
}

// Within is judge within the budget of a rule and the record's. For a record that matches, what is computed beside the
// condition is paid for, too.
func (x *Formula) Within(f *Frame) (v Verdict, counted bool) {
	f.begin()
	v, counted = x.evaluate(f)
	f.rules -= f.Meter.Spent()
	return v, counted
}

func (x *Formula) evaluate(f *Frame) (v Verdict, counted bool) {
	v, counted = x.When.judge(f)
	switch {
	case counted: // the term of the index has no price
	case f.Meter.Over != "":
		return UndefinedOverBudget, false
	case len(x.computed) == 0:
	case v == Yes && !f.settle(x.computed):
		return UndefinedOverBudget, false
	case v == No && !f.settle(x.computed[:x.keyed]):
		// It matters only where the rule remembers a key, so it does not matter anywhere.
		return undefinedFailed, true
	}
	return v, counted
}

// SettleKey pays for the key of a record that the condition does not hold for: it is asked for where the rule remembers
// something. It is false beyond the budget.
func (x *Formula) SettleKey(f *Frame) bool {
	if x.keyed == 0 || f.Meter.Settled {
		return true
	}
	f.Meter.Lend(f.others)
	ok := f.settle(x.computed[:x.keyed])
	f.others -= f.Meter.Spent()
	return ok
}

// Apart evaluates a condition that belongs to no rule, with a budget of its own. over says that it costs too much,
// which is no.
func (f *Frame) Apart(c *Condition) (holds, over bool) {
	rules := f.Meter
	f.Meter.Lend(f.others)
	v := c.Eval(f)
	over = f.Meter.Over != ""
	f.others -= f.Meter.Spent()
	f.Meter = rules
	return v == Yes && !over, over
}
