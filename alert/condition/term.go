package condition

import (
	"bytes"
	"errors"
	"maps"
	"regexp"

	"github.com/expr-lang/expr/vm"

	"kinesis-alerter/alert/budget"
)

// term is a part of a condition that is true, false or undefined. Terms are shared by all evaluators; what changes is
// in the frame.
type term interface {
	eval(f *Frame) Verdict
	// cost is how often evaluation may run the virtual machine.
	cost() int
}

// Operand is a side of a comparison.
type Operand interface {
	// Load returns the value, or the cause why there is none.
	Load(f *Frame) (Value, Verdict)
	// settle pays for load.
	settle(f *Frame)
	cost() int
}

// Frame is what one evaluator computes with.
type Frame struct {
	Slots []Value
	// env is the environment of the virtual machine. A program fills in the names that it uses before it runs.
	env     map[string]any
	machine vm.VM
	*account
}

// account is what a frame keeps of a rule's budget.
type account struct {
	// rules and others are the work that is left for the record at hand: see maxRecord.
	rules, others int64
	// Meter counts what the rule at hand costs. settled are its programs that are metered and have run, with what came
	// out.
	Meter   budget.Meter
	settled []outcomeOf
	// metered says that env has the functions of metered programs.
	metered bool
}

// outcomeOf is what a program came to with the record at hand.
type outcomeOf struct {
	program *program
	out     any
	cause   Verdict
}

// Record makes ready for the rules of a record.
func (f *Frame) Record() {
	f.rules, f.others = budget.MaxRecord*budget.MaxWork, budget.MaxRecord*budget.MaxWork
}

// begin makes ready for a rule.
func (f *Frame) begin() {
	f.Meter.Lend(f.rules)
	if len(f.settled) > 0 {
		clear(f.settled)
		f.settled = f.settled[:0]
	}
}

// settle pays for what a rule computes beside its condition, before anything of it is used. It depends on the record
// alone which of it that is, and not on what the rule remembers. Afterwards all of it is free.
func (f *Frame) settle(operands []Operand) bool {
	for _, o := range operands {
		o.settle(f)
	}
	f.Meter.Settled = f.Meter.Over == ""
	return f.Meter.Settled
}

// NewFrame makes a frame for the slots of a schema, which is complete.
func NewFrame(s *Schema) Frame {
	f := Frame{Slots: make([]Value, s.Slots), env: make(map[string]any), account: &account{}}
	f.Record()
	return f
}

// literal is a constant condition.
type literal bool

func (t literal) eval(*Frame) Verdict { return verdictOf(bool(t)) }

// predicate is field-operator-constant, the form of most conditions and of the cheap test in front of all others.
type predicate struct {
	slot  int
	op    Operator
	value Value
}

func (t *predicate) eval(f *Frame) Verdict {
	v := &f.Slots[t.slot]
	if v.Kind == Number && t.value.Kind == Number && !v.Wide && !t.value.Wide {
		switch t.op {
		case Equal:
			return verdictOf(v.Num == t.value.Num)
		case NotEqual:
			return verdictOf(v.Num != t.value.Num)
		case Less:
			return verdictOf(v.Num < t.value.Num)
		case LessOrEqual:
			return verdictOf(v.Num <= t.value.Num)
		case More:
			return verdictOf(v.Num > t.value.Num)
		case MoreOrEqual:
			return verdictOf(v.Num >= t.value.Num)
		}
	}
	return compare(t.op, v, &t.value)
}

// comparisonTerm compares two operands of any form.
type comparisonTerm struct {
	op          Operator
	left, right Operand
}

func (t *comparisonTerm) eval(f *Frame) Verdict {
	left, cause := t.left.Load(f)
	if cause.Undefined() {
		return cause
	}
	right, cause := t.right.Load(f)
	if cause.Undefined() {
		return cause
	}
	return compare(t.op, &left, &right)
}

// textTerm is contains, startsWith, endsWith or matches; with matches the pattern is constant.
type textTerm struct {
	op          string
	left, right Operand
	pattern     *regexp.Regexp
	// size is that of the pattern; see patternSize.
	size int64
}

