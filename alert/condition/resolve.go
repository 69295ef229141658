package condition

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
	"github.com/expr-lang/expr/types"
)

// names resolves the identifiers of one expression: a path such as order.price becomes one identifier with a slot, so
// that the checker, the compiler and the decoder speak of the same thing. It is an ast.Visitor, called children first.
type names struct {
	schema *Schema
	locals map[string]bool
	// paths are the identifiers that stand for a field, each with its path.
	paths map[*ast.IdentifierNode][]string
	// builtins are the identifiers that stand for a built-in name.
	builtins map[*ast.IdentifierNode]int
	// env are the bare mentions of $env; each must become a path.
	env map[*ast.IdentifierNode]bool
	err *file.Error
}

// reference is what an expression mentions.
type reference struct {
	slot int
	kind types.Type
}

// resolve rewrites tree and returns the environment that the expression needs, by the names that tree now uses.
func resolve(root *ast.Node, s *Schema) (map[string]reference, *file.Error) {
	locals := &localNames{found: make(map[string]bool)}
	ast.Walk(root, locals)
	n := &names{
		schema:   s,
		locals:   locals.found,
		paths:    make(map[*ast.IdentifierNode][]string),
		builtins: make(map[*ast.IdentifierNode]int),
		env:      make(map[*ast.IdentifierNode]bool),
	}
	ast.Walk(root, n)
	for node := range n.env {
		n.fail(node, `$env is only for names that are no identifiers, as in $env["heart rate"]`)
	}
	if n.err != nil {
		return nil, n.err
	}
	refs := make(map[string]reference)
	for node, slot := range n.builtins {
		s.builtin(node.Value, slot)
		refs[node.Value] = reference{slot: slot, kind: builtinType(slot)}
	}
	for node, path := range n.paths {
		if s.Text {
			n.fail(node, strings.Join(path, ".")+
				" is unknown: format text has data, partition_key, shard, arrival and age")
			continue
		}
		refs[node.Value] = reference{slot: s.Field(path), kind: types.Any}
	}
	if n.err != nil {
		return nil, n.err
	}
	return refs, nil
}

// fail keeps the first error in reading order, whatever order the maps gave.
func (n *names) fail(node ast.Node, message string) {
	if n.err == nil || node.Location().From < n.err.From {
		n.err = &file.Error{Location: node.Location(), Message: message}
	}
}

// Visit implements ast.Visitor.
func (n *names) Visit(node *ast.Node) {
	switch x := (*node).(type) {
	case *ast.IdentifierNode:
		n.identifier(x)
	case *ast.MemberNode:
		n.member(node, x)
	case *ast.ChainNode:
		if inner, ok := x.Node.(*ast.IdentifierNode); ok && n.paths[inner] != nil {
			*node = inner
		}
	case *ast.CallNode:
		n.call(x)
	case *ast.BinaryNode:
		// The checker would say "mismatched types unknown and unknown".
		if op, ok := Comparison(x.Operator); ok && op != Equal && op != NotEqual && (isNil(x.Left) || isNil(x.Right)) {
			n.fail(x, "nil has no order: use == nil or != nil")
		}
		// Before the checker compiles it.
		if pattern, ok := x.Right.(*ast.StringNode); ok && x.Operator == "matches" {
			if n.schema.instructions += instructions(pattern.Value); n.schema.instructions > mostInstructions {
				n.fail(x, "the regular expressions of the configuration are too large together: "+
					"repetitions such as {1000} multiply what they repeat")
			}
		}
	}
}

func (n *names) identifier(x *ast.IdentifierNode) {
	if n.locals[x.Value] {
		return
	}
	if x.Value == "$env" {
		n.env[x] = true
		return
	}
	n.name(x)
}

// name decides between a built-in name and a top-level field.
func (n *names) name(x *ast.IdentifierNode) {
	if slot, ok := n.schema.builtinSlot(x.Value); ok {
		n.builtins[x] = slot
		return
	}
	n.paths[x] = []string{x.Value}
}

func (n *names) member(node *ast.Node, x *ast.MemberNode) {
	inner, ok := x.Node.(*ast.IdentifierNode)
	if !ok {
		return
	}
	property, ok := x.Property.(*ast.StringNode)
	if !ok {
		return
	}
	if n.env[inner] {
		delete(n.env, inner)
		field := &ast.IdentifierNode{Value: property.Value}
		ast.Patch(node, field)
		n.name(field)
		return
	}
	path := n.paths[inner]
	if path == nil {
		return
	}
	delete(n.paths, inner)
	path = append(slices.Clip(path), property.Value)
	// NUL cannot be part of an identifier, so the joined name is no one else's.
	field := &ast.IdentifierNode{Value: strings.Join(path, "\x00")}
	ast.Patch(node, field)
	field.SetLocation(inner.Location())
	n.paths[field] = path
}

func (n *names) call(x *ast.CallNode) {
	if method, ok := x.Callee.(*ast.MemberNode); ok {
		if name, ok := method.Property.(*ast.StringNode); ok && name.Value == "Local" {
			n.fail(name, `Local gives the time zone of the host; use In(timezone("Europe/Berlin"))`)
		}
		return
	}
	callee, ok := x.Callee.(*ast.IdentifierNode)
	if !ok {
		return
	}
	switch path := n.paths[callee]; {
	case len(path) == 1:
		n.fail(callee, unavailable(path[0]))
	case len(path) > 1:
		n.fail(callee, strings.Join(path, ".")+" is a field of the record and cannot be called")
	case n.locals[callee.Value], n.env[callee]:
		n.fail(callee, callee.Value+" cannot be called")
	default:
		if _, ok := n.builtins[callee]; ok {
			n.fail(callee, callee.Value+" cannot be called")
		}
	}
}

func builtinType(slot int) types.Type {
	switch slot {
	case SlotArrival:
		return timeType()
	case SlotAge:
		return durationType()
	}
	return types.String
}

// localNames finds what let declares.
type localNames struct {
	found map[string]bool
}

// Visit implements ast.Visitor.
func (l *localNames) Visit(node *ast.Node) {
	if x, ok := (*node).(*ast.VariableDeclaratorNode); ok {
		l.found[x.Name] = true
	}
}
