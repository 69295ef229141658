package condition

import (
	"math/bits"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/builtin"
	"github.com/expr-lang/expr/vm/runtime"

	"kinesis-alerter/alert/budget"
)

// This file prices what the virtual machine does. A program whose work and texts are at most proportional to the fields
// that it reads has its price on those fields (programField) and runs as it is. Any other one, with a loop, a let or a
// function that multiplies, is metered: whatever depends on a value goes through a function of the frame, which pays
// before it acts.

// nodeWork is the work of a node of an expression, run once: the virtual machine's steps, a call, a small allocation.
const nodeWork = 4

// listElement is what an element of a list that an expression makes counts as: the list, the value in it, and the stack
// that it came from.
const listElement = 64

// linear are the functions whose work and result are at most proportional to their arguments.
func linear() []string {
	return []string{
		"len", "type", "abs", "ceil", "floor", "round", "int", "float", "string", "trim", "trimPrefix", "trimSuffix",
		"upper", "lower",
		"indexOf", "lastIndexOf", "hasPrefix", "hasSuffix", "max", "min", "mean", "toBase64", "fromBase64", "duration",
		"date",
		"timezone", "first", "last", "get", "take", "bitand", "bitor", "bitxor", "bitnand", "bitshl", "bitshr",
		"bitushr", "bitnot",
	}
}

// copies are those of them that make a text as long as their arguments, or somewhat longer.
func copies() []string {
	return []string{"string", "upper", "lower", "toBase64", "fromBase64"}
}

// tariff finds out how a program is priced.
type tariff struct {
	refs map[string]reference
	// metered says that the price is not proportional to the fields.
	metered bool
	nodes   int64
	// patterns is the size of the regular expressions that look at a field, and texts how often its text is copied, by
	// name.
	patterns, texts map[string]int64
}

func tariffOf(node ast.Node, refs map[string]reference) *tariff {
	t := &tariff{refs: refs, patterns: make(map[string]int64), texts: make(map[string]int64)}
	ast.Walk(&node, t)
	return t
}

// Visit implements ast.Visitor.
func (t *tariff) Visit(node *ast.Node) {
	t.nodes++
	switch n := (*node).(type) {
	case *ast.VariableDeclaratorNode, *ast.MapNode, *ast.PredicateNode:
		t.metered = true
	case *ast.BuiltinNode:
		t.metered = t.metered || !slices.Contains(linear(), n.Name)
		if slices.Contains(copies(), n.Name) {
			t.under(*node, t.texts, 2)
		}
	case *ast.CallNode: // of a method: a format may be a text of the record
		t.under(*node, t.texts, 2)
	case *ast.BinaryNode:
		switch n.Operator {
		case "..":
			t.metered = true
		case "+":
			t.under(*node, t.texts, 1)
		case "matches":
			pattern, ok := n.Right.(*ast.StringNode)
			if !ok {
				t.metered = true
				return
			}
			t.under(n.Left, t.patterns, patternSize(pattern.Value))
		}
	}
}

// under adds to every field that a node mentions, as often as it does.
func (t *tariff) under(node ast.Node, to map[string]int64, n int64) {
	ast.Walk(&node, visitor(func(node *ast.Node) {
		if x, ok := (*node).(*ast.IdentifierNode); ok {
			if _, ok := t.refs[x.Value]; ok {
				to[x.Value] += n
			}
		}
	}))
}

type visitor func(*ast.Node)

// Visit implements ast.Visitor.
func (v visitor) Visit(node *ast.Node) { v(node) }

// patternSize is what a byte of a text costs a regular expression, in units of half the work: the length of its
// program, of which each instruction may be under way at once.
func patternSize(pattern string) int64 {
	prog := programOf(pattern)
	if prog == nil {
		return 1
	}
	return int64(len(prog.Inst))
}

// search is the work of a regular expression of a size over a text.
func search(size, text int64) int64 { return budget.Times(size, text)/2 + 1 }

