package filter

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// expression reads one alternative of a field. absent says that it is exists false, which has no operator.
func expression(s *syntax) (op operator, absent bool, err error) {
	switch s.kind {
	case jsontext.KindBeginObject:
		return matchExpression(s)
	case jsontext.KindNumber:
		return newEqualNumber(s), false, nil
	case jsontext.KindString:
		if address, ok := parseAddress([]byte(s.text)); ok {
			return &equalAddress{address: address, text: s.text}, false, nil
		}
		return equalText(s.text), false, nil
	case jsontext.KindNull, jsontext.KindTrue, jsontext.KindFalse:
		return equalLiteral(kindOf(s.kind)), false, nil
	case jsontext.KindBeginArray, jsontext.KindEndArray, jsontext.KindEndObject, jsontext.KindInvalid:
	}
	return nil, false,
		errors.New("must be a string, a number, true, false, null or an object with an operator, not a list")
}

func newEqualNumber(s *syntax) *equalNumber {
	return &equalNumber{number: parseNumber(s.raw), text: s.text}
}

const operatorNames = "anything-but, cidr, equals-ignore-case, exactly, exists, numeric, prefix, suffix, wildcard"

func matchExpression(s *syntax) (op operator, absent bool, err error) {
	switch len(s.members) {
	case 0:
		return nil, false, errors.New("is an empty object; it must hold one operator of " + operatorNames)
	case 1:
	default:
		return nil, false,
			fmt.Errorf("holds %d operators (%s); one object holds one operator, alternatives are objects of their own",
				len(s.members), memberNames(s))
	}
	name, v := s.members[0].name, &s.members[0].value
	switch name {
	case "exactly":
		op, err = text(v, name, func(x string) (operator, error) { return equalText(x), nil })
	case "equals-ignore-case":
		op, err = text(v, name, func(x string) (operator, error) { return &equalFolded{newFolded(x)}, nil })
	case "wildcard":
		op, err = text(v, name, newWildcard)
	case "cidr":
		op, err = text(v, name, newCIDR)
	case "prefix", "suffix":
		op, err = affix(v, name)
	case "numeric":
		op, err = numeric(v)
	case "anything-but":
		op, err = newAnythingBut(v)
	case "exists":
		if v.kind == jsontext.KindFalse {
			return nil, true, nil
		}
		op = present{}
		if v.kind != jsontext.KindTrue {
			err = errors.New("exists: must be true or false")
		}
	default:
		err = fmt.Errorf("unknown operator %s; possible are %s", strconv.Quote(name), operatorNames)
	}
	return op, false, err
}

func memberNames(s *syntax) string {
	names := make([]string, len(s.members))
	for i, m := range s.members {
		names[i] = m.name
	}
	return strings.Join(names, ", ")
}

// text makes an operator whose argument must be a string.
func text(v *syntax, name string, build func(string) (operator, error)) (operator, error) {
	if v.kind != jsontext.KindString {
		return nil, fmt.Errorf("%s: must be a string, not %s", name, describe(v))
	}
	op, err := build(v.text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return op, nil
}

// describe names the type of v.
func describe(v *syntax) string {
	switch v.kind {
	case jsontext.KindBeginObject:
		return "an object"
	case jsontext.KindBeginArray:
		return "a list"
	case jsontext.KindString:
		return "a string"
	case jsontext.KindNumber:
		return "a number"
	case jsontext.KindNull, jsontext.KindTrue, jsontext.KindFalse, jsontext.KindEndObject, jsontext.KindEndArray,
		jsontext.KindInvalid:
	}
	return v.text
}

// affix reads the argument of prefix and suffix: a string, or an object with equals-ignore-case.
func affix(v *syntax, name string) (operator, error) {
	if v.kind != jsontext.KindBeginObject {
		return text(v, name, func(x string) (operator, error) {
			if name == "prefix" {
				return prefix(x), nil
			}
			return suffix(x), nil
		})
	}
	if len(v.members) != 1 || v.members[0].name != "equals-ignore-case" {
		return nil,
			fmt.Errorf("%s: must be a string or an object with equals-ignore-case alone, not with %s", name,
				noneOr(memberNames(v)))
	}
	return text(&v.members[0].value, name+": equals-ignore-case", func(x string) (operator, error) {
		if name == "prefix" {
			return &prefixFolded{newFolded(x)}, nil
		}
		return &suffixFolded{newFolded(x)}, nil
	})
}

func noneOr(names string) string {
	if names == "" {
		return "nothing"
	}
	return names
}

// numeric reads ["=", x], [">", x], [">=", x], ["<", x], ["<=", x] or a lower bound followed by an upper one.
func numeric(v *syntax) (operator, error) {
	const allowed = `"=", ">", ">=", "<" or "<=" and a number, ` +
		`or a lower bound followed by an upper one such as [">", 0, "<=", 5]`
	if v.kind != jsontext.KindBeginArray {
		return nil, fmt.Errorf("numeric: must be a list of %s, not %s", allowed, describe(v))
	}
	if n := len(v.items); n != 2 && n != 4 {
		return nil, fmt.Errorf("numeric: has %d elements; it must be %s", n, allowed)
	}
	for i := range v.items {
		if item := &v.items[i]; i%2 == 0 && item.kind != jsontext.KindString ||
			i%2 == 1 && item.kind != jsontext.KindNumber {
			return nil, fmt.Errorf("numeric: element %d is %s; it must be %s", i, describe(item), allowed)
		}
	}
	sign := v.items[0].text
	if sign == "=" && len(v.items) == 2 {
		return newEqualNumber(&v.items[1]), nil
	}
	r := &numericRange{text: sign + " " + v.items[1].text}
	b := bound{number: parseNumber(v.items[1].raw), set: true, open: len(sign) == 1}
	switch sign {
	case ">", ">=":
		r.low = b
	case "<", "<=", "=":
		if len(v.items) == 4 {
			return nil,
				fmt.Errorf("numeric: %s stands before another bound; a range is a lower bound followed by an upper one",
					sign)
		}
		r.high = b
	default:
		return nil, fmt.Errorf("numeric: unknown comparison %s; it must be %s", strconv.Quote(sign), allowed)
	}
	if len(v.items) == 2 {
		return r, nil
	}
	sign = v.items[2].text
	if sign != "<" && sign != "<=" {
		return nil,
			fmt.Errorf("numeric: %s as the second bound; behind a lower bound it must be < or <=", strconv.Quote(sign))
	}
	r.high = bound{number: parseNumber(v.items[3].raw), set: true, open: len(sign) == 1}
	if r.low.compare(&r.high.number) >= 0 {
		return nil,
			fmt.Errorf("numeric: the lower bound %s must be less than the upper bound %s", v.items[1].text,
				v.items[3].text)
	}
	r.text += " and " + sign + " " + v.items[3].text
	return r, nil
}

func newWildcard(pattern string) (operator, error) {
	w := &wildcard{text: pattern}
	var part []byte
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; c {
		case '*':
			if strings.HasPrefix(pattern[i:], "**") {
				return nil, fmt.Errorf("has ** at byte %d; one * stands for any run of characters, also of none", i)
			}
			w.parts = append(w.parts, string(part))
			part = part[:0]
		case '\\':
			if rest := pattern[i+1:]; rest == "" || rest[0] != '*' && rest[0] != '\\' {
				return nil, fmt.Errorf(`has a backslash at byte %d that escapes nothing; possible are \* and \\`, i)
			}
			i++
			part = append(part, pattern[i])
		default:
			part = append(part, c)
		}
	}
	w.parts = append(w.parts, string(part))
	return w, nil
}

