package filter

// Pattern is one filter pattern as it was written: the JSON text of {"data": {...}, "partitionKey": [...]}.
type Pattern struct {
	source []byte
}

// UnmarshalJSON keeps the pattern's text; Compile reads it.
func (p *Pattern) UnmarshalJSON(text []byte) error {
	p.source = append([]byte(nil), text...)
	return nil
}

// MarshalJSON returns the pattern as it was written.
func (p Pattern) MarshalJSON() ([]byte, error) { return p.source, nil }
