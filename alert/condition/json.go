package condition

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/payload"
)

// Decoder reads one document at a time into slots, most of them by its scanner. It allocates nothing for a document
// without escaped strings and keeps its scratch space for the next.
type Decoder struct {
	schema *Schema
	json   *jsontext.Decoder
	input  bytes.Buffer
	// scratch holds the strings that had to be unescaped. It never moves while slots point into it: see unquote.
	scratch []byte
	short   scanner
	rows    rowShape
	// Touched are the slots that the last document filled.
	Touched []int
	// Shadowed are the built-in slots whose field the last document had.
	Shadowed [BuiltinSlots]bool
	// Raw are the members that the schema wants as they are, by Schema.Raw; nil for one that the last document lacks.
	// They are a part of the document.
	Raw [][]byte
}

// NewDecoder makes a decoder of documents for one schema.
func NewDecoder(s *Schema) *Decoder {
	d := &Decoder{schema: s, scratch: make([]byte, 0, 256), Raw: make([][]byte, s.raws)}
	d.short.names = newScannedNames()
	d.json = jsontext.NewDecoder(&d.input)
	return d
}

// Decode fills the field slots, which the caller has emptied. It returns the reason why data is no acceptable document,
// or the empty reason.
func (d *Decoder) Decode(data []byte, slots []Value) payload.Defect {
	d.reset()
	if len(data) > payload.MaxRecordBytes {
		return payload.TooLarge
	}
	if d.scan(data, slots) {
		return ""
	}
	for _, slot := range d.Touched {
		slots[slot] = Value{}
	}
	d.reset()
	return d.strict(data, slots)
}

// strict is decode for a document that the scanner did not take.
func (d *Decoder) strict(data []byte, slots []Value) payload.Defect {
	d.input = *bytes.NewBuffer(data)
	d.json.Reset(&d.input)

	if d.json.PeekKind() != jsontext.KindBeginObject {
		return d.noObject(data)
	}
	if defect := d.object(&d.schema.root, data, slots); defect != "" {
		return defect
	}
	return d.end(data)
}

// noObject names what stands in an object's place. Invalid beats "not an object": the document may be broken further
// on.
func (d *Decoder) noObject(data []byte) payload.Defect {
	if _, err := d.json.ReadValue(); err != nil {
		return defectOf(err, data)
	}
	if defect := d.end(data); defect != "" {
		return defect
	}
	return payload.NotObject
}

// end makes sure that nothing follows the document.
func (d *Decoder) end(data []byte) payload.Defect {
	_, err := d.json.ReadToken()
	if errors.Is(err, io.EOF) {
		return ""
	}
	if len(data) > 0 && !utf8.Valid(data[d.json.InputOffset():]) {
		return payload.InvalidUTF8
	}
	return payload.TrailingData
}

// object reads an object, of which at least one member is wanted. Its depth is that of the schema, not of the document.
func (d *Decoder) object(node *fieldNode, data []byte, slots []Value) payload.Defect {
	if _, err := d.json.ReadToken(); err != nil {
		return defectOf(err, data)
	}
	for d.json.PeekKind() != jsontext.KindEndObject {
		name, err := d.json.ReadValue()
		if err != nil {
			return defectOf(err, data)
		}
		child := node.find(d.unquote(name))
		if child == nil || child.shadowed {
			if child != nil {
				d.Shadowed[child.slot] = true
			}
			raw, err := d.json.ReadValue()
			if err != nil {
				return defectOf(err, data)
			}
			if child != nil && child.raw > 0 {
				d.Raw[child.raw-1] = raw
			}
			continue
		}
		if defect := d.member(child, data, slots); defect != "" {
			return defect
		}
	}
	_, err := d.json.ReadToken()
	return defectOf(err, data)
}

