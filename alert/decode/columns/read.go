package columns

import (
	"bytes"
	"errors"
	"io"
	"iter"
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/go-logfmt/logfmt"

	"kinesis-alerter/alert/payload"
)

// row reads the fields of a record with certain columns.
func (r *Reader) row(text []byte, names *payload.Names) *payload.Fault {
	if names == nil { // Compile of the plan sees to that
		return r.fault("there is no header")
	}
	n, fault := r.csv(text, names.Len())
	switch {
	case fault != nil:
		return fault
	case n < names.Len():
		return r.fault("too few fields: %d, and there are %d columns", n, names.Len())
	case n > names.Len():
		return r.fault("too many fields: %d, and there are %d columns", n, names.Len())
	}
	return nil
}

// csv makes cells of the fields, but for those beyond most, and counts all. A quote is one where a field begins, and
// there RFC 4180 holds; anywhere else it is text, as in logs. split.Lines takes quotes in the same way.
func (r *Reader) csv(text []byte, most int) (n int, fault *payload.Fault) {
	r.cells, r.fields = r.cells[:0], r.fields[:0]
	for i := 0; ; i += len(r.separator) {
		var field []byte
		if i < len(text) && text[i] == '"' {
			if field, i, fault = r.quoted(text, i); fault != nil {
				return 0, fault
			}
		} else {
			start := i
			if i = bytes.Index(text[start:], r.separator); i < 0 {
				i = len(text)
			} else {
				i += start
			}
			field = text[start:i]
			if end := bytes.IndexByte(field, '\n'); end >= 0 {
				return 0, r.severalLines(start + end)
			}
		}
		if n++; n <= most {
			r.cells = append(r.cells, payload.Cell{Kind: payload.Text, Raw: field})
		}
		if i == len(text) {
			return n, nil
		}
	}
}

// quoted reads the field whose quote is at start. The end is at a separator, or that of the text.
func (r *Reader) quoted(text []byte, start int) (field []byte, end int, fault *payload.Fault) {
	from, made := start+1, len(r.fields)
	for i := from; ; i++ {
		n := bytes.IndexByte(text[i:], '"')
		if n < 0 {
			return nil, 0, r.fault("the quote at byte %d is not closed", start)
		}
		i += n
		switch rest := text[i+1:]; {
		case len(rest) > 0 && rest[0] == '"': // two are one
			r.fields = append(r.fields, text[from:i+1]...)
			i++
			from = i + 1
		case len(rest) > 0 && !bytes.HasPrefix(rest, r.separator):
			return nil, 0, r.fault("no separator behind the quote at byte %d", i)
		case len(r.fields) == made:
			return text[from:i], i + 1, nil
		default:
			r.fields = append(r.fields, text[from:i]...)
			return r.fields[made:], i + 1, nil
		}
	}
}

func (r *Reader) severalLines(at int) *payload.Fault {
	return r.fault("a newline at byte %d; `split: lines` makes a record of each line", at)
}

// source gives the decoder of logfmt one line at a time: it cannot begin anew, and a new one costs 4 KiB.
type source struct {
	text  []byte
	ended bool // the newline has been read
}

// Read implements io.Reader.
func (s *source) Read(p []byte) (int, error) {
	n := copy(p, s.text)
	if s.text = s.text[n:]; n < len(p) && !s.ended {
		p[n], s.ended = '\n', true
		n++
	}
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// pairs makes cells of names and values.
func (r *Reader) pairs(text []byte) (*payload.Names, *payload.Fault) {
	if at := bytes.IndexByte(text, '\n'); at >= 0 {
		return nil, r.severalLines(at)
	}
	r.source = source{text: text}
	decoder := r.logfmt
	if len(text) > maxKept/2 {
		decoder = logfmt.NewDecoderSize(&r.source, len(text)+2)
	} else if decoder == nil {
		decoder = logfmt.NewDecoder(&r.source)
		r.logfmt = decoder
	}
	r.cells, r.names = r.cells[:0], r.names[:0]
	decoder.ScanRecord()
	for decoder.ScanKeyval() {
		if len(r.names) == maxColumns {
			r.logfmt = nil
			return nil, r.fault("more than %d names", maxColumns)
		}
		r.names = append(r.names, decoder.Key())
		r.cells = append(r.cells, payload.Cell{Kind: payload.Text, Raw: decoder.Value()})
	}
	if err := decoder.Err(); err != nil {
		r.logfmt = nil // it does not go beyond an error
		if wrong, ok := errors.AsType[*logfmt.SyntaxError](err); ok {
			return nil, r.fault("%s at byte %d", wrong.Msg, wrong.Pos-1)
		}
		return nil, r.fault("%s", err)
	}
	if bytes.IndexByte(text, '=') < 0 { // any words are names without values
		return nil, r.fault("there is no name=value in it")
	}
	s := r.shape(true)
	if s.fault != nil {
		return nil, s.fault
	}
	for to, from := range s.cells {
		r.cells[to] = r.cells[from]
	}
	r.cells = r.cells[:s.names.Len()]
	return s.names, nil
}

// members are the names and values of an object in strict JSON.
func members(object []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		i := bytes.IndexByte(object, '{') + 1
		for {
			start := skipTo(object, i, "\"}")
			if object[start] == '}' {
				return
			}
			i = endOfText(object, start)
			name := object[start+1 : i-1]
			if bytes.IndexByte(name, '\\') >= 0 {
				name, _ = jsontext.AppendUnquote(nil, object[start:i])
			}
			i = skipTo(object, i, ":") + 1
			end := endOfValue(object, i)
			if !yield(name, bytes.TrimSpace(object[i:end])) {
				return
			}
			i = end
		}
	}
}

// skipTo finds the first of some bytes.
func skipTo(object []byte, i int, any string) int { return i + bytes.IndexAny(object[i:], any) }

// endOfText passes the text whose quote is at i.
func endOfText(object []byte, i int) int {
	for i++; object[i] != '"'; i++ {
		if object[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// endOfValue finds the comma or brace behind the value at i.
func endOfValue(object []byte, i int) int {
	for depth := 0; ; i++ {
		switch object[i] {
		case '"':
			i = endOfText(object, i) - 1
		case '{', '[':
			depth++
		case ',':
			if depth == 0 {
				return i
			}
		case '}', ']':
			if depth == 0 {
				return i
			}
			depth--
		}
	}
}

// isNumber reports whether a text is a number in JSON, of those that rules can read: 12e4567 is a text.
func isNumber(text []byte) bool {
	if len(text) == 0 || text[0] != '-' && !isDigit(text[0]) || !isDigit(text[len(text)-1]) {
		return false
	}
	i, exponent := 0, false
	if text[0] == '-' {
		i++
	}
	whole := digits(text[i:])
	if whole == 0 || whole > 1 && text[i] == '0' {
		return false
	}
	if i += whole; i < len(text) && text[i] == '.' {
		n := digits(text[i+1:])
		if n == 0 {
			return false
		}
		i += 1 + n
	}
	if i < len(text) && text[i]|0x20 == 'e' {
		if i++; text[i] == '+' || text[i] == '-' {
			i++
		}
		i, exponent = i+digits(text[i:]), true
	}
	if i < len(text) {
		return false
	}
	if !exponent && whole < 300 {
		return true
	}
	f, _ := strconv.ParseFloat(string(text), 64)
	return !math.IsInf(f, 0)
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// digits counts those that a text begins with.
func digits(text []byte) int {
	n := 0
	for n < len(text) && isDigit(text[n]) {
		n++
	}
	return n
}
