package fakeaws

import "slices"

// queryRequest is Query.
type queryRequest struct {
	pageRequest
	ScanIndexForward *bool
}

func (d *DynamoDB) query(req *Request) (any, error) {
	var in queryRequest
	if err := req.decode(&in); err != nil {
		return nil, err
	}
	params, err := in.params()
	if err != nil {
		return nil, err
	}
	if in.KeyConditionExpression == nil {
		return nil, validation("Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.")
	}
	condition, err := parseCondition("KeyConditionExpression", *in.KeyConditionExpression, params)
	if err != nil {
		return nil, err
	}
	p, err := in.page(params)
	if err != nil {
		return nil, err
	}
	if err := params.unused(); err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	t, err := d.usable(in.TableName)
	if err != nil {
		return nil, err
	}
	keys, err := t.keyCondition(condition)
	if err != nil {
		return nil, err
	}
	for _, head := range pathHeads(p.filter) {
		if t.isKey(head) {
			return nil, validation("Filter Expression can only contain non-primary key attributes: Primary key attribute: %s", head)
		}
	}
	rows := keys.rows(t)
	backward := in.ScanIndexForward != nil && !*in.ScanIndexForward
	if p.start != nil {
		if rows, err = t.resume(rows, p.start, keys, backward); err != nil {
			return nil, err
		}
	}
	if backward {
		rows = slices.Clone(rows)
		slices.Reverse(rows)
	}
	return d.answer(t, p, rows), nil
}

// keyQuery is a KeyConditionExpression that fits the table: one partition and, possibly, one condition on the range key.
type keyQuery struct {
	hash attr
	rng  exprNode
}

// keyCondition takes a parsed condition apart.
func (t *ddbTable) keyCondition(n exprNode) (*keyQuery, error) {
	q := &keyQuery{}
	for _, leaf := range conjuncts(n) {
		path, values, err := keyPredicate(leaf)
		if err != nil {
			return nil, err
		}
		var key ddbKey
		switch {
		case path == t.hash.name && q.hash == nil:
			c, ok := leaf.(exprCompare)
			if !ok || c.op != "=" {
				return nil, validation("Query key condition not supported")
			}
			key, q.hash = t.hash, values[0]
		case t.rng != nil && path == t.rng.name && q.rng == nil:
			key, q.rng = *t.rng, leaf
		case t.isKey(path):
			return nil, validation("Invalid KeyConditionExpression: KeyConditionExpressions must only contain one condition per key")
		case t.rng == nil:
			return nil, validation("Query key condition not supported")
		default:
			return nil, validation("Query condition missed key schema element: %s", t.rng.name)
		}
		for _, v := range values {
			if v.code() != key.code {
				return nil, validation("One or more parameter values were invalid: Condition parameter type does not match schema type")
			}
		}
	}
	if q.hash == nil {
		return nil, validation("Query condition missed key schema element: %s", t.hash.name)
	}
	return q, checkKey(t.hash, q.hash, "hash", maxHashKeySize)
}

// conjuncts lists the conditions that AND joins.
func conjuncts(n exprNode) []exprNode {
	n = ungroup(n)
	if l, ok := n.(exprLogic); ok && !l.or {
		return append(conjuncts(l.left), conjuncts(l.right)...)
	}
	return []exprNode{n}
}

// keyPredicate returns the attribute and the literal values of a condition that a key can be searched by.
func keyPredicate(n exprNode) (path string, values []attr, err error) {
	var operands []exprNode
	switch n := n.(type) {
	case exprCompare:
		if n.op == "<>" {
			return "", nil, invalidKeyOperator("<>")
		}
		operands = []exprNode{n.left, n.right}
	case exprBetween:
		operands = []exprNode{n.v, n.low, n.high}
	case exprCall:
		if n.name != "begins_with" {
			return "", nil, invalidKeyOperator(n.name)
		}
		operands = n.args
	case exprIn:
		return "", nil, invalidKeyOperator("IN")
	case exprNot:
		return "", nil, invalidKeyOperator("NOT")
	case exprLogic:
		return "", nil, invalidKeyOperator("OR")
	}
	for i, o := range operands {
		switch o := o.(type) {
		case exprPath:
			if len(o) > 1 {
				return "", nil, validation("Invalid KeyConditionExpression: KeyConditionExpressions cannot have conditions on nested attributes")
			}
			if i > 0 {
				return "", nil, validation("Invalid KeyConditionExpression: The first operand must be the key attribute, the others values: %s", o)
			}
			path = o[0].name
		case exprValue:
			values = append(values, o.v)
		default:
			return "", nil, validation("Invalid KeyConditionExpression: KeyConditionExpressions cannot contain nested operations")
		}
	}
	if path == "" {
		return "", nil, validation("Invalid KeyConditionExpression: The first operand must be the key attribute, the others values")
	}
	return path, values, nil
}

func invalidKeyOperator(op string) error {
	return validation("Invalid operator used in KeyConditionExpression: %s", op)
}

// rows returns the rows of the partition that meet the condition on the range key, ascending.
func (q *keyQuery) rows(t *ddbTable) []*ddbRow {
	at := &ddbRow{point: point(q.hash), hash: q.hash}
	from, _ := slices.BinarySearchFunc(t.rows, at, comparePartitions)
	to := from
	for to < len(t.rows) && comparePartitions(t.rows[to], at) == 0 {
		to++
	}
	rows := t.rows[from:to]
	if q.rng == nil {
		return rows
	}
	return slices.DeleteFunc(slices.Clone(rows), func(r *ddbRow) bool { return !holds(q.rng, r.item) })
}

// resume cuts off what lies before an ExclusiveStartKey.
func (t *ddbTable) resume(rows []*ddbRow, start attrMap, q *keyQuery, backward bool) ([]*ddbRow, error) {
	at, err := t.rowAt(start)
	if err != nil {
		return nil, validation("The provided starting key is invalid: %s", messageOf(err))
	}
	if !attrEqual(at.hash, q.hash) {
		return nil, validation("The provided starting key is outside query boundaries based on provided conditions")
	}
	if q.rng != nil && !holds(q.rng, at.item) {
		return nil, validation("The provided starting key does not match the range key predicate")
	}
	if backward {
		i, _ := slices.BinarySearchFunc(rows, at, compareRows)
		return rows[:i], nil
	}
	return rows[after(rows, at):], nil
}

// pathHeads lists the top-level attributes that a condition mentions.
func pathHeads(nodes ...exprNode) (heads []string) {
	for _, n := range nodes {
		switch n := n.(type) {
		case exprPath:
			heads = append(heads, n[0].name)
		case exprGroup:
			heads = append(heads, pathHeads(n.x)...)
		case exprNot:
			heads = append(heads, pathHeads(n.x)...)
		case exprLogic:
			heads = append(heads, pathHeads(n.left, n.right)...)
		case exprCompare:
			heads = append(heads, pathHeads(n.left, n.right)...)
		case exprBetween:
			heads = append(heads, pathHeads(n.v, n.low, n.high)...)
		case exprIn:
			heads = append(heads, pathHeads(append(n.list, n.v)...)...)
		case exprCall:
			heads = append(heads, pathHeads(n.args...)...)
		}
	}
	return heads
}
