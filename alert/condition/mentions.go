package condition

import (
	"cmp"
	"reflect"
	"slices"
	"strings"

	"github.com/expr-lang/expr/ast"
	"github.com/expr-lang/expr/file"
)

// Mention is a field that an expression looks at, where it stands first.
type Mention struct {
	Path []string
	// Optional says that the expression itself asks whether the field is there.
	Optional bool
	// Line and col are the place in the text, from 1.
	Line, Col int
}

// Mentions are the fields that an expression looks at; none of one that cannot be compiled.
func (s *Schema) Mentions(source string, isCondition bool) []Mention {
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
	var out []Mention
	for _, name := range uses.names {
		if _, builtin := s.builtinSlot(name); builtin {
			continue
		}
		at := (&file.Error{Location: places.at[name]}).Bind(b.source)
		out = append(out, Mention{
			Path: strings.Split(name, "\x00"), Optional: uses.optional[name], Line: at.Line, Col: at.Column + 1,
		})
	}
	slices.SortStableFunc(out, func(a, b Mention) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
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

// Literals are the texts that an expression gives as they stand in its branches.
func (s *Schema) Literals(source string) []string {
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

// NamesBuiltin says whether an expression looks at a built-in name.
func (s *Schema) NamesBuiltin(source, name string) bool {
	b, _, fault := newBuilder(source, s, reflect.Invalid)
	if fault != nil {
		return false
	}
	_, named := b.refs[name]
	return named
}