// loopCost is what a loop costs for each element.
type loopCost struct {
	work, lists int64
}

// The names contain a space, so that no expression can call the functions. Those of the operators are the operators'.
const (
	meteredPrefix  = "metered "
	meteredLoop    = meteredPrefix + "loop"
	meteredRange   = meteredPrefix + ".."
	meteredAdd     = meteredPrefix + "+"
	meteredIn      = meteredPrefix + "in"
	meteredText    = meteredPrefix + "text"
	meteredMatches = meteredPrefix + "matches"
	meteredValue   = meteredPrefix + "value"
)

// metering replaces what has a price by the functions of the frame. Walked children first, as ast.Walk does.
type metering struct{}

// Visit implements ast.Visitor.
func (metering) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.BinaryNode:
		meterBinary(node, n)
	case *ast.BuiltinNode:
		if looping(n) {
			cost := &loopCost{work: nodeWork}
			for _, body := range n.Arguments[1:] {
				ast.Walk(&body, visitor(func(x *ast.Node) {
					cost.work += nodeWork
					if object, ok := (*x).(*ast.MapNode); ok {
						cost.lists += 320 + 100*int64(len(object.Pairs))
					}
					if list, ok := (*x).(*ast.ArrayNode); ok {
						cost.lists += listElement * int64(len(list.Nodes)+1)
					}
				}))
			}
			switch n.Name {
			case "map", "filter":
				cost.lists += listElement
			case "groupBy", "sortBy":
				cost.lists += 2 * listElement
				cost.work *= 8 // of sorting, or hashing
			}
			n.Arguments[0] = call(meteredLoop, n.Arguments[0], &ast.ConstantNode{Value: cost})
			if n.Name == "groupBy" || n.Name == "sortBy" { // what is hashed or compared may be long
				n.Arguments[1] = meteredNode(n.Arguments[1], 64)
			}
			return
		}
		if _, ok := functionPrices()[n.Name]; ok {
			ast.Patch(node, call(meteredPrefix+n.Name, n.Arguments...))
		}
	case *ast.MemberNode:
		if _, ok := n.Property.(*ast.StringNode); !ok {
			n.Property = meteredNode(n.Property, 1)
		}
	case *ast.CallNode:
		if _, ok := n.Callee.(*ast.MemberNode); ok {
			for i := range n.Arguments {
				n.Arguments[i] = meteredNode(n.Arguments[i], 2*budget.PerText)
			}
		}
	}
}

// meteredNode pays for a value that something is about to read so many times.
func meteredNode(node ast.Node, reads int) ast.Node {
	switch n := node.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NilNode, *ast.ConstantNode:
		return node
	case *ast.PredicateNode:
		n.Node = meteredNode(n.Node, reads)
		return n
	}
	return call(meteredValue, node, &ast.IntegerNode{Value: reads})
}

func meterBinary(node *ast.Node, n *ast.BinaryNode) {
	if _, ok := Comparison(n.Operator); ok {
		if !isNil(n.Left) && !isNil(n.Right) {
			ast.Patch(node, call(meteredPrefix+n.Operator, n.Left, n.Right))
		}
		return
	}
	switch n.Operator {
	case "in":
		ast.Patch(node, call(meteredIn, n.Left, n.Right))
	case "%":
		ast.Patch(node, call(strictModulo, n.Left, n.Right))
	case "..":
		ast.Patch(node, call(meteredRange, n.Left, n.Right))
	case "+":
		if !isNumber(n.Left) && !isNumber(n.Right) {
			ast.Patch(node, call(meteredAdd, n.Left, n.Right))
		}
	case "matches":
		if s, ok := n.Right.(*ast.StringNode); ok {
			if pattern, err := regexp.Compile(s.Value); err == nil {
				known := &knownPattern{Regexp: pattern, size: patternSize(s.Value)}
				ast.Patch(node, call(meteredMatches, n.Left, &ast.ConstantNode{Value: known}))
			}
			return
		}
		ast.Patch(node, call(meteredMatches, n.Left, n.Right))
	case "contains", "startsWith", "endsWith":
		n.Left, n.Right = call(meteredText, n.Left), call(meteredText, n.Right)
	}
}

