package payload

import (
	"slices"

	"github.com/go-json-experiment/json/jsontext"
)

// Row is a record that has members without a JSON text of its own: an event out of an envelope, or text with columns.
// Rules read its cells where they are; its JSON text is made only for what needs one.
type Row struct {
	// Names are those of the cells, in their order. Rows of one shape share them, which saves looking them up again.
	Names *Names
	// Cells are the values, as many as there are names.
	Cells []Cell
}

// Names are the names of a row's members, each once. They do not change; rows of one shape have the same pointer.
type Names struct {
	list   []string
	quoted [][]byte // with what comes behind a name in JSON
}

// NewNames makes the names of rows.
func NewNames(list ...string) *Names {
	n := &Names{list: list, quoted: make([][]byte, len(list))}
	for i, name := range list {
		quoted, err := jsontext.AppendQuote(nil, name)
		if err != nil { // not UTF-8: the replacement characters are already there
			quoted, _ = jsontext.AppendQuote(nil, "\uFFFD")
		}
		n.quoted[i] = append(quoted, ':')
	}
	return n
}

// Len is the number of names.
func (n *Names) Len() int { return len(n.list) }

// At is a name by its place.
func (n *Names) At(i int) string { return n.list[i] }

// Cell is the value of a row's member.
type Cell struct {
	Kind CellKind
	// Raw is the text of a Text or Object, and the JSON text of a JSON. It is valid UTF-8.
	Raw []byte
}

// CellKind says what the bytes of a cell are.
type CellKind uint8

// The kinds of cells.
const (
	// Absent is a member that this record does not have.
	Absent CellKind = iota
	// Text is a text, without quotes and escapes.
	Text
	// JSON is a value in strict JSON.
	JSON
	// Object is a text that stands for the object that it is, if it is one in strict JSON, and is absent otherwise.
	Object
)

// Size is how many bytes its cells are.
func (r *Row) Size() int {
	n := 0
	for i := range r.Cells {
		n += len(r.Cells[i].Raw)
	}
	return n
}

// JSON makes the row into one JSON object of its own.
func (r *Row) JSON() []byte {
	const name = 24 // with what stands around a member
	return r.AppendJSON(make([]byte, 0, r.Size()+r.Size()/8+name*len(r.Cells)))
}

// AppendJSON appends the row as one JSON object. Strictly valid cells make a strictly valid object.
func (r *Row) AppendJSON(b []byte) []byte {
	b = append(b, '{')
	first := true
	for i, cell := range r.Cells {
		if cell.Kind == Absent || cell.Kind == Object && !IsObject(cell.Raw) {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(b, r.Names.quoted[i]...)
		if cell.Kind == Text {
			b, _ = jsontext.AppendQuote(b, cell.Raw)
			continue
		}
		b = append(b, trimSpace(cell.Raw)...)
	}
	return append(b, '}')
}

// maxDepth is how deep jsontext reads.
const maxDepth = 10_000

// IsObject reports whether a text is one object in strict JSON, with nothing but white space around it, that can be the
// member of another.
func IsObject(text []byte) bool {
	text = trimSpace(text)
	if len(text) < 2 || text[0] != '{' || text[len(text)-1] != '}' || !jsontext.Value(text).IsValid() {
		return false
	}
	if len(text) < 2*maxDepth { // it cannot be that deep
		return true
	}
	return jsontext.Value(slices.Concat([]byte("["), text, []byte("]"))).IsValid()
}

// MayBeObject reports whether a text begins as an object, so that looking further is worth it.
func MayBeObject(text []byte) bool {
	for _, c := range text {
		if !isSpace(c) {
			return c == '{'
		}
	}
	return false
}

// MayBeJSON reports whether a text begins as an object or array, so that it is not text with columns.
func MayBeJSON(text []byte) bool {
	text = trimSpace(text)
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

// trimSpace takes off JSON's white space.
func trimSpace(text []byte) []byte {
	for len(text) > 0 && isSpace(text[0]) {
		text = text[1:]
	}
	for len(text) > 0 && isSpace(text[len(text)-1]) {
		text = text[:len(text)-1]
	}
	return text
}

func isSpace(c byte) bool { return c == ' ' || c == '\n' || c == '\r' || c == '\t' }

// IsBlank reports whether there is nothing in a text but JSON's white space.
func IsBlank(text []byte) bool { return len(trimSpace(text)) == 0 }