func newCIDR(block string) (operator, error) {
	left, right, ok := strings.Cut(block, "/")
	address, valid := parseAddress([]byte(left))
	if !ok || !valid {
		return nil,
			fmt.Errorf("%s must be an IP address, / and the number of fixed bits, such as 10.0.0.0/8 or 2001:db8::/32",
				strconv.Quote(block))
	}
	bits, err := strconv.ParseUint(right, 10, 8)
	if most := address.BitLen() - 1; err != nil || int(bits) > most {
		return nil,
			fmt.Errorf("%s must fix 0 to %d bits; a single address is written as a plain string", strconv.Quote(block),
				most)
	}
	return cidr(netip.PrefixFrom(address, int(bits)).Masked()), nil
}

// newAnythingBut reads a string, a number, a list of one of them, or an object with one operator on a string or
// strings.
func newAnythingBut(v *syntax) (operator, error) {
	const allowed = "a string, a number, a list of strings or of numbers, " +
		"or an object with one of equals-ignore-case, prefix, suffix, wildcard"
	build, name, of := func(s *syntax) (operator, error) {
		// The text alone: an IP address is excluded in this spelling only, as in event-ruler.
		if s.kind == jsontext.KindString {
			return equalText(s.text), nil
		}
		return newEqualNumber(s), nil
	}, "anything-but", v
	kinds := []jsontext.Kind{jsontext.KindString, jsontext.KindNumber}
	if v.kind == jsontext.KindBeginObject {
		if len(v.members) != 1 {
			return nil, fmt.Errorf("anything-but: must be %s; the object holds %s", allowed, noneOr(memberNames(v)))
		}
		member := v.members[0].name
		name, of, kinds = "anything-but: "+member, &v.members[0].value, kinds[:1]
		switch member {
		case "equals-ignore-case":
			build = func(s *syntax) (operator, error) { return &equalFolded{newFolded(s.text)}, nil }
		case "wildcard":
			build = func(s *syntax) (operator, error) { return newWildcard(s.text) }
		case "prefix", "suffix":
			build = func(s *syntax) (operator, error) {
				if s.text == "" {
					return nil, errors.New("must not be empty: nothing would be left")
				}
				if member == "prefix" {
					return prefix(s.text), nil
				}
				return suffix(s.text), nil
			}
		default:
			return nil, fmt.Errorf("anything-but: unknown operator %s; it must be %s", strconv.Quote(member), allowed)
		}
	}
	items := of.items
	if of.kind != jsontext.KindBeginArray {
		items = []syntax{*of}
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("%s: must not be an empty list", name)
	}
	o := &anythingBut{text: string(v.raw)}
	for i := range items {
		item := &items[i]
		if item.kind != kinds[0] && item.kind != kinds[len(kinds)-1] {
			if len(kinds) == 1 {
				return nil, fmt.Errorf("%s: must be a string or a list of strings, not %s", name, describeIn(of, item))
			}
			return nil, fmt.Errorf("%s: must be %s, not %s", name, allowed, describeIn(of, item))
		}
		if item.kind != items[0].kind {
			return nil, fmt.Errorf("%s: mixes strings and numbers; a list must be of one type", name)
		}
		but, err := build(item)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		o.operators = append(o.operators, but)
	}
	return o, nil
}

// describeIn names the type of an item, and that it is one of a list.
func describeIn(of, item *syntax) string {
	if of.kind == jsontext.KindBeginArray {
		return "a list with " + describe(item)
	}
	return describe(item)
}
