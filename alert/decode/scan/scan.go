package scan

import (
	"bytes"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert/payload"
)

// MaxDepth is how deep values may be nested, as in the evaluator.
const MaxDepth = 10_000

// Visitor sees what is inside a value. It may not change anything.
type Visitor interface {
	// Open and Close surround the members of an object, or the elements of an array.
	Open(object bool)
	Close()
	// Name is the name of a member, at [start, end) with its quotes.
	Name(start, end int)
}

// Space returns the place of the first byte from i on that is no white space.
func Space(data []byte, i int) int {
	for i < len(data) && (data[i] == ' ' || data[i] == '\n' || data[i] == '\r' || data[i] == '\t') {
		i++
	}
	return i
}

// Value passes the value that begins at i, and returns the place behind it. With a defect, that is where it breaks;
// payload.Truncated is a value that the data end in.
func Value(data []byte, i int) (end int, defect payload.Defect) { return Walk(data, i, nil) }

// Walk is Value with a visitor, which may be nil.
func Walk(data []byte, i int, v Visitor) (end int, defect payload.Defect) {
	var room [64]bool
	open := room[:0] // what is open: an object, or else an array
	for {
		closed := true
		switch c := at(data, i); c {
		case '{', '[':
			if len(open) == MaxDepth {
				return i, payload.TooDeep
			}
			if v != nil {
				v.Open(c == '{')
			}
			open = append(open, c == '{')
			i = Space(data, i+1)
			closed = at(data, i) == c+2 // as '}' is '{' and two more
		case '"':
			i, defect = Text(data, i)
		default:
			i, defect = literal(data, i)
		}
		for closed && defect == "" { // a value ends at i, or its bracket stands there
			if len(open) == 0 {
				return i, ""
			}
			i = Space(data, i)
			switch c := at(data, i); {
			case c == ',':
				i, closed = Space(data, i+1), false
			case c == '}' && open[len(open)-1], c == ']' && !open[len(open)-1]:
				if v != nil {
					v.Close()
				}
				open = open[:len(open)-1]
				i++
			default:
				return broken(data, i)
			}
		}
		if defect == "" && len(open) > 0 && open[len(open)-1] {
			start := i
			var name []byte
			if name, i, defect = Member(data, i); defect == "" && v != nil {
				v.Name(start, start+len(name)+2)
			}
		}
		if defect != "" {
			return i, defect
		}
	}
}

// at is the byte at i; 0, which is nowhere outside of texts, behind the end.
func at(data []byte, i int) byte {
	if i < len(data) {
		return data[i]
	}
	return 0
}

func broken(data []byte, i int) (int, payload.Defect) {
	if i >= len(data) {
		return len(data), payload.Truncated
	}
	return i, payload.NotJSON
}

// Member passes the name of a member at i and its colon. The name is without quotes, but as it is written, see Is.
func Member(data []byte, i int) (name []byte, value int, defect payload.Defect) {
	if at(data, i) != '"' {
		value, defect = broken(data, i)
		return nil, value, defect
	}
	end, defect := Text(data, i)
	if defect != "" {
		return nil, end, defect
	}
	name = data[i+1 : end-1]
	if end = Space(data, end); at(data, end) != ':' {
		value, defect = broken(data, end)
		return nil, value, defect
	}
	return name, Space(data, end+1), ""
}

// Is reports whether a name as it is written stands for name.
func Is(written []byte, name string) bool {
	if bytes.IndexByte(written, '\\') < 0 {
		return string(written) == name
	}
	return string(Unquote(written)) == name
}

// Unquote is the text of a string without its quotes. Halves of surrogate pairs become replacement characters.
func Unquote(written []byte) []byte {
	if bytes.IndexByte(written, '\\') < 0 {
		return written
	}
	quoted := append(append([]byte{'"'}, written...), '"')
	text, _ := jsontext.AppendUnquote(nil, quoted)
	return text
}

// Text passes a string, whose quote is at i.
func Text(data []byte, i int) (end int, defect payload.Defect) {
	for i++; i < len(data); i++ {
		switch c := data[i]; {
		case c == '"':
			return i + 1, ""
		case c < ' ':
			return i, payload.NotJSON
		case c == '\\':
			start := i
			i++
			switch at(data, i) {
			case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			case 'u':
				for range 4 {
					if i++; !isHex(at(data, i)) {
						return broken(data, max(start, i))
					}
				}
			default:
				return broken(data, i)
			}
		}
	}
	return len(data), payload.Truncated
}

func isHex(c byte) bool { return isDigit(c) || c|0x20 >= 'a' && c|0x20 <= 'f' }

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// literal passes a number or a word.
func literal(data []byte, i int) (int, payload.Defect) {
	if c := at(data, i); isDigit(c) || c == '-' && isDigit(at(data, i+1)) { // most are
		if end, ok := number(data, i); ok {
			return end, ""
		}
	}
	for _, word := range []string{"true", "false", "null", "NaN", "Infinity", "-Infinity"} {
		rest := data[i:min(len(data), i+len(word))]
		if string(rest) == word {
			return i + len(word), ""
		}
		if len(rest) > 0 && string(rest) == word[:len(rest)] && i+len(rest) == len(data) {
			return len(data), payload.Truncated
		}
	}
	end, ok := number(data, i)
	if !ok {
		return broken(data, end)
	}
	return end, ""
}

// IsNumber reports whether a text is a number in JSON's grammar.
func IsNumber(text []byte) bool {
	end, ok := number(text, 0)
	return ok && end == len(text)
}

func number(data []byte, i int) (end int, ok bool) {
	if at(data, i) == '-' {
		i++
	}
	if at(data, i) == '0' {
		i++
	} else if i, ok = digits(data, i); !ok {
		return i, false
	}
	if at(data, i) == '.' {
		if i, ok = digits(data, i+1); !ok {
			return i, false
		}
	}
	if at(data, i)|0x20 == 'e' {
		if i++; at(data, i) == '+' || at(data, i) == '-' {
			i++
		}
		return digits(data, i)
	}
	return i, true
}

func digits(data []byte, i int) (end int, ok bool) {
	start := i
	for isDigit(at(data, i)) {
		i++
	}
	return i, i > start
}

// Depth is how deep a valid value is nested: 1 for an object of numbers.
func Depth(data []byte) int {
	depth, deepest := 0, 0
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '"':
			end, _ := Text(data, i)
			i = end - 1
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}
