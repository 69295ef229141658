package unpack

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"golang.org/x/text/encoding"
	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/ianaindex"
	"golang.org/x/text/transform"

	"kinesis-alerter/alert/payload"
)

// Encoding is how text was made into bytes: base64 or a character set. It is immutable.
type Encoding struct {
	name   string
	append func(e *Encoding, dst, src []byte, limit int) ([]byte, *payload.Fault)
	order  binary.ByteOrder // of UTF-16
	single *[256]rune       // what each byte stands for, in a set of 256 characters
	multi  encoding.Encoding
}

// FindEncoding finds an encoding by its name. Those of character sets are IANA's, whatever their case; they are meant
// to the letter: iso-8859-1 is not windows-1252.
func FindEncoding(name string) (e *Encoding, ok bool) {
	e = &Encoding{name: strings.ToLower(name)}
	switch e.name {
	case "base64":
		e.append = (*Encoding).base64
	case "utf-8":
		e.append = (*Encoding).utf8
	case "utf-16":
		e.append = (*Encoding).markedUTF16
	case "utf-16le":
		e.append, e.order = (*Encoding).utf16, binary.LittleEndian
	case "utf-16be":
		e.append, e.order = (*Encoding).utf16, binary.BigEndian
	default:
		found, err := ianaindex.IANA.Encoding(name)
		if err != nil || found == nil {
			return nil, false
		}
		if set, ok := found.(*charmap.Charmap); ok {
			e.append, e.single = (*Encoding).charset, new([256]rune)
			for b := range e.single {
				e.single[b] = set.DecodeByte(byte(b))
			}
			break
		}
		e.append, e.multi = (*Encoding).multibyte, found
	}
	return e, true
}

// Append decodes src behind dst, into at most limit bytes more. It returns nil if src is as it should be.
func (e *Encoding) Append(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	return e.append(e, dst, src, limit)
}

func (e *Encoding) broken(format string, args ...any) *payload.Fault {
	return &payload.Fault{Defect: payload.BadEncoding, Detail: e.name + ": " + fmt.Sprintf(format, args...)}
}

func (e *Encoding) beyond() *payload.Fault {
	return &payload.Fault{
		Defect: payload.UnpackLimit, Detail: e.name + ": it decodes to more than input_limits allow",
	}
}

// base64 reads both alphabets, with and without padding, with line breaks anywhere and white space around it.
func (e *Encoding) base64(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	text := bytes.TrimRight(src, " \t\r\n")
	skipped := len(text)
	text = bytes.TrimLeft(text, " \t\r\n")
	skipped -= len(text)
	enc := base64.RawStdEncoding
	url, padded := bytes.IndexByte(text, '-') >= 0 ||
		bytes.IndexByte(text, '_') >= 0, bytes.HasSuffix(text, []byte("="))
	switch {
	case url && padded:
		enc = base64.URLEncoding
	case url:
		enc = base64.RawURLEncoding
	case padded:
		enc = base64.StdEncoding
	}
	breaks := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r"))
	size := enc.DecodedLen(len(text) - breaks)
	if size > limit+2 { // padding is counted
		return dst, e.beyond()
	}
	out := room(dst, size+2)
	n, err := enc.Decode(out[len(out):len(out)+size], text)
	var at base64.CorruptInputError
	switch {
	case errors.As(err, &at):
		return dst, e.broken("no base64 at byte %d of %d", skipped+min(int(at), len(text)), len(src))
	case n > limit:
		return dst, e.beyond()
	}
	return out[:len(out)+n], nil
}

func (e *Encoding) utf8(dst, src []byte, _ int) ([]byte, *payload.Fault) {
	if utf8.Valid(src) {
		return nil, nil
	}
	for at := 0; ; {
		r, n := utf8.DecodeRune(src[at:])
		if r == utf8.RuneError && n == 1 {
			return dst, e.broken("byte %d of %d is no UTF-8", at, len(src))
		}
		at += n
	}
}

