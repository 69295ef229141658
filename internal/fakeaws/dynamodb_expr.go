package fakeaws

import (
	"fmt"
	"strconv"
	"strings"
)

// Limits of the expression language, from "Service, account, and table quotas" of the developer guide.
const (
	maxExprSize     = 4096
	maxExprOperands = 300
	maxInOperands   = 100
)

// exprParser is a recursive-descent parser over the tokens of one expression. what is the request member's name, for
// messages. The first error ends the parse.
type exprParser struct {
	what     string
	tokens   []exprToken
	pos      int
	operands int
	params   *exprParams
}

// newExprParser splits an expression into tokens.
func newExprParser(what, src string, params *exprParams) (*exprParser, error) {
	p := &exprParser{what: what, params: params}
	if len(src) > maxExprSize {
		return nil, p.invalid("Expression size has exceeded the maximum allowed size; expression size: %d", len(src))
	}
	for rest := src; ; {
		rest = strings.TrimLeft(rest, " \t\r\n")
		if rest == "" {
			break
		}
		t, ok := nextToken(rest)
		p.tokens = append(p.tokens, t)
		if !ok {
			p.pos = len(p.tokens) - 1
			return nil, p.syntax()
		}
		rest = rest[len(t.text):]
	}
	if len(p.tokens) == 0 {
		return nil, p.invalid("The expression can not be empty;")
	}
	return p, nil
}

func (p *exprParser) invalid(format string, args ...any) error {
	return validation("Invalid %s: %s", p.what, fmt.Sprintf(format, args...))
}

// syntax is the error for an unexpected token, quoted with its neighbours.
func (p *exprParser) syntax() error {
	token, near := p.peek().text, ""
	if token == "" {
		token = "<EOF>"
	}
	for i := max(p.pos-1, 0); i <= p.pos+1 && i < len(p.tokens); i++ {
		near = strings.TrimLeft(near+" "+p.tokens[i].text, " ")
	}
	return p.invalid(`Syntax error; token: "%s", near: "%s"`, token, near)
}

func (p *exprParser) peek() exprToken {
	if p.pos < len(p.tokens) {
		return p.tokens[p.pos]
	}
	return exprToken{}
}

func (p *exprParser) next() exprToken {
	t := p.peek()
	p.pos++
	return t
}

// accept takes the next token if it is of this kind.
func (p *exprParser) accept(kind byte) bool {
	if p.peek().kind != kind {
		return false
	}
	p.pos++
	return true
}

func (p *exprParser) expect(kind byte) error {
	if !p.accept(kind) {
		return p.syntax()
	}
	return nil
}

// word takes the next token if it is this keyword, in any case.
func (p *exprParser) word(keyword string) bool {
	if t := p.peek(); t.kind != 'w' || !strings.EqualFold(t.text, keyword) {
		return false
	}
	p.pos++
	return true
}

func (p *exprParser) end() error {
	if p.pos < len(p.tokens) {
		return p.syntax()
	}
	return nil
}

