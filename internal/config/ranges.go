package config

import (
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// ranges returns, joined, what is outside the range of its field: the tag "range", LEAST..MOST, where MOST may be
// missing. The schema and the reference of the configuration are made from the same tags. A zero means that the value
// was left out.
//
// Where a package checks the same value, its error comes first, because it has the reason. What is found here alone are
// figures that no machine has.
func (c Config) ranges() error {
	var errs []error
	rangesOf("", reflect.ValueOf(c), &errs)
	return errors.Join(errs...)
}

func rangesOf(path string, v reflect.Value, errs *[]error) {
	switch v.Kind() { //nolint:exhaustive // the others hold no sections
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			name, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
			if name == "" {
				continue
			}
			at := Join(path, name)
			if within := field.Tag.Get("range"); within != "" {
				if rule := outside(v.Field(i), within); rule != "" {
					*errs = append(*errs, &FieldError{
						Field: at, Value: fmt.Sprint(reflect.Indirect(v.Field(i))), Rule: rule,
					})
				}
				continue
			}
			rangesOf(at, v.Field(i), errs)
		}
	case reflect.Slice:
		for i := range v.Len() {
			rangesOf(fmt.Sprintf("%s[%d]", path, i), v.Index(i), errs)
		}
	case reflect.Map:
		for entry := v.MapRange(); entry.Next(); {
			rangesOf(Join(path, entry.Key().String()), entry.Value(), errs)
		}
	}
}

// outside is the rule that a value breaks, or nothing.
func outside(v reflect.Value, within string) string {
	if v = reflect.Indirect(v); !v.IsValid() || v.IsZero() {
		return ""
	}
	least, most, _ := strings.Cut(within, "..")
	x := figure(v)
	switch {
	case x >= bound(least, v.Type()) && (most == "" || x <= bound(most, v.Type())):
		return ""
	case most == "":
		return "must be at least " + least
	}
	return fmt.Sprintf("must be between %s and %s", least, most)
}

func figure(v reflect.Value) float64 {
	if v.CanFloat() {
		return v.Float()
	}
	return float64(v.Int())
}

// bound reads an end of a range as a value of a type is read.
func bound(text string, t reflect.Type) float64 {
	v := reflect.New(t)
	if parser, ok := reflect.TypeAssert[encoding.TextUnmarshaler](v); ok {
		_ = parser.UnmarshalText([]byte(text)) // a test reads every tag
		return figure(v.Elem())
	}
	if t == reflect.TypeFor[time.Duration]() {
		d, _ := time.ParseDuration(text)
		return float64(d)
	}
	x, _ := strconv.ParseFloat(text, 64)
	return x
}
