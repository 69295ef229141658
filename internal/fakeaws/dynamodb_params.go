package fakeaws

import (
	"maps"
	"slices"
	"strings"
)

// exprParams are the #names and :values of one request, and which of them its expressions used.
type exprParams struct {
	names      map[string]string
	values     map[string]attr
	usedNames  map[string]bool
	usedValues map[string]bool
}

// newExprParams checks the two maps of a request. expressions reports whether the request has any expression.
func newExprParams(names map[string]string, values wireItem, expressions bool) (*exprParams, error) {
	p := &exprParams{
		names: names, values: map[string]attr{}, usedNames: map[string]bool{}, usedValues: map[string]bool{},
	}
	switch {
	case !expressions && names != nil:
		return nil, validation("ExpressionAttributeNames can only be specified when using expressions")
	case !expressions && values != nil:
		return nil, validation("ExpressionAttributeValues can only be specified when using expressions")
	case names != nil && len(names) == 0:
		return nil, validation("ExpressionAttributeNames must not be empty")
	case values != nil && len(values) == 0:
		return nil, validation("ExpressionAttributeValues must not be empty")
	}
	for key := range names {
		if !placeholder(key, '#') {
			return nil, validation(`ExpressionAttributeNames contains invalid key: Syntax error; key: "%s"`, key)
		}
	}
	for key, wire := range values {
		if !placeholder(key, ':') {
			return nil, validation(`ExpressionAttributeValues contains invalid key: Syntax error; key: "%s"`, key)
		}
		v, err := wire.attr()
		if err != nil {
			return nil, validation(
				"ExpressionAttributeValues contains invalid value: %s for key %s", messageOf(err), key,
			)
		}
		p.values[key] = v
	}
	return p, nil
}

func placeholder(key string, mark byte) bool {
	return len(key) > 1 && key[0] == mark && wordLength(key[1:]) == len(key)-1
}

// unused returns an error when a name or a value was given that no expression used.
func (p *exprParams) unused() error {
	if left := unusedKeys(p.names, p.usedNames); left != "" {
		return validation("Value provided in ExpressionAttributeNames unused in expressions: keys: {%s}", left)
	}
	if left := unusedKeys(p.values, p.usedValues); left != "" {
		return validation("Value provided in ExpressionAttributeValues unused in expressions: keys: {%s}", left)
	}
	return nil
}

func unusedKeys[V any](given map[string]V, used map[string]bool) string {
	return strings.Join(
		slices.DeleteFunc(slices.Sorted(maps.Keys(given)), func(k string) bool { return used[k] }), ", ",
	)
}

// exprToken is a word, a #name, a :value, an index, an operator or a bracket. kind is 'w', '#', ':', '0', the
// operator's or bracket's first byte, or 0 at the end.
type exprToken struct {
	kind byte
	text string
}

// nextToken reads the token at the start of s, which is not empty; ok is false for a character outside the language.
func nextToken(s string) (t exprToken, ok bool) {
	c := s[0]
	switch {
	case c == '#' || c == ':':
		n := 1 + wordLength(s[1:])
		return exprToken{kind: c, text: s[:n]}, n > 1
	case c >= '0' && c <= '9':
		n := len(s) - len(strings.TrimLeft(s, "0123456789"))
		return exprToken{kind: '0', text: s[:n]}, true
	case wordLength(s) > 0:
		return exprToken{kind: 'w', text: s[:wordLength(s)]}, true
	case strings.HasPrefix(s, "<>"), strings.HasPrefix(s, "<="), strings.HasPrefix(s, ">="):
		return exprToken{kind: c, text: s[:2]}, true
	case strings.IndexByte("=<>()[],.+-", c) >= 0:
		return exprToken{kind: c, text: s[:1]}, true
	}
	return exprToken{text: s[:1]}, false
}

func wordLength(s string) int {
	return len(s) - len(strings.TrimLeft(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_"))
}
