package filter

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"
)

// Pattern is one filter pattern as it was written: the JSON text of {"data": {...}, "partitionKey": [...]}. As in
// Lambda's FilterCriteria, the text may stand in a JSON string, and either in {"Pattern": ...}. Compile says whether it
// is valid.
type Pattern struct {
	source []byte
}

// UnmarshalJSON keeps the pattern's text; Compile reads it.
func (p *Pattern) UnmarshalJSON(text []byte) error {
	p.source = bytes.Clone(text)
	return nil
}

// MarshalJSON returns the pattern as it was written; null for the zero value.
func (p Pattern) MarshalJSON() ([]byte, error) {
	if len(p.source) == 0 {
		return []byte("null"), nil
	}
	return p.source, nil
}

// MarshalText returns the pattern's JSON as text, which UnmarshalJSON takes as a string. A pattern that was a string
// already is what stands in it, and no character is written as an escape that need not be: people read this.
func (p Pattern) MarshalText() ([]byte, error) {
	text := jsontext.Value(bytes.Clone(p.source))
	if text.Kind() == jsontext.KindString {
		inner, err := jsontext.AppendUnquote(nil, text)
		if err != nil {
			return p.source, nil //nolint:nilerr // Compile says what is wrong with it
		}
		text = inner
	}
	if err := text.Format(jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true),
		jsontext.PreserveRawStrings(false)); err != nil {
		return text, nil //nolint:nilerr // as above
	}
	return text, nil
}
