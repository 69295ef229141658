package rewrite

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/decode/scan"
	"kinesis-alerter/alert/payload"
)

// maxPath is how many names a path may have.
const maxPath = 16

// Paths are members whose text is JSON.
type Paths struct{ root node }

// node is a step of paths.
type node struct {
	name string
	// text says that a path ends here.
	text  bool
	below []*node
}

// NewPaths compiles the paths of members, as "detail.body". A path may lead on inside of a text that another one names,
// and into all elements of arrays on its way.
func NewPaths(paths []string) (*Paths, error) {
	if len(paths) == 0 {
		return nil, errors.New("names no member")
	}
	p := &Paths{}
	for _, path := range paths {
		n, names := &p.root, strings.Split(strings.TrimPrefix(path, "."), ".")
		if slices.Contains(names, "") {
			return nil, fmt.Errorf("%q is no path of a member, as detail.body", path)
		}
		if len(names) > maxPath {
			return nil, fmt.Errorf("%q has more than %d names", path, maxPath)
		}
		for _, name := range names {
			n = n.child(name)
		}
		n.text = true
	}
	return p, nil
}

// child is the node of a name below n, which may be new.
func (n *node) child(name string) *node {
	for _, c := range n.below {
		if c.name == name {
			return c
		}
	}
	c := &node{name: name}
	n.below = append(n.below, c)
	return c
}

// Append appends src, an object in JSON, with the texts of the members read in place. A text that is no object or array
// in strict JSON stays a text. What is no JSON is appended as it is: who reads it next finds the fault.
func (p *Paths) Append(dst, src []byte) []byte { return p.root.append(dst, src, 0) }

// Row does that for the cells of a row.
func (p *Paths) Row(row *payload.Row) {
	for i := range row.Cells {
		cell := &row.Cells[i]
		for _, n := range p.root.below {
			if n.name == row.Names.At(i) {
				n.cell(cell)
			}
		}
	}
}

// cell reads a cell, whose name is that of n.
func (n *node) cell(cell *payload.Cell) {
	switch {
	case cell.Kind == payload.Text && n.text:
		if inner := n.inner(cell.Raw, 1); inner != nil {
			cell.Kind, cell.Raw = payload.JSON, inner
		}
	case cell.Kind == payload.JSON && len(n.below) > 0,
		cell.Kind == payload.Object && len(n.below) > 0 && payload.IsObject(cell.Raw):
		cell.Kind, cell.Raw = payload.JSON, n.append(nil, cell.Raw, 1)
	}
}

// append is Append for what is below n. depth is how deep src stands.
func (n *node) append(dst, src []byte, depth int) []byte {
	w := writer{dst: dst, src: src}
	end, ok := w.value(n, scan.Space(src, 0), depth)
	if !ok || scan.Space(src, end) < len(src) {
		return append(dst, src...)
	}
	return append(w.dst, src[w.done:]...)
}

// inner is the JSON that is the text of n, with what is below n; nil if it is none.
func (n *node) inner(text []byte, depth int) []byte {
	text = bytes.Trim(bytes.TrimPrefix(text, []byte("\uFEFF")), " \t\r\n")
	if len(text) < 2 || text[0] != '{' && text[0] != '[' || !jsontext.Value(text).IsValid() {
		return nil
	}
	if len(n.below) > 0 {
		text = n.append(nil, text, depth)
	}
	if bytes.Count(text, []byte("{"))+bytes.Count(text, []byte("["))+depth > scan.MaxDepth &&
		scan.Depth(text)+depth > scan.MaxDepth {
		return nil
	}
	return text
}

// writer copies src to dst, but for what it replaces.
type writer struct {
	dst, src []byte
	done     int // src[:done] has been written
}

// value passes the value at i, of which n is wanted, in `depth` levels. It is false at JSON that breaks.
func (w *writer) value(n *node, i, depth int) (end int, ok bool) {
	if depth > scan.MaxDepth || i >= len(w.src) {
		return i, false
	}
	switch c := w.src[i]; {
	case c == '{' && len(n.below) > 0:
		return w.inside(i, func(i int) (int, bool) { return w.member(n, i, depth+1) })
	case c == '[' && len(n.below) > 0:
		return w.inside(i, func(i int) (int, bool) {
			if i < len(w.src) && w.src[i] == '"' { // the paths end at members
				end, defect := scan.Text(w.src, i)
				return end, defect == ""
			}
			return w.value(n, i, depth+1)
		})
	case c == '"' && n.text:
		end, defect := scan.Text(w.src, i)
		if defect != "" {
			return end, false
		}
		text, err := jsontext.AppendUnquote(nil, w.src[i:end])
		if err != nil {
			return end, true // who reads it next finds the fault
		}
		if inner := n.inner(text, depth); inner != nil {
			w.dst = append(append(w.dst, w.src[w.done:i]...), inner...)
			w.done = end
		}
		return end, true
	}
	end, defect := scan.Value(w.src, i)
	return end, defect == ""
}

// inside passes what is inside of brackets.
func (w *writer) inside(i int, pass func(i int) (int, bool)) (end int, ok bool) {
	bracket := w.src[i] + 2
	if i = scan.Space(w.src, i+1); i < len(w.src) && w.src[i] == bracket {
		return i + 1, true
	}
	for {
		if i, ok = pass(i); !ok {
			return i, false
		}
		if i = scan.Space(w.src, i); i >= len(w.src) {
			return i, false
		}
		switch w.src[i] {
		case ',':
			i = scan.Space(w.src, i+1)
		case bracket:
			return i + 1, true
		default:
			return i, false
		}
	}
}

// member passes a member of the object of n.
func (w *writer) member(n *node, i, depth int) (end int, ok bool) {
	name, at, defect := scan.Member(w.src, i)
	if defect != "" {
		return at, false
	}
	for _, c := range n.below {
		if scan.Is(name, c.name) {
			return w.value(c, at, depth)
		}
	}
	end, defect = scan.Value(w.src, at)
	return end, defect == ""
}

// JSONString appends the text inside a JSON text; also without the quotes around it, as Fluent Bit's log_key leaves it.
// Behind that, Fluent Bit's time_key may have written a member that is not escaped.
func JSONString(dst, src []byte) ([]byte, *payload.Fault) {
	src = bytes.Trim(src, " \t\r\n")
	if len(src) > payload.MaxRecordBytes {
		return nil, &payload.Fault{Defect: payload.TooLarge, Detail: "decode: the text in JSON is larger than 10 MiB"}
	}
	quoted, rest := src, []byte(nil)
	if len(src) == 0 || src[0] != '"' {
		quoted = append([]byte{'"'}, src...)
		if bare := unescaped(quoted); bare >= 0 && bytes.HasPrefix(src, []byte(`{\"`)) &&
			bytes.IndexByte(quoted[bare:], '\\') < 0 {
			quoted, rest = quoted[:bare:bare], quoted[bare:]
		}
		quoted = append(quoted, '"')
	}
	out, err := jsontext.AppendUnquote(dst, quoted)
	if err != nil {
		detail := "decode: no text in JSON: " + strings.TrimPrefix(err.Error(), "jsontext: ")
		return nil, &payload.Fault{Defect: payload.BadEncoding, Detail: detail}
	}
	return append(out, rest...), nil
}

// unescaped finds the first quote behind the one at 0 that no backslash stands before; -1 is none.
func unescaped(quoted []byte) int {
	for i := 1; i < len(quoted); i++ {
		switch quoted[i] {
		case '\\':
			i++
		case '"':
			return i
		}
	}
	return -1
}
