package fakeaws

import "slices"

// The checks in this file are the part of parsing that looks at types: DynamoDB refuses an expression whose literal
// values cannot work, whatever the item holds.

// mustCondition refuses an operand where a condition has to stand, and the functions of updates.
func (p *exprParser) mustCondition(nodes ...exprNode) error {
	for _, n := range nodes {
		if n.condition() {
			continue
		}
		if c, ok := ungroup(n).(exprCall); ok {
			return p.misplaced(c)
		}
		return p.syntax()
	}
	return nil
}

func (p *exprParser) misplaced(c exprCall) error {
	return p.invalid("The function is not allowed to be used this way in an expression; function: %s", c.name)
}

// mustOperand refuses a condition where an operand has to stand.
func (p *exprParser) mustOperand(nodes ...exprNode) error {
	for _, n := range nodes {
		if c, ok := n.(exprCall); ok && n.condition() {
			return p.misplaced(c)
		}
		if n.condition() {
			return p.syntax()
		}
	}
	return nil
}

func (p *exprParser) badType(op string, v attr) error {
	return p.invalid(
		"Incorrect operand type for operator or function; operator or function: %s, operand type: %s", op, v.code(),
	)
}

// mustBe refuses a literal operand of a type that is not listed. What a path holds shows only at evaluation.
func (p *exprParser) mustBe(op string, n exprNode, codes ...string) error {
	if v, ok := n.(exprValue); ok && !slices.Contains(codes, v.v.code()) {
		return p.badType(op, v.v)
	}
	return nil
}

// mustBeDistinct refuses the same path on both sides. IN and BETWEEN are not checked, as in AWS.
func (p *exprParser) mustBeDistinct(op string, one, two exprNode) error {
	a, okA := one.(exprPath)
	b, okB := two.(exprPath)
	if okA && okB && slices.Equal(a, b) {
		return p.invalid("The first operand must be distinct from the remaining operands for this operator or "+
			"function; "+
			"operator: %s, first operand: %s", op, a)
	}
	return nil
}

func (p *exprParser) checkCompare(n exprCompare) error {
	if err := p.mustOperand(n.left, n.right); err != nil {
		return err
	}
	if n.op != "=" && n.op != "<>" {
		for _, side := range []exprNode{n.left, n.right} {
			if err := p.mustBe(n.op, side, "S", "N", "B"); err != nil {
				return err
			}
		}
	}
	if err := p.mustBeDistinct(n.op, n.left, n.right); err != nil {
		return err
	}
	return p.operator()
}

func (p *exprParser) checkBetween(n exprBetween) error {
	if err := p.mustOperand(n.v, n.low, n.high); err != nil {
		return err
	}
	for _, side := range []exprNode{n.v, n.low, n.high} {
		if err := p.mustBe("BETWEEN", side, "S", "N", "B"); err != nil {
			return err
		}
	}
	low, okLow := n.low.(exprValue)
	high, okHigh := n.high.(exprValue)
	if okLow && okHigh {
		rule := ""
		switch order, comparable := attrCompare(low.v, high.v); {
		case !comparable:
			rule = "same data type for lower and upper bounds"
		case order > 0:
			rule = "upper bound to be greater than or equal to lower bound"
		}
		if rule != "" {
			return p.invalid("The BETWEEN operator requires %s; lower bound operand: AttributeValue: {%s:%v}, "+
				"upper bound operand: AttributeValue: {%s:%v}",
				rule, low.v.code(), low.v.plain(), high.v.code(), high.v.plain())
		}
	}
	return p.operator()
}

func (p *exprParser) checkIn(n exprIn) error {
	if len(n.list) > maxInOperands {
		return p.invalid("Too many operands for the IN operator; operand count: %d", len(n.list))
	}
	if err := p.mustOperand(append([]exprNode{n.v}, n.list...)...); err != nil {
		return err
	}
	return p.operator()
}

