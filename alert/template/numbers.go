package template

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"

	"kinesis-alerter/alert/budget"
)

// This file lets templates write and compare numbers as people expect. A number of a record is a Number, which is a
// float; 90 in a template is an integer, and text/template compares the two not at all.

var (
	errIncomparable = errors.New("incompatible types for comparison")
	errNoOrder      = errors.New("invalid type for comparison: it has no order")
)

// comparisons are text/template's eq, ne, lt, le, gt and ge for numbers of all types.
func (x *execution) comparisons() map[string]any {
	ordered := func(holds func(int) bool) func(a, b any) (bool, error) {
		return func(a, b any) (bool, error) {
			c, _, err := x.compare(a, b, true)
			return err == nil && holds(c), err
		}
	}
	return map[string]any{
		"eq": func(a any, others ...any) (bool, error) {
			if len(others) == 0 {
				return false, errors.New("missing argument for comparison")
			}
			for _, b := range others {
				if _, same, err := x.compare(a, b, false); same || err != nil {
					return same, err
				}
			}
			return false, nil
		},
		"ne": func(a, b any) (bool, error) {
			_, same, err := x.compare(a, b, false)
			return err == nil && !same, err
		},
		"lt": ordered(func(c int) bool { return c < 0 }),
		"le": ordered(func(c int) bool { return c <= 0 }),
		"gt": ordered(func(c int) bool { return c > 0 }),
		"ge": ordered(func(c int) bool { return c >= 0 }),
	}
}

// compare compares two values of a template; only numbers and texts have an order.
func (x *execution) compare(a, b any, order bool) (c int, same bool, err error) {
	if err := x.pay(templateWork, 0); err != nil {
		return 0, false, err
	}
	m, isNumber := floatOf(a)
	n, areNumbers := floatOf(b)
	v, w := reflect.ValueOf(a), reflect.ValueOf(b)
	switch {
	case isNumber && areNumbers:
		return cmp.Compare(m, n), m == n && !differ(a, b), nil
	case a == nil || b == nil:
		if order {
			return 0, false, errNoOrder
		}
		return 0, a == nil && b == nil, nil
	case v.Kind() == reflect.String && w.Kind() == reflect.String && !isNumber && !areNumbers:
		if err := x.pay(int64(min(v.Len(), w.Len()))/budget.PerText, 0); err != nil {
			return 0, false, err
		}
		c = strings.Compare(v.String(), w.String())
		return c, c == 0, nil
	case order:
		return 0, false, errNoOrder
	case v.Type() != w.Type() || !v.Comparable():
		return 0, false, errIncomparable
	}
	return 0, a == b, nil
}

// differ says whether two integers that no float holds are two, although their floats are one.
func differ(a, b any) bool {
	da, isA := a.(digits)
	db, isB := b.(digits)
	return isA && isB && da != db
}

// floatOf is a number of a template.
func floatOf(v any) (float64, bool) {
	if d, ok := v.(digits); ok {
		f, err := strconv.ParseFloat(string(d), 64)
		return f, err == nil
	}
	switch r := reflect.ValueOf(v); {
	case !r.IsValid():
		return 0, false
	case r.CanInt():
		return float64(r.Int()), true
	case r.CanUint():
		return float64(r.Uint()), true
	case r.CanFloat():
		return r.Float(), true
	}
	return 0, false
}

// sprintf is fmt.Sprintf, which writes whole Numbers as integers where the verb wants one. What fmt complains of is an
// error: a complaint such as %!d(string=a) is nothing that a person should be paged with.
func sprintf(format string, args []any) (string, error) {
	formatted := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case Number:
			formatted[i] = verbatim{float64(a), a.String()}
		case digits:
			formatted[i] = verbatim{math.NaN(), string(a)}
		default:
			formatted[i] = a
		}
	}
	out := fmt.Sprintf(format, formatted...)
	const complaint = "%!"
	if !strings.Contains(out, complaint) {
		return out, nil
	}
	meant := strings.Count(format, "%%!")
	for _, a := range args {
		meant += strings.Count(fmt.Sprint(a), complaint)
	}
	if strings.Count(out, complaint) <= meant {
		return out, nil
	}
	_, after, _ := strings.Cut(out, complaint)
	said, _, _ := strings.Cut(after, ")")
	return "", fmt.Errorf("printf %.60q: %s%.60s)", format, complaint, said)
}

// verbatim is a number of a record as printf sees it.
type verbatim struct {
	f    float64 // NaN for an integer that no float holds
	text string
}

// Format implements fmt.Formatter.
func (n verbatim) Format(s fmt.State, verb rune) {
	format := fmt.FormatString(s, verb)
	switch verb {
	case 'd', 'b', 'o', 'O', 'x', 'X', 'c', 'U':
		if n.f == math.Trunc(n.f) && math.Abs(n.f) < 1<<63 {
			_, _ = fmt.Fprintf(s, format, int64(n.f))
			return
		}
		if math.IsNaN(n.f) && verb == 'd' {
			width, _ := s.Width()
			if s.Flag('-') {
				width = -width
			}
			_, _ = fmt.Fprintf(s, "%*s", width, n.text)
			return
		}
	case 'v', 's', 'q':
		_, _ = fmt.Fprintf(s, format, n.text)
		return
	}
	if math.IsNaN(n.f) {
		f, _ := strconv.ParseFloat(n.text, 64)
		_, _ = fmt.Fprintf(s, format, f)
		return
	}
	_, _ = fmt.Fprintf(s, format, n.f)
}
