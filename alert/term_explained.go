package alert

import (
	"fmt"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// termExplanation is what a term makes of the record at hand, for people.
type termExplanation struct {
	// source is the term as expr prints it.
	source  string
	verdict verdict
	// fields are the names that the term looks at, with what the record has.
	fields []FieldValue
	// compared is a comparison of two numbers with the numbers in it, such as "ANOMALY_SCORE 2.91 > 3.5", and by the
	// distance between the two. Both are empty for other terms.
	compared, by string
	// open are those of the fields in question on which the verdict depends.
	open []string
}

// explain evaluates each term to its end, whatever the others say. open are names of fields of which the record does not
// show yet what they will be.
func (c *condition) explain(f *frame, open []string) []termExplanation {
	var out []termExplanation
	for i := range c.conjuncts {
		out = append(out, c.conjuncts[i].explain(f, open))
	}
	return out
}

func (c *conjunct) explain(f *frame, open []string) termExplanation {
	f.begin()
	x := termExplanation{source: c.source, verdict: c.term.eval(f)}
	x.open = c.opens(x.verdict, open)
	for _, used := range c.fields {
		x.fields = append(x.fields, fieldValue(used.name, &f.slots[used.slot]))
	}
	left, right, op := sides(c.term, f)
	if left == nil || right == nil || left.kind != number || right.kind != number {
		return x
	}
	sign := operatorSigns()[op]
	x.compared = fmt.Sprintf("%s: %s %s %s", c.source, left.figure(), sign, right.figure())
	if _, ok := c.term.(*predicate); ok && len(c.fields) == 1 {
		x.compared = fmt.Sprintf("%s %s %s %s", c.fields[0].name, left.figure(), sign, right.figure())
	}
	x.by = distance(left, right)
	return x
}

// sides are what a comparison compares; nil where the term is none, or a side has no value.
func sides(of term, f *frame) (left, right *value, op operator) {
	switch t := of.(type) {
	case *predicate:
		return &f.slots[t.slot], &t.value, t.op
	case *comparisonTerm:
		l, cause := t.left.load(f)
		if cause.undefined() {
			return nil, nil, 0
		}
		r, cause := t.right.load(f)
		if cause.undefined() {
			return nil, nil, 0
		}
		return &l, &r, t.op
	}
	return nil, nil, 0
}

func operatorSigns() map[operator]string {
	return map[operator]string{equal: "==", notEqual: "!=", less: "<", lessOrEqual: "<=", more: ">", moreOrEqual: ">="}
}

func fieldValue(name string, v *value) FieldValue {
	f := FieldValue{Name: name, Type: kindName(v.kind)}
	switch v.kind {
	case absent, null:
	case boolean:
		f.Value = strconv.FormatBool(v.num == 1)
	case number:
		f.Value = v.figure()
	case text:
		f.Value = strconv.Quote(abridged(v.raw))
	case composite:
		f.Value = abridged(v.raw)
	case moment, span:
		f.Value = string(v.appendText(nil))
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
func (v *value) figure() string { return string(v.appendText(nil)) }

// distance is how far two numbers are apart, exactly, in decimals where that is short enough.
func distance(a, b *value) string {
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
func (v *value) decimal() *big.Rat {
	if v.wide {
		return v.rational()
	}
	if math.IsNaN(v.num) || math.IsInf(v.num, 0) {
		return nil
	}
	r, ok := new(big.Rat).SetString(strconv.FormatFloat(v.num, 'g', -1, 64))
	if !ok {
		return nil
	}
	return r
}

// opens are the fields of a term on which what it says of this record depends.
func (c *conjunct) opens(v verdict, open []string) []string {
	var names []string
	for _, f := range c.fields {
		if slices.Contains(open, f.name) && (v.undefined() || f.optional) {
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
