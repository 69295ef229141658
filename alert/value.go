package alert

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"strconv"
	"time"
)

// kind is what a value is. Only values of one kind compare.
type kind uint8

const (
	absent kind = iota
	null
	boolean
	number
	text
	composite
	moment
	span
)

// value is the value of one field, constant or computed operand. Its bytes alias the payload or the evaluator's scratch
// space and end with the record.
type value struct {
	kind kind
	// wide marks an integer literal of at least 2^53 in magnitude, of which num is only the nearest float64.
	wide bool
	// num is the number, or 1 for true.
	num float64
	// raw is the text, unescaped; the digits of a wide integer; the JSON of a composite.
	raw []byte
	// ns is a span in nanoseconds.
	ns int64
	at time.Time
}

// maxExact is 2^53: below it float64 holds every integer.
const maxExact = 1 << 53

// verdict is the result of a term: no, yes, or undefined for one of the causes behind yes.
type verdict uint8

const (
	no verdict = iota
	yes
	// undefinedMissing means that a field is not in the record.
	undefinedMissing
	// undefinedNull means that a field, or what was computed, is null.
	undefinedNull
	// undefinedMistyped means that the sides of a comparison are of different types, or of one without that comparison.
	undefinedMistyped
	// undefinedInexact means that a computation needed an integer that float64 cannot hold.
	undefinedInexact
	// undefinedNotFinite means that a computation gave an infinity or NaN, as a division by zero does.
	undefinedNotFinite
	// undefinedFailed means that the expression could not be computed: an index out of range, a text that is no date.
	undefinedFailed
	// undefinedOverBudget means that the rule would cost more than a rule may with one record; see meter.
	undefinedOverBudget

	verdictCount
)

func (v verdict) undefined() bool { return v > yes }

// cause is the label value of kinesis_alerter_rule_undefined_total.
func (v verdict) cause() string {
	switch v {
	case undefinedMissing:
		return "missing"
	case undefinedNull:
		return "null"
	case undefinedMistyped:
		return "mistyped"
	case undefinedInexact:
		return "inexact"
	case undefinedNotFinite:
		return "not_finite"
	case undefinedFailed:
		return "failed"
	case undefinedOverBudget:
		return "over_budget"
	case no, yes, verdictCount:
	}
	return "none"
}

func verdictOf(b bool) verdict {
	if b {
		return yes
	}
	return no
}

// operator is a comparison.
type operator uint8

const (
	equal operator = iota
	notEqual
	less
	lessOrEqual
	more
	moreOrEqual
)

// comparison returns the operator that expr writes as s.
func comparison(s string) (operator, bool) {
	switch s {
	case "==":
		return equal, true
	case "!=":
		return notEqual, true
	case "<":
		return less, true
	case "<=":
		return lessOrEqual, true
	case ">":
		return more, true
	case ">=":
		return moreOrEqual, true
	}
	return 0, false
}

// flipped is the operator with its sides exchanged.
func (o operator) flipped() operator {
	switch o {
	case less:
		return more
	case lessOrEqual:
		return moreOrEqual
	case more:
		return less
	case moreOrEqual:
		return lessOrEqual
	case equal, notEqual:
	}
	return o
}

// negated is the operator that holds where this one does not.
func (o operator) negated() operator {
	switch o {
	case equal:
		return notEqual
	case notEqual:
		return equal
	case less:
		return moreOrEqual
	case lessOrEqual:
		return more
	case more:
		return lessOrEqual
	case moreOrEqual:
		return less
	}
	return o
}

// holds says whether the operator holds for sides that compare as order (-1, 0 or 1).
func (o operator) holds(order int) verdict {
	switch o {
	case equal:
		return verdictOf(order == 0)
	case notEqual:
		return verdictOf(order != 0)
	case less:
		return verdictOf(order < 0)
	case lessOrEqual:
		return verdictOf(order <= 0)
	case more:
		return verdictOf(order > 0)
	case moreOrEqual:
		return verdictOf(order >= 0)
	}
	return undefinedFailed
}

// compare applies o to a and b.
func compare(o operator, a, b *value) verdict {
	if a.kind != b.kind || a.kind <= null {
		return incomparable(a, b)
	}
	switch a.kind {
	case number:
		return o.holds(compareNumbers(a, b))
	case text:
		return o.holds(bytes.Compare(a.raw, b.raw))
	case boolean:
		if o != equal && o != notEqual {
			return undefinedMistyped
		}
		return o.holds(cmp.Compare(a.num, b.num))
	case moment:
		return o.holds(a.at.Compare(b.at))
	case span:
		return o.holds(cmp.Compare(a.ns, b.ns))
	case absent, null, composite:
	}
	return undefinedMistyped
}

// incomparable names the cause for sides that have no common type.
func incomparable(a, b *value) verdict {
	switch {
	case a.kind == absent || b.kind == absent:
		return undefinedMissing
	case a.kind == null || b.kind == null:
		return undefinedNull
	}
	return undefinedMistyped
}

