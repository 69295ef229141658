package fakeaws

import (
	"bytes"
	"cmp"
	"maps"
	"slices"
)

// apply runs an update on an item and returns the new one. Operands see the item as it was before the update.
func (u *exprUpdate) apply(item attrMap) (attrMap, error) {
	next := maps.Clone(item)
	for _, a := range u.set {
		v, err := setValue(a.value, item)
		if err != nil {
			return nil, err
		}
		if next, err = put(next, a.path, v); err != nil {
			return nil, err
		}
	}
	for _, a := range u.add {
		if err := merge(item, &next, a, added); err != nil {
			return nil, err
		}
	}
	remove := slices.Clone(u.remove)
	for _, a := range u.del {
		if _, ok := a.path.lookup(item); !ok {
			continue
		}
		emptied := false
		err := merge(item, &next, a, func(old, v attr) (attr, error) {
			rest, err := deleted(old, v)
			emptied = rest == nil
			if emptied {
				return old, err
			}
			return rest, err
		})
		if err != nil {
			return nil, err
		}
		if emptied {
			remove = append(remove, a.path)
		}
	}
	// From the back, so that an index still means the element that it meant before the update.
	slices.SortFunc(remove, func(a, b exprPath) int { return slices.CompareFunc(b, a, compareSteps) })
	for _, path := range remove {
		var err error
		if next, err = cut(next, path); err != nil {
			return nil, err
		}
	}
	return next, nil
}

func compareSteps(a, b exprStep) int {
	return cmp.Or(cmp.Compare(a.name, b.name), cmp.Compare(a.index, b.index))
}

// setValue evaluates the right side of a SET action.
func setValue(n exprNode, item attrMap) (attr, error) {
	switch n := n.(type) {
	case exprValue:
		return n.v, nil
	case exprPath:
		if v, ok := n.lookup(item); ok {
			return v, nil
		}
		return nil, validation("The provided expression refers to an attribute that does not exist in the item")
	case exprSum:
		left, right, err := setOperands(n.left, n.right, item)
		if err != nil {
			return nil, err
		}
		a, okA := left.(attrNumber)
		b, okB := right.(attrNumber)
		if !okA || !okB {
			return nil, wrongOperand()
		}
		if n.minus {
			b = b.negated()
		}
		return numberResult(a.add(b))
	case exprCall:
		if n.name == "if_not_exists" {
			if v, ok := resolve(n.args[0], item); ok {
				return v, nil
			}
			return setValue(n.args[1], item)
		}
		left, right, err := setOperands(n.args[0], n.args[1], item)
		if err != nil {
			return nil, err
		}
		a, okA := left.(attrList)
		b, okB := right.(attrList)
		if !okA || !okB {
			return nil, wrongOperand()
		}
		return slices.Concat(a, b), nil
	}
	return nil, wrongOperand()
}

func setOperands(l, r exprNode, item attrMap) (left, right attr, err error) {
	if left, err = setValue(l, item); err != nil {
		return nil, nil, err
	}
	right, err = setValue(r, item)
	return left, right, err
}

func numberResult(n attrNumber, err error) (attr, error) {
	if err != nil {
		return nil, err
	}
	return n, nil
}

func wrongOperand() error {
	return validation("An operand in the update expression has an incorrect data type")
}

func wrongPath() error {
	return validation("The document path provided in the update expression is invalid for update")
}

// merge replaces the value at an action's path by combine(old, operand); old is nil when there is none.
func merge(item attrMap, next *attrMap, a exprAssign, combine func(old, v attr) (attr, error)) error {
	operand, ok := resolve(a.value, item)
	if !ok {
		return wrongOperand()
	}
	old, _ := a.path.lookup(item)
	v, err := combine(old, operand)
	if err != nil {
		return err
	}
	*next, err = put(*next, a.path, v)
	return err
}