// isNumber says that a node cannot be a text, so that + makes none of it.
func isNumber(node ast.Node) bool {
	switch n := node.(type) {
	case *ast.IntegerNode, *ast.FloatNode, *ast.UnaryNode:
		return true
	case *ast.BinaryNode:
		return n.Operator == "-" || n.Operator == "*" || n.Operator == "/"
	}
	return false
}

func looping(n *ast.BuiltinNode) bool {
	return n.Name == "count" || n.Name == "sum" ||
		len(n.Arguments) > 1 && slices.ContainsFunc(n.Arguments[1:], func(a ast.Node) bool {
			_, ok := a.(*ast.PredicateNode)
			return ok
		})
}

// knownPattern is a constant regular expression.
type knownPattern struct {
	*regexp.Regexp
	size int64
}

// payer pays for what a program does.
type payer struct{ *budget.Meter }

// must pays, or ends the program.
func (m payer) must(work, text, lists int64) {
	if !m.Spend(work, text, lists) {
		panic(undefinedError(UndefinedOverBudget)) // the virtual machine recovers it
	}
}

// read pays for reading a text once; other values cost a step.
func (m payer) read(x any) {
	if s, ok := x.(string); ok {
		m.must(int64(len(s))/budget.PerText+1, 0, 0)
	}
}

// meteredFunctions are the functions of a frame by name. Their types are among those that the virtual machine calls
// without allocating for the arguments, where there is one.
func meteredFunctions(of *budget.Meter) map[string]any {
	m := payer{of}
	functions := map[string]any{
		meteredLoop: func(list, cost any) any {
			if c, ok := cost.(*loopCost); ok {
				n := int64(budget.LengthOf(list))
				m.must(budget.Times(n, c.work), 0, budget.Times(n, c.lists))
			}
			return list
		},
		meteredRange: func(from, to any) any {
			low, high := runtime.ToInt(from), runtime.ToInt(to)
			if low <= high {
				n := min(uint64(high)-uint64(low), budget.MaxLists) + 1 //nolint:gosec // the difference fits
				m.must(int64(n)/8, 0, int64(n)*listElement)
			}
			return runtime.MakeRange(low, high)
		},
		meteredAdd: func(a, b any) any {
			x, ok := a.(string)
			if y, both := b.(string); ok && both {
				n := int64(len(x) + len(y))
				m.must(n/budget.PerText+1, n, 0)
				return x + y
			}
			return runtime.Add(a, b)
		},
		meteredIn: func(left, list any) bool {
			m.read(left)
			size := int64(0)
			if s, ok := left.(string); ok { // each element of the same length is read to its end
				size = int64(len(s)) / budget.PerText
			}
			m.must(budget.Times(int64(budget.LengthOf(list)), 2+size), 0, 0)
			return must(isIn(left, list))
		},
		meteredText: func(x any) string {
			m.read(x)
			return must(textOf(x))
		},
		meteredMatches: func(x, pattern any) bool {
			s := must(textOf(x))
			known, ok := pattern.(*knownPattern)
			if !ok {
				known = m.compile(must(textOf(pattern)))
			}
			m.must(search(known.size, int64(len(s))), 0, 0)
			return known.MatchString(s)
		},
		meteredValue: func(x, reads any) any {
			n, _ := reads.(int)
			if s, ok := x.(string); ok {
				size := budget.Times(int64(len(s)), int64(n))
				text := int64(0)
				if n > budget.PerText { // it may be the format of a text
					text = 2 * int64(len(s))
				}
				m.must(size/budget.PerText+1, text, 0)
			}
			return x
		},
	}
	for _, sign := range []string{"==", "!=", "<", "<=", ">", ">="} {
		op, _ := Comparison(sign)
		functions[meteredPrefix+sign] = func(a, b any) bool {
			if x, ok := a.(string); ok {
				if y, ok := b.(string); ok {
					m.must(int64(min(len(x), len(y)))/budget.PerText+1, 0, 0)
				}
			}
			return must(compared(op, a, b))
		}
	}
	for name, price := range functionPrices() {
		fn := builtin.Builtins[builtin.Index[name]]
		if fn.Fast != nil {
			functions[meteredPrefix+name] = func(x any) any {
				price(m, []any{x})
				return fn.Fast(x)
			}
			continue
		}
		functions[meteredPrefix+name] = func(args ...any) any {
			price(m, args)
			if fn.Safe != nil {
				out, _, err := fn.Safe(args...)
				return must(out, err)
			}
			return must(fn.Func(args...))
		}
	}
	return functions
}

