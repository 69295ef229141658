package condition

import (
	"cmp"
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/checker"
	"github.com/expr-lang/expr/compiler"
	"github.com/expr-lang/expr/conf"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/parser"
	"github.com/expr-lang/expr/types"

	"kinesis-alerter/alert/budget"
)

func timeType() types.Type     { return types.TypeOf(time.Time{}) }
func durationType() types.Type { return types.TypeOf(time.Duration(0)) }

// conjunct is a term of a condition with what an explanation needs.
type conjunct struct {
	term term
	// source is the term as expr prints it.
	source string
	fields []usedField
	// priced says that the term has a price at all.
	priced bool
}

// usedField is a name that a term looks at.
type usedField struct {
	name string
	slot int
	// optional means that the term asks itself whether there is a value.
	optional bool
}

// Compile compiles source. Errors carry the place in source.
func Compile(source string, s *Schema) (*Condition, *Fault) {
	b, root, fault := newBuilder(source, s, reflect.Bool)
	if fault != nil {
		return nil, faultOf(source, fault)
	}
	var out []conjunct
	for _, node := range conjunction(root) {
		uses := &fieldUses{refs: b.refs, optional: make(map[string]bool)}
		ast.Walk(&node, uses)
		c := conjunct{source: strings.ReplaceAll(node.String(), "\x00", ".")}
		for _, f := range uses.fields() {
			c.fields = append(c.fields,
				usedField{name: strings.ReplaceAll(f.name, "\x00", "."), slot: f.slot, optional: f.optional})
		}
		b.priced = false
		c.term = b.term(node)
		c.priced = b.priced
		out = append(out, c)
	}
	if b.err != nil {
		return nil, faultOf(source, b.err.Bind(b.source))
	}
	slices.SortStableFunc(out, func(a, b conjunct) int { return cmp.Compare(a.term.cost(), b.term.cost()) })
	c := &Condition{conjuncts: out}
	for i := range out {
		c.terms = append(c.terms, out[i].term)
	}
	return c, nil
}

// conjunction returns the parts of a && b && c.
func conjunction(node ast.Node) []ast.Node {
	if n, ok := node.(*ast.BinaryNode); ok && (n.Operator == "&&" || n.Operator == "and") {
		return append(conjunction(n.Left), conjunction(n.Right)...)
	}
	return []ast.Node{node}
}

// CompileOperand compiles an expression that gives a value.
func CompileOperand(source string, s *Schema) (Operand, *Fault) {
	b, root, fault := newBuilder(source, s, reflect.Invalid)
	if fault != nil {
		return nil, faultOf(source, fault)
	}
	out := b.operand(root)
	if b.err != nil {
		return nil, faultOf(source, b.err.Bind(b.source))
	}
	return out, nil
}

// newBuilder parses, resolves and checks source. With reflect.Bool the whole must be a condition.
func newBuilder(source string, s *Schema, want reflect.Kind) (*builder, ast.Node, *file.Error) {
	if nesting(source) > mostNesting {
		return nil, nil,
			(&file.Error{Message: fmt.Sprintf("has more than %d brackets and prefixes",
				mostNesting)}).Bind(file.NewSource(source))
	}
	config := s.newConfig()
	tree, err := parser.ParseWithConfig(source, config)
	if err != nil {
		return nil, nil, placed(err, tree.Source)
	}
	refs, fault := resolve(&tree.Node, s)
	if fault != nil {
		return nil, nil, fault.Bind(tree.Source)
	}
	env := make(types.Map, len(refs))
	for name, ref := range refs {
		env[name] = ref.kind
	}
	config.WithEnv(env)
	config.Expect, config.ExpectAny = want, true
	if _, err := checker.Check(tree, config); err != nil {
		return nil, nil, placed(err, tree.Source)
	}
	config.Functions = s.strict
	config.Expect, config.ExpectAny = reflect.Invalid, false
	return &builder{refs: refs, schema: s, config: config, source: tree.Source}, tree.Node, nil
}

// newConfig is what expr needs to know, apart from the names. The functions are the same for all expressions, and only
// read.
func (s *Schema) newConfig() *conf.Config {
	if s.language == nil {
		s.language, s.strict = conf.CreateNew(), strictFunctions()
		for name := range disabledBuiltins() {
			s.language.Disabled[name] = true
			delete(s.language.Builtins, name)
		}
	}
	return &conf.Config{
		Optimize: s.language.Optimize, ShortCircuit: s.language.ShortCircuit, MaxNodes: s.language.MaxNodes,
		Builtins: s.language.Builtins, Disabled: s.language.Disabled,
	}
}

