package alert

import (
	"fmt"
	"math"
	"reflect"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
)

// undefinedError ends a program whose result is undefined.
type undefinedError verdict

func (e undefinedError) Error() string { return "undefined: " + verdict(e).cause() }

// The names contain a space, so that no expression can call the functions.
const (
	strictCompare = "strict compare"
	strictIn      = "strict in"
	strictText    = "strict text"
	strictModulo  = "strict modulo"
)

// strictFunctions are what the operators inside a program are replaced by. expr's own take nil and mixed types for
// unequal, which makes x != "" true for an absent x.
func strictFunctions() conf.FunctionsTable {
	table := conf.FunctionsTable{}
	add := func(name string, signature any, fn func(args ...any) (any, error)) {
		table[name] = &builtin.Function{Name: name, Func: fn, Types: []reflect.Type{reflect.TypeOf(signature)}}
	}
	add(strictCompare, func(string, any, any) bool { return false }, func(args ...any) (any, error) {
		name, ok := args[0].(string)
		if !ok {
			return nil, undefinedError(undefinedFailed)
		}
		op, ok := comparison(name)
		if !ok {
			return nil, undefinedError(undefinedFailed)
		}
		left, cause := valueOf(args[1])
		if cause.undefined() {
			return nil, undefinedError(cause)
		}
		right, cause := valueOf(args[2])
		if cause.undefined() {
			return nil, undefinedError(cause)
		}
		return result(compare(op, &left, &right))
	})
	add(strictIn, func(any, any) bool { return false }, func(args ...any) (any, error) {
		left, cause := valueOf(args[0])
		if cause.undefined() {
			return nil, undefinedError(cause)
		}
		if m, ok := args[1].(map[string]any); ok && left.kind == text {
			_, found := m[string(left.raw)]
			return found, nil
		}
		list := reflect.ValueOf(args[1])
		if list.Kind() != reflect.Slice {
			return nil, undefinedError(undefinedMistyped)
		}
		values := make([]value, list.Len())
		for i := range values {
			// An element that is null or not finite equals nothing; its cause is of no interest.
			values[i], _ = valueOf(list.Index(i).Interface())
		}
		return result(member(&left, values))
	})
	add(strictText, func(any) string { return "" }, func(args ...any) (any, error) {
		if s, ok := args[0].(string); ok {
			return s, nil
		}
		if args[0] == nil {
			return nil, undefinedError(undefinedNull)
		}
		return nil, undefinedError(undefinedMistyped)
	})
	add(strictModulo, func(any, any) float64 { return 0 }, func(args ...any) (any, error) {
		left, cause := valueOf(args[0])
		if cause.undefined() {
			return nil, undefinedError(cause)
		}
		right, cause := valueOf(args[1])
		if cause.undefined() {
			return nil, undefinedError(cause)
		}
		switch {
		case left.kind != number || right.kind != number:
			return nil, undefinedError(undefinedMistyped)
		case left.wide || right.wide:
			return nil, undefinedError(undefinedInexact)
		case right.num == 0:
			return nil, undefinedError(undefinedNotFinite)
		}
		return math.Mod(left.num, right.num), nil
	})
	return table
}

func result(v verdict) (any, error) {
	if v.undefined() {
		return nil, undefinedError(v)
	}
	return v == yes, nil
}

// strictness replaces the operators of a program by the functions above. Walked children first, as ast.Walk does.
type strictness struct{}

// Visit implements ast.Visitor.
func (strictness) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.BinaryNode)
	if !ok {
		return
	}
	if _, ok := comparison(n.Operator); ok {
		if isNil(n.Left) || isNil(n.Right) {
			return
		}
		ast.Patch(node, call(strictCompare, &ast.StringNode{Value: n.Operator}, n.Left, n.Right))
		return
	}
	switch n.Operator {
	case "in":
		ast.Patch(node, call(strictIn, n.Left, n.Right))
	case "%":
		ast.Patch(node, call(strictModulo, n.Left, n.Right))
	case "contains", "startsWith", "endsWith", "matches":
		n.Left = call(strictText, n.Left)
		// A constant stays as it is: the compiler makes a regular expression of it once.
		if _, ok := n.Right.(*ast.StringNode); !ok {
			n.Right = call(strictText, n.Right)
		}
	}
}

func call(name string, args ...ast.Node) ast.Node {
	node := &ast.CallNode{Callee: &ast.IdentifierNode{Value: name}, Arguments: args}
	if len(args) > 0 {
		node.SetLocation(args[len(args)-1].Location())
		node.Callee.SetLocation(node.Location())
	}
	return node
}

func isNil(n ast.Node) bool {
	_, ok := n.(*ast.NilNode)
	return ok
}

// disabledBuiltins are the functions of expr that a rule cannot use, each with the reason that the error gives.
func disabledBuiltins() map[string]string {
	const order = "it gives the order of a map, which changes from run to run"
	return map[string]string{
		"now":      "a decision depends on the record only; use arrival or age",
		"keys":     order,
		"values":   order,
		"toPairs":  order,
		"fromJSON": "it reads JSON less strictly than the record itself is read; use format json",
	}
}

// unavailable says why name cannot be called.
func unavailable(name string) string {
	if why, ok := disabledBuiltins()[name]; ok {
		return fmt.Sprintf("%s is not available: %s", name, why)
	}
	return "unknown function " + name
}
