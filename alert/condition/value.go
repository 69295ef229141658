package condition

import (
	"bytes"
	"cmp"
	"math"
	"math/big"
	"strconv"
	"time"

	"kinesis-alerter/alert/budget"
)

// Kind is what a value is. Only values of one kind compare.
type Kind uint8

// The kinds.
const (
	Absent Kind = iota
	Null
	Boolean
	Number
	Text
	Composite
	Moment
	Span
)

// Value is the value of one field, constant or computed operand. Its bytes alias the payload or the evaluator's scratch
// space and end with the record.
type Value struct {
	Kind Kind
	// Wide marks an integer literal of at least 2^53 in magnitude, of which num is only the nearest float64.
	Wide bool
	// Num is the number, or 1 for true.
	Num float64
	// Raw is the text, unescaped; the digits of a wide integer; the JSON of a composite.
	Raw []byte
	// ns is a span in nanoseconds.
	NS int64
	At time.Time
}

// maxExact is 2^53: below it float64 holds every integer.
const maxExact = 1 << 53

// Verdict is the result of a term: no, yes, or undefined for one of the causes behind yes.
type Verdict uint8

// The verdicts.
const (
	No Verdict = iota
	Yes
	// UndefinedMissing means that a field is not in the record.
	UndefinedMissing
	// undefinedNull means that a field, or what was computed, is null.
	undefinedNull
	// UndefinedMistyped means that the sides of a comparison are of different types, or of one without that comparison.
	UndefinedMistyped
	// undefinedInexact means that a computation needed an integer that float64 cannot hold.
	undefinedInexact
	// undefinedNotFinite means that a computation gave an infinity or NaN, as a division by zero does.
	undefinedNotFinite
	// undefinedFailed means that the expression could not be computed: an index out of range, a text that is no date.
	undefinedFailed
	// UndefinedOverBudget means that the rule would cost more than a rule may with one record; see meter.
	UndefinedOverBudget

	VerdictCount
)

// Undefined says that the verdict is neither yes nor no.
func (v Verdict) Undefined() bool { return v > Yes }

// Cause is the label value of kinesis_alerter_rule_undefined_total.
func (v Verdict) Cause() string {
	switch v {
	case UndefinedMissing:
		return "missing"
	case undefinedNull:
		return "null"
	case UndefinedMistyped:
		return "mistyped"
	case undefinedInexact:
		return "inexact"
	case undefinedNotFinite:
		return "not_finite"
	case undefinedFailed:
		return "failed"
	case UndefinedOverBudget:
		return "over_budget"
	case No, Yes, VerdictCount:
	}
	return "none"
}

func verdictOf(b bool) Verdict {
	if b {
		return Yes
	}
	return No
}

// Operator is a comparison.
type Operator uint8

// The operators.
const (
	Equal Operator = iota
	NotEqual
	Less
	LessOrEqual
	More
	MoreOrEqual
)

// Comparison returns the operator that expr writes as s.
func Comparison(s string) (Operator, bool) {
	switch s {
	case "==":
		return Equal, true
	case "!=":
		return NotEqual, true
	case "<":
		return Less, true
	case "<=":
		return LessOrEqual, true
	case ">":
		return More, true
	case ">=":
		return MoreOrEqual, true
	}
	return 0, false
}

// flipped is the operator with its sides exchanged.
// String returns the operator as expr writes it.
func (o Operator) String() string {
	return [...]string{Equal: "==", NotEqual: "!=", Less: "<", LessOrEqual: "<=", More: ">", MoreOrEqual: ">="}[o]
}

func (o Operator) flipped() Operator {
	switch o {
	case Less:
		return More
	case LessOrEqual:
		return MoreOrEqual
	case More:
		return Less
	case MoreOrEqual:
		return LessOrEqual
	case Equal, NotEqual:
	}
	return o
}

// Negated is the operator that holds where this one does not.
func (o Operator) Negated() Operator {
	switch o {
	case Equal:
		return NotEqual
	case NotEqual:
		return Equal
	case Less:
		return MoreOrEqual
	case LessOrEqual:
		return More
	case More:
		return LessOrEqual
	case MoreOrEqual:
		return Less
	}
	return o
}

// Holds says whether the operator holds for sides that compare as order (-1, 0 or 1).
func (o Operator) Holds(order int) Verdict {
	switch o {
	case Equal:
		return verdictOf(order == 0)
	case NotEqual:
		return verdictOf(order != 0)
	case Less:
		return verdictOf(order < 0)
	case LessOrEqual:
		return verdictOf(order <= 0)
	case More:
		return verdictOf(order > 0)
	case MoreOrEqual:
		return verdictOf(order >= 0)
	}
	return undefinedFailed
}

// compare applies o to a and b.
func compare(o Operator, a, b *Value) Verdict {
	if a.Kind != b.Kind || a.Kind <= Null {
		return incomparable(a, b)
	}
	switch a.Kind {
	case Number:
		return o.Holds(compareNumbers(a, b))
	case Text:
		return o.Holds(bytes.Compare(a.Raw, b.Raw))
	case Boolean:
		if o != Equal && o != NotEqual {
			return UndefinedMistyped
		}
		return o.Holds(cmp.Compare(a.Num, b.Num))
	case Moment:
		return o.Holds(a.At.Compare(b.At))
	case Span:
		return o.Holds(cmp.Compare(a.NS, b.NS))
	case Absent, Null, Composite:
	}
	return UndefinedMistyped
}

