package alert

import (
	"bytes"
	"errors"
	"maps"
	"regexp"

	"github.com/expr-lang/expr/vm"
)

// term is a part of a condition that is true, false or undefined. Terms are shared by all evaluators; what changes is in
// the frame.
type term interface {
	eval(f *frame) verdict
	// cost is how often evaluation may run the virtual machine.
	cost() int
}

// operand is a side of a comparison.
type operand interface {
	// load returns the value, or the cause why there is none.
	load(f *frame) (value, verdict)
	// settle pays for load.
	settle(f *frame)
	cost() int
}

// frame is what one evaluator computes with.
type frame struct {
	slots []value
	// env is the environment of the virtual machine. A program fills in the names that it uses before it runs.
	env     map[string]any
	machine vm.VM
	*account
}

// account is what a frame keeps of a rule's budget.
type account struct {
	// rules and others are the work that is left for the record at hand: see maxRecord.
	rules, others int64
	// meter counts what the rule at hand costs. settled are its programs that are metered and have run, with what came out.
	meter   meter
	settled []outcomeOf
	// metered says that env has the functions of metered programs.
	metered bool
}

// outcomeOf is what a program came to with the record at hand.
type outcomeOf struct {
	program *program
	out     any
	cause   verdict
}

// record makes ready for the rules of a record.
func (f *frame) record() { f.rules, f.others = maxRecord*maxWork, maxRecord*maxWork }

// begin makes ready for a rule.
func (f *frame) begin() {
	f.meter.lend(f.rules)
	if len(f.settled) > 0 {
		clear(f.settled)
		f.settled = f.settled[:0]
	}
}

// settle pays for what a rule computes beside its condition, before anything of it is used. It depends on the record alone
// which of it that is, and not on what the rule remembers. Afterwards all of it is free.
func (f *frame) settle(operands []operand) bool {
	for _, o := range operands {
		o.settle(f)
	}
	f.meter.settled = f.meter.over == ""
	return f.meter.settled
}

func newFrame(s *schema) frame {
	f := frame{slots: make([]value, s.slots), env: make(map[string]any), account: &account{}}
	f.record()
	return f
}

// literal is a constant condition.
type literal bool

func (t literal) eval(*frame) verdict { return verdictOf(bool(t)) }

// predicate is field-operator-constant, the form of most conditions and of the cheap test in front of all others.
type predicate struct {
	slot  int
	op    operator
	value value
}

func (t *predicate) eval(f *frame) verdict {
	v := &f.slots[t.slot]
	if v.kind == number && t.value.kind == number && !v.wide && !t.value.wide {
		switch t.op {
		case equal:
			return verdictOf(v.num == t.value.num)
		case notEqual:
			return verdictOf(v.num != t.value.num)
		case less:
			return verdictOf(v.num < t.value.num)
		case lessOrEqual:
			return verdictOf(v.num <= t.value.num)
		case more:
			return verdictOf(v.num > t.value.num)
		case moreOrEqual:
			return verdictOf(v.num >= t.value.num)
		}
	}
	return compare(t.op, v, &t.value)
}

// comparisonTerm compares two operands of any form.
type comparisonTerm struct {
	op          operator
	left, right operand
}

func (t *comparisonTerm) eval(f *frame) verdict {
	left, cause := t.left.load(f)
	if cause.undefined() {
		return cause
	}
	right, cause := t.right.load(f)
	if cause.undefined() {
		return cause
	}
	return compare(t.op, &left, &right)
}

// textTerm is contains, startsWith, endsWith or matches; with matches the pattern is constant.
type textTerm struct {
	op          string
	left, right operand
	pattern     *regexp.Regexp
	// size is that of the pattern; see patternSize.
	size int64
}

