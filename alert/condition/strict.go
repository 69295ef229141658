package condition

import (
	"fmt"
	"math"
	"reflect"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/conf"
)

// undefinedError ends a program whose result is undefined.
type undefinedError Verdict

func (e undefinedError) Error() string { return "undefined: " + Verdict(e).Cause() }

// The names contain a space, so that no expression can call the functions.
const (
	strictPrefix = "strict " // and the sign of a comparison
	strictIn     = "strict in"
	strictText   = "strict text"
	strictModulo = "strict modulo"
)

// strictFunctions are what the operators inside a program are replaced by. expr's own take nil and mixed types for
// unequal, which makes x != "" true for an absent x.
func strictFunctions() conf.FunctionsTable {
	table := conf.FunctionsTable{}
	add := func(name string, signature any, fn func(args ...any) (any, error)) {
		table[name] = &builtin.Function{Name: name, Func: fn, Types: []reflect.Type{reflect.TypeOf(signature)}}
	}
	for _, sign := range []string{"==", "!=", "<", "<=", ">", ">="} {
		op, _ := Comparison(sign)
		add(strictPrefix+sign, func(any, any) bool { return false }, func(args ...any) (any, error) {
			return compared(op, args[0], args[1])
		})
	}
	add(strictIn, func(any, any) bool { return false },
		func(args ...any) (any, error) { return isIn(args[0], args[1]) })
	add(strictText, func(any) string { return "" }, func(args ...any) (any, error) { return textOf(args[0]) })
	add(strictModulo, func(any, any) float64 { return 0 }, func(args ...any) (any, error) {
		left, cause := valueOf(args[0])
		if cause.Undefined() {
			return nil, undefinedError(cause)
		}
		right, cause := valueOf(args[1])
		if cause.Undefined() {
			return nil, undefinedError(cause)
		}
		switch {
		case left.Kind != Number || right.Kind != Number:
			return nil, undefinedError(UndefinedMistyped)
		case left.Wide || right.Wide:
			return nil, undefinedError(undefinedInexact)
		case right.Num == 0:
			return nil, undefinedError(undefinedNotFinite)
		}
		return math.Mod(left.Num, right.Num), nil
	})
	return table
}

// compared is a comparison of what the virtual machine computed.
func compared(op Operator, a, b any) (bool, error) {
	if x, ok := a.(string); ok {
		if y, ok := b.(string); ok {
			return op.Holds(strings.Compare(x, y)) == Yes, nil
		}
	}
	left, cause := valueOf(a)
	if cause.Undefined() {
		return false, undefinedError(cause)
	}
	right, cause := valueOf(b)
	if cause.Undefined() {
		return false, undefinedError(cause)
	}
	return result(compare(op, &left, &right))
}

// isIn is member for what the virtual machine computed.
func isIn(x, list any) (bool, error) {
	left, cause := valueOf(x)
	if cause.Undefined() {
		return false, undefinedError(cause)
	}
	if m, ok := list.(map[string]any); ok && left.Kind == Text {
		_, found := m[string(left.Raw)]
		return found, nil
	}
	elements := reflect.ValueOf(list)
	if elements.Kind() != reflect.Slice {
		return false, undefinedError(UndefinedMistyped)
	}
	related := elements.Len() == 0
	for i := range elements.Len() {
		// An element that is null or not finite equals nothing; its cause is of no interest.
		element, _ := valueOf(elements.Index(i).Interface())
		v := compare(Equal, &left, &element)
		if v == Yes {
			return true, nil
		}
		related = related || v == No
	}
	if !related {
		return false, undefinedError(UndefinedMistyped)
	}
	return false, nil
}

func textOf(x any) (string, error) {
	switch x := x.(type) {
	case string:
		return x, nil
	case nil:
		return "", undefinedError(undefinedNull)
	}
	return "", undefinedError(UndefinedMistyped)
}

func result(v Verdict) (bool, error) {
	if v.Undefined() {
		return false, undefinedError(v)
	}
	return v == Yes, nil
}

// strictness replaces the operators of a program by the functions above. Walked children first, as ast.Walk does.
type strictness struct{}

// Visit implements ast.Visitor.
func (strictness) Visit(node *ast.Node) {
	n, ok := (*node).(*ast.BinaryNode)
	if !ok {
		return
	}
	if _, ok := Comparison(n.Operator); ok {
		if isNil(n.Left) || isNil(n.Right) {
			return
		}
		ast.Patch(node, call(strictPrefix+n.Operator, n.Left, n.Right))
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
