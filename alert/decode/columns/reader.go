package columns

import (
	"encoding/binary"
	"fmt"
	"slices"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-logfmt/logfmt"

	"kinesis-alerter/alert/payload"
)

// Reader reads texts as a Config says.
type Reader struct {
	as, from  string
	separator []byte
	columns   *payload.Names // nil where the texts name them
	texts     []string
	// Bare takes a record that is no JSON as the text that would be in the member.
	Bare bool
	// LastOfName takes the last of several values with one name in logfmt, rather than none of them.
	LastOfName bool

	// What follows is kept for the next text.

	shapes map[string]*shape
	joined map[pair]*join
	typed  *payload.Names // what stays was made for
	stays  []bool         // whether a column stays text
	base   payload.Row    // a record in JSON
	cells  []payload.Cell
	names  [][]byte
	key    []byte
	text   []byte // the text of a member, without escapes
	fields []byte // fields of CSV, without doubled quotes
	source source
	logfmt *logfmt.Decoder
}

// maxShapes is how many shapes of records are remembered, and maxShape how long one may be. Most streams have one.
const (
	maxShapes = 64
	maxShape  = 4 << 10
)

// maxKept is the size of memory up to which it is kept for the next record.
const maxKept = 64 << 10

// shape is what records with the same names have in common.
type shape struct {
	names *payload.Names
	// cells are the places of the values; nil where each has its own. A name that occurs twice has the last one.
	cells []int
	fault *payload.Fault
}

// pair are the names of a record and those of the columns in it, and join those of both.
type pair struct{ base, columns *payload.Names }

type join struct {
	names *payload.Names
	kept  []int // cells of the record
}

// Header reads the line that names the columns.
func (r *Reader) Header(line []byte) (*payload.Names, *payload.Fault) {
	switch n, fault := r.csv(chomp(line), maxColumns); {
	case fault != nil:
		return nil, fault
	case n > maxColumns:
		return nil, r.fault("the header: %d names, and %d is the most", n, maxColumns)
	}
	r.names = r.names[:0]
	for i := range r.cells {
		r.names = append(r.names, r.cells[i].Raw)
	}
	s := r.shape(true)
	return s.names, s.fault
}

// Read reads a record, which is a text or JSON in data or, if that is nil, a row. It gives the text, or fills out,
// whose cells it uses again; out is not in. header is nil where the configuration names the columns. What it gives is
// valid until the next call. JSON that is broken comes back as it is: who reads it next finds the fault.
func (r *Reader) Read(data []byte, in *payload.Row, header *payload.Names, out *payload.Row) (
	text []byte, fault *payload.Fault,
) {
	text, place := data, -1
	if r.from != "" && (in != nil || !r.Bare || payload.MayBeJSON(data)) {
		if in == nil {
			if !payload.IsObject(data) {
				return data, nil
			}
			if fault = r.object(data); fault != nil {
				return nil, fault
			}
			in = &r.base
		}
		if text, place, fault = r.member(in); fault != nil {
			return nil, fault
		}
	} else if in != nil {
		return nil, r.fault("the record has members: from has to name the one with the text")
	}
	text = chomp(text)
	if r.as == AsText {
		return text, nil
	}
	if payload.IsBlank(data) && in == nil {
		return data, nil
	}
	if !utf8.Valid(text) {
		return nil, &payload.Fault{
			Defect: payload.InvalidUTF8,
			Detail: fmt.Sprintf("%s: byte %d of %d is no UTF-8", r.as, invalid(text), len(text)),
		}
	}
	names := r.columns
	if header != nil {
		names = header
	}
	if r.as == AsLogfmt {
		names, fault = r.pairs(text)
	} else {
		fault = r.row(text, names)
	}
	switch {
	case fault != nil:
		return nil, fault
	default:
		r.typeCells(names)
	}
	if place < 0 {
		out.Names, out.Cells, r.cells = names, r.cells, out.Cells
		return nil, nil
	}
	j := r.join(in.Names, names, place)
	out.Names, out.Cells = j.names, out.Cells[:0]
	for _, i := range j.kept {
		out.Cells = append(out.Cells, in.Cells[i])
	}
	out.Cells = append(out.Cells, r.cells...)
	return nil, nil
}

// Release drops what refers to the record, or is too large to be kept.
func (r *Reader) Release() {
	clear(r.cells[:cap(r.cells)])
	clear(r.base.Cells[:cap(r.base.Cells)])
	clear(r.names[:cap(r.names)])
	r.source, r.typed = source{}, nil
	if cap(r.text)+cap(r.fields) > maxKept {
		r.text, r.fields = nil, nil
	}
	if cap(r.cells) > maxShape {
		r.cells, r.base.Cells, r.names, r.key = nil, nil, nil, nil
	}
}

// chomp takes one newline off the end.
func chomp(text []byte) []byte {
	if n := len(text); n > 0 && text[n-1] == '\n' {
		text = text[:n-1]
		if n > 1 && text[n-2] == '\r' {
			text = text[:n-2]
		}
	}
	return text
}

