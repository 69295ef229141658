package condition

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

// scanner is the decoder's short way for the documents that nearly all records are. It reads once, byte by byte, what
// the strict decoder reads in tokens, at a third of the cost, and is as strict: a document is taken only if every byte
// of it is certain to be acceptable. Whatever is wrong, or merely rare (an escaped name, \u, deep nesting), it leaves
// to the strict decoder, which finds the reason. FuzzScan holds the two to each other.
//
// Its methods answer the place behind what they have read, or -1.
type scanner struct {
	data  []byte
	slots []Value
	d     *Decoder
	names scannedNames
}

// scanDepth is how deep values may be nested.
const scanDepth = 32

// scan fills the slots and says whether it took the document.
func (d *Decoder) scan(data []byte, slots []Value) bool {
	s := &d.short
	s.data, s.slots, s.d = data, slots, d
	s.names.reset()
	i := s.space(0)
	if i >= len(data) || data[i] != '{' {
		return false
	}
	i = s.object(i, &d.schema.root, 0)
	ok := i >= 0 && s.space(i) == len(data)
	s.data, s.slots = nil, nil
	return ok
}

// space passes white space.
func (s *scanner) space(i int) int {
	for i < len(s.data) && s.data[i] <= ' ' &&
		(s.data[i] == ' ' || s.data[i] == '\n' || s.data[i] == '\r' || s.data[i] == '\t') {
		i++
	}
	return i
}

// object reads an object at i. node is what is wanted of it; nil is nothing.
func (s *scanner) object(i int, node *fieldNode, depth int) int {
	if depth > scanDepth {
		return -1
	}
	data := s.data
	i = s.space(i + 1)
	if i < len(data) && data[i] == '}' {
		return i + 1
	}
	known := s.names.open()
	for {
		if i >= len(data) || data[i] != '"' {
			return -1
		}
		end, plain := s.text(i)
		if end < 0 || !plain {
			return -1
		}
		name := data[i+1 : end-1]
		if !s.names.add(&known, data, i+1, end-1) {
			return -1
		}
		if i = s.space(end); i >= len(data) || data[i] != ':' {
			return -1
		}
		if i = s.member(s.space(i+1), node, name, depth); i < 0 {
			return -1
		}
		if i = s.space(i); i >= len(data) {
			return -1
		}
		switch data[i] {
		case ',':
			i = s.space(i + 1)
		case '}':
			s.names.close(&known)
			return i + 1
		default:
			return -1
		}
	}
}

// member reads the value of a name of an object, into its slot if it is wanted.
func (s *scanner) member(i int, node *fieldNode, name []byte, depth int) int {
	if node == nil {
		return s.value(i, nil, depth)
	}
	child := node.find(name)
	if child == nil {
		return s.value(i, nil, depth)
	}
	below := child
	if child.shadowed {
		s.d.Shadowed[child.slot] = true
		below = nil
	}
	end := s.value(i, below, depth)
	if end < 0 {
		return end
	}
	if child.raw > 0 {
		s.d.Raw[child.raw-1] = s.data[i:end]
	}
	if child.slot < 0 || child.shadowed {
		return end
	}
	v, ok := s.wanted(s.data[i:end])
	if !ok {
		return -1
	}
	s.d.Touched = append(s.d.Touched, child.slot)
	s.slots[child.slot] = v
	return end
}

// wanted is the value of a literal, which is valid.
func (s *scanner) wanted(raw []byte) (Value, bool) {
	switch raw[0] {
	case 'n':
		return Value{Kind: Null}, true
	case 'f':
		return Value{Kind: Boolean}, true
	case 't':
		return Value{Kind: Boolean, Num: 1}, true
	case '"':
		return Value{Kind: Text, Raw: s.d.unquote(raw)}, true
	case '{', '[':
		return Value{Kind: Composite, Raw: raw}, true
	}
	return numberOf(raw)
}

// value reads any value at i. node is what is wanted of an object.
func (s *scanner) value(i int, node *fieldNode, depth int) int {
	if i >= len(s.data) {
		return -1
	}
	switch s.data[i] {
	case '"':
		end, _ := s.text(i)
		return end
	case '{':
		return s.object(i, node, depth+1)
	case '[':
		return s.array(i, depth+1)
	case 't':
		return s.word(i, "true")
	case 'f':
		return s.word(i, "false")
	case 'n':
		return s.word(i, "null")
	}
	return s.number(i)
}

func (s *scanner) word(i int, word string) int {
	if end := i + len(word); end <= len(s.data) && string(s.data[i:end]) == word {
		return end
	}
	return -1
}

func (s *scanner) array(i, depth int) int {
	if depth > scanDepth {
		return -1
	}
	i = s.space(i + 1)
	if i < len(s.data) && s.data[i] == ']' {
		return i + 1
	}
	for {
		if i = s.value(i, nil, depth); i < 0 {
			return -1
		}
		if i = s.space(i); i >= len(s.data) {
			return -1
		}
		switch s.data[i] {
		case ',':
			i = s.space(i + 1)
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

// number reads a number of JSON's grammar.
func (s *scanner) number(i int) int {
	data := s.data
	if i < len(data) && data[i] == '-' {
		i++
	}
	switch {
	case i >= len(data):
		return -1
	case data[i] == '0':
		i++
	case data[i] >= '1' && data[i] <= '9':
		i = pastDigits(data, i)
	default:
		return -1
	}
	if i < len(data) && data[i] == '.' {
		end := pastDigits(data, i+1)
		if end == i+1 {
			return -1
		}
		i = end
	}
	if i < len(data) && data[i]|0x20 == 'e' {
		i++
		if i < len(data) && (data[i] == '+' || data[i] == '-') {
			i++
		}
		end := pastDigits(data, i)
		if end == i {
			return -1
		}
		i = end
	}
	return i
}

func pastDigits(data []byte, i int) int {
	for i < len(data) && data[i]-'0' <= 9 {
		i++
	}
	return i
}

// text reads a string whose quote is at i. plain says that nothing in it is escaped. It looks at eight bytes at a time:
// the lowest byte that a mask marks is one that ends the plain ASCII, as what a mask marks wrongly stands above it.
func (s *scanner) text(i int) (end int, plain bool) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	data, start := s.data, i+1
	i, plain = start, true
	wide := false
	for {
		for i+8 <= len(data) {
			x := binary.LittleEndian.Uint64(data[i:])
			quote, slash := x^(ones*'"'), x^(ones*'\\')
			if marks := ((x - ones*' ') | (quote - ones) | (slash - ones) | x) & tops; marks != 0 {
				i += bits.TrailingZeros64(marks) / 8
				break
			}
			i += 8
		}
		if i >= len(data) {
			return -1, false
		}
		switch c := data[i]; {
		case c == '"':
			if wide && !utf8.Valid(data[start:i]) {
				return -1, false
			}
			return i + 1, plain
		case c == '\\':
			if i+1 >= len(data) || !simpleEscape(data[i+1]) {
				return -1, false
			}
			plain = false
			i += 2
		case c < ' ':
			return -1, false
		default: // a byte of the last few, or of a character beyond ASCII
			wide = wide || c >= utf8.RuneSelf
			i++
		}
	}
}

func simpleEscape(c byte) bool {
	switch c {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	}
	return false
}
