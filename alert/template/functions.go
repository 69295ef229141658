package template

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"strconv"
	"strings"
	"text/template"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/budget"
)

// functions are what templates can call beside text/template's own (printf, index, len, eq, urlquery, ...). They know
// no clock and no environment and do no I/O. A call that fails makes its template fail, and no other one. V is the last
// argument, so that it can come through a pipe.
//
//	| function | gives |
//	|---|---|
//	| `upper V`, `lower V` | V in upper or lower case |
//	| `trim V` | V without white space around it |
//	| `truncate N V` | the first N characters of V; a longer V ends in `…`, which counts |
//	| `get M NAME...` | the member of M at these names: `get .Fields "order" "price"`; nothing if there is none |
//	| `default D V` | D if V is nothing or an empty text, else V; zero and false are values |
//	| `join SEP V` | the elements of the list V with SEP between them |
//	| `round N V` | the number V rounded to N decimals, 0 to 15 |
//	| `date LAYOUT [ZONE] V` | the time V, or RFC 3339 text V, in a layout of package time |
//	| `duration V` | a duration, or a number of seconds, in its two greatest units: `1h 5m` |
//	| `json V` | V as JSON: a text with its quotes, `null` for nothing |
//
// Without a ZONE, date is in UTC; a ZONE is the name of an IANA zone that stands in the template. It gives nothing for
// no time.
//
// zones are the time zones that the template mentions: to look one up is I/O. Each function pays from the budget of the
// execution before it makes anything.
func functions(zones map[string]*time.Location, x *execution) template.FuncMap {
	// text is a function of V as it is printed, whose result is at most half as long again.
	text := func(fn func(string) string) func(v any) (string, error) {
		return func(v any) (string, error) {
			s, err := x.plain(v)
			if err != nil {
				return "", err
			}
			if err := x.pay(int64(len(s))/8, int64(len(s))*3/2); err != nil {
				return "", err
			}
			return fn(s), nil
		}
	}
	all := template.FuncMap{
		"upper":    text(strings.ToUpper),
		"lower":    text(strings.ToLower),
		"trim":     text(strings.TrimSpace),
		"truncate": x.truncate,
		"get":      getFunc,
		"default":  x.defaultTo,
		"join":     x.join,
		"round": func(n int, v any) (any, error) {
			if err := x.payNumber(v); err != nil {
				return nil, err
			}
			return roundFunc(n, v)
		},
		"date": func(layout string, v ...any) (string, error) {
			if err := x.pay(int64(len(layout))+50, 2*int64(len(layout))+64); err != nil {
				return "", err
			}
			return dateFunc(zones, layout, v)
		},
		"duration": func(v any) (string, error) {
			if err := x.payNumber(v); err != nil {
				return "", err
			}
			return durationFunc(v)
		},
		"json": x.json,

		printed: func(v any) (any, error) {
			if v == nil {
				return nil, errors.New("it is null")
			}
			return v, x.payPrinting(v)
		},
		printedOrNot: func(v any) (any, error) {
			if v == nil {
				return "", nil
			}
			return v, x.payPrinting(v)
		},
	}
	maps.Copy(all, x.functions())
	return all
}

// payNumber pays for a text that is read as a number.
func (x *execution) payNumber(v any) error {
	const perDigit = 12
	work := int64(templateWork)
	switch v := v.(type) {
	case string:
		work += perDigit * int64(len(v))
	case Number:
		if math.Abs(float64(v)) > 1e21 {
			work += perDigit * 310
		}
	}
	return x.pay(work, 0)
}

// payPrinting pays for what text/template makes of a list or an object before it writes it.
func (x *execution) payPrinting(v any) error {
	switch v.(type) {
	case []any, map[string]any, map[string]string:
	default:
		return nil
	}
	e, err := x.extent(v)
	if err != nil {
		return err
	}
	return x.pay(20*e.Elements+e.Printed/8, e.Printed)
}

// printed and printedOrNot are what printNothing calls.
const (
	printed      = "print_"
	printedOrNot = "print_or_not_"
)

func (x *execution) truncate(n int, v any) (string, error) {
	if n < 1 {
		return "", fmt.Errorf("cannot cut to %d characters", n)
	}
	s, err := x.plain(v)
	if err != nil {
		return "", err
	}
	if err := x.pay(int64(len(s))/8, min(int64(len(s)), 4*int64(min(n, budget.MaxText)))); err != nil {
		return "", err
	}
	if len(s) <= n || utf8.RuneCountInString(s) <= n {
		return s, nil
	}
	count := 0
	for i := range s {
		if count == n-1 {
			return s[:i] + "…", nil
		}
		count++
	}
	return s, nil
}

func getFunc(v any, names ...string) any {
	for _, name := range names {
		switch members := v.(type) {
		case map[string]any:
			v = members[name]
		case map[string]string:
			s, ok := members[name]
			if v = nil; ok {
				v = s
			}
		default:
			return nil
		}
	}
	return v
}

func (x *execution) defaultTo(instead, v any) (any, error) {
	s, err := x.plain(v)
	if err == nil && s == "" {
		return instead, nil
	}
	return v, err
}