// member reads the value of a wanted name.
func (d *Decoder) member(node *fieldNode, data []byte, slots []Value) payload.Defect {
	if d.json.PeekKind() == jsontext.KindBeginObject && len(node.children) > 0 {
		start := d.json.InputOffset()
		if defect := d.object(node, data, slots); defect != "" {
			return defect
		}
		// The offset is behind the name, so a colon and white space come first.
		raw := data[start:d.json.InputOffset()]
		raw = raw[bytes.IndexByte(raw, '{'):]
		if node.raw > 0 {
			d.Raw[node.raw-1] = raw
		}
		if node.slot >= 0 {
			d.Touched = append(d.Touched, node.slot)
			slots[node.slot] = Value{Kind: Composite, Raw: raw}
		}
		return ""
	}
	raw, err := d.json.ReadValue()
	if err != nil {
		return defectOf(err, data)
	}
	if node.raw > 0 {
		d.Raw[node.raw-1] = raw
	}
	if node.slot < 0 {
		return ""
	}
	d.Touched = append(d.Touched, node.slot)
	slot := &slots[node.slot]
	switch raw.Kind() {
	case jsontext.KindNull:
		*slot = Value{Kind: Null}
	case jsontext.KindFalse:
		*slot = Value{Kind: Boolean}
	case jsontext.KindTrue:
		*slot = Value{Kind: Boolean, Num: 1}
	case jsontext.KindString:
		*slot = Value{Kind: Text, Raw: d.unquote(raw)}
	case jsontext.KindNumber:
		v, ok := numberOf(raw)
		if !ok {
			return payload.NumberRange
		}
		*slot = v
	case jsontext.KindBeginObject, jsontext.KindBeginArray:
		*slot = Value{Kind: Composite, Raw: raw}
	case jsontext.KindInvalid, jsontext.KindEndObject, jsontext.KindEndArray:
		return payload.NotJSON
	}
	return ""
}

// unquote returns the text of a valid JSON string.
func (d *Decoder) unquote(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	// Unescaping never makes a string longer. A new block, rather than a grown one, leaves earlier slots their bytes.
	if cap(d.scratch)-len(d.scratch) < len(quoted) {
		d.scratch = make([]byte, 0, max(2*cap(d.scratch), len(quoted)))
	}
	start := len(d.scratch)
	// The decoder has accepted the string, so it cannot fail.
	d.scratch, _ = jsontext.AppendUnquote(d.scratch, quoted)
	return d.scratch[start:]
}

// defectOf classifies what jsontext found. The reasons that share one error type are told apart by the bytes at the
// error's place, since their messages are not part of its contract.
func defectOf(err error, data []byte) payload.Defect {
	if err == nil {
		return ""
	}
	if errors.Is(err, io.EOF) {
		return payload.Empty
	}
	if errors.Is(err, jsontext.ErrDuplicateName) {
		return payload.DuplicateKey
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		// A cut multi-byte character is cut all the same; only bytes that no continuation can mend are not UTF-8.
		return payload.Truncated
	}
	syntax, ok := errors.AsType[*jsontext.SyntacticError](err)
	if !ok {
		return payload.NotJSON
	}
	rest := data[min(max(syntax.ByteOffset, 0), int64(len(data))):]
	switch {
	case loneSurrogate(rest):
		return payload.LoneSurrogate
	case invalidUTF8(rest):
		return payload.InvalidUTF8
	case nonFinite(rest), bytes.HasSuffix(data[:len(data)-len(rest)], []byte("n")) &&
		bytes.HasPrefix(rest, []byte("an")):
		// A lower-case nan is noticed at its second letter, where it stops being null.
		return payload.NonFinite
	case syntax.Err != nil && strings.Contains(syntax.Err.Error(), "max depth"):
		// The one defect that leaves no trace in the bytes; TestDecodeReasons holds jsontext to this message.
		return payload.TooDeep
	}
	return payload.NotJSON
}

// loneSurrogate recognises \ud800 to \udfff.
func loneSurrogate(rest []byte) bool {
	return len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' && rest[2]|0x20 == 'd' &&
		strings.IndexByte("89abAB"+"cdefCDEF", rest[3]) >= 0 && isHex(rest[4]) && isHex(rest[5])
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c|0x20 >= 'a' && c|0x20 <= 'f'
}

func invalidUTF8(rest []byte) bool {
	r, size := utf8.DecodeRune(rest)
	return r == utf8.RuneError && size == 1
}

// nonFinite recognises the spellings of NaN and infinity that encoders are known to write.
func nonFinite(rest []byte) bool {
	rest = bytes.TrimLeft(rest, "+-")
	for _, word := range []string{"NaN", "Infinity", "inf", "Inf"} {
		if bytes.HasPrefix(rest, []byte(word)) {
			return true
		}
	}
	return false
}
