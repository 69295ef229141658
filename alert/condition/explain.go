package condition

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Explanation is what a term makes of the record at hand, for people.
type Explanation struct {
	// Source is the term as expr prints it.
	Source  string
	Verdict Verdict
	// Fields are the names that the term looks at, with what the record has.
	Fields []FieldValue
	// Compared is a comparison of two numbers with the numbers in it, such as "ANOMALY_SCORE 2.91 > 3.5", and by the
	// distance between the two. Both are empty for other terms.
	Compared, By string
	// Open are those of the fields in question on which the verdict depends.
	Open []string
}

// Explain evaluates each term to its end, whatever the others say. open are names of fields of which the record does
// not show yet what they will be.
func (c *Condition) Explain(f *Frame, open []string) []Explanation {
	var out []Explanation
	for i := range c.conjuncts {
		out = append(out, c.conjuncts[i].explain(f, open))
	}
	return out
}

func (c *conjunct) explain(f *Frame, open []string) Explanation {
	f.begin()
	x := Explanation{Source: c.source, Verdict: c.term.eval(f)}
	x.Open = c.opens(x.Verdict, open)
	for _, used := range c.fields {
		x.Fields = append(x.Fields, fieldValue(used.name, &f.Slots[used.slot]))
	}
	left, right, op := sides(c.term, f)
	if left == nil || right == nil || left.Kind != Number || right.Kind != Number {
		return x
	}
	sign := operatorSigns()[op]
	x.Compared = fmt.Sprintf("%s: %s %s %s", c.source, left.figure(), sign, right.figure())
	if _, ok := c.term.(*predicate); ok && len(c.fields) == 1 {
		x.Compared = fmt.Sprintf("%s %s %s %s", c.fields[0].name, left.figure(), sign, right.figure())
	}
	x.By = distance(left, right)
	return x
}

// sides are what a comparison compares; nil where the term is none, or a side has no value.
func sides(of term, f *Frame) (left, right *Value, op Operator) {
	switch t := of.(type) {
	case *predicate:
		return &f.Slots[t.slot], &t.value, t.op
	case *comparisonTerm:
		l, cause := t.left.Load(f)
		if cause.Undefined() {
			return nil, nil, 0
		}
		r, cause := t.right.Load(f)
		if cause.Undefined() {
			return nil, nil, 0
		}
		return &l, &r, t.op
	}
	return nil, nil, 0
}

func operatorSigns() map[Operator]string {
	return map[Operator]string{Equal: "==", NotEqual: "!=", Less: "<", LessOrEqual: "<=", More: ">", MoreOrEqual: ">="}
}

func fieldValue(name string, v *Value) FieldValue {
	f := FieldValue{Name: name, Type: KindName(v.Kind)}
	switch v.Kind {
	case Absent, Null:
	case Boolean:
		f.Value = strconv.FormatBool(v.Num == 1)
	case Number:
		f.Value = v.figure()
	case Text:
		f.Value = strconv.Quote(abridged(v.Raw))
	case Composite:
		f.Value = abridged(v.Raw)
	case Moment, Span:
		f.Value = string(v.AppendText(nil))
	}
	return f
}

// abridged keeps a value to a part of a line.
func abridged(b []byte) string {
	const most = 120
	if len(b) <= most {
		return string(b)
	}
	b = b[:most]
	for len(b) > 0 && !utf8.Valid(b) {
		b = b[:len(b)-1]
	}
	return string(b) + "…"
}

// figure is a number as people write it.
func (v *Value) figure() string { return string(v.AppendText(nil)) }

// distance is how far two numbers are apart, exactly, in decimals where that is short enough.
func distance(a, b *Value) string {
	x, y := a.decimal(), b.decimal()
	if x == nil || y == nil {
		return ""
	}
	d := new(big.Rat).Sub(x, y)
	d.Abs(d)
	const digits = 15
	nearest, _ := d.Float64()
	if nearest != 0 && (nearest < 1e-9 || nearest >= 1e15) {
		return strconv.FormatFloat(nearest, 'g', 6, 64)
	}
	s := d.FloatString(digits)
	return strings.TrimRight(strings.TrimRight(s, "0"), ".")
}

// decimal is the number that people read: the shortest decimal that means the float.
func (v *Value) decimal() *big.Rat {
	if v.Wide {
		return v.Rational()
	}
	if math.IsNaN(v.Num) || math.IsInf(v.Num, 0) {
		return nil
	}
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(v.Num, 'g', -1, 64))
	if !ok {
		return nil
	}
	return r
}

// opens are the fields of a term on which what it says of this record depends.
func (c *conjunct) opens(v Verdict, open []string) []string {
	var names []string
	for _, f := range c.fields {
		if slices.Contains(open, f.name) && (v.Undefined() || f.optional) {
			names = append(names, f.name)
		}
	}
	return names
}

// FieldValue is what a record has under a name.
type FieldValue struct {
	Name string `json:"name"`
	// Type is missing, null, boolean, number, text, "list or object", time or duration.
	Type string `json:"type"`
	// Value is the value as JSON writes it, cut where it is long; empty for missing and null.
	Value string `json:"value,omitempty"`
}

// String is the field in a line: "heartRate is 180".
func (f FieldValue) String() string {
	if f.Value == "" {
		return f.Name + " is " + f.Type
	}
	return f.Name + " is " + f.Value
}
