package envelope

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"

	"kinesis-alerter/alert/payload"
)

// What follows is the short way for envelopes as CloudWatch Logs writes them. It validates, finds and unescapes in one
// pass, and takes an envelope only if every byte of it is certain to be acceptable. Whatever is wrong, or merely
// unusual (white space, another order of an event's members, a member that it does not know), it leaves to the strict
// reader. FuzzBatch holds the two to each other.
//
// Its functions answer the place behind what they have read, or -1.

// maxExtracted is how many extracted fields are compared with each other by name.
const maxExtracted = 64

// readShort reads the envelope. sure is false if the strict reader has to.
func (b *Batch) readShort(pieces int) (fault *payload.Fault, sure bool) {
	data := b.data
	i, typed, events := 0, false, false
	for {
		open := byte(',')
		if i == 0 {
			open = '{'
		}
		if i+1 >= len(data) || data[i] != open || data[i+1] != '"' {
			return nil, false
		}
		end := plain(data, i+2)
		if end+1 >= len(data) || data[end] != '"' || data[end+1] != ':' {
			return nil, false
		}
		name := data[i+2 : end]
		i = end + 2
		place, known := headMember(name)
		switch {
		case known && b.head[place].Kind == payload.Absent:
			if end = headValue(data, i); end < 0 {
				return nil, false
			}
			b.head[place] = payload.Cell{Kind: payload.JSON, Raw: data[i:end]}
			i = end
		case !typed && string(name) == "messageType":
			typed = true
			end = headValue(data, i)
			if end < 0 {
				return nil, false
			}
			switch string(data[i:end]) {
			case `"DATA_MESSAGE"`:
			case `"CONTROL_MESSAGE"`:
				b.Control = true
			default:
				return nil, false
			}
			i = end
		case !events && string(name) == "logEvents":
			events = true
			if i, fault = b.readEvents(i, pieces); i < 0 {
				return fault, fault != nil
			}
		default:
			return nil, false
		}
		if i+1 == len(data) && data[i] == '}' {
			return nil, events
		}
	}
}

// headValue reads a text, or a list of texts.
func headValue(data []byte, i int) int {
	if i >= len(data) {
		return -1
	}
	if data[i] == '"' {
		return pastPlain(data, i)
	}
	if data[i] != '[' {
		return -1
	}
	if i+1 < len(data) && data[i+1] == ']' {
		return i + 2
	}
	for {
		if i = pastPlain(data, i+1); i < 0 || i >= len(data) {
			return -1
		}
		switch data[i] {
		case ',':
		case ']':
			return i + 1
		default:
			return -1
		}
	}
}

// pastPlain reads a text of ASCII without escapes, whose quote is at i.
func pastPlain(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return -1
	}
	if i = plain(data, i+1); i < len(data) && data[i] == '"' {
		return i + 1
	}
	return -1
}

const ones, tops = 0x0101010101010101, 0x8080808080808080

// special marks the bytes of x that end plain ASCII in a text: quotes, backslashes, control characters, and what is
// beyond ASCII. The lowest mark is right; above it there may be wrong ones.
func special(x uint64) uint64 {
	quote, slash := x^(ones*'"'), x^(ones*'\\')
	return ((x - ones*' ') | (quote - ones) | (slash - ones) | x) & tops
}

func isSpecial(c byte) bool { return c == '"' || c == '\\' || c < ' ' || c >= utf8.RuneSelf }

// plain is the place of the first special byte from i on; len(data) if there is none.
func plain(data []byte, i int) int {
	for i+8 <= len(data) {
		if marks := special(binary.LittleEndian.Uint64(data[i:])); marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
		i += 8
	}
	for i < len(data) && !isSpecial(data[i]) {
		i++
	}
	return i
}

// The way from one member of an event to the next.
const (
	toID        = `{"id":`
	toTimestamp = `,"timestamp":`
	toMessage   = `,"message":"`
	toExtracted = `,"extractedFields":{`
)

// readEvents reads the list of events at i.
func (b *Batch) readEvents(i, pieces int) (int, *payload.Fault) {
	data := b.data
	if i >= len(data) || data[i] != '[' {
		return -1, nil
	}
	i++
	if i < len(data) && data[i] == ']' {
		return i + 1, nil
	}
	for {
		if len(b.events) >= pieces {
			return -1, tooMany()
		}
		if len(b.events) == cap(b.events) {
			b.events = append(b.events, event{})
		} else {
			b.events = b.events[:len(b.events)+1]
		}
		e := &b.events[len(b.events)-1]
		if i = b.readEvent(i, e); i < 0 || i >= len(data) {
			return -1, nil
		}
		switch data[i] {
		case ',':
			i++
		case ']':
			return i + 1, nil
		default:
			return -1, nil
		}
	}
}