// checkCall knows the functions: how many arguments, of what kind, and in which expressions.
func (p *exprParser) checkCall(c exprCall) error {
	var count int
	update := false
	switch c.name {
	case "attribute_exists", "attribute_not_exists", "size":
		count = 1
	case "attribute_type", "begins_with", "contains":
		count = 2
	case "if_not_exists", "list_append":
		count, update = 2, true
	default:
		return p.invalid("Invalid function name; function: %s", c.name)
	}
	if update != (p.what == "UpdateExpression") {
		return p.invalid("Invalid function name; function: %s", c.name)
	}
	if len(c.args) != count {
		return p.invalid(
			"Incorrect number of operands for operator or function; operator or function: %s, number of operands: %d",
			c.name, len(c.args),
		)
	}
	if err := p.mustOperand(c.args...); err != nil {
		return err
	}
	if err := p.checkArguments(c); err != nil {
		return err
	}
	return p.operator()
}

func (p *exprParser) checkArguments(c exprCall) error {
	switch c.name {
	case "attribute_exists", "attribute_not_exists", "if_not_exists":
		if _, ok := c.args[0].(exprPath); !ok {
			return p.invalid("Operator or function requires a document path; operator or function: %s", c.name)
		}
	case "attribute_type":
		return p.checkTypeName(c)
	case "begins_with":
		for _, a := range c.args {
			if err := p.mustBe(c.name, a, "S", "B"); err != nil {
				return err
			}
		}
		return p.mustBeDistinct(c.name, c.args[0], c.args[1])
	case "contains":
		return p.mustBeDistinct(c.name, c.args[0], c.args[1])
	case "size":
		return p.mustBe(c.name, c.args[0], "S", "B", "SS", "NS", "BS", "L", "M")
	case "list_append":
		for _, a := range c.args {
			if err := p.mustBe(c.name, a, "L"); err != nil {
				return err
			}
		}
	}
	return nil
}

func (p *exprParser) checkTypeName(c exprCall) error {
	name, ok := c.args[1].(exprValue)
	if !ok {
		return p.invalid(
			"Incorrect operand type for operator or function; operator or function: %s, operand type: "+
				"{NS,SS,L,BS,N,M,B,BOOL,NULL,S}",
			c.name,
		)
	}
	code, ok := name.v.(attrString)
	if !ok {
		return p.badType(c.name, name.v)
	}
	known := []string{"S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"}
	if !slices.Contains(known, string(code)) {
		return p.invalid(
			"Invalid attribute type name found; type: %s, valid types: {B,NULL,SS,BOOL,L,BS,N,NS,S,M}", string(code),
		)
	}
	return nil
}

func (p *exprParser) checkSum(n exprSum) error {
	op := "+"
	if n.minus {
		op = "-"
	}
	for _, side := range []exprNode{n.left, n.right} {
		if err := p.mustBe(op, side, "N"); err != nil {
			return err
		}
	}
	return p.operator()
}

// checkAction refuses a value that ADD or DELETE cannot take. AWS words it unlike every other type error.
func (p *exprParser) checkAction(keyword string, v attr) error {
	var kind string
	switch v.(type) {
	case attrStringSet, attrNumberSet, attrBinarySet:
		return nil
	case attrNumber:
		if keyword == "ADD" {
			return nil
		}
		kind = "NUMBER"
	case attrString:
		kind = "STRING"
	case attrBinary:
		kind = "BINARY"
	case attrBool:
		kind = "BOOLEAN"
	case attrNull:
		kind = "NULL"
	case attrList:
		kind = "LIST"
	case attrMap:
		kind = "MAP"
	}
	return p.invalid(
		"Incorrect operand type for operator or function; operator: %s, operand type: %s, typeSet: "+
			"ALLOWED_FOR_%[1]s_OPERAND",
		keyword, kind,
	)
}

// checkOverlap refuses two paths of which one is, or lies within, the other, and paths that need one value to be both
// a map and a list.
func (p *exprParser) checkOverlap(paths []exprPath) error {
	for i, one := range paths {
		for _, two := range paths[i+1:] {
			n := min(len(one), len(two))
			switch at := commonSteps(one, two); {
			case at == n:
				return p.invalid("Two document paths overlap with each other; must remove or rewrite one of these "+
					"paths; "+
					"path one: %s, path two: %s", one, two)
			case (one[at].name == "") != (two[at].name == ""):
				return p.invalid("Two document paths conflict with each other; must remove or rewrite one of these "+
					"paths; "+
					"path one: %s, path two: %s", one, two)
			}
		}
	}
	return nil
}

func commonSteps(one, two exprPath) int {
	n := 0
	for n < min(len(one), len(two)) && one[n] == two[n] {
		n++
	}
	return n
}