// must ends a program after an error.
func must[T any](x T, err error) T {
	if err != nil {
		panic(err) // the virtual machine recovers it
	}
	return x
}

// maxDynamicPattern is how long a regular expression from a record may be: it is compiled each time.
const maxDynamicPattern = 1 << 10

func (m payer) compile(pattern string) *knownPattern {
	// Compiled, a character can become a thousand instructions of 40 bytes; such patterns are rare.
	m.must(budget.Times(int64(len(pattern)), 20)+200, 0, 5000*int64(len(pattern)))
	if len(pattern) > maxDynamicPattern {
		m.must(budget.MaxWork, 0, 0)
	}
	known := &knownPattern{size: patternSize(pattern)}
	m.must(budget.Times(known.size, 20), 0, 0)
	known.Regexp = must(regexp.Compile(pattern))
	return known
}

// functionPrices are what the functions of expr cost, by name, as far as that depends on their arguments. Each pays
// before the function is called.
func functionPrices() map[string]func(m payer, args []any) {
	str := func(args []any, i int) string {
		if i < len(args) {
			s, _ := args[i].(string)
			return s
		}
		return ""
	}
	reads := func(m payer, args []any) {
		for i := range args {
			m.read(args[i])
		}
		m.must(nodeWork, 0, 0)
	}
	numerals := func(m payer, args []any) { m.must(int64(len(str(args, 0)))/2+nodeWork, 0, 0) }
	// swells are functions whose text is at most so many times as long as their arguments.
	swells := func(numerator, denominator int64) func(payer, []any) {
		return func(m payer, args []any) {
			n := int64(len(str(args, 0)))
			m.must(n/8+1, n*numerator/denominator, 0)
		}
	}
	splits := func(m payer, args []any) {
		s, sep := str(args, 0), str(args, 1)
		m.must(int64(len(s))/8+1, 0, 0)
		n := int64(strings.Count(s, sep)) + 1
		m.must(n, 0, n*listElement)
	}
	lists := func(m payer, args []any) {
		n := int64(0)
		for _, list := range args {
			n += int64(budget.LengthOf(list))
		}
		m.must(2*n, 0, n*listElement)
	}
	folds := func(m payer, args []any) {
		for _, x := range args {
			e := m.ExtentOf(x)
			m.must(8*e.Elements, 0, 32*e.Elements)
		}
	}
	return map[string]func(payer, []any){
		"len":   func(m payer, args []any) { m.must(int64(len(str(args, 0)))/8+1, 0, 0) },
		"int":   numerals,
		"float": numerals,
		"trim": func(m payer, args []any) {
			m.must(budget.Times(int64(len(str(args, 0))), 1+int64(len(str(args, 1)))/8)/8+1, 0, 0)
		},
		"trimPrefix":  reads,
		"trimSuffix":  reads,
		"hasPrefix":   reads,
		"hasSuffix":   reads,
		"indexOf":     func(m payer, args []any) { reads(m, args); m.must(int64(len(str(args, 0)))/8, 0, 0) },
		"lastIndexOf": func(m payer, args []any) { reads(m, args); m.must(int64(len(str(args, 0)))/8, 0, 0) },
		"get":         reads,
		"duration":    func(m payer, args []any) { m.must(int64(len(str(args, 0)))+20, 0, 0) },
		"date": func(m payer, args []any) {
			n := int64(0)
			for i := range args {
				n += int64(len(str(args, i)))
			}
			m.must(2*n+700, 0, 0) // seven layouts are tried
			if len(args) > 2 {
				m.must(5000, 0, 0) // the zone is read from a file
			}
		},
		"timezone":   func(m payer, _ []any) { m.must(5000, 0, 0) },
		"upper":      swells(3, 2),
		"lower":      swells(3, 2),
		"toBase64":   swells(4, 3),
		"fromBase64": swells(1, 1),
		"string": func(m payer, args []any) {
			e := m.ExtentOf(args[0])
			m.must(20*e.Elements+e.Printed/8, e.Printed, 0)
		},
		"toJSON": func(m payer, args []any) {
			e := m.ExtentOf(args[0])
			m.must(40*e.Elements+e.Printed/8, e.Printed+e.Indent, 0)
			m.must(0, budget.Escapes(args[0]), 0)
		},
		"split":      splits,
		"splitAfter": splits,
		"replace": func(m payer, args []any) {
			s, old, next := str(args, 0), str(args, 1), str(args, 2)
			m.must(int64(len(s))/8+1, 0, 0)
			n := int64(utf8.RuneCountInString(s)) + 1
			if old != "" {
				n = int64(strings.Count(s, old))
			}
			if len(args) > 3 {
				if most := int64(runtime.ToInt(args[3])); most >= 0 {
					n = min(n, most)
				}
			}
			size := max(0, int64(len(s))+budget.Times(n, int64(len(next)-len(old))))
			if n > 0 {
				m.must(size/8+n, size, 0)
			}
		},
		"repeat": func(m payer, args []any) {
			n := int64(0)
			if len(args) > 1 {
				n = int64(max(0, runtime.ToInt(args[1])))
			}
			size := budget.Times(int64(len(str(args, 0))), n)
			m.must(size/budget.PerText+n/8+1, size, 0)
		},
		"join": func(m payer, args []any) {
			e := m.ExtentOf(args[0])
			size := e.Text + budget.Times(e.Elements, int64(len(str(args, 1))))
			m.must(2*e.Elements+size/budget.PerText, size, 16*e.Elements)
		},
		"max": folds, "min": folds, "mean": folds,
		"median":  func(m payer, args []any) { folds(m, args); folds(m, args); folds(m, args) },
		"reverse": lists,
		"concat":  lists,
		"uniq": func(m payer, args []any) {
			n, e := int64(budget.LengthOf(args[0])), m.ExtentOf(args[0])
			m.must(budget.Times(n, 4*e.Elements+e.Text/budget.PerText), 0, n*listElement)
		},
		"flatten": func(m payer, args []any) {
			e := m.ExtentOf(args[0])
			m.must(budget.Times(2*e.Elements, e.Depth), 0, budget.Times(e.Elements*16, min(e.Depth, 4)))
		},
		"sort": func(m payer, args []any) {
			n, e := int64(budget.LengthOf(args[0])), m.ExtentOf(args[0])
			rounds := 2 * int64(bits.Len64(uint64(n))) //nolint:gosec // a length
			m.must(budget.Times(rounds, 2*e.Elements+e.Text/budget.PerText), 0, n*listElement)
		},
		"fromPairs": func(m payer, args []any) {
			n, e := int64(budget.LengthOf(args[0])), m.ExtentOf(args[0])
			m.must(8*n+e.Text/budget.PerText, 0, n*128)
		},
	}
}