// parseCondition parses a ConditionExpression or FilterExpression.
func parseCondition(what, src string, params *exprParams) (exprNode, error) {
	p, err := newExprParser(what, src, params)
	if err != nil {
		return nil, err
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return n, p.mustCondition(n)
}

// or, and, not and predicate also return a bare operand, which only a group or a comparison may then use.

func (p *exprParser) or() (exprNode, error) { return p.logic("OR", true, p.and) }

func (p *exprParser) and() (exprNode, error) { return p.logic("AND", false, p.not) }

func (p *exprParser) logic(keyword string, or bool, operand func() (exprNode, error)) (exprNode, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for p.word(keyword) {
		right, err := operand()
		if err != nil {
			return nil, err
		}
		if err := p.mustCondition(left, right); err != nil {
			return nil, err
		}
		if err := p.operator(); err != nil {
			return nil, err
		}
		left = exprLogic{or: or, left: left, right: right}
	}
	return left, nil
}

func (p *exprParser) not() (exprNode, error) {
	if !p.word("NOT") {
		return p.predicate()
	}
	x, err := p.not()
	if err != nil {
		return nil, err
	}
	if err := p.mustCondition(x); err != nil {
		return nil, err
	}
	return exprNot{x: x}, p.operator()
}

func (p *exprParser) predicate() (exprNode, error) {
	left, err := p.primary()
	if err != nil {
		return nil, err
	}
	switch t := p.peek(); {
	case t.kind == '=' || t.kind == '<' || t.kind == '>':
		p.pos++
		right, err := p.primary()
		if err != nil {
			return nil, err
		}
		n := exprCompare{op: t.text, left: ungroup(left), right: ungroup(right)}
		return n, p.checkCompare(n)
	case p.word("BETWEEN"):
		return p.between(left)
	case p.word("IN"):
		list, err := p.list()
		if err != nil {
			return nil, err
		}
		n := exprIn{v: ungroup(left), list: list}
		return n, p.checkIn(n)
	}
	return left, nil
}

func (p *exprParser) between(v exprNode) (exprNode, error) {
	low, err := p.primary()
	if err != nil {
		return nil, err
	}
	if !p.word("AND") {
		return nil, p.syntax()
	}
	high, err := p.primary()
	if err != nil {
		return nil, err
	}
	n := exprBetween{v: ungroup(v), low: ungroup(low), high: ungroup(high)}
	return n, p.checkBetween(n)
}

// primary parses a path, a value, a call or a group.
func (p *exprParser) primary() (exprNode, error) {
	t := p.peek()
	switch t.kind {
	case '(':
		p.pos++
		n, err := p.or()
		if err != nil {
			return nil, err
		}
		if _, twice := n.(exprGroup); twice {
			return nil, p.invalid("The expression has redundant parentheses;")
		}
		return exprGroup{x: n}, p.expect(')')
	case ':':
		return p.value()
	case 'w':
		if p.pos+1 < len(p.tokens) && p.tokens[p.pos+1].kind == '(' && !strings.EqualFold(t.text, "IN") {
			return p.call()
		}
	}
	return p.path()
}

func ungroup(n exprNode) exprNode {
	for {
		g, ok := n.(exprGroup)
		if !ok {
			return n
		}
		n = g.x
	}
}

func (p *exprParser) value() (exprValue, error) {
	t := p.next()
	v, ok := p.params.values[t.text]
	if !ok {
		return exprValue{}, p.invalid(
			"An expression attribute value used in expression is not defined; attribute value: %s", t.text,
		)
	}
	p.params.usedValues[t.text] = true
	return exprValue{v: v}, p.operand()
}

func (p *exprParser) path() (exprPath, error) {
	var path exprPath
	for {
		name, err := p.name()
		if err != nil {
			return nil, err
		}
		path = append(path, exprStep{name: name})
		for p.accept('[') {
			t := p.next()
			index, err := strconv.Atoi(t.text)
			if t.kind != '0' || err != nil {
				p.pos--
				return nil, p.syntax()
			}
			path = append(path, exprStep{index: index})
			if err := p.expect(']'); err != nil {
				return nil, err
			}
		}
		if !p.accept('.') {
			break
		}
	}
	if len(path) > maxDepth {
		return nil, p.invalid("The document path has too many nesting elements; nesting elements: %d", len(path))
	}
	return path, p.operand()
}

// name parses one attribute name of a path: a plain word that is not reserved, or a #name.
func (p *exprParser) name() (string, error) {
	t := p.peek()
	switch {
	case t.kind == '#':
		name, ok := p.params.names[t.text]
		if !ok {
			return "", p.invalid(
				"An expression attribute name used in the document path is not defined; attribute name: %s", t.text,
			)
		}
		p.params.usedNames[t.text] = true
		if name == "" {
			return "", validation(
				"ExpressionAttributeNames contains invalid value: An attribute name may not be empty for key %s",
				t.text,
			)
		}
		p.pos++
		return name, nil
	case t.kind != 'w':
		return "", p.syntax()
	case reservedWord(t.text):
		return "", p.invalid("Attribute name is a reserved keyword; reserved keyword: %s", t.text)
	}
	p.pos++
	return t.text, nil
}

// call parses a function with its arguments; the position is on the name.
func (p *exprParser) call() (exprNode, error) {
	c := exprCall{name: p.next().text}
	args, err := p.list()
	if err != nil {
		return nil, err
	}
	c.args = args
	return c, p.checkCall(c)
}

// list parses operands in parentheses.
func (p *exprParser) list() ([]exprNode, error) {
	if err := p.expect('('); err != nil {
		return nil, err
	}
	var list []exprNode
	for {
		n, err := p.primary()
		if err != nil {
			return nil, err
		}
		list = append(list, ungroup(n))
		if !p.accept(',') {
			break
		}
	}
	return list, p.expect(')')
}

func (p *exprParser) operand() error { return p.operator() }

// operator counts towards the limit on operators and operands of one expression.
func (p *exprParser) operator() error {
	if p.operands++; p.operands > maxExprOperands {
		return p.invalid("The expression contains too many operators; operator count: %d", p.operands)
	}
	return nil
}

// parseProjection parses a ProjectionExpression.
func parseProjection(src string, params *exprParams) ([]exprPath, error) {
	p, err := newExprParser("ProjectionExpression", src, params)
	if err != nil {
		return nil, err
	}
	var paths []exprPath
	for {
		path, err := p.path()
		if err != nil {
			return nil, err
		}
		paths = append(paths, path)
		if !p.accept(',') {
			break
		}
	}
	if err := p.end(); err != nil {
		return nil, err
	}
	return paths, p.checkOverlap(paths)
}

// parseUpdate parses an UpdateExpression.
func parseUpdate(src string, params *exprParams) (*exprUpdate, error) {
	p, err := newExprParser("UpdateExpression", src, params)
	if err != nil {
		return nil, err
	}
	u, seen := &exprUpdate{}, map[string]bool{}
	for p.pos < len(p.tokens) {
		section := strings.ToUpper(p.peek().text)
		if seen[section] {
			return nil, p.invalid(`The "%s" section can only be used once in an update expression;`, section)
		}
		seen[section] = true
		if err := p.section(u, section); err != nil {
			return nil, err
		}
	}
	return u, p.checkOverlap(u.paths())
}

// section parses one clause of an update and its comma-separated actions; the position is on the keyword.
func (p *exprParser) section(u *exprUpdate, keyword string) error {
	var action func() error
	switch keyword {
	case "SET":
		action = func() error { return p.setAction(u) }
	case "REMOVE":
		action = func() error {
			path, err := p.path()
			u.remove = append(u.remove, path)
			return err
		}
	case "ADD":
		action = func() error { return p.valueAction(keyword, &u.add) }
	case "DELETE":
		action = func() error { return p.valueAction(keyword, &u.del) }
	default:
		return p.syntax()
	}
	p.pos++
	for {
		if err := action(); err != nil {
			return err
		}
		if !p.accept(',') {
			return nil
		}
	}
}

// setAction parses path = operand [(+|-) operand].
func (p *exprParser) setAction(u *exprUpdate) error {
	path, err := p.path()
	if err != nil {
		return err
	}
	if err := p.expect('='); err != nil {
		return err
	}
	value, err := p.setValue()
	if err != nil {
		return err
	}
	u.set = append(u.set, exprAssign{path: path, value: value})
	return nil
}

// setValue parses operand [(+|-) operand], all of it possibly in parentheses.
func (p *exprParser) setValue() (exprNode, error) {
	pos, operands := p.pos, p.operands
	if p.accept('(') {
		if n, err := p.setSum(); err == nil && p.accept(')') {
			if _, ok := n.(exprSum); ok {
				return n, nil
			}
		}
		p.pos, p.operands = pos, operands // the parentheses are the first operand's
	}
	return p.setSum()
}

func (p *exprParser) setSum() (exprNode, error) {
	left, err := p.setOperand()
	if err != nil {
		return nil, err
	}
	sign := p.peek().kind
	if sign != '+' && sign != '-' {
		return left, nil
	}
	p.pos++
	right, err := p.setOperand()
	if err != nil {
		return nil, err
	}
	sum := exprSum{minus: sign == '-', left: left, right: right}
	return sum, p.checkSum(sum)
}

func (p *exprParser) setOperand() (exprNode, error) {
	n, err := p.primary()
	if err != nil {
		return nil, err
	}
	n = ungroup(n)
	if n.condition() {
		return nil, p.syntax()
	}
	return n, nil
}

// valueAction parses path :value, the form of ADD and DELETE.
func (p *exprParser) valueAction(keyword string, actions *[]exprAssign) error {
	path, err := p.path()
	if err != nil {
		return err
	}
	if p.peek().kind != ':' {
		return p.syntax()
	}
	value, err := p.value()
	if err != nil {
		return err
	}
	*actions = append(*actions, exprAssign{path: path, value: value})
	return p.checkAction(keyword, value.v)
}
