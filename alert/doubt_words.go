package alert

import (
	"reflect"
	"slices"

	"github.com/expr-lang/expr/ast"
)

// otherSeverity is a text that an expression for the severity gives as it stands in one of its branches, and that is none; empty if
// there is none.
func otherSeverity(source string, s *schema) string {
	if slices.Contains(severities(), source) {
		return ""
	}
	_, root, fault := newBuilder(source, s, reflect.Invalid)
	if fault != nil {
		return "" // that is a fault
	}
	var find func(ast.Node) string
	find = func(n ast.Node) string {
		switch n := n.(type) {
		case *ast.ConditionalNode:
			if word := find(n.Exp1); word != "" {
				return word
			}
			return find(n.Exp2)
		case *ast.StringNode:
			if !slices.Contains(severities(), n.Value) {
				return n.Value
			}
		}
		return ""
	}
	return find(root)
}

// namesShard says whether an expression tells shards apart, so that no two of them have records of one key.
func namesShard(source string, s *schema) bool {
	b, _, fault := newBuilder(source, s, reflect.Invalid)
	if fault != nil {
		return false // that is a fault
	}
	_, named := b.refs["shard"]
	return named
}
