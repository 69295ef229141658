package alert

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// fieldMention is a field that an expression looks at, where it stands first.
type fieldMention struct {
	path []string
	// optional says that the expression itself asks whether the field is there.
	optional bool
	// line and col are the place in the text, from 1.
	line, col int
}

// mentions are the fields that an expression looks at; none of one that cannot be compiled.
func (s *schema) mentions(source string, isCondition bool) []fieldMention {
	if strings.TrimSpace(source) == "" {
		return nil
	}
	want := reflect.Invalid
	if isCondition {
		want = reflect.Bool
	}
	b, root, fault := newBuilder(source, s, want)
	if fault != nil {
		return nil
	}
	uses := &fieldUses{refs: b.refs, optional: make(map[string]bool)}
	ast.Walk(&root, uses)
	places := &fieldPlaces{at: make(map[string]file.Location)}
	ast.Walk(&root, places)
	var out []fieldMention
	for _, name := range uses.names {
		if _, builtin := s.builtinSlot(name); builtin {
			continue
		}
		at := (&file.Error{Location: places.at[name]}).Bind(b.source)
		out = append(out, fieldMention{
			path: strings.Split(name, "\x00"), optional: uses.optional[name], line: at.Line, col: at.Column + 1,
		})
	}
	slices.SortStableFunc(out, func(a, b fieldMention) int {
		return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(a.col, b.col))
	})
	return out
}

// fieldPlaces finds where names stand. It is an ast.Visitor.
type fieldPlaces struct {
	at map[string]file.Location
}

// Visit implements ast.Visitor.
func (p *fieldPlaces) Visit(node *ast.Node) {
	x, ok := (*node).(*ast.IdentifierNode)
	if !ok {
		return
	}
	if first, seen := p.at[x.Value]; !seen || x.Location().From < first.From {
		p.at[x.Value] = x.Location()
	}
}

// literals are the texts that an expression gives as they stand in its branches.
func (s *schema) literals(source string) []string {
	_, root, fault := newBuilder(source, s, reflect.Invalid)
	if fault != nil {
		return nil
	}
	var out []string
	var find func(ast.Node)
	find = func(n ast.Node) {
		switch n := n.(type) {
		case *ast.ConditionalNode:
			find(n.Exp1)
			find(n.Exp2)
		case *ast.StringNode:
			out = append(out, n.Value)
		}
	}
	find(root)
	return out
}

// namesBuiltin says whether an expression looks at a built-in name.
func (s *schema) namesBuiltin(source, name string) bool {
	b, _, fault := newBuilder(source, s, reflect.Invalid)
	if fault != nil {
		return false
	}
	_, named := b.refs[name]
	return named
}
