package fakeaws

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// The values of FilterPolicyScope.
const (
	filterAttributes = "MessageAttributes"
	filterBody       = "MessageBody"
)

// Limits of a filter policy (SNS Developer Guide, "Filter policy constraints").
const (
	filterMaxKeys         = 5
	filterMaxCombinations = 150
)

// filterPolicy decides which messages a subscription gets: every key must match one of its conditions. Known are exact
// strings, numbers, booleans and null, and prefix, suffix, equals-ignore-case, anything-but (values or prefix), numeric
// and exists. Nested keys match nested objects of the message body. $or and cidr are refused.
type filterPolicy struct {
	body bool
	root filterNode
}

// filterNode has either conditions or, in a policy for message bodies, nested keys.
type filterNode struct {
	conditions []filterCondition
	keys       map[string]filterNode
}

// filterCondition looks at one value: nil (JSON null), string, json.Number or bool.
type filterCondition func(value any, exists bool) bool

// filterError says what is wrong with a policy, in AWS' words where they are known.
type filterError string

func (e filterError) Error() string { return string(e) }

// parseFilterPolicy reads a policy; the empty one lets everything pass and is nil.
func parseFilterPolicy(policy, scope string) (*filterPolicy, error) {
	if policy == "" {
		return nil, nil //nolint:nilnil // No policy.
	}
	var doc map[string]any
	if err := filterDecode(policy, &doc); err != nil {
		return nil, filterError("failed to parse JSON.")
	}
	if len(doc) == 0 {
		return nil, nil //nolint:nilnil // No policy.
	}
	if len(doc) > filterMaxKeys {
		return nil, filterError(fmt.Sprintf("Filter policy can not have more than %d keys", filterMaxKeys))
	}
	combinations := 1
	keys, err := parseFilterKeys(doc, scope == filterBody, 1, &combinations)
	if err != nil {
		return nil, err
	}
	if combinations > filterMaxCombinations {
		return nil, filterError("Filter policy is too complex")
	}
	return &filterPolicy{body: scope == filterBody, root: filterNode{keys: keys}}, nil
}

func filterDecode(doc string, v any) error {
	dec := json.NewDecoder(strings.NewReader(doc))
	dec.UseNumber()
	return dec.Decode(v)
}

func parseFilterKeys(doc map[string]any, nested bool, depth int, combinations *int) (map[string]filterNode, error) {
	keys := map[string]filterNode{}
	for _, key := range sortedKeys(doc) {
		switch value := doc[key].(type) {
		case []any:
			if key == "$or" {
				return nil, filterError("the emulator does not know $or")
			}
			if len(value) == 0 {
				return nil, filterError("Empty arrays are not allowed")
			}
			*combinations *= len(value) * depth
			node := filterNode{}
			for _, rule := range value {
				c, err := parseFilterRule(rule)
				if err != nil {
					return nil, err
				}
				node.conditions = append(node.conditions, c)
			}
			keys[key] = node
		case map[string]any:
			if !nested {
				return nil, filterError("Filter policy scope MessageAttributes does not support nested filter policy")
			}
			inner, err := parseFilterKeys(value, nested, depth+1, combinations)
			if err != nil {
				return nil, err
			}
			keys[key] = filterNode{keys: inner}
		default:
			return nil, filterError(fmt.Sprintf("%q must be an object or an array", key))
		}
	}
	return keys, nil
}

func parseFilterRule(rule any) (filterCondition, error) {
	doc, ok := rule.(map[string]any)
	if !ok {
		if _, list := rule.([]any); list {
			return nil, filterError("Match value must be String, number, true, false, or null")
		}
		return func(value any, exists bool) bool { return exists && filterSame(value, rule) }, nil
	}
	if len(doc) != 1 {
		return nil, filterError("Only one key allowed in match expression")
	}
	operator := sortedKeys(doc)[0]
	operand := doc[operator]
	switch operator {
	case "prefix", "suffix", "equals-ignore-case":
		return filterText(operator, operand)
	case "exists":
		want, ok := operand.(bool)
		if !ok {
			return nil, filterError("exists match pattern must be either true or false.")
		}
		return func(_ any, exists bool) bool { return exists == want }, nil
	case "numeric":
		return filterNumeric(operand)
	case "anything-but":
		return filterAnythingBut(operand)
	}
	return nil, filterError(fmt.Sprintf("Unrecognized match type %s", operator))
}

func filterText(operator string, operand any) (filterCondition, error) {
	want, ok := operand.(string)
	if !ok {
		return nil, filterError(fmt.Sprintf("%s match pattern must be a string", operator))
	}
	match := map[string]func(s, want string) bool{
		"prefix": strings.HasPrefix, "suffix": strings.HasSuffix, "equals-ignore-case": strings.EqualFold,
	}[operator]
	return func(value any, exists bool) bool {
		s, isString := value.(string)
		return exists && isString && match(s, want)
	}, nil
}

