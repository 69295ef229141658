package template

import (
	"fmt"
	"math"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/budget"
	"kinesis-alerter/alert/condition"
)

// Number is a JSON number in a template. It prints as people write it, where %v of a float64 would make 1.2345678e+07
// of a customer number, and compares and formats like any float64.
type Number float64

// String returns the number without an exponent, unless it is out of any human range.
func (n Number) String() string { return string(condition.AppendNumber(nil, float64(n))) }

// Printed is what the budget counts.
func (n Number) Printed() (size, widest int64) {
	switch f := math.Abs(float64(n)); {
	case f != 0 && f < 1e-5:
		return budget.MaxPrintedNumber + budget.MaxPrinted, budget.MaxPrinted
	case f >= 1e15:
		return budget.MaxPrintedNumber, budget.MaxPrinted
	}
	return budget.MaxPrintedNumber, budget.MaxPrintedNumber
}

// digits are a JSON integer in a template that no float64 holds. They print, and compare, as text.
type digits string

// MarshalJSONTo implements json.MarshalerTo: to the function json they are a number again.
func (d digits) MarshalJSONTo(e *jsontext.Encoder) error { return e.WriteValue(jsontext.Value(d)) }

// Printed is what the budget counts.
func (d digits) Printed() (size, widest int64) { return int64(len(d)) + 1, 0 }

// templateFields reads the members of a JSON object for a template.
func templateFields(data []byte) (map[string]any, error) {
	x, cause := condition.BoxedJSON(data)
	members, ok := x.(map[string]any)
	if cause.Undefined() || !ok {
		return nil, fmt.Errorf("payload has no fields: it is no JSON object, or a number in it is out of range")
	}
	for name, member := range members {
		members[name] = readable(member)
	}
	return members, nil
}

func readable(x any) any {
	switch x := x.(type) {
	case float64:
		return Number(x)
	case condition.Integer:
		return digits(x.Digits)
	case []any:
		for i := range x {
			x[i] = readable(x[i])
		}
	case map[string]any:
		for name := range x {
			x[name] = readable(x[name])
		}
	}
	return x
}