func compareNumbers(a, b *value) int {
	if !a.wide && !b.wide {
		return cmp.Compare(a.num, b.num)
	}
	if x, ok := a.integer(); ok {
		if y, ok := b.integer(); ok {
			return cmp.Compare(x, y)
		}
	}
	x, y := a.rational(), b.rational()
	return x.Cmp(y)
}

// integer is the number as an int64, if it is one.
func (v *value) integer() (int64, bool) {
	if v.wide {
		n, err := strconv.ParseInt(string(v.raw), 10, 64)
		return n, err == nil
	}
	if math.Abs(v.num) < maxExact && v.num == math.Trunc(v.num) {
		return int64(v.num), true
	}
	return 0, false
}

// rational is the number exactly. Its size is bounded: digits beyond float64's range never get here.
func (v *value) rational() *big.Rat {
	r := new(big.Rat)
	if v.wide {
		// The decoder let only digits through, so it cannot fail.
		r.SetString(string(v.raw))
		return r
	}
	r.SetFloat64(v.num)
	return r
}

// numberOf reads a JSON number. It is false if the number is beyond float64.
func numberOf(literal []byte) (value, bool) {
	f, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		return value{}, false
	}
	v := value{kind: number, num: f}
	if math.Abs(f) >= maxExact && !bytes.ContainsAny(literal, ".eE") {
		v.wide, v.raw = true, literal
	}
	return v, true
}

func integerValue(n int64) value {
	v := value{kind: number, num: float64(n)}
	if math.Abs(v.num) >= maxExact {
		v.wide, v.raw = true, strconv.AppendInt(nil, n, 10)
	}
	return v
}

// valueOf is what the virtual machine computed, as a value, or the cause why it is none.
func valueOf(x any) (value, verdict) {
	switch x := x.(type) {
	case nil:
		return value{kind: null}, undefinedNull
	case bool:
		v := value{kind: boolean}
		if x {
			v.num = 1
		}
		return v, yes
	case string:
		return value{kind: text, raw: []byte(x)}, yes
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return value{kind: number}, undefinedNotFinite
		}
		return value{kind: number, num: x}, yes
	case int:
		return integerValue(int64(x)), yes
	case int64:
		return integerValue(x), yes
	case integer:
		return value{kind: number, num: x.nearest, wide: true, raw: []byte(x.digits)}, yes
	case time.Time:
		return value{kind: moment, at: x}, yes
	case time.Duration:
		return value{kind: span, ns: int64(x)}, yes
	}
	return value{kind: composite}, yes
}

// integer is how the virtual machine sees a wide integer. None of its operators accepts the type, which is the point:
// the alternative is a silently rounded result.
type integer struct {
	digits  string
	nearest float64
}

// String returns the digits, so that string(id) is exact.
func (i integer) String() string { return i.digits }

// Printed is what the budget counts.
func (i integer) Printed() (size, widest int64) { return int64(len(i.digits)) + maxPrintedNumber, 0 }

// boxed is the value as the virtual machine sees it. It shares no memory with the payload.
func (v *value) boxed() (any, verdict) {
	switch v.kind {
	case absent, null:
		return nil, yes
	case boolean:
		return v.num == 1, yes
	case number:
		if v.wide {
			return integer{digits: string(v.raw), nearest: v.num}, yes
		}
		return v.num, yes
	case text:
		return string(v.raw), yes
	case moment:
		return v.at, yes
	case span:
		return time.Duration(v.ns), yes
	case composite:
		return boxedJSON(v.raw)
	}
	return nil, undefinedFailed
}

// appendText appends the value as people write it.
func (v *value) appendText(b []byte) []byte {
	switch v.kind {
	case text, composite:
		return append(b, v.raw...)
	case number:
		switch size := math.Abs(v.num); {
		case v.wide && size < plainBelow:
			return append(b, v.raw...)
		case v.wide:
			if _, exact := v.rational().Float64(); !exact {
				return append(b, v.raw...)
			}
		case size >= 1<<53 && size < plainBelow: // a whole number: its digits, as an integer has them
			return strconv.AppendFloat(b, v.num, 'f', 0, 64)
		}
		return appendNumber(b, v.num+0) // -0 is 0
	case boolean:
		return strconv.AppendBool(b, v.num == 1)
	case moment:
		return v.at.AppendFormat(b, time.RFC3339Nano)
	case span:
		return append(b, time.Duration(v.ns).String()...)
	case absent, null:
	}
	return b
}

// plainBelow is up to where numbers are written without an exponent.
const plainBelow = 1e21

// appendNumber appends a number without an exponent, unless it is out of any human range.
func appendNumber(b []byte, f float64) []byte {
	if f > plainBelow || f < -plainBelow {
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}
