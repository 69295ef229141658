package fakeaws

import (
	"cmp"
	"math/big"
	"strings"
)

// The bounds of a DynamoDB number: 38 significant digits, magnitudes from 1E-130 to 9.99…E+125.
const (
	numberDigits  = 38
	numberMaxExp  = 125
	numberMinExp  = -130
	numberLiteral = 512 // longest literal that is looked at
)

// attrNumber is an N value: ±digits × 10^exp. The form is canonical (no zeros at either end, zero is the zero value),
// so that == is numeric equality.
type attrNumber struct {
	neg    bool
	digits string
	exp    int
}

// parseNumber reads a decimal literal exactly. It answers a ValidationException for what DynamoDB cannot store.
func parseNumber(s string) (attrNumber, error) {
	bad := func() (attrNumber, error) {
		return attrNumber{}, validation("The parameter cannot be converted to a numeric value: %s", s)
	}
	if s == "" {
		return attrNumber{}, validation("The parameter cannot be converted to a numeric value")
	}
	if len(s) > numberLiteral {
		return bad()
	}
	rest, neg := s, false
	if rest[0] == '+' || rest[0] == '-' {
		neg, rest = rest[0] == '-', rest[1:]
	}
	mantissa, exponent, hasExponent := strings.Cut(strings.ToLower(rest), "e")
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if whole+fraction == "" || !allDigits(whole) || !allDigits(fraction) {
		return bad()
	}
	exp := 0
	if hasExponent {
		e, ok := parseExponent(exponent)
		if !ok {
			return bad()
		}
		exp = e
	}
	return canonicalNumber(neg, whole+fraction, exp-len(fraction))
}

func allDigits(s string) bool {
	return strings.Trim(s, "0123456789") == ""
}

// parseExponent reads a signed exponent. Anything beyond four digits is far outside the range and is clamped.
func parseExponent(s string) (exp int, ok bool) {
	neg := false
	if s != "" && (s[0] == '+' || s[0] == '-') {
		neg, s = s[0] == '-', s[1:]
	}
	if s == "" || !allDigits(s) {
		return 0, false
	}
	for _, c := range s {
		exp = min(exp*10+int(c-'0'), 9999)
	}
	if neg {
		exp = -exp
	}
	return exp, true
}

func canonicalNumber(neg bool, digits string, exp int) (attrNumber, error) {
	digits = strings.TrimLeft(digits, "0")
	trimmed := strings.TrimRight(digits, "0")
	exp += len(digits) - len(trimmed)
	if trimmed == "" {
		return attrNumber{}, nil
	}
	if len(trimmed) > numberDigits {
		return attrNumber{}, validation("Attempting to store more than 38 significant digits in a Number")
	}
	switch scale := exp + len(trimmed) - 1; {
	case scale > numberMaxExp:
		return attrNumber{}, validation(
			"Number overflow. Attempting to store a number with magnitude larger than supported range",
		)
	case scale < numberMinExp:
		return attrNumber{}, validation(
			"Number underflow. Attempting to store a number with magnitude smaller than supported range",
		)
	}
	return attrNumber{neg: neg, digits: trimmed, exp: exp}, nil
}

// String is the plain decimal form that DynamoDB answers with: no exponent, no superfluous zeros.
func (n attrNumber) String() string {
	if n.digits == "" {
		return "0"
	}
	var b strings.Builder
	if n.neg {
		b.WriteByte('-')
	}
	switch point := len(n.digits) + n.exp; {
	case point <= 0:
		b.WriteString("0." + strings.Repeat("0", -point) + n.digits)
	case point >= len(n.digits):
		b.WriteString(n.digits + strings.Repeat("0", n.exp))
	default:
		b.WriteString(n.digits[:point] + "." + n.digits[point:])
	}
	return b.String()
}

// compare orders numbers by value: -1, 0 or +1.
func (n attrNumber) compare(m attrNumber) int {
	if s, t := n.sign(), m.sign(); s != t || s == 0 {
		return cmp.Compare(s, t)
	}
	scale := cmp.Compare(len(n.digits)+n.exp, len(m.digits)+m.exp)
	return n.sign() * cmp.Or(scale, strings.Compare(n.digits, m.digits))
}

func (n attrNumber) sign() int {
	switch {
	case n.digits == "":
		return 0
	case n.neg:
		return -1
	}
	return 1
}

// add returns n + m exactly, or a ValidationException when 38 digits cannot hold it.
func (n attrNumber) add(m attrNumber) (attrNumber, error) {
	exp := min(n.exp, m.exp)
	sum := n.scaled(exp)
	sum.Add(sum, m.scaled(exp))
	return canonicalNumber(sum.Sign() < 0, sum.Abs(sum).String(), exp)
}

func (n attrNumber) negated() attrNumber {
	if n.digits != "" {
		n.neg = !n.neg
	}
	return n
}

// scaled returns n / 10^exp for an exp that is not above n's own.
func (n attrNumber) scaled(exp int) *big.Int {
	v := new(big.Int)
	if n.digits == "" {
		return v
	}
	v.SetString(n.digits+strings.Repeat("0", n.exp-exp), 10)
	if n.neg {
		v.Neg(v)
	}
	return v
}
