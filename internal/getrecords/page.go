package getrecords

import (
	"bytes"
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// span is a part of a body. Its zero value is a member that was not there: none begins at the body's first byte.
type span struct{ start, end int32 }

func (s span) there() bool { return s.start != 0 }
func (s span) len() int    { return int(s.end - s.start) }

// raw is a record as it is in the body.
type raw struct {
	data, key, sequence span
	millis              int64
	timed               bool
	escaped             bool // the key is
	encryption          types.EncryptionType
}

// page is what is found in one answer. It is used again: nothing that leaves the package points into it.
//
// Its methods return the place behind what they have read, or -1 if they are not certain what the SDK would make of it.
type page struct {
	p        []byte
	raws     []raw
	next     span
	behind   int64
	timely   bool // MillisBehindLatest was there
	records  bool // Records was there
	children bool // ChildShards was there, and empty
}

// Members of an answer that were seen, to find one that comes twice.
const (
	sawRecords = 1 << iota
	sawNext
	sawBehind
	sawChildren
)

// read takes a body and says whether it is certain what the SDK would make of it.
func (g *page) read(p []byte) bool {
	*g = page{p: p, raws: g.raws[:0]}
	i := g.space(0)
	if len(p) > math.MaxInt32 || i >= len(p) || p[i] != '{' {
		return false
	}
	i = g.object(i, func(name []byte, i int) (saw uint, end int) {
		switch string(name) {
		case "Records":
			g.records = true
			return sawRecords, g.list(i)
		case "NextShardIterator":
			g.next, i = g.plain(i)
			return sawNext, i
		case "MillisBehindLatest":
			g.timely = true
			g.behind, i = g.whole(i)
			return sawBehind, i
		case "ChildShards":
			g.children = true
			return sawChildren, g.nothing(i)
		}
		return 0, g.skip(i, 0)
	})
	return i >= 0 && g.space(i) == len(p)
}

// object reads an object at i, whose members it passes to member. That returns the bit of a member that it knows. Nulls
// are read over: the SDK takes them for members that are not there.
func (g *page) object(i int, member func(name []byte, i int) (saw uint, end int)) int {
	p := g.p
	if i >= len(p) || p[i] != '{' {
		return -1
	}
	i = g.space(i + 1)
	if i < len(p) && p[i] == '}' {
		return i + 1
	}
	var seen uint
	for {
		name, at := g.name(i)
		if at < 0 || at >= len(p) {
			return -1
		}
		var saw uint
		if p[at] == 'n' {
			i = g.word(at, "null")
		} else {
			saw, i = member(name, at)
		}
		if i < 0 || seen&saw != 0 {
			return -1
		}
		seen |= saw
		if i = g.space(i); i >= len(p) {
			return -1
		}
		switch p[i] {
		case ',':
			i = g.space(i + 1)
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

// array reads an array at i, whose elements it passes to element.
func (g *page) array(i int, element func(i int) int) int {
	p := g.p
	if i >= len(p) || p[i] != '[' {
		return -1
	}
	i = g.space(i + 1)
	if i < len(p) && p[i] == ']' {
		return i + 1
	}
	for {
		if i = element(i); i < 0 {
			return -1
		}
		if i = g.space(i); i >= len(p) {
			return -1
		}
		switch p[i] {
		case ',':
			i = g.space(i + 1)
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

func (g *page) list(i int) int {
	var r *raw
	member := func(name []byte, i int) (uint, int) { return g.member(r, name, i) }
	return g.array(i, func(i int) int {
		g.raws = append(g.raws, raw{})
		r = &g.raws[len(g.raws)-1]
		return g.object(i, member)
	})
}

// nothing reads an empty array. Children are there once in the life of a shard, and are the SDK's.
func (g *page) nothing(i int) int { return g.array(i, func(int) int { return -1 }) }

// Members of a record that were seen.
const (
	sawData = 1 << iota
	sawKey
	sawSequence
	sawTime
	sawEncryption
)

func (g *page) member(r *raw, name []byte, i int) (saw uint, end int) {
	switch string(name) {
	case "Data":
		r.data, i = g.payload(i)
		return sawData, i
	case "PartitionKey":
		r.key, i, r.escaped = g.text(i)
		return sawKey, i
	case "SequenceNumber":
		r.sequence, i = g.plain(i)
		return sawSequence, i
	case "ApproximateArrivalTimestamp":
		r.timed = true
		r.millis, i = g.seconds(i)
		return sawTime, i
	case "EncryptionType":
		var s span
		if s, i = g.plain(i); i >= 0 {
			switch string(g.p[s.start:s.end]) {
			case "NONE":
				r.encryption = types.EncryptionTypeNone
			case "KMS":
				r.encryption = types.EncryptionTypeKms
			default:
				return 0, -1
			}
		}
		return sawEncryption, i
	}
	return 0, g.skip(i, 0)
}

func (g *page) space(i int) int {
	p := g.p
	for i < len(p) && p[i] <= ' ' && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t') {
		i++
	}
	return i
}

// name reads a member's name and its colon, and returns the place of the value.
func (g *page) name(i int) ([]byte, int) {
	s, i := g.plain(i)
	if i < 0 {
		return nil, -1
	}
	if i = g.space(i); i >= len(g.p) || g.p[i] != ':' {
		return nil, -1
	}
	return g.p[s.start:s.end], g.space(i + 1)
}

// plain reads a string in which nothing is escaped.
func (g *page) plain(i int) (span, int) {
	s, end, escaped := g.text(i)
	if escaped {
		return span{}, -1
	}
	return s, end
}

// text reads a string, eight bytes at a time: the lowest byte that a mask marks is one that ends it, is escaped or is
// not allowed, as what a mask marks wrongly is above it. Bytes beyond ASCII are taken as they are.
func (g *page) text(i int) (s span, end int, escaped bool) {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	p := g.p
	if i >= len(p) || p[i] != '"' {
		return span{}, -1, false
	}
	start := i + 1
	i = start
	for {
		for i+8 <= len(p) {
			x := binary.LittleEndian.Uint64(p[i:])
			quote, slash := x^(ones*'"'), x^(ones*'\\')
			if marks := ((x-ones*' ')&^x | (quote-ones)&^quote | (slash-ones)&^slash) & tops; marks != 0 {
				i += bits.TrailingZeros64(marks) / 8
				break
			}
			i += 8
		}
		if i >= len(p) {
			return span{}, -1, false
		}
		switch c := p[i]; {
		case c == '"':
			return span{int32(start), int32(i)}, i + 1, escaped //nolint:gosec // read has looked at the length
		case c == '\\':
			escaped = true
			if i = g.escape(i + 1); i < 0 {
				return span{}, -1, false
			}
		case c < ' ':
			return span{}, -1, false
		default: // a byte of the last few
			i++
		}
	}
}

// escape reads what follows a backslash.
func (g *page) escape(i int) int {
	switch {
	case i >= len(g.p):
		return -1
	case bytes.IndexByte([]byte(`"\/bfnrt`), g.p[i]) >= 0:
		return i + 1
	case g.p[i] != 'u' || i+5 > len(g.p):
		return -1
	}
	for _, c := range g.p[i+1 : i+5] {
		if c-'0' > 9 && c|0x20-'a' > 5 {
			return -1
		}
	}
	return i + 5
}

// payload reads a string of base64. It looks for the quote only: whatever is in it that is no base64, also a backslash
// before the quote, is found when it is decoded.
func (g *page) payload(i int) (span, int) {
	if i >= len(g.p) || g.p[i] != '"' {
		return span{}, -1
	}
	n := bytes.IndexByte(g.p[i+1:], '"')
	if n < 0 {
		return span{}, -1
	}
	return span{int32(i + 1), int32(i + 1 + n)}, i + n + 2 //nolint:gosec // read has looked at the length
}

// digits passes digits.
func (g *page) digits(i int) int {
	for i < len(g.p) && g.p[i]-'0' <= 9 {
		i++
	}
	return i
}

// whole reads a whole number that is not negative and surely fits.
func (g *page) whole(i int) (int64, int) {
	end := g.digits(i)
	n := int64(0)
	switch {
	case end == i || end-i > 18 || g.p[i] == '0' && end-i > 1:
		return 0, -1
	case end < len(g.p) && (g.p[end] == '.' || g.p[end]|0x20 == 'e'):
		return 0, -1
	}
	for ; i < end; i++ {
		n = n*10 + int64(g.p[i]-'0')
	}
	return n, end
}

// number passes a number of JSON's grammar.
func (g *page) number(i int) int {
	p := g.p
	if i < len(p) && p[i] == '-' {
		i++
	}
	end := g.digits(i)
	if end == i || p[i] == '0' && end-i > 1 {
		return -1
	}
	if i = end; i < len(p) && p[i] == '.' {
		if end = g.digits(i + 1); end == i+1 {
			return -1
		}
		i = end
	}
	if i < len(p) && p[i]|0x20 == 'e' {
		if i++; i < len(p) && (p[i] == '+' || p[i] == '-') {
			i++
		}
		if end = g.digits(i); end == i {
			return -1
		}
		i = end
	}
	return i
}

// seconds reads a time in seconds, with a fraction or an exponent (1.441215410867E9), into milliseconds. The SDK
// rounds it to a float64 and cuts the product with 1,000. So does this: the digits and the power of ten are exact in a
// float64, and one operation, which rounds, makes the number of them.
func (g *page) seconds(i int) (int64, int) {
	p, start := g.p, i
	var n uint64
	for ; i < len(p) && p[i]-'0' <= 9; i++ {
		n = n*10 + uint64(p[i]-'0')
	}
	digits, exp := i-start, 0
	if digits == 0 || p[start] == '0' && digits > 1 {
		return 0, -1
	}
	if i < len(p) && p[i] == '.' {
		i++
		from := i
		for ; i < len(p) && p[i]-'0' <= 9; i++ {
			n = n*10 + uint64(p[i]-'0')
		}
		if exp = from - i; exp == 0 {
			return 0, -1
		}
		digits -= exp
	}
	if digits > 15 { // 2^53 is more
		return 0, -1
	}
	if i < len(p) && p[i]|0x20 == 'e' {
		var e int
		if e, i = g.exponent(i + 1); i < 0 {
			return 0, -1
		}
		exp += e
	}
	f := float64(n)
	switch {
	case exp < -mostTens || exp > mostTens:
		return 0, -1
	case exp < 0:
		f /= tens(-exp)
	default:
		f *= tens(exp)
	}
	if f >= 9e9 { // in the year 2255 the nanoseconds since 1970 do not fit an int64
		return 0, -1
	}
	return int64(f * 1e3), i
}

func (g *page) exponent(i int) (int, int) {
	p, minus := g.p, false
	if i < len(p) && (p[i] == '+' || p[i] == '-') {
		minus = p[i] == '-'
		i++
	}
	from, e := i, 0
	for ; i < len(p) && i-from <= 3 && p[i]-'0' <= 9; i++ {
		e = e*10 + int(p[i]-'0')
	}
	if i == from || i-from > 3 {
		return 0, -1
	}
	if minus {
		e = -e
	}
	return e, i
}

// mostTens is the largest power of ten that a float64 holds exactly.
const mostTens = 22

// tens is a power of ten that a float64 holds exactly. So is each of its steps.
func tens(n int) float64 {
	f := 1.0
	for ; n >= 3; n -= 3 {
		f *= 1e3
	}
	for ; n > 0; n-- {
		f *= 10
	}
	return f
}

// skip passes a value that nobody asked for.
func (g *page) skip(i, depth int) int {
	if i >= len(g.p) || depth > 16 {
		return -1
	}
	switch g.p[i] {
	case '"':
		_, i, _ = g.text(i)
		return i
	case 't':
		return g.word(i, "true")
	case 'f':
		return g.word(i, "false")
	case 'n':
		return g.word(i, "null")
	case '[':
		return g.array(i, func(i int) int { return g.skip(i, depth+1) })
	case '{':
		return g.object(i, func(_ []byte, i int) (uint, int) { return 0, g.skip(i, depth+1) })
	}
	return g.number(i)
}

func (g *page) word(i int, word string) int {
	if end := i + len(word); end <= len(g.p) && string(g.p[i:end]) == word {
		return end
	}
	return -1
}