// meteredConfig is the configuration of programs that are metered: with the functions of a frame.
func (b *builder) meteredConfig() *conf.Config {
	if b.metered == nil {
		env := make(types.Map, len(b.refs))
		for name, ref := range b.refs {
			env[name] = ref.kind
		}
		for name, fn := range meteredFunctions(&budget.Meter{}) {
			env[name] = types.TypeOf(fn)
		}
		b.metered = b.schema.newConfig()
		b.metered.WithEnv(env)
		b.metered.Functions = b.schema.strict
		b.metered.Expect, b.metered.ExpectAny = reflect.Invalid, false
	}
	return b.metered
}

func placed(err error, source file.Source) *file.Error {
	if fault, ok := errors.AsType[*file.Error](err); ok {
		return fault
	}
	return (&file.Error{Message: err.Error()}).Bind(source)
}

// builder turns a checked tree into terms. The first error stops it.
type builder struct {
	refs   map[string]reference
	schema *Schema
	config *conf.Config
	// metered is the configuration of metered programs, once there is one.
	metered *conf.Config
	source  file.Source
	err     *file.Error
	// priced says that something was built that has a price.
	priced bool
}

func (b *builder) fail(node ast.Node, format string, args ...any) {
	if b.err == nil {
		b.err = &file.Error{Location: node.Location(), Message: fmt.Sprintf(format, args...)}
	}
}

// term builds what stands where a condition is expected.
func (b *builder) term(node ast.Node) term {
	switch n := node.(type) {
	case *ast.BoolNode:
		return literal(n.Value)
	case *ast.UnaryNode:
		if n.Operator == "!" || n.Operator == "not" {
			return &notTerm{b.term(n.Node)}
		}
	case *ast.ConditionalNode:
		return &choice{b.term(n.Cond), b.term(n.Exp1), b.term(n.Exp2)}
	case *ast.BinaryNode:
		return b.binary(n)
	case *ast.IdentifierNode, *ast.BuiltinNode, *ast.CallNode, *ast.MemberNode, *ast.ChainNode,
		*ast.VariableDeclaratorNode, *ast.SequenceNode:
		return &flag{b.operand(node)}
	}
	b.fail(node, "%s is not a condition: compare it with something", node.String())
	return literal(false)
}

func (b *builder) binary(n *ast.BinaryNode) term {
	switch n.Operator {
	case "&&", "and":
		return append(flatten[andTerm](b.term(n.Left)), flatten[andTerm](b.term(n.Right))...)
	case "||", "or":
		return append(flatten[orTerm](b.term(n.Left)), flatten[orTerm](b.term(n.Right))...)
	case "in":
		return b.membership(n)
	case "contains", "startsWith", "endsWith", "matches":
		return b.textual(n)
	case "??":
		return &flag{b.operand(n)}
	}
	op, ok := Comparison(n.Operator)
	if !ok {
		b.fail(n, "%s is not a condition: compare it with something", n.String())
		return literal(false)
	}
	if isNil(n.Left) || isNil(n.Right) {
		return b.nilTest(n, op)
	}
	return b.comparison(n, op)
}

// flatten returns the terms of a conjunction or disjunction, so that a && b && c is one term.
func flatten[T ~[]term](t term) T {
	if same, ok := any(t).(T); ok {
		return same
	}
	return T{t}
}

func (b *builder) comparison(n *ast.BinaryNode, op Operator) term {
	left, right := b.operand(n.Left), b.operand(n.Right)
	if b.err != nil {
		return literal(false)
	}
	if _, ok := left.(*constant); ok {
		left, right, op = right, left, op.flipped()
	}
	if c, ok := right.(*constant); ok {
		if l, ok := left.(*constant); ok {
			return literal(compare(op, &l.value, &c.value) == Yes)
		}
		if slot, ok := left.(slotOperand); ok {
			return &predicate{slot: int(slot), op: op, value: c.value}
		}
	}
	return &comparisonTerm{op: op, left: left, right: right}
}

// nilTest asks whether something is null. Resolving has left no other operator with nil than == and !=.
func (b *builder) nilTest(n *ast.BinaryNode, op Operator) term {
	node := n.Left
	if isNil(node) {
		node = n.Right
	}
	if isNil(node) {
		return literal(op == Equal)
	}
	if x, ok := node.(*ast.IdentifierNode); ok {
		if ref, ok := b.refs[x.Value]; ok {
			return &nilTerm{slot: ref.slot, isNil: op == Equal}
		}
	}
	p := b.program(node)
	if p == nil {
		return literal(false)
	}
	for i := range p.fields {
		p.fields[i].optional = true
	}
	return &nilProgram{program: p, isNil: op == Equal}
}