// markedUTF16 goes by the byte order mark. Without one the order is open: the standard says big-endian, and what writes
// none is little-endian in all likelihood.
func (e *Encoding) markedUTF16(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	marked := *e
	switch {
	case len(src) == 0:
		return nil, nil
	case bytes.HasPrefix(src, []byte{0xff, 0xfe}):
		marked.order = binary.LittleEndian
	case bytes.HasPrefix(src, []byte{0xfe, 0xff}):
		marked.order = binary.BigEndian
	case len(src) > 1 && src[0] != 0 && src[1] == 0:
		return dst, e.broken("no byte order mark at byte 0; it looks like utf-16le")
	case len(src) > 1 && src[0] == 0 && src[1] != 0:
		return dst, e.broken("no byte order mark at byte 0; it looks like utf-16be")
	default:
		return dst, e.broken("no byte order mark at byte 0; without one, say utf-16le or utf-16be")
	}
	return marked.utf16(dst, src, limit)
}

func (e *Encoding) utf16(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	at, size := 0, 0
	next := func() (rune, *payload.Fault) {
		if len(src)-at < 2 {
			return 0, e.broken("half a character at byte %d of %d", at, len(src))
		}
		r := rune(e.order.Uint16(src[at:]))
		at += 2
		if !utf16.IsSurrogate(r) {
			return r, nil
		}
		if len(src)-at >= 2 {
			if both := utf16.DecodeRune(r, rune(e.order.Uint16(src[at:]))); both != utf8.RuneError {
				at += 2
				return both, nil
			}
		}
		return 0, e.broken("half of a surrogate pair at byte %d of %d", at-2, len(src))
	}
	for at < len(src) {
		r, fault := next()
		switch {
		case fault != nil:
			return dst, fault
		case r == 0xfffe && at == 2:
			return dst, e.broken("the byte order mark at byte 0 is of the other order")
		case r == 0xfeff && at == 2: // the mark, which is no part of the text
			continue
		}
		if size += utf8.RuneLen(r); size > limit {
			return dst, e.beyond()
		}
	}
	out := room(dst, size)
	for at = 0; at < len(src); {
		if r, _ := next(); r != 0xfeff || at != 2 {
			out = utf8.AppendRune(out, r)
		}
	}
	return out, nil
}

// charset reads a set of 256 characters.
func (e *Encoding) charset(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	size := 0
	for at, b := range src {
		r := e.single[b]
		if r == utf8.RuneError {
			return dst, e.broken("byte %d of %d stands for no character", at, len(src))
		}
		size += utf8.RuneLen(r)
	}
	if size > limit {
		return dst, e.beyond()
	}
	out := room(dst, size)
	for _, b := range src {
		out = utf8.AppendRune(out, e.single[b])
	}
	return out, nil
}

// multibyte reads a larger character set.
func (e *Encoding) multibyte(dst, src []byte, limit int) ([]byte, *payload.Fault) {
	out := room(dst, min(limit, 3*len(src))+utf8.UTFMax)
	n, _, err := e.multi.NewDecoder().Transform(out[len(out):cap(out)], src, true)
	out = out[:len(out)+n]
	switch {
	case n > limit || errors.Is(err, transform.ErrShortDst):
		return dst, e.beyond()
	case err != nil:
		return dst, e.broken("%v", err)
	case bytes.Count(out[len(dst):], []byte(replacement)) > e.meant(src):
		return dst, e.broken("the bytes at byte %d of %d stand for no character", e.firstReplaced(src), len(src))
	}
	return out, nil
}

// The library replaces what it cannot read. Of the sets that it knows, only GB 18030 has the replacement character.
const (
	replacement        = "\uFFFD"
	gb18030            = "gb18030"
	gb18030Replacement = "\x84\x31\xa4\x37"
)

// meant is how many replacement characters are in the text itself.
func (e *Encoding) meant(src []byte) int {
	if e.name != gb18030 {
		return 0
	}
	return bytes.Count(src, []byte(gb18030Replacement))
}

// firstReplaced is where the first bytes are that stand for no character.
func (e *Encoding) firstReplaced(src []byte) int {
	decoder := e.multi.NewDecoder().Transformer
	var one [utf8.UTFMax]byte
	for at := 0; at < len(src); {
		n, read, err := decoder.Transform(one[:3], src[at:], true) // the replacement character takes three bytes
		if n == 0 && errors.Is(err, transform.ErrShortDst) {
			n, read, _ = decoder.Transform(one[:], src[at:], true)
		}
		if string(one[:n]) == replacement && e.meant(src[at:at+read]) == 0 || read == 0 {
			return at
		}
		at += read
	}
	return 0
}
