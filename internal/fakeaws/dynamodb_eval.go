package fakeaws

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// lookup returns what a path points to.
func (p exprPath) lookup(item attrMap) (attr, bool) {
	var v attr = item
	for _, s := range p {
		switch c := v.(type) {
		case attrMap:
			e, ok := c[s.name]
			if !ok || s.name == "" {
				return nil, false
			}
			v = e
		case attrList:
			if s.name != "" || s.index >= len(c) {
				return nil, false
			}
			v = c[s.index]
		default:
			return nil, false
		}
	}
	return v, true
}

// resolve returns the value of an operand of a condition; ok is false when it has none.
func resolve(n exprNode, item attrMap) (v attr, ok bool) {
	switch n := n.(type) {
	case exprValue:
		return n.v, true
	case exprPath:
		return n.lookup(item)
	case exprCall:
		if n.name != "size" {
			return nil, false
		}
		v, ok := resolve(n.args[0], item)
		if !ok {
			return nil, false
		}
		count, ok := attrCount(v)
		if !ok {
			return nil, false
		}
		size, err := parseNumber(strconv.Itoa(count))
		return size, err == nil
	}
	return nil, false
}

// attrCount is what size() answers: characters, bytes or elements.
func attrCount(v attr) (n int, ok bool) {
	switch v := v.(type) {
	case attrString:
		return utf8.RuneCountInString(string(v)), true
	case attrBinary:
		return len(v), true
	case attrList:
		return len(v), true
	case attrMap:
		return len(v), true
	case attrStringSet:
		return len(v), true
	case attrNumberSet:
		return len(v), true
	case attrBinarySet:
		return len(v), true
	}
	return 0, false
}

// holds evaluates a condition. There are only two truth values: a comparison with a missing attribute is false, and
// "<>" true.
func holds(n exprNode, item attrMap) bool {
	switch n := n.(type) {
	case exprGroup:
		return holds(n.x, item)
	case exprNot:
		return !holds(n.x, item)
	case exprLogic:
		if n.or {
			return holds(n.left, item) || holds(n.right, item)
		}
		return holds(n.left, item) && holds(n.right, item)
	case exprCompare:
		return n.holds(item)
	case exprBetween:
		return ordered(">=", n.v, n.low, item) && ordered("<=", n.v, n.high, item)
	case exprIn:
		return slices.ContainsFunc(n.list, func(e exprNode) bool { return equalOperands(n.v, e, item) })
	case exprCall:
		return n.holds(item)
	}
	return false
}

func (n exprCompare) holds(item attrMap) bool {
	switch n.op {
	case "=":
		return equalOperands(n.left, n.right, item)
	case "<>":
		return !equalOperands(n.left, n.right, item)
	}
	return ordered(n.op, n.left, n.right, item)
}

func equalOperands(left, right exprNode, item attrMap) bool {
	a, ok := resolve(left, item)
	if !ok {
		return false
	}
	b, ok := resolve(right, item)
	return ok && attrEqual(a, b)
}

// ordered evaluates <, <=, > and >=; values of different types have no order.
func ordered(op string, left, right exprNode, item attrMap) bool {
	a, ok := resolve(left, item)
	if !ok {
		return false
	}
	b, ok := resolve(right, item)
	if !ok {
		return false
	}
	order, ok := attrCompare(a, b)
	if !ok {
		return false
	}
	switch op {
	case "<":
		return order < 0
	case "<=":
		return order <= 0
	case ">":
		return order > 0
	}
	return order >= 0
}

func (c exprCall) holds(item attrMap) bool {
	v, ok := resolve(c.args[0], item)
	switch c.name {
	case "attribute_exists":
		return ok
	case "attribute_not_exists":
		return !ok
	}
	if !ok {
		return false
	}
	arg, ok := resolve(c.args[1], item)
	if !ok {
		return false
	}
	switch c.name {
	case "attribute_type":
		return attrEqual(arg, attrString(v.code()))
	case "begins_with":
		return beginsWith(v, arg)
	}
	return contains(v, arg)
}

func beginsWith(v, prefix attr) bool {
	switch v := v.(type) {
	case attrString:
		prefix, ok := prefix.(attrString)
		return ok && strings.HasPrefix(string(v), string(prefix))
	case attrBinary:
		prefix, ok := prefix.(attrBinary)
		return ok && bytes.HasPrefix(v, prefix)
	}
	return false
}

func contains(v, part attr) bool {
	switch v := v.(type) {
	case attrString:
		part, ok := part.(attrString)
		return ok && strings.Contains(string(v), string(part))
	case attrBinary:
		part, ok := part.(attrBinary)
		return ok && bytes.Contains(v, part)
	case attrList:
		return slices.ContainsFunc(v, func(e attr) bool { return attrEqual(e, part) })
	case attrStringSet:
		part, ok := part.(attrString)
		return ok && slices.Contains(v, string(part))
	case attrNumberSet:
		part, ok := part.(attrNumber)
		return ok && slices.Contains(v, part)
	case attrBinarySet:
		part, ok := part.(attrBinary)
		return ok && slices.ContainsFunc(v, func(e []byte) bool { return bytes.Equal(e, part) })
	}
	return false
}

// project returns the parts of an item that paths name. Of a list only the named elements remain, closed up, in their
// order in the item. It returns nil when nothing is left.
func project(item attrMap, paths []exprPath) attrMap {
	if item == nil {
		return nil
	}
	steps := make([][]exprStep, 0, len(paths))
	for _, p := range paths {
		if _, ok := p.lookup(item); ok {
			steps = append(steps, p)
		}
	}
	if len(steps) == 0 {
		return nil
	}
	part, _ := projectValue(item, steps).(attrMap)
	return part
}

// projectValue picks the parts of v that the paths name; every path leads somewhere in v and none is a prefix of
// another.
func projectValue(v attr, paths [][]exprStep) attr {
	if len(paths[0]) == 0 {
		return v
	}
	below := map[exprStep][][]exprStep{}
	var heads []exprStep
	for _, p := range paths {
		if _, seen := below[p[0]]; !seen {
			heads = append(heads, p[0])
		}
		below[p[0]] = append(below[p[0]], p[1:])
	}
	switch c := v.(type) {
	case attrMap:
		out := make(attrMap, len(heads))
		for _, h := range heads {
			out[h.name] = projectValue(c[h.name], below[h])
		}
		return out
	case attrList:
		slices.SortFunc(heads, func(a, b exprStep) int { return cmp.Compare(a.index, b.index) })
		out := make(attrList, 0, len(heads))
		for _, h := range heads {
			out = append(out, projectValue(c[h.index], below[h]))
		}
		return out
	}
	return v
}