func filterAnythingBut(operand any) (filterCondition, error) {
	if doc, ok := operand.(map[string]any); ok {
		prefix, ok := doc["prefix"].(string)
		if !ok || len(doc) != 1 {
			return nil, filterError("Unsupported anything-but pattern")
		}
		return func(value any, exists bool) bool {
			s, isString := value.(string)
			return exists && isString && !strings.HasPrefix(s, prefix)
		}, nil
	}
	list, ok := operand.([]any)
	if !ok {
		list = []any{operand}
	}
	return func(value any, exists bool) bool {
		return exists && !slices.ContainsFunc(list, func(not any) bool { return filterSame(value, not) })
	}, nil
}

// filterNumeric reads ["=", n] and ranges like [">", n, "<=", m].
func filterNumeric(operand any) (filterCondition, error) {
	list, _ := operand.([]any)
	type bound struct {
		operator string
		limit    float64
	}
	var bounds []bound
	for i := 0; i < len(list); i += 2 {
		operator, _ := list[i].(string)
		if !slices.Contains([]string{"=", "<", "<=", ">", ">="}, operator) {
			return nil, filterError(fmt.Sprintf("Unrecognized numeric range operator: %v", list[i]))
		}
		if i+1 == len(list) {
			return nil, filterError(fmt.Sprintf("Value of %s must be numeric", operator))
		}
		limit, isNumber := filterNumber(list[i+1])
		if !isNumber {
			return nil, filterError(fmt.Sprintf("Value of %s must be numeric", operator))
		}
		bounds = append(bounds, bound{operator, limit})
	}
	if len(bounds) < 1 || len(bounds) > 2 {
		return nil, filterError("Invalid member in numeric match: it takes one operator with a number, or two")
	}
	return func(value any, _ bool) bool {
		f, isNumber := filterNumber(value)
		return isNumber && !slices.ContainsFunc(bounds, func(b bound) bool {
			switch b.operator {
			case "=":
				return f != b.limit
			case "<":
				return f >= b.limit
			case "<=":
				return f > b.limit
			case ">":
				return f <= b.limit
			}
			return f < b.limit
		})
	}, nil
}

func filterNumber(v any) (float64, bool) {
	n, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := strconv.ParseFloat(n.String(), 64)
	return f, err == nil
}

// filterSame compares two JSON values; numbers by value.
func filterSame(a, b any) bool {
	if x, ok := filterNumber(a); ok {
		y, ok := filterNumber(b)
		return ok && x == y
	}
	switch a.(type) {
	case nil, string, bool:
		return a == b
	}
	return false
}

// match reports whether a message passes. A nil policy lets everything pass.
func (p *filterPolicy) match(body string, attributes map[string]MessageAttribute) bool {
	if p == nil {
		return true
	}
	var doc any
	if p.body {
		if filterDecode(body, &doc) != nil || !bytes.HasPrefix(bytes.TrimSpace([]byte(body)), []byte("{")) {
			return false
		}
		return p.root.match([]any{doc}, true)
	}
	values := map[string]any{}
	for name, a := range attributes {
		if v, ok := filterValue(a); ok {
			values[name] = v
		}
	}
	return p.root.match([]any{values}, true)
}

// filterValue is what a filter policy sees of a message attribute: nothing of a binary one.
func filterValue(a MessageAttribute) (any, bool) {
	switch {
	case a.binary():
		return nil, false
	case a.DataType == "String.Array":
		var list []any
		if filterDecode(a.StringValue, &list) != nil {
			return nil, false
		}
		return list, true
	case baseType(a.DataType) == "Number":
		return json.Number(a.StringValue), true
	}
	return a.StringValue, true
}

// match looks at the values that stand where the node stands; arrays count as each of their elements.
func (n filterNode) match(values []any, exists bool) bool {
	if n.keys == nil {
		if !exists || len(values) == 0 {
			values = []any{nil}
		}
		return slices.ContainsFunc(n.conditions, func(c filterCondition) bool {
			return slices.ContainsFunc(values, func(v any) bool { return c(v, exists) })
		})
	}
	for key, inner := range n.keys {
		var found []any
		present := false
		for _, v := range values {
			object, ok := v.(map[string]any)
			if !ok {
				continue
			}
			if member, ok := object[key]; ok {
				present = true
				found = append(found, filterFlatten(member)...)
			}
		}
		if !inner.match(found, present) {
			return false
		}
	}
	return true
}

// filterFlatten takes arrays apart, nested ones as well.
func filterFlatten(v any) []any {
	list, ok := v.([]any)
	if !ok {
		return []any{v}
	}
	var all []any
	for _, e := range list {
		all = append(all, filterFlatten(e)...)
	}
	return all
}