func (t *textTerm) eval(f *Frame) Verdict {
	left, cause := loadText(t.left, f)
	if cause.Undefined() {
		return cause
	}
	if t.pattern != nil {
		if !f.Meter.Spend(search(t.size, int64(len(left))), 0, 0) {
			return UndefinedOverBudget
		}
		return verdictOf(t.pattern.Match(left))
	}
	right, cause := loadText(t.right, f)
	if cause.Undefined() {
		return cause
	}
	if !f.Meter.Spend(int64(len(left))/budget.PerText, 0, 0) {
		return UndefinedOverBudget
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

func loadText(o Operand, f *Frame) ([]byte, Verdict) {
	v, cause := o.Load(f)
	if cause.Undefined() {
		return nil, cause
	}
	if v.Kind != Text {
		return nil, UndefinedMistyped
	}
	return v.Raw, Yes
}

// memberTerm is "in" a list of constants.
type memberTerm struct {
	left Operand
	list []Value
}

func (t *memberTerm) eval(f *Frame) Verdict {
	left, cause := t.left.Load(f)
	if cause.Undefined() {
		return cause
	}
	return member(&left, t.list)
}

// member says whether v equals an element. Against a list without any element of its type the question has no meaning.
func member(v *Value, list []Value) Verdict {
	related := len(list) == 0
	for i := range list {
		v := compare(Equal, v, &list[i])
		if v == Yes {
			return Yes
		}
		related = related || v == No
	}
	if related {
		return No
	}
	return UndefinedMistyped
}

// nilTerm is the explicit question for null, which an absent field answers as null does.
type nilTerm struct {
	slot  int
	isNil bool
}

func (t *nilTerm) eval(f *Frame) Verdict {
	return verdictOf((f.Slots[t.slot].Kind <= Null) == t.isNil)
}

// flag is a field, or something computed, that is itself the condition.
type flag struct {
	operand Operand
}

func (t *flag) eval(f *Frame) Verdict {
	v, cause := t.operand.Load(f)
	if cause.Undefined() {
		return cause
	}
	if v.Kind != Boolean {
		return UndefinedMistyped
	}
	return verdictOf(v.Num == 1)
}

type notTerm struct {
	term term
}

func (t *notTerm) eval(f *Frame) Verdict {
	v := t.term.eval(f)
	if v.Undefined() {
		return v
	}
	return verdictOf(v == No)
}

// andTerm is Kleene's conjunction: one false term decides, whatever else is undefined.
type andTerm []term

func (t andTerm) eval(f *Frame) Verdict {
	all := Yes
	for _, x := range t {
		v := x.eval(f)
		if v == No {
			return No
		}
		if v.Undefined() && all == Yes {
			all = v
		}
	}
	return all
}

// orTerm is Kleene's disjunction: one true term decides.
type orTerm []term

func (t orTerm) eval(f *Frame) Verdict {
	none := No
	for _, x := range t {
		v := x.eval(f)
		if v == Yes {
			return Yes
		}
		if v.Undefined() && none == No {
			none = v
		}
	}
	return none
}

// choice is cond ? a : b.
type choice struct {
	cond, then, otherwise term
}

func (t *choice) eval(f *Frame) Verdict {
	v := t.cond.eval(f)
	if v.Undefined() {
		return v
	}
	if v == Yes {
		return t.then.eval(f)
	}
	return t.otherwise.eval(f)
}

// slotOperand is a field or built-in name.
type slotOperand int

func (o slotOperand) Load(f *Frame) (Value, Verdict) {
	v := f.Slots[o]
	switch v.Kind {
	case Absent:
		return v, UndefinedMissing
	case Null:
		return v, undefinedNull
	case Boolean, Number, Text, Composite, Moment, Span:
	}
	return v, Yes
}

// constant is a value known when the rule was compiled.
type constant struct {
	value Value
}

func (o *constant) Load(*Frame) (Value, Verdict) { return o.value, Yes }

// ConstantText is the text of an operand that is the same for all records; empty if that is no text.
func ConstantText(o Operand) (text string, ok bool) {
	c, ok := o.(*constant)
	if !ok {
		return "", false
	}
	return string(c.value.Raw), true
}

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

func (o *program) Load(f *Frame) (Value, Verdict) {
	out, cause := o.run(f)
	if cause.Undefined() {
		return Value{}, cause
	}
	return valueOf(out)
}

func (o *program) settle(f *Frame) {
	if !o.metered {
		o.price(f)
		return
	}
	out, cause := o.run(f)
	f.settled = append(f.settled, outcomeOf{o, out, cause})
}

// price pays for the fields of the program. It is false beyond the budget.
func (o *program) price(f *Frame) bool {
	var read, work, text int64
	for i := range o.fields {
		v := &f.Slots[o.fields[i].slot]
		size := int64(len(v.Raw))
		if size == 0 {
			continue
		}
		if v.Kind == Composite && !f.Meter.Box(v.Raw) {
			return false
		}
		read += size
		work += search(o.fields[i].patterns, size)
		text += o.fields[i].texts * size
	}
	return f.Meter.Spend(o.nodes+o.nodes*read/budget.PerText+work, text, 0)
}

func (o *program) run(f *Frame) (any, Verdict) {
	if o.metered {
		for i := range f.settled {
			if f.settled[i].program == o {
				return f.settled[i].out, f.settled[i].cause
			}
		}
		f.meterPrograms()
	}
	f.Meter.Lists = 0 // what the program before has made is gone
	if !o.price(f) {
		return nil, UndefinedOverBudget
	}
	wide := false
	for _, field := range o.fields {
		v := &f.Slots[field.slot]
		if !field.optional {
			if _, cause := slotOperand(field.slot).Load(f); cause.Undefined() {
				return nil, cause
			}
		}
		boxed, cause := v.boxed()
		if cause.Undefined() {
			return nil, cause
		}
		wide = wide || v.Wide
		f.env[field.name] = boxed
	}
	out, err := f.machine.Run(o.code, f.env)
	if err == nil {
		return out, Yes
	}
	if undefined, ok := errors.AsType[undefinedError](err); ok {
		return nil, Verdict(undefined)
	}
	if wide {
		return nil, undefinedInexact
	}
	return nil, undefinedFailed
}

// meterPrograms makes the functions of metered programs.
func (f *Frame) meterPrograms() {
	if f.metered {
		return
	}
	f.metered = true
	maps.Copy(f.env, meteredFunctions(&f.Meter))
}

// nilProgram is the question for null about something computed.
type nilProgram struct {
	program *program
	isNil   bool
}

func (t *nilProgram) eval(f *Frame) Verdict {
	out, cause := t.program.run(f)
	if cause.Undefined() {
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

func (slotOperand) settle(*Frame) {}
func (*constant) settle(*Frame)   {}

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
