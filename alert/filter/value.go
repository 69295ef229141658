package filter

import "github.com/go-json-experiment/json/jsontext"

// kind is what a leaf of a record is.
type kind uint8

const (
	kindNull kind = iota
	kindTrue
	kindFalse
	kindString
	kindNumber

	kindCount
)

// kindOf returns the kind of a valid JSON scalar.
func kindOf(k jsontext.Kind) kind {
	switch k {
	case jsontext.KindTrue:
		return kindTrue
	case jsontext.KindFalse:
		return kindFalse
	case jsontext.KindString:
		return kindString
	case jsontext.KindNumber:
		return kindNumber
	case jsontext.KindNull, jsontext.KindBeginObject, jsontext.KindEndObject, jsontext.KindBeginArray,
		jsontext.KindEndArray,
		jsontext.KindInvalid:
	}
	return kindNull
}

// value is one leaf of a record. Its bytes are the payload's, or the matcher's scratch space, and end with the record.
type value struct {
	kind kind
	// text is the unescaped string, or the literal or number as it was written.
	text   []byte
	number number
}