func (x *execution) join(sep string, v any) (string, error) {
	if v == nil {
		return "", nil
	}
	list, ok := v.([]any)
	if !ok {
		return "", fmt.Errorf("%T is no list", v)
	}
	size := budget.Times(int64(len(list)), int64(len(sep)))
	if err := x.pay(int64(len(list)), size); err != nil {
		return "", err
	}
	elements := make([]string, len(list))
	for i, e := range list {
		s, err := x.plain(e)
		if err != nil {
			return "", err
		}
		if err := x.pay(1, int64(len(s))); err != nil {
			return "", err
		}
		elements[i] = s
	}
	return strings.Join(elements, sep), nil
}

func roundFunc(n int, v any) (any, error) {
	const most = 15 // decimals of a float64
	if n < 0 || n > most {
		return nil, fmt.Errorf("cannot round to %d decimals", n)
	}
	if wide, ok := v.(digits); ok {
		return wide, nil
	}
	f, err := numeric(v)
	if err != nil {
		return nil, err
	}
	f, err = strconv.ParseFloat(strconv.FormatFloat(f, 'f', n, 64), 64)
	if err != nil {
		return nil, err
	}
	return Number(f + 0), nil // -0 + 0 is 0
}

// numeric is v as a number: one, or a text that is one in JSON.
func numeric(v any) (float64, error) {
	switch v := v.(type) {
	case Number:
		return float64(v), nil
	case digits:
		return strconv.ParseFloat(string(v), 64)
	case string:
		if literal := jsontext.Value(v); literal.Kind() == jsontext.KindNumber && literal.IsValid() {
			return strconv.ParseFloat(strings.TrimSpace(v), 64)
		}
		return 0, errors.New("text is no number")
	}
	switch r := reflect.ValueOf(v); {
	case r.CanInt():
		return float64(r.Int()), nil
	case r.CanUint():
		return float64(r.Uint()), nil
	case r.CanFloat() && !math.IsNaN(r.Float()) && !math.IsInf(r.Float(), 0):
		return r.Float(), nil
	}
	return 0, fmt.Errorf("%T is no number", v)
}

func dateFunc(zones map[string]*time.Location, layout string, v []any) (string, error) {
	in := time.UTC
	if len(v) == 2 { // ZONE V
		name, ok := v[0].(string)
		if in = zones[name]; !ok || in == nil {
			return "", errors.New("the time zone must stand in the template as a text")
		}
		v = v[1:]
	}
	if len(v) != 1 {
		return "", errors.New("want a layout, optionally a time zone, and a time")
	}
	var at time.Time
	switch v := v[0].(type) {
	case nil:
	case time.Time:
		at = v
	case string:
		parsed, err := time.Parse(time.RFC3339, v)
		if err != nil {
			return "", errors.New("text is no RFC 3339 time")
		}
		at = parsed
	default:
		return "", fmt.Errorf("%T is no time", v)
	}
	if at.IsZero() {
		return "", nil
	}
	return at.In(in).Format(layout), nil
}

func durationFunc(v any) (string, error) {
	if d, ok := v.(time.Duration); ok {
		return Duration(d), nil
	}
	seconds, err := numeric(v)
	if err != nil {
		return "", err
	}
	ns := seconds * float64(time.Second)
	if math.Abs(ns) >= math.MaxInt64 {
		return "", errors.New("duration is out of range")
	}
	return Duration(time.Duration(ns)), nil
}

// Duration is a duration in its two greatest units, cut.
func Duration(d time.Duration) string {
	const day = 24 * time.Hour
	sign := ""
	if d < 0 {
		sign, d = "-", max(-d, 0) // the least duration has no opposite; nobody waits 292 years
	}
	if d < time.Second {
		return sign + d.Truncate(time.Millisecond).String()
	}
	units := []struct {
		name string
		unit time.Duration
	}{{"d", day}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}}
	for i, u := range units {
		if d < u.unit {
			continue
		}
		out := sign + strconv.FormatInt(int64(d/u.unit), 10) + u.name
		if i+1 < len(units) {
			if rest := d % u.unit / units[i+1].unit; rest > 0 {
				out += " " + strconv.FormatInt(int64(rest), 10) + units[i+1].name
			}
		}
		return out
	}
	return sign + d.String()
}

func (x *execution) json(v any) (string, error) {
	e, err := x.extent(v)
	if err != nil {
		return "", err
	}
	if err := x.pay(20*e.Elements+e.Printed/8, e.Printed); err != nil {
		return "", err
	}
	if err := x.pay(0, budget.Escapes(v)); err != nil {
		return "", err
	}
	return JSON(v)
}

// JSON is the value as JSON.
func JSON(v any) (string, error) {
	b, err := json.Marshal(v, json.Deterministic(true), jsontext.AllowInvalidUTF8(true),
		json.WithMarshalers(json.MarshalToFunc(func(e *jsontext.Encoder, d time.Duration) error {
			return e.WriteToken(jsontext.String(d.String()))
		})))
	return string(b), err
}
