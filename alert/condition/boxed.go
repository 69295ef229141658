package condition

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// BoxedJSON turns a validated array or object into what the virtual machine works on: []any and map[string]any of nil,
// bool, string, float64 and integer. A number beyond float64 in it is undefinedNotFinite.
func BoxedJSON(raw []byte) (any, Verdict) {
	return boxedNext(jsontext.NewDecoder(bytes.NewBuffer(raw)))
}

// boxedNext reads the next value. The document has been validated, so its errors cannot happen; they are passed on all
// the same, since templates bring payloads that no rule has read.
func boxedNext(d *jsontext.Decoder) (any, Verdict) {
	switch d.PeekKind() {
	case jsontext.KindBeginObject:
		return boxedObject(d)
	case jsontext.KindBeginArray:
		return boxedArray(d)
	case jsontext.KindString:
		token, err := d.ReadToken()
		if err != nil {
			return nil, undefinedFailed
		}
		return token.String(), Yes
	case jsontext.KindNumber:
		literal, err := d.ReadValue()
		if err != nil {
			return nil, undefinedFailed
		}
		v, ok := numberOf(literal)
		if !ok {
			return nil, undefinedNotFinite
		}
		return v.boxed()
	case jsontext.KindNull, jsontext.KindFalse, jsontext.KindTrue:
		token, err := d.ReadToken()
		if err != nil {
			return nil, undefinedFailed
		}
		if token.Kind() == jsontext.KindNull {
			return nil, Yes
		}
		return token.Bool(), Yes
	case jsontext.KindInvalid, jsontext.KindEndObject, jsontext.KindEndArray:
	}
	return nil, undefinedFailed
}

func boxedObject(d *jsontext.Decoder) (any, Verdict) {
	if _, err := d.ReadToken(); err != nil {
		return nil, undefinedFailed
	}
	members := make(map[string]any)
	for d.PeekKind() != jsontext.KindEndObject {
		token, err := d.ReadToken()
		if err != nil {
			return nil, undefinedFailed
		}
		// The token is gone with the next read.
		name := token.String()
		member, cause := boxedNext(d)
		if cause.Undefined() {
			return nil, cause
		}
		members[name] = member
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, undefinedFailed
	}
	return members, Yes
}

func boxedArray(d *jsontext.Decoder) (any, Verdict) {
	if _, err := d.ReadToken(); err != nil {
		return nil, undefinedFailed
	}
	elements := []any{}
	for d.PeekKind() != jsontext.KindEndArray {
		element, cause := boxedNext(d)
		if cause.Undefined() {
			return nil, cause
		}
		elements = append(elements, element)
	}
	if _, err := d.ReadToken(); err != nil {
		return nil, undefinedFailed
	}
	return elements, Yes
}
