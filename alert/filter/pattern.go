package filter

import "bytes"

// Pattern is one filter pattern as it was written: the JSON text of {"data": {...}, "partitionKey": [...]}. As in Lambda's
// FilterCriteria, the text may stand in a JSON string, and either in {"Pattern": ...}. Compile says whether it is valid.
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

// MarshalText returns the pattern's JSON as text, which UnmarshalJSON takes as a string.
func (p Pattern) MarshalText() ([]byte, error) { return p.source, nil }