func (b *builder) membership(n *ast.BinaryNode) term {
	array, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return &flag{b.computed(n)}
	}
	list := make([]Value, 0, len(array.Nodes))
	for _, element := range array.Nodes {
		c, ok := b.operand(element).(*constant)
		if !ok {
			return &flag{b.computed(n)}
		}
		list = append(list, c.value)
	}
	return &memberTerm{left: b.operand(n.Left), list: list}
}

func (b *builder) textual(n *ast.BinaryNode) term {
	b.priced = true
	t := &textTerm{op: n.Operator, left: b.operand(n.Left), right: b.operand(n.Right)}
	if n.Operator != "matches" || b.err != nil {
		return t
	}
	c, ok := t.right.(*constant)
	if !ok || c.value.Kind != Text {
		b.fail(n, "the pattern of matches must be a constant text")
		return t
	}
	pattern, err := regexp.Compile(string(c.value.Raw))
	if err != nil {
		b.fail(n, "%s", err.Error())
		return t
	}
	t.pattern, t.size = pattern, patternSize(string(c.value.Raw))
	return t
}

// operand builds what stands where a value is expected.
func (b *builder) operand(node ast.Node) Operand {
	switch n := node.(type) {
	case *ast.IntegerNode:
		return &constant{integerValue(int64(n.Value))}
	case *ast.IdentifierNode:
		if ref, ok := b.refs[n.Value]; ok {
			return slotOperand(ref.slot)
		}
	}
	return b.computed(node)
}

// computed builds a program, and runs it at once if it depends on no field.
func (b *builder) computed(node ast.Node) Operand {
	source := node.String() // before it is rewritten
	p := b.program(node)
	if p == nil {
		return &constant{}
	}
	if len(p.fields) > 0 {
		return p
	}
	f := &Frame{env: map[string]any{}, account: &account{}}
	v, cause := p.Load(f)
	switch {
	case cause == UndefinedOverBudget:
		b.fail(node, "%s %s", source, budget.Remedy(f.Meter.Over))
		return &constant{}
	case cause.Undefined():
		b.fail(node, "%s has no value (%s)", source, cause.Cause())
		return &constant{}
	}
	if v.Kind == Composite {
		// A list or object that a closure works on; as a constant it could not be compared.
		return p
	}
	return &constant{v}
}

// program compiles a subtree for the virtual machine. It returns nil after an error.
func (b *builder) program(node ast.Node) *program {
	if b.err != nil {
		return nil
	}
	b.priced = true
	uses := &fieldUses{refs: b.refs, optional: make(map[string]bool)}
	ast.Walk(&node, uses)
	cost := tariffOf(node, b.refs)
	config := b.config
	if cost.metered {
		config = b.meteredConfig()
		ast.Walk(&node, metering{})
	} else {
		ast.Walk(&node, strictness{})
	}
	tree := &parser.Tree{Node: node, Source: b.source}
	if _, err := checker.Check(tree, config); err != nil {
		b.err = placed(err, b.source)
		return nil
	}
	code, err := compiler.Compile(tree, config)
	if err != nil {
		b.err = placed(err, b.source)
		return nil
	}
	p := &program{code: code, fields: uses.fields(), nodes: cost.nodes, metered: cost.metered}
	for i := range p.fields {
		f := &p.fields[i]
		f.patterns, f.texts = cost.patterns[f.name], cost.texts[f.name]
	}
	return p
}

// fieldUses collects the names that a program uses and which of them it asks for nil itself: those left of ?? or
// compared with nil. A program without such a question is undefined as soon as one of its fields is missing.
type fieldUses struct {
	refs     map[string]reference
	names    []string
	optional map[string]bool
}

// Visit implements ast.Visitor.
func (u *fieldUses) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode:
		if _, ok := u.refs[n.Value]; ok && !slices.Contains(u.names, n.Value) {
			u.names = append(u.names, n.Value)
		}
	case *ast.BinaryNode:
		switch {
		case n.Operator == "??", isNil(n.Right):
			u.tolerate(n.Left)
		case isNil(n.Left):
			u.tolerate(n.Right)
		}
	case *ast.ChainNode:
		u.tolerate(n.Node)
	}
}

func (u *fieldUses) tolerate(node ast.Node) {
	inner := &fieldUses{refs: u.refs, optional: u.optional}
	ast.Walk(&node, inner)
	for _, name := range inner.names {
		u.optional[name] = true
	}
}

func (u *fieldUses) fields() []programField {
	fields := make([]programField, 0, len(u.names))
	for _, name := range u.names {
		fields = append(fields, programField{name: name, slot: u.refs[name].slot, optional: u.optional[name]})
	}
	return fields
}