// readEvent reads the event at i.
func (b *Batch) readEvent(i int, e *event) int {
	data := b.data
	if len(data)-i < len(toID) || string(data[i:i+len(toID)]) != toID {
		return -1
	}
	i += len(toID)
	end := pastPlain(data, i)
	if end < 0 || len(data)-end < len(toTimestamp) || string(data[end:end+len(toTimestamp)]) != toTimestamp {
		return -1
	}
	e.id = between(i, end)
	i = end + len(toTimestamp)
	end = i
	for end < len(data) && data[end]-'0' <= 9 {
		end++
	}
	if end == i || data[i] == '0' ||
		len(data)-end < len(toMessage) || string(data[end:end+len(toMessage)]) != toMessage {
		return -1
	}
	e.timestamp = between(i, end)
	if i = b.readMessage(end+len(toMessage), e); i < 0 || i >= len(data) {
		return -1
	}
	e.extracted = span{}
	if data[i] == ',' {
		if i = b.readExtracted(i, e); i < 0 || i >= len(data) {
			return -1
		}
	}
	if data[i] != '}' {
		return -1
	}
	return i + 1
}

// readMessage reads the text that begins at i.
func (b *Batch) readMessage(i int, e *event) int {
	data := b.data
	end := plain(data, i)
	if end >= len(data) {
		return -1
	}
	if data[end] == '"' {
		e.message, e.state = between(i, end), plainMessage
		return end + 1
	}
	if room := len(data) - i + 8; cap(b.texts)-len(b.texts) < room { // unescaping makes no text longer
		if len(b.texts) > 0 {
			return -1 // cannot be: there was room for all texts when the first was read
		}
		b.texts = make([]byte, 0, room)
	}
	from := len(b.texts)
	to := b.texts[from:cap(b.texts)]
	n := copy(to, data[i:end])
	i, n = unescape(to, n, data, end)
	if i < 0 {
		return -1
	}
	b.texts = b.texts[:from+n]
	e.message, e.state = between(from, from+n), escapedMessage
	return i
}

// unescape reads the rest of a text at i into to, where n bytes of it are. There is room for eight bytes more than the
// text has. It returns the place behind the text, or -1, and how long the text is.
func unescape(to []byte, n int, data []byte, i int) (end, length int) {
	began, wide := n, false
	for {
		for i+8 <= len(data) {
			x := binary.LittleEndian.Uint64(data[i:])
			binary.LittleEndian.PutUint64(to[n:], x)
			marks := special(x)
			if marks == 0 {
				i, n = i+8, n+8
				continue
			}
			k := bits.TrailingZeros64(marks) / 8
			i, n = i+k, n+k
			break
		}
		for i < len(data) && !isSpecial(data[i]) {
			to[n] = data[i]
			i, n = i+1, n+1
		}
		if i >= len(data) {
			return -1, 0
		}
		switch c := data[i]; {
		case c == '"':
			if wide && !utf8.Valid(to[began:n]) {
				return -1, 0
			}
			return i + 1, n
		case c == '\\':
			if i+1 >= len(data) {
				return -1, 0
			}
			if c = escaped(data[i+1]); c != 0 {
				to[n] = c
				i, n = i+2, n+1
				continue
			}
			r, size := codePoint(data[i:])
			if size == 0 {
				return -1, 0
			}
			n += utf8.EncodeRune(to[n:], r)
			i += size
		case c < ' ':
			return -1, 0
		default:
			wide = true
			for i < len(data) && data[i] >= utf8.RuneSelf {
				to[n] = data[i]
				i, n = i+1, n+1
			}
		}
	}
}

// escaped is what a letter behind a backslash stands for; 0 for any other.
func escaped(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	}
	return 0
}

// codePoint reads \u0041 or a pair of surrogates; the size is 0 if neither is there.
func codePoint(data []byte) (r rune, size int) {
	const one, two = 6, 12
	r, ok := unit(data)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(r) {
		return r, one
	}
	if low, ok := unit(data[one:]); ok {
		if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
			return r, two
		}
	}
	return 0, 0
}

// unit reads \u0041.
func unit(data []byte) (r rune, ok bool) {
	if len(data) < 6 || data[0] != '\\' || data[1] != 'u' {
		return 0, false
	}
	for _, c := range data[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// readExtracted reads the extracted fields at i: an object of texts.
func (b *Batch) readExtracted(i int, e *event) int {
	data := b.data
	if len(data)-i < len(toExtracted) || string(data[i:i+len(toExtracted)]) != toExtracted {
		return -1
	}
	i += len(toExtracted)
	from := i - 1
	var names [maxExtracted][]byte
	for n := range maxExtracted {
		end := pastPlain(data, i)
		if end < 0 || end >= len(data) || data[end] != ':' {
			return -1
		}
		name := data[i:end]
		for _, known := range names[:n] {
			if bytes.Equal(known, name) {
				return -1
			}
		}
		names[n] = name
		if i = pastText(data, end+1); i < 0 || i >= len(data) {
			return -1
		}
		switch data[i] {
		case ',':
			i++
		case '}':
			e.extracted = between(from, i+1)
			return i + 1
		default:
			return -1
		}
	}
	return -1
}

// pastText reads a text whose quote is at i.
func pastText(data []byte, i int) int {
	if i >= len(data) || data[i] != '"' {
		return -1
	}
	i++
	for from := i; ; {
		if i = plain(data, i); i >= len(data) {
			return -1
		}
		switch c := data[i]; {
		case c == '"':
			if !utf8.Valid(data[from:i]) {
				return -1
			}
			return i + 1
		case c == '\\':
			if i+1 >= len(data) || escaped(data[i+1]) == 0 {
				return -1
			}
			i += 2
		case c < ' ':
			return -1
		default:
			i++
		}
	}
}