func (t *textTerm) eval(f *frame) verdict {
	left, cause := loadText(t.left, f)
	if cause.undefined() {
		return cause
	}
	if t.pattern != nil {
		if !f.meter.spend(search(t.size, int64(len(left))), 0, 0) {
			return undefinedOverBudget
		}
		return verdictOf(t.pattern.Match(left))
	}
	right, cause := loadText(t.right, f)
	if cause.undefined() {
		return cause
	}
	if !f.meter.spend(int64(len(left))/perText, 0, 0) {
		return undefinedOverBudget
	}
	switch t.op {
	case "contains":
		return verdictOf(bytes.Contains(left, right))
	case "startsWith":
		return verdictOf(bytes.HasPrefix(left, right))
	case "endsWith":
		return verdictOf(bytes.HasSuffix(left, right))
	}
	return undefinedFailed
}

func loadText(o operand, f *frame) ([]byte, verdict) {
	v, cause := o.load(f)
	if cause.undefined() {
		return nil, cause
	}
	if v.kind != text {
		return nil, undefinedMistyped
	}
	return v.raw, yes
}

// memberTerm is "in" a list of constants.
type memberTerm struct {
	left operand
	list []value
}

func (t *memberTerm) eval(f *frame) verdict {
	left, cause := t.left.load(f)
	if cause.undefined() {
		return cause
	}
	return member(&left, t.list)
}

// member says whether v equals an element. Against a list without any element of its type the question has no meaning.
func member(v *value, list []value) verdict {
	related := len(list) == 0
	for i := range list {
		v := compare(equal, v, &list[i])
		if v == yes {
			return yes
		}
		related = related || v == no
	}
	if related {
		return no
	}
	return undefinedMistyped
}

// nilTerm is the explicit question for null, which an absent field answers as null does.
type nilTerm struct {
	slot  int
	isNil bool
}

func (t *nilTerm) eval(f *frame) verdict {
	return verdictOf((f.slots[t.slot].kind <= null) == t.isNil)
}

// flag is a field, or something computed, that is itself the condition.
type flag struct {
	operand operand
}

func (t *flag) eval(f *frame) verdict {
	v, cause := t.operand.load(f)
	if cause.undefined() {
		return cause
	}
	if v.kind != boolean {
		return undefinedMistyped
	}
	return verdictOf(v.num == 1)
}

type notTerm struct {
	term term
}

func (t *notTerm) eval(f *frame) verdict {
	v := t.term.eval(f)
	if v.undefined() {
		return v
	}
	return verdictOf(v == no)
}

// andTerm is Kleene's conjunction: one false term decides, whatever else is undefined.
type andTerm []term

func (t andTerm) eval(f *frame) verdict {
	all := yes
	for _, x := range t {
		v := x.eval(f)
		if v == no {
			return no
		}
		if v.undefined() && all == yes {
			all = v
		}
	}
	return all
}

// orTerm is Kleene's disjunction: one true term decides.
type orTerm []term

func (t orTerm) eval(f *frame) verdict {
	none := no
	for _, x := range t {
		v := x.eval(f)
		if v == yes {
			return yes
		}
		if v.undefined() && none == no {
			none = v
		}
	}
	return none
}

// choice is cond ? a : b.
type choice struct {
	cond, then, otherwise term
}

func (t *choice) eval(f *frame) verdict {
	v := t.cond.eval(f)
	if v.undefined() {
		return v
	}
	if v == yes {
		return t.then.eval(f)
	}
	return t.otherwise.eval(f)
}

// slotOperand is a field or built-in name.
type slotOperand int

func (o slotOperand) load(f *frame) (value, verdict) {
	v := f.slots[o]
	switch v.kind {
	case absent:
		return v, undefinedMissing
	case null:
		return v, undefinedNull
	case boolean, number, text, composite, moment, span:
	}
	return v, yes
}

// constant is a value known when the rule was compiled.
type constant struct {
	value value
}

func (o *constant) load(*frame) (value, verdict) { return o.value, yes }

// program is everything that the terms above do not express, run by expr's virtual machine.
type program struct {
	code   *vm.Program
	fields []programField
	// nodes is how long the program is. metered says that it pays for what it does by itself, beside the fields.
	nodes   int64
	metered bool
}