// invalid is the first byte that is no UTF-8.
func invalid(text []byte) int {
	i := 0
	for i < len(text) {
		c, size := utf8.DecodeRune(text[i:])
		if c == utf8.RuneError && size == 1 {
			break
		}
		i += size
	}
	return i
}

func (r *Reader) fault(format string, args ...any) *payload.Fault {
	return &payload.Fault{Defect: payload.BadColumns, Detail: r.as + ": " + fmt.Sprintf(format, args...)}
}

// object makes the row of a valid JSON object.
func (r *Reader) object(data []byte) *payload.Fault {
	r.names, r.base.Cells = r.names[:0], r.base.Cells[:0]
	for name, value := range members(data) {
		if len(r.names) == maxColumns {
			return r.fault("the record has more than %d members", maxColumns)
		}
		r.names = append(r.names, name)
		r.base.Cells = append(r.base.Cells, payload.Cell{Kind: payload.JSON, Raw: value})
	}
	r.base.Names = r.shape(false).names
	return nil
}

// member finds the text of a record, and its place.
func (r *Reader) member(in *payload.Row) (text []byte, place int, fault *payload.Fault) {
	for i := range in.Cells {
		if in.Names.At(i) != r.from {
			continue
		}
		switch cell := &in.Cells[i]; {
		case cell.Kind == payload.Text && cell.Raw == nil:
			return []byte{}, i, nil
		case cell.Kind == payload.Text:
			return cell.Raw, i, nil
		case cell.Kind == payload.JSON && len(cell.Raw) > 0 && cell.Raw[0] == '"':
			text, err := jsontext.AppendUnquote(r.text[:0], cell.Raw)
			if err == nil {
				r.text = text
				return text, i, nil
			}
		case cell.Kind == payload.Absent:
			continue
		}
		return nil, 0, r.fault("the member %q is no text", r.from)
	}
	return nil, 0, r.fault("the record has no member %q", r.from)
}

// shape finds the shape of records that have r.names: as members of the record, or as columns.
func (r *Reader) shape(columns bool) *shape {
	r.key = append(r.key[:0], 'm')
	if columns {
		r.key[0] = 'c'
	}
	for _, name := range r.names {
		r.key = binary.AppendUvarint(r.key, uint64(len(name)))
		r.key = append(r.key, name...)
	}
	if s := r.shapes[string(r.key)]; s != nil {
		return s
	}
	s := r.newShape(columns)
	if len(r.key) > maxShape {
		return s
	}
	if len(r.shapes) >= maxShapes {
		clear(r.shapes)
	}
	if r.shapes == nil {
		r.shapes = map[string]*shape{}
	}
	r.shapes[string(r.key)] = s
	return s
}

func (r *Reader) newShape(columns bool) *shape {
	names := make([]string, len(r.names))
	for i, name := range r.names {
		if names[i] = string(name); columns {
			names[i] = underscored(names[i])
		}
	}
	if !columns {
		return &shape{names: payload.NewNames(names...)}
	}
	if r.as == AsCSV {
		if problem := wrongNames(names); problem != "" {
			return &shape{fault: r.fault("the header: %s", problem)}
		}
		return &shape{names: payload.NewNames(names...)}
	}
	name, ok := repeated(names)
	switch {
	case !ok:
		return &shape{names: payload.NewNames(names...)}
	case !r.LastOfName:
		return &shape{fault: r.fault("%q is there twice; tolerate: [duplicate_names] takes the last", name)}
	}
	last := map[string]int{}
	for i, name := range names {
		last[name] = i
	}
	s := &shape{}
	var list []string
	for i, name := range names {
		if last[name] == i {
			list, s.cells = append(list, name), append(s.cells, i)
		}
	}
	s.names = payload.NewNames(list...)
	return s
}

// join finds the names of a record, but for the member at place, and of the columns in it.
func (r *Reader) join(base, columns *payload.Names, place int) *join {
	key := pair{base, columns}
	if j := r.joined[key]; j != nil {
		return j
	}
	taken := map[string]bool{}
	for i := range columns.Len() {
		taken[columns.At(i)] = true
	}
	j, size := &join{}, 0
	var list []string
	for i := range base.Len() {
		if i != place && !taken[base.At(i)] {
			list, j.kept = append(list, base.At(i)), append(j.kept, i)
		}
	}
	for i := range columns.Len() {
		list = append(list, columns.At(i))
	}
	j.names = payload.NewNames(list...)
	for _, name := range list {
		size += len(name)
	}
	if size > maxShape { // nor is its shape kept: it would never be asked for again
		return j
	}
	if len(r.joined) >= maxShapes {
		clear(r.joined)
	}
	if r.joined == nil {
		r.joined = map[pair]*join{}
	}
	r.joined[key] = j
	return j
}

// typeCells makes numbers of what is a number in JSON.
func (r *Reader) typeCells(names *payload.Names) {
	if r.typed != names {
		r.typed, r.stays = names, r.stays[:0]
		for i := range names.Len() {
			r.stays = append(r.stays, slices.Contains(r.texts, names.At(i)))
		}
	}
	for i := range r.cells {
		if cell := &r.cells[i]; !r.stays[i] && isNumber(cell.Raw) {
			cell.Kind = payload.JSON
		}
	}
}