// incomparable names the cause for sides that have no common type.
func incomparable(a, b *Value) Verdict {
	switch {
	case a.Kind == Absent || b.Kind == Absent:
		return UndefinedMissing
	case a.Kind == Null || b.Kind == Null:
		return undefinedNull
	}
	return UndefinedMistyped
}

func compareNumbers(a, b *Value) int {
	if !a.Wide && !b.Wide {
		return cmp.Compare(a.Num, b.Num)
	}
	if x, ok := a.integer(); ok {
		if y, ok := b.integer(); ok {
			return cmp.Compare(x, y)
		}
	}
	x, y := a.Rational(), b.Rational()
	return x.Cmp(y)
}

// integer is the number as an int64, if it is one.
func (v *Value) integer() (int64, bool) {
	if v.Wide {
		n, err := strconv.ParseInt(string(v.Raw), 10, 64)
		return n, err == nil
	}
	if math.Abs(v.Num) < maxExact && v.Num == math.Trunc(v.Num) {
		return int64(v.Num), true
	}
	return 0, false
}

// Rational is the number exactly. Its size is bounded: digits beyond float64's range never get here.
func (v *Value) Rational() *big.Rat {
	r := new(big.Rat)
	if v.Wide {
		// The decoder let only digits through, so it cannot fail.
		r.SetString(string(v.Raw))
		return r
	}
	r.SetFloat64(v.Num)
	return r
}

// numberOf reads a JSON number. It is false if the number is beyond float64.
func numberOf(literal []byte) (Value, bool) {
	f, err := strconv.ParseFloat(string(literal), 64)
	if err != nil {
		return Value{}, false
	}
	v := Value{Kind: Number, Num: f}
	if math.Abs(f) >= maxExact && !bytes.ContainsAny(literal, ".eE") {
		v.Wide, v.Raw = true, literal
	}
	return v, true
}

func integerValue(n int64) Value {
	v := Value{Kind: Number, Num: float64(n)}
	if math.Abs(v.Num) >= maxExact {
		v.Wide, v.Raw = true, strconv.AppendInt(nil, n, 10)
	}
	return v
}

// valueOf is what the virtual machine computed, as a value, or the cause why it is none.
func valueOf(x any) (Value, Verdict) {
	switch x := x.(type) {
	case nil:
		return Value{Kind: Null}, undefinedNull
	case bool:
		v := Value{Kind: Boolean}
		if x {
			v.Num = 1
		}
		return v, Yes
	case string:
		return Value{Kind: Text, Raw: []byte(x)}, Yes
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return Value{Kind: Number}, undefinedNotFinite
		}
		return Value{Kind: Number, Num: x}, Yes
	case int:
		return integerValue(int64(x)), Yes
	case int64:
		return integerValue(x), Yes
	case Integer:
		return Value{Kind: Number, Num: x.nearest, Wide: true, Raw: []byte(x.Digits)}, Yes
	case time.Time:
		return Value{Kind: Moment, At: x}, Yes
	case time.Duration:
		return Value{Kind: Span, NS: int64(x)}, Yes
	}
	return Value{Kind: Composite}, Yes
}

// Integer is how the virtual machine sees a wide integer. None of its operators accepts the type, which is the point:
// the alternative is a silently rounded result.
type Integer struct {
	Digits  string
	nearest float64
}

// String returns the digits, so that string(id) is exact.
func (i Integer) String() string { return i.Digits }

// Printed is what the budget counts.
func (i Integer) Printed() (size, widest int64) {
	return int64(len(i.Digits)) + budget.MaxPrintedNumber, 0
}

// boxed is the value as the virtual machine sees it. It shares no memory with the payload.
func (v *Value) boxed() (any, Verdict) {
	switch v.Kind {
	case Absent, Null:
		return nil, Yes
	case Boolean:
		return v.Num == 1, Yes
	case Number:
		if v.Wide {
			return Integer{Digits: string(v.Raw), nearest: v.Num}, Yes
		}
		return v.Num, Yes
	case Text:
		return string(v.Raw), Yes
	case Moment:
		return v.At, Yes
	case Span:
		return time.Duration(v.NS), Yes
	case Composite:
		return BoxedJSON(v.Raw)
	}
	return nil, undefinedFailed
}

// AppendText appends the value as people write it.
func (v *Value) AppendText(b []byte) []byte {
	switch v.Kind {
	case Text, Composite:
		return append(b, v.Raw...)
	case Number:
		switch size := math.Abs(v.Num); {
		case v.Wide && size < plainBelow:
			return append(b, v.Raw...)
		case v.Wide:
			if _, exact := v.Rational().Float64(); !exact {
				return append(b, v.Raw...)
			}
		case size >= 1<<53 && size < plainBelow: // a whole number: its digits, as an integer has them
			return strconv.AppendFloat(b, v.Num, 'f', 0, 64)
		}
		return AppendNumber(b, v.Num+0) // -0 is 0
	case Boolean:
		return strconv.AppendBool(b, v.Num == 1)
	case Moment:
		return v.At.AppendFormat(b, time.RFC3339Nano)
	case Span:
		return append(b, time.Duration(v.NS).String()...)
	case Absent, Null:
	}
	return b
}

// plainBelow is up to where numbers are written without an exponent.
const plainBelow = 1e21

// AppendNumber appends a number without an exponent, unless it is out of any human range.
func AppendNumber(b []byte, f float64) []byte {
	if f > plainBelow || f < -plainBelow {
		return strconv.AppendFloat(b, f, 'g', -1, 64)
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}