// added is the value after ADD.
func added(old, v attr) (attr, error) {
	if old == nil {
		return v, nil
	}
	switch v := v.(type) {
	case attrNumber:
		if old, ok := old.(attrNumber); ok {
			return numberResult(old.add(v))
		}
	case attrStringSet:
		if old, ok := old.(attrStringSet); ok {
			return attrStringSet(slices.Compact(slices.Sorted(slices.Values(slices.Concat(old, v))))), nil
		}
	case attrNumberSet:
		if old, ok := old.(attrNumberSet); ok {
			return attrNumberSet(
				slices.Compact(slices.SortedFunc(slices.Values(slices.Concat(old, v)), attrNumber.compare)),
			), nil
		}
	case attrBinarySet:
		if old, ok := old.(attrBinarySet); ok {
			return attrBinarySet(
				slices.CompactFunc(slices.SortedFunc(slices.Values(slices.Concat(old, v)), bytes.Compare), bytes.Equal),
			), nil
		}
	}
	return nil, wrongOperand()
}

// deleted is the set after DELETE, nil when no element is left.
func deleted(old, v attr) (attr, error) {
	var (
		rest attr
		left int
	)
	switch v := v.(type) {
	case attrStringSet:
		old, ok := old.(attrStringSet)
		if !ok {
			return nil, wrongOperand()
		}
		set := slices.DeleteFunc(slices.Clone(old), func(e string) bool { return slices.Contains(v, e) })
		rest, left = set, len(set)
	case attrNumberSet:
		old, ok := old.(attrNumberSet)
		if !ok {
			return nil, wrongOperand()
		}
		set := slices.DeleteFunc(slices.Clone(old), func(e attrNumber) bool { return slices.Contains(v, e) })
		rest, left = set, len(set)
	case attrBinarySet:
		old, ok := old.(attrBinarySet)
		if !ok {
			return nil, wrongOperand()
		}
		set := slices.DeleteFunc(slices.Clone(old), func(e []byte) bool {
			return slices.ContainsFunc(v, func(d []byte) bool { return bytes.Equal(d, e) })
		})
		rest, left = set, len(set)
	default:
		return nil, wrongOperand()
	}
	if left == 0 {
		return nil, nil
	}
	return rest, nil
}

// put returns the item with v at path. All but the last step have to exist; a list index past the end appends.
func put(item attrMap, path exprPath, v attr) (attrMap, error) {
	out, err := putValue(item, path, v)
	if err != nil {
		return nil, err
	}
	m, _ := out.(attrMap)
	return m, nil
}

func putValue(in attr, path []exprStep, v attr) (attr, error) {
	if len(path) == 0 {
		return v, nil
	}
	step := path[0]
	switch c := in.(type) {
	case attrMap:
		child, ok := c[step.name]
		if step.name == "" || !ok && len(path) > 1 {
			return nil, wrongPath()
		}
		nv, err := putValue(child, path[1:], v)
		if err != nil {
			return nil, err
		}
		out := maps.Clone(c)
		if out == nil {
			out = attrMap{}
		}
		out[step.name] = nv
		return out, nil
	case attrList:
		switch {
		case step.name != "", step.index >= len(c) && len(path) > 1:
			return nil, wrongPath()
		case step.index >= len(c):
			return append(slices.Clone(c), v), nil
		}
		nv, err := putValue(c[step.index], path[1:], v)
		if err != nil {
			return nil, err
		}
		out := slices.Clone(c)
		out[step.index] = nv
		return out, nil
	}
	return nil, wrongPath()
}

// cut returns the item without what path points to. The containers have to exist, the last step need not.
func cut(item attrMap, path exprPath) (attrMap, error) {
	last := path[len(path)-1]
	if len(path) == 1 {
		out := maps.Clone(item)
		delete(out, last.name)
		return out, nil
	}
	parent, ok := path[:len(path)-1].lookup(item)
	if !ok {
		return nil, wrongPath()
	}
	switch c := parent.(type) {
	case attrMap:
		if last.name == "" {
			return nil, wrongPath()
		}
		c = maps.Clone(c)
		delete(c, last.name)
		parent = c
	case attrList:
		if last.name != "" {
			return nil, wrongPath()
		}
		if last.index < len(c) {
			parent = slices.Delete(slices.Clone(c), last.index, last.index+1)
		}
	default:
		return nil, wrongPath()
	}
	return put(item, path[:len(path)-1], parent)
}
