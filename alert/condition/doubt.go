package condition

import (
	"cmp"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

const (
	// maxDoubtSteps bounds the search in one condition; beyond it nothing is said.
	maxDoubtSteps = 5_000
	// longestRetention is how long a stream keeps a record at most, and a day for clocks that differ.
	longestRetention = 366 * 24 * time.Hour
)

// conditionDoubt is something about a valid condition that cannot be meant.
type conditionDoubt struct {
	Text string
	// Never says that the condition can never hold.
	Never bool
	// Line and col are the place in its text, from 1.
	Line, Col int
}

// Doubts returns why a condition can never hold, or which parts of it make no difference. now is the time by which
// arrivals are judged, and scores are the most that the fields of that name can be.
func (s *Schema) Doubts(source string, now time.Time, scores map[string]float64) []conditionDoubt {
	if strings.TrimSpace(source) == "" {
		return nil
	}
	b, root, fault := newBuilder(source, s, reflect.Bool)
	if fault != nil {
		return nil
	}
	d := &doubter{b: b, now: now, scores: scores}
	var out []conditionDoubt
	say := func(node ast.Node, never bool, format string, args ...any) {
		at := (&file.Error{Location: node.Location()}).Bind(b.source)
		out = append(out, conditionDoubt{fmt.Sprintf(format, args...), never, at.Line, at.Column + 1})
	}
	if x := d.clash([]goal{{root, true}}); x != nil {
		say(x.node, true, "can never hold: %s", x.text)
		return out
	}
	terms := conjunction(root)
	for i, term := range terms {
		if _, literal := term.(*ast.BoolNode); literal {
			continue
		}
		if x := d.clash([]goal{{term, false}}); x != nil {
			say(term, false, "%s can never be false", sourceOf(term))
		}
		alternatives := disjunction(term)
		if len(alternatives) < 2 {
			continue
		}
		for _, alternative := range alternatives {
			goals := []goal{{alternative, true}}
			for j, other := range terms {
				if j != i {
					goals = append(goals, goal{other, true})
				}
			}
			if x := d.clash(goals); x != nil {
				say(alternative, false, "the alternative %s can never hold: %s", sourceOf(alternative), x.text)
			}
		}
	}
	return out
}

// disjunction returns the parts of a || b || c.
func disjunction(node ast.Node) []ast.Node {
	if n, ok := node.(*ast.BinaryNode); ok && (n.Operator == "||" || n.Operator == "or") {
		return append(disjunction(n.Left), disjunction(n.Right)...)
	}
	return []ast.Node{node}
}

// sourceOf is a node as text.
func sourceOf(node ast.Node) string { return strings.ReplaceAll(node.String(), "\x00", ".") }

// doubter looks for records for which a condition holds. It knows what single terms say about one value, and leaves
// open what it does not know: a clash that it finds is one.
type doubter struct {
	b      *builder
	now    time.Time
	scores map[string]float64 // the most that a score can be
	steps  int
}

// goal is a condition that has to be true, or false.
type goal struct {
	node ast.Node
	want bool
}

func (g goal) String() string {
	if !g.want {
		return "not (" + sourceOf(g.node) + ")"
	}
	return sourceOf(g.node)
}

// clash is why a condition cannot hold, and where.
type clash struct {
	node ast.Node
	text string
}

// facts are what is known of each value, by the text of what computes it.
type facts map[string]*fact

// clash searches for a record for which all goals hold. It returns nil if there can be one.
func (d *doubter) clash(goals []goal) *clash {
	d.steps = 0
	return d.search(goals, facts{})
}

func (d *doubter) search(goals []goal, known facts) *clash {
	var splits []goal
	for len(goals) > 0 {
		if d.steps++; d.steps > maxDoubtSteps {
			return nil
		}
		g := goals[len(goals)-1]
		goals = goals[:len(goals)-1]
		switch n := g.node.(type) {
		case *ast.BoolNode:
			if n.Value != g.want {
				return &clash{n, fmt.Sprintf("%v is never %v", n.Value, g.want)}
			}
		case *ast.UnaryNode:
			if n.Operator == "!" || n.Operator == "not" {
				goals = append(goals, goal{n.Node, !g.want})
			}
		case *ast.ConditionalNode:
			splits = append(splits, g)
		case *ast.BinaryNode:
			and, or := n.Operator == "&&" || n.Operator == "and", n.Operator == "||" || n.Operator == "or"
			switch {
			case and && g.want, or && !g.want:
				goals = append(goals, goal{n.Right, g.want}, goal{n.Left, g.want})
			case and, or:
				splits = append(splits, g)
			default:
				if x := d.binary(n, g.want, known); x != nil {
					return x
				}
			}
		case *ast.BuiltinNode:
			if x := d.builtin(n, g.want, known); x != nil {
				return x
			}
		case *ast.IdentifierNode, *ast.MemberNode, *ast.CallNode, *ast.ChainNode:
			if x := d.add(known, n, g, Equal, Value{Kind: Boolean, Num: 1}); x != nil {
				return x
			}
		}
	}
	if len(splits) == 0 {
		return nil
	}
	var first *clash
	for _, way := range ways(splits[0]) {
		x := d.search(append(slices.Clone(splits[1:]), way...), known.clone())
		if x == nil {
			return nil
		}
		first = cmp.Or(first, x)
	}
	return first
}

// ways are what can make a goal true.
func ways(g goal) [][]goal {
	switch n := g.node.(type) {
	case *ast.BinaryNode:
		return [][]goal{{{n.Left, g.want}}, {{n.Right, g.want}}}
	case *ast.ConditionalNode:
		return [][]goal{{{n.Cond, true}, {n.Exp1, g.want}}, {{n.Cond, false}, {n.Exp2, g.want}}}
	}
	return nil
}

func (k facts) clone() facts {
	out := make(facts, len(k))
	for name, f := range k {
		out[name] = f.clone()
	}
	return out
}

// constant is the value of a node that depends on nothing.
func (d *doubter) constant(node ast.Node) (Value, bool) {
	switch n := node.(type) {
	case *ast.StringNode:
		return Value{Kind: Text, Raw: []byte(n.Value)}, true
	case *ast.BoolNode:
		v, _ := valueOf(n.Value)
		return v, true
	case *ast.IntegerNode:
		return integerValue(int64(n.Value)), true
	case *ast.FloatNode:
		return Value{Kind: Number, Num: n.Value}, true
	}
	free := &freeNames{}
	ast.Walk(&node, free)
	if free.any {
		return Value{}, false
	}
	b := &builder{refs: d.b.refs, config: d.b.config, source: d.b.source}
	c, ok := b.computed(node).(*constant)
	if !ok || b.err != nil || c.value.Kind <= Null {
		return Value{}, false
	}
	return c.value, true
}

// freeNames looks for anything that a constant has none of. It is an ast.Visitor.
type freeNames struct{ any bool }

// Visit implements ast.Visitor.
func (f *freeNames) Visit(node *ast.Node) {
	switch n := (*node).(type) {
	case *ast.IdentifierNode, *ast.PointerNode, *ast.NilNode, *ast.VariableDeclaratorNode, *ast.PredicateNode,
		*ast.ArrayNode, *ast.MapNode:
		f.any = true
	case *ast.BinaryNode:
		f.any = f.any || n.Operator == ".."
	}
}

// binary adds what a comparison says.
func (d *doubter) binary(n *ast.BinaryNode, want bool, known facts) *clash {
	g := goal{n, want}
	switch n.Operator {
	case "in":
		return d.membership(n, g, known)
	case "contains", "startsWith", "endsWith", "matches":
		return d.textual(n, g, known)
	}
	op, ok := Comparison(n.Operator)
	if !ok {
		return nil
	}
	if isNil(n.Left) || isNil(n.Right) {
		node := n.Left
		if isNil(node) {
			node = n.Right
		}
		if isNil(node) {
			return nil
		}
		kinds := ^kindsOf(Absent, Null)
		if (op == Equal) == want {
			kinds = kindsOf(Absent, Null)
		}
		return d.change(known, node, g, func(f *fact) { f.kinds &= kinds })
	}
	if c, ok := d.constant(n.Right); ok {
		return d.add(known, n.Left, g, op, c)
	}
	if c, ok := d.constant(n.Left); ok {
		return d.add(known, n.Right, g, op.flipped(), c)
	}
	return d.relation(n, g, op, known)
}

// relation adds what a comparison of two values says: how they can lie to each other.
func (d *doubter) relation(n *ast.BinaryNode, g goal, op Operator, known facts) *clash {
	if !g.want {
		op = op.Negated()
	}
	a, b := sourceOf(n.Left), sourceOf(n.Right)
	if a > b {
		a, b, op = b, a, op.flipped()
	}
	var orders KindSet // bits 0 to 2: less, equal, more
	for i, order := range []int{-1, 0, 1} {
		if op.Holds(order) == Yes && (a != b || order == 0) {
			orders |= 1 << i
		}
	}
	name := a + "\x00" + b
	f := known[name]
	if f == nil {
		f = &fact{kinds: 7}
		known[name] = f
	}
	f.kinds &= orders
	f.said = append(f.said, g.String())
	if f.kinds == 0 {
		return &clash{n, f.words("it compares a value with itself")}
	}
	for _, side := range []ast.Node{n.Left, n.Right} {
		if x := d.change(known, side, g, func(f *fact) { f.kinds &^= kindsOf(Absent, Null) }); x != nil {
			return x
		}
	}
	return nil
}

// membership adds what "in" says.
func (d *doubter) membership(n *ast.BinaryNode, g goal, known facts) *clash {
	if span, ok := n.Right.(*ast.BinaryNode); ok && span.Operator == ".." {
		from, isFrom := d.constant(span.Left)
		to, isTo := d.constant(span.Right)
		if !isFrom || !isTo || from.Kind != Number || to.Kind != Number || !g.want {
			return nil
		}
		return d.change(known, n.Left, g, func(f *fact) {
			f.integer = true
			f.compare(MoreOrEqual, from)
			f.compare(LessOrEqual, to)
		})
	}
	list, ok := n.Right.(*ast.ArrayNode)
	if !ok {
		return nil
	}
	if len(list.Nodes) == 0 && g.want {
		return &clash{n, sourceOf(n) + ": nothing is in an empty list"}
	}
	values := make([]Value, 0, len(list.Nodes))
	for _, element := range list.Nodes {
		v, ok := d.constant(element)
		if !ok {
			return nil
		}
		values = append(values, v)
	}
	return d.change(known, n.Left, g, func(f *fact) {
		kinds := KindSet(0)
		for _, v := range values {
			kinds |= kindsOf(v.Kind)
		}
		if len(values) > 0 {
			f.kinds &= kinds
		}
		if g.want {
			f.only(values)
		} else {
			f.not = append(f.not, values...)
		}
	})
}

// textual adds what a comparison of parts of a text says.
func (d *doubter) textual(n *ast.BinaryNode, g goal, known facts) *clash {
	c, ok := d.constant(n.Right)
	if !ok || c.Kind != Text {
		return nil
	}
	part := string(c.Raw)
	var pattern *regexp.Regexp
	if n.Operator == "matches" {
		var err error
		if pattern, err = regexp.Compile(part); err != nil {
			return nil
		}
		switch {
		case g.want && !canMatch(part):
			return &clash{n, fmt.Sprintf("no text matches %q", part)}
		case !g.want && matchesAll(part):
			return &clash{n, fmt.Sprintf("every text matches %q", part)}
		}
	}
	return d.change(known, n.Left, g, func(f *fact) {
		f.kinds &= kindsOf(Text)
		f.parts = append(f.parts, textPart{n.Operator, part, pattern, g.want})
	})
}

// builtin adds what a call that is a condition says.
func (d *doubter) builtin(n *ast.BuiltinNode, want bool, known facts) *clash {
	const arguments = 2
	if len(n.Arguments) == arguments {
		if p, ok := n.Arguments[1].(*ast.PredicateNode); ok {
			// Where some element is needed for which the predicate is true, or false, there must be one for which it
			// can be.
			switch {
			case (n.Name == "any" || n.Name == "one") && want, n.Name == "none" && !want:
				return d.search([]goal{{p.Node, true}}, facts{})
			case n.Name == "all" && !want:
				return d.search([]goal{{p.Node, false}}, facts{})
			}
			return nil
		}
	}
	return d.add(known, n, goal{n, want}, Equal, Value{Kind: Boolean, Num: 1})
}

// add notes that the value of node is op c, or is not where the goal is not wanted.
func (d *doubter) add(known facts, node ast.Node, g goal, op Operator, c Value) *clash {
	if !g.want {
		op = op.Negated()
	}
	return d.change(known, node, g, func(f *fact) { f.compare(op, c) })
}

// change notes something about the value of a node, and looks whether anything can still be so.
func (d *doubter) change(known facts, node ast.Node, g goal, what func(*fact)) *clash {
	if unwrapped, ok := node.(*ast.ChainNode); ok {
		node = unwrapped.Node
	}
	name := sourceOf(node)
	f := known[name]
	if f == nil {
		f = d.nature(node)
		known[name] = f
	}
	what(f)
	said := g.String()
	if !slices.Contains(f.said, said) {
		f.said = append(f.said, said)
	}
	if f.possible() {
		return nil
	}
	return &clash{g.node, f.words(f.why)}
}

// nature is what is known of a value before anything is said about it.
func (d *doubter) nature(node ast.Node) *fact {
	f := &fact{kinds: JSONKinds | kindsOf(Absent, Moment, Span)}
	between := func(low, high float64) {
		f.kinds = kindsOf(Number)
		f.low = &bound{Value{Kind: Number, Num: low}, false}
		if !math.IsInf(high, 0) {
			f.high = &bound{Value{Kind: Number, Num: high}, false}
		}
	}
	switch n := node.(type) {
	case *ast.IdentifierNode:
		ref, ok := d.b.refs[n.Value]
		if !ok {
			break // a local name
		}
		if most, scored := d.scores[n.Value]; scored {
			between(0, most)
			f.kinds |= JSONKinds | kindsOf(Absent) // a record may bring its own
			f.why = "a score is 0 or more"
			if !math.IsInf(most, 0) {
				f.why = fmt.Sprintf("a score is between 0 and %.4g", most)
			}
			break
		}
		d.builtinNature(f, ref.slot)
	case *ast.BuiltinNode:
		functionNature(f, n, between)
	case *ast.CallNode:
		methodNature(f, n, between)
	case *ast.BinaryNode:
		d.arithmeticNature(f, n, between)
	case *ast.UnaryNode:
		f.kinds = kindsOf(Number, Span, Boolean)
	}
	return f
}

func (d *doubter) builtinNature(f *fact, slot int) {
	switch slot {
	case SlotPartitionKey:
		f.kinds = kindsOf(Text)
	case SlotData:
		f.kinds = kindsOf(Text)
	case SlotShard:
		f.kinds, f.why = kindsOf(Text), `a shard is called such as "shardId-000000000000"`
		f.whole = func(s string) bool { return shardName.MatchString(s) }
		f.parts = append(f.parts, textPart{op: "startsWith", text: "shardId-", want: true})
	case SlotArrival:
		f.kinds, f.why = kindsOf(Moment), "no stream keeps its records for longer than a year"
		f.low = &bound{Value{Kind: Moment, At: d.now.Add(-longestRetention)}, false}
	case SlotAge:
		f.kinds, f.why = kindsOf(Span), "an age is 0s or more, and a year at most"
		f.low, f.high = &bound{Value{Kind: Span}, false}, &bound{Value{Kind: Span, NS: int64(longestRetention)}, false}
	default:
		f.kinds = JSONKinds | kindsOf(Absent)
	}
}

var shardName = regexp.MustCompile(`^shardId-[0-9]{12}$`)

func functionNature(f *fact, n *ast.BuiltinNode, between func(low, high float64)) {
	switch n.Name {
	case "len", "count":
		between(0, math.Inf(1))
		f.integer, f.why = true, "it is a whole number from 0 up"
	case "abs":
		between(0, math.Inf(1))
		f.why = "it is 0 or more"
	case "indexOf", "lastIndexOf":
		between(-1, math.Inf(1))
		f.integer, f.why = true, "it is a whole number from -1 up"
	case "int", "ceil", "floor", "round":
		f.kinds = kindsOf(Number)
		f.integer, f.why = true, "it is a whole number"
	case "float":
		f.kinds = kindsOf(Number)
	case "lower":
		f.cased(strings.ToLower, "it has no capital letters")
	case "upper":
		f.cased(strings.ToUpper, "it has no small letters")
	case "trim":
		f.kinds, f.why = kindsOf(Text), "it has no white space around it"
		if len(n.Arguments) == 1 {
			f.whole = func(s string) bool { return strings.TrimSpace(s) == s }
		}
	case "string", "toJSON", "toBase64", "fromBase64", "join", "replace", "repeat", "trimPrefix", "trimSuffix":
		f.kinds = kindsOf(Text)
	case "hasPrefix", "hasSuffix":
		f.kinds = kindsOf(Boolean)
	}
}

// cased says that a text is left as it is by a change of case.
func (f *fact) cased(change func(string) string, why string) {
	f.kinds, f.why = kindsOf(Text), why
	f.whole = func(s string) bool { return change(s) == s }
	f.piece = f.whole
}

// methodNature knows the figures of a time.
func methodNature(f *fact, n *ast.CallNode, between func(low, high float64)) {
	m, ok := n.Callee.(*ast.MemberNode)
	if !ok || len(n.Arguments) > 0 || m.Node.Type() != reflect.TypeFor[time.Time]() {
		return
	}
	name, ok := m.Property.(*ast.StringNode)
	if !ok {
		return
	}
	most := map[string][2]float64{
		"Year": {1970, 2300}, "Month": {1, 12}, "Day": {1, 31}, "Hour": {0, 23}, "Minute": {0, 59}, "Second": {0, 59},
		"Weekday": {0, 6},
		"YearDay": {1, 366}, "Nanosecond": {0, 999_999_999},
	}
	limits, ok := most[name.Value]
	if !ok {
		return
	}
	between(limits[0], limits[1])
	f.kinds |= kindsOf(Composite)
	f.integer, f.why = true, fmt.Sprintf("it is a whole number between %v and %v", limits[0], limits[1])
}

func (d *doubter) arithmeticNature(f *fact, n *ast.BinaryNode, between func(low, high float64)) {
	switch n.Operator {
	case "%":
		c, ok := d.constant(n.Right)
		if !ok || c.Kind != Number || c.Wide || c.Num == 0 {
			return
		}
		most := math.Abs(c.Num)
		between(-most, most)
		f.low.open, f.high.open = true, true
		f.integer = d.nature(n.Left).integer && c.Num == math.Trunc(c.Num)
		f.why = fmt.Sprintf("what is left over is between -%v and %v", most, most)
	case "*", "/", "**", "^":
		f.kinds = kindsOf(Number, Span)
	}
}

// fact is what a value can be.
type fact struct {
	kinds     KindSet
	low, high *bound
	integer   bool
	// among is what alone it can be; nil is anything. not is what it cannot be.
	among, not []Value
	listed     bool
	parts      []textPart
	// whole and piece say whether a text can be it, or a part of it.
	whole, piece func(string) bool
	// said are the terms so far, why what is known without them.
	said []string
	why  string
}

// bound is an end of a range.
type bound struct {
	value Value
	open  bool
}

// textPart is something about a part of a text.
type textPart struct {
	op, text string
	pattern  *regexp.Regexp
	want     bool
}

func (f *fact) clone() *fact {
	out := *f
	out.among, out.not, out.parts, out.said = slices.Clone(f.among), slices.Clip(f.not), slices.Clip(f.parts),
		slices.Clip(f.said)
	return &out
}

// words say why there is no such value.
func (f *fact) words(why string) string {
	switch {
	case len(f.said) > 1:
		return strings.Join(f.said[:len(f.said)-1], ", ") + " and " + f.said[len(f.said)-1] + " exclude each other"
	case why != "":
		return f.said[0] + ": " + why
	}
	return f.said[0] + " is not possible"
}

func (f *fact) compare(op Operator, c Value) {
	if !f.kinds.Has(c.Kind) && f.why == "" {
		f.why = "it is never a " + KindName(c.Kind)
		if c.Kind == Moment || c.Kind == Span {
			f.why = "a field is never a time or a duration: date() and duration() make one of a text"
		}
	}
	f.kinds &= kindsOf(c.Kind)
	switch op {
	case Equal:
		f.only([]Value{c})
	case NotEqual:
		f.not = append(f.not, c)
	case Less, LessOrEqual:
		if b := (bound{c, op == Less}); f.high == nil || f.high.kindDiffers(&b) || tighter(&b, f.high, Less) {
			f.high = &b
		}
	case More, MoreOrEqual:
		if b := (bound{c, op == More}); f.low == nil || f.low.kindDiffers(&b) || tighter(&b, f.low, More) {
			f.low = &b
		}
	}
}

func (b *bound) kindDiffers(other *bound) bool { return b.value.Kind != other.value.Kind }

// tighter says that a excludes more than b, in the direction of op.
func tighter(a, b *bound, op Operator) bool {
	return compare(op, &a.value, &b.value) == Yes || a.open && compare(Equal, &a.value, &b.value) == Yes
}

// only leaves what is among values.
func (f *fact) only(values []Value) {
	if !f.listed {
		f.among, f.listed = slices.Clone(values), true
		return
	}
	f.among = slices.DeleteFunc(f.among, func(v Value) bool { return !contains(values, &v) })
}

func contains(values []Value, v *Value) bool {
	return slices.ContainsFunc(values, func(x Value) bool { return compare(Equal, v, &x) == Yes })
}

// possible says whether there is a value that is all that was said. It may say so wrongly.
func (f *fact) possible() bool {
	if f.kinds == 0 {
		return false
	}
	if f.kinds == kindsOf(Boolean) && !f.listed {
		f.only([]Value{{Kind: Boolean}, {Kind: Boolean, Num: 1}})
	}
	if f.listed {
		return slices.ContainsFunc(f.among, func(v Value) bool { return f.admits(&v) })
	}
	if f.kinds&kindsOf(Number, Moment, Span, Text) == f.kinds && !f.rangeLeft() {
		return false
	}
	if f.kinds == kindsOf(Text) {
		return f.partsLeft()
	}
	return true
}

// admits says whether the value can be v.
func (f *fact) admits(v *Value) bool {
	if !f.kinds.Has(v.Kind) || contains(f.not, v) ||
		f.integer && v.Kind == Number && !v.Wide && v.Num != math.Trunc(v.Num) {
		return false
	}
	if b := f.low; b != nil && b.value.Kind == v.Kind && compare(Less, v, &b.value) == Yes ||
		b != nil && b.open && compare(Equal, v, &b.value) == Yes {
		return false
	}
	if b := f.high; b != nil && b.value.Kind == v.Kind && compare(More, v, &b.value) == Yes ||
		b != nil && b.open && compare(Equal, v, &b.value) == Yes {
		return false
	}
	if v.Kind != Text {
		return true
	}
	s := string(v.Raw)
	if f.whole != nil && !f.whole(s) {
		return false
	}
	return !slices.ContainsFunc(f.parts, func(p textPart) bool { return p.holds(s) != p.want })
}

func (p *textPart) holds(s string) bool {
	switch p.op {
	case "contains":
		return strings.Contains(s, p.text)
	case "startsWith":
		return strings.HasPrefix(s, p.text)
	case "endsWith":
		return strings.HasSuffix(s, p.text)
	}
	return p.pattern == nil || p.pattern.MatchString(s)
}

// rangeLeft says whether anything lies between the bounds.
func (f *fact) rangeLeft() bool {
	low, high := f.low, f.high
	if low == nil || high == nil || low.kindDiffers(high) || !f.kinds.Has(low.value.Kind) {
		return true
	}
	switch {
	case compare(More, &low.value, &high.value) == Yes:
		f.why = cmp.Or(f.why, "nothing lies in between")
		return false
	case compare(Equal, &low.value, &high.value) == Yes:
		return !low.open && !high.open && f.admits(&low.value)
	}
	if f.integer && low.value.Kind == Number && !low.value.Wide && !high.value.Wide {
		first, last := math.Ceil(low.value.Num), math.Floor(high.value.Num)
		if low.open && first == low.value.Num {
			first++
		}
		if high.open && last == high.value.Num {
			last--
		}
		return first <= last
	}
	return true
}

// partsLeft says whether a text can have all its parts.
func (f *fact) partsLeft() bool {
	for i, p := range f.parts {
		if !p.want {
			if p.text == "" && p.op != "matches" {
				return false // every text contains the empty one
			}
			if slices.ContainsFunc(f.parts, func(q textPart) bool { return q.want && q.op == p.op && q.implies(&p) }) {
				return false
			}
			continue
		}
		if f.piece != nil && p.op != "matches" && !f.piece(p.text) {
			return false
		}
		for _, q := range f.parts[:i] {
			if !q.want || q.op != p.op {
				continue
			}
			a, b := p.text, q.text
			if len(a) < len(b) {
				a, b = b, a
			}
			if p.op == "startsWith" && !strings.HasPrefix(a, b) || p.op == "endsWith" && !strings.HasSuffix(a, b) {
				return false
			}
		}
	}
	return true
}

// implies says that what has this part has the other one, too.
func (p *textPart) implies(other *textPart) bool {
	if p.op == "matches" {
		return p.text == other.text
	}
	return other.holds(p.text)
}

// CanHold says whether a figure of at least so much can be op a bound. whole says that it is a whole number.
func (o Operator) CanHold(than, least float64, whole bool) bool {
	f := &fact{kinds: kindsOf(Number), integer: whole, low: &bound{Value{Kind: Number, Num: least}, false}}
	f.compare(o, Value{Kind: Number, Num: than})
	return f.possible()
}
