package filter

import (
	"bytes"
	"cmp"
	"math"
)

// number is a decimal number of any size and precision, in a form that compares without arithmetic: value = sign *
// 0.d1d2d3... * 10^exponent with d1 not 0.
type number struct {
	// sign is -1, 0 or 1; all else is zero if it is 0.
	sign int
	// exponent is the power of ten of the first digit. One that int64 cannot hold is cut to the nearest that it can.
	exponent int64
	// head is the first 19 digits, filled up with zeros.
	head uint64
	// rest are the digits behind them up to the last that is not 0. A decimal point may be among them.
	rest []byte
}

// headDigits is how many decimal digits a uint64 always holds.
const headDigits = 19

// parseNumber reads the text of a valid JSON number, to which the result refers.
func parseNumber(text []byte) number {
	n := number{sign: 1}
	if text[0] == '-' {
		n.sign = -1
		text = text[1:]
	}
	for i, c := range text {
		if c|0x20 == 'e' {
			n.exponent = parseExponent(text[i+1:])
			text = text[:i]
			break
		}
	}
	// integers is the number of digits before the point; a point itself counts nothing.
	integers, digits, used := len(text), 0, 0
	first := -1
	i := 0
	for ; i < len(text) && used < headDigits; i++ {
		c := text[i]
		if c == '.' {
			integers = i
			continue
		}
		if first < 0 && c != '0' {
			first = digits
		}
		if first >= 0 {
			n.head = n.head*10 + uint64(c-'0')
			used++
		}
		digits++
	}
	if first < 0 {
		return number{}
	}
	for ; used < headDigits; used++ {
		n.head *= 10
	}
	if i < len(text) {
		if integers == len(text) {
			if point := bytes.IndexByte(text[i:], '.'); point >= 0 {
				integers = i + point
			}
		}
		n.rest = bytes.TrimRight(text[i:], ".0")
	}
	n.exponent = saturatingAdd(n.exponent, int64(integers-first))
	return n
}

// parseExponent reads what follows the e of a JSON number.
func parseExponent(text []byte) int64 {
	negative := text[0] == '-'
	if negative || text[0] == '+' {
		text = text[1:]
	}
	var x int64
	for _, c := range text {
		if x > (math.MaxInt64-9)/10 {
			x = math.MaxInt64
			break
		}
		x = x*10 + int64(c-'0')
	}
	if negative {
		return -x
	}
	return x
}

func saturatingAdd(a, b int64) int64 {
	switch {
	case b > 0 && a > math.MaxInt64-b:
		return math.MaxInt64
	case b < 0 && a < math.MinInt64-b:
		return math.MinInt64
	}
	return a + b
}

// compare returns -1, 0 or 1 as n is less than, equal to or greater than o.
func (n *number) compare(o *number) int {
	if c := cmp.Compare(n.sign, o.sign); c != 0 || n.sign == 0 {
		return c
	}
	c := cmp.Compare(n.exponent, o.exponent)
	if c == 0 {
		c = cmp.Compare(n.head, o.head)
	}
	if c == 0 && (len(n.rest) > 0 || len(o.rest) > 0) {
		c = compareDigits(n.rest, o.rest)
	}
	return c * n.sign
}

// compareDigits compares two runs of digits, neither of which ends with 0, over points.
func compareDigits(a, b []byte) int {
	for {
		if len(a) > 0 && a[0] == '.' {
			a = a[1:]
		}
		if len(b) > 0 && b[0] == '.' {
			b = b[1:]
		}
		if len(a) == 0 || len(b) == 0 {
			return cmp.Compare(len(a), len(b))
		}
		if a[0] != b[0] {
			return cmp.Compare(a[0], b[0])
		}
		a, b = a[1:], b[1:]
	}
}

// numberKey is what equal numbers have in common. Numbers of more than 19 digits may share it and differ.
type numberKey struct {
	sign     int
	exponent int64
	head     uint64
}

func (n *number) key() numberKey { return numberKey{sign: n.sign, exponent: n.exponent, head: n.head} }
