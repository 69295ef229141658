package fakeaws

import (
	"slices"
	"strconv"
	"strings"
)

// exprNode is a parsed part of an expression: an operand (exprPath, exprValue, exprCall, exprSum) or a condition
// (exprCompare, exprBetween, exprIn, exprLogic, exprNot, exprCall of a boolean function).
type exprNode interface{ condition() bool }

type (
	// exprPath is a document path; the first step is an attribute name.
	exprPath []exprStep
	// exprStep is a map member, or the list element index if name is empty.
	exprStep struct {
		name  string
		index int
	}
	exprValue struct{ v attr }
	exprCall  struct {
		name string
		args []exprNode
	}
	exprSum struct {
		minus       bool
		left, right exprNode
	}
	exprCompare struct {
		op          string
		left, right exprNode
	}
	exprBetween struct{ v, low, high exprNode }
	exprIn      struct {
		v    exprNode
		list []exprNode
	}
	exprLogic struct {
		or          bool
		left, right exprNode
	}
	exprNot   struct{ x exprNode }
	exprGroup struct{ x exprNode }
)

func (exprPath) condition() bool    { return false }
func (exprValue) condition() bool   { return false }
func (exprSum) condition() bool     { return false }
func (exprCompare) condition() bool { return true }
func (exprBetween) condition() bool { return true }
func (exprIn) condition() bool      { return true }
func (exprLogic) condition() bool   { return true }
func (exprNot) condition() bool     { return true }
func (g exprGroup) condition() bool { return g.x.condition() }

func (c exprCall) condition() bool {
	switch c.name {
	case "size", "if_not_exists", "list_append":
		return false
	}
	return true
}

// String is the form in which error messages show a path: [a, b, [0]].
func (p exprPath) String() string {
	parts := make([]string, len(p))
	for i, s := range p {
		parts[i] = s.name
		if s.name == "" {
			parts[i] = "[" + strconv.Itoa(s.index) + "]"
		}
	}
	return "[" + strings.Join(parts, ", ") + "]"
}

// exprUpdate is a parsed UpdateExpression.
type exprUpdate struct {
	set, add, del []exprAssign
	remove        []exprPath
}

// exprAssign is one action: a path and its operand.
type exprAssign struct {
	path  exprPath
	value exprNode
}

// paths lists the paths that the update touches, in the order of the sections SET, REMOVE, ADD, DELETE.
func (u *exprUpdate) paths() []exprPath {
	var out []exprPath
	for _, a := range u.set {
		out = append(out, a.path)
	}
	out = append(out, u.remove...)
	for _, a := range slices.Concat(u.add, u.del) {
		out = append(out, a.path)
	}
	return out
}