// programField is a name that a program uses.
type programField struct {
	name string
	slot int
	// optional means that the program asks for nil itself.
	optional bool
	// patterns is the size of the regular expressions that look at the field, and texts how often its text is copied.
	patterns, texts int64
}

func (o *program) load(f *frame) (value, verdict) {
	out, cause := o.run(f)
	if cause.undefined() {
		return value{}, cause
	}
	return valueOf(out)
}

func (o *program) settle(f *frame) {
	if !o.metered {
		o.price(f)
		return
	}
	out, cause := o.run(f)
	f.settled = append(f.settled, outcomeOf{o, out, cause})
}

// price pays for the fields of the program. It is false beyond the budget.
func (o *program) price(f *frame) bool {
	var read, work, text int64
	for i := range o.fields {
		v := &f.slots[o.fields[i].slot]
		size := int64(len(v.raw))
		if size == 0 {
			continue
		}
		if v.kind == composite && !f.meter.box(v.raw) {
			return false
		}
		read += size
		work += search(o.fields[i].patterns, size)
		text += o.fields[i].texts * size
	}
	return f.meter.spend(o.nodes+o.nodes*read/perText+work, text, 0)
}

func (o *program) run(f *frame) (any, verdict) {
	if o.metered {
		for i := range f.settled {
			if f.settled[i].program == o {
				return f.settled[i].out, f.settled[i].cause
			}
		}
		f.meterPrograms()
	}
	f.meter.lists = 0 // what the program before has made is gone
	if !o.price(f) {
		return nil, undefinedOverBudget
	}
	wide := false
	for _, field := range o.fields {
		v := &f.slots[field.slot]
		if !field.optional {
			if _, cause := slotOperand(field.slot).load(f); cause.undefined() {
				return nil, cause
			}
		}
		boxed, cause := v.boxed()
		if cause.undefined() {
			return nil, cause
		}
		wide = wide || v.wide
		f.env[field.name] = boxed
	}
	out, err := f.machine.Run(o.code, f.env)
	if err == nil {
		return out, yes
	}
	if undefined, ok := errors.AsType[undefinedError](err); ok {
		return nil, verdict(undefined)
	}
	if wide {
		return nil, undefinedInexact
	}
	return nil, undefinedFailed
}

// meterPrograms makes the functions of metered programs.
func (f *frame) meterPrograms() {
	if f.metered {
		return
	}
	f.metered = true
	maps.Copy(f.env, meteredFunctions(&f.meter))
}

// nilProgram is the question for null about something computed.
type nilProgram struct {
	program *program
	isNil   bool
}

func (t *nilProgram) eval(f *frame) verdict {
	out, cause := t.program.run(f)
	if cause.undefined() {
		return cause
	}
	return verdictOf((out == nil) == t.isNil)
}

func (literal) cost() int           { return 0 }
func (*predicate) cost() int        { return 0 }
func (*nilTerm) cost() int          { return 0 }
func (*nilProgram) cost() int       { return 1 }
func (t *comparisonTerm) cost() int { return t.left.cost() + t.right.cost() }
func (t *textTerm) cost() int       { return t.left.cost() + t.right.cost() }
func (t *memberTerm) cost() int     { return t.left.cost() }
func (t *flag) cost() int           { return t.operand.cost() }
func (t *notTerm) cost() int        { return t.term.cost() }
func (t andTerm) cost() int         { return totalCost(t) }
func (t orTerm) cost() int          { return totalCost(t) }
func (t *choice) cost() int         { return t.cond.cost() + t.then.cost() + t.otherwise.cost() }

func (slotOperand) settle(*frame) {}
func (*constant) settle(*frame)   {}

func (slotOperand) cost() int { return 0 }
func (*constant) cost() int   { return 0 }
func (*program) cost() int    { return 1 }

func totalCost(terms []term) int {
	total := 0
	for _, t := range terms {
		total += t.cost()
	}
	return total
}
