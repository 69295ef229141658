// Package plain makes texts from outside safe to show: on a terminal, which obeys some characters, and on a page, where
// others mislead the reader. Producers, AWS and any writer of the lease table choose such texts.
//
// # What it guarantees
//
// What [Text] returns, and the arguments of [Fprintf] and [Fprintln], are printable as strconv.IsPrint has it, and one
// line. What is written through a [Writer] is printable but for the ends of its lines. All else is written as an escape
// that JSON knows too, so a document keeps its meaning. A byte that is not UTF-8 becomes \x and two digits.
package plain

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Text is s on one line, with what is not printable escaped.
func Text(s string) string {
	if clean(s, "") {
		return s
	}
	return string(appendText(make([]byte, 0, len(s)+16), s, "", astral16))
}

// Printable says that Text would leave s as it is, but for the ends of lines and tabs in it.
func Printable(s string) bool {
	return clean(s, structure) || string(appendText(nil, s, structure, astral16)) == s
}

// YAML is a YAML document with what is not printable escaped as texts in double quotes have it. Others have to be
// printable. HTML takes the same: there an escape is only shown.
func YAML(document []byte) []byte { return appendText(nil, string(document), structure, `\U%08[3]x`) }

// JSON is a JSON document with what is not printable escaped: the same document.
func JSON(document []byte) []byte { return appendText(nil, string(document), structure, astral16) }

// astral16 is how JSON writes a character above U+FFFF: as two.
const astral16 = `\u%04[1]x\u%04[2]x`

// clean reports whether nothing in s needs an escape. It returns false for whatever is not ASCII.
func clean[S string | []byte](s S, keep string) bool {
	for i := range len(s) {
		if c := s[i]; (c < ' ' || c > '~') && strings.IndexByte(keep, c) < 0 {
			return false
		}
	}
	return true
}

// appendText appends s with what is not printable escaped, but for the ASCII characters in keep. astral is the format
// of those above U+FFFF, for its two halves and the character.
func appendText(b []byte, s, keep, astral string) []byte {
	for len(s) > 0 {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			b = fmt.Appendf(b, `\x%02x`, s[0])
		case strconv.IsPrint(r), strings.ContainsRune(keep, r):
			b = append(b, s[:n]...)
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r > 0xFFFF:
			high, low := utf16.EncodeRune(r)
			b = append(b, fmt.Sprintf(astral, high, low, r)...)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
		s = s[n:]
	}
	return b
}

// Fprintf is fmt.Fprintf with every argument that is a text, an error or has a method String on one line and
// printable. The format is ours, and stays as it is.
func Fprintf(w io.Writer, format string, args ...any) (int, error) {
	return fmt.Fprintf(w, format, arguments(args)...)
}

// Fprintln is fmt.Fprintln with arguments as in Fprintf.
func Fprintln(w io.Writer, args ...any) (int, error) { return fmt.Fprintln(w, arguments(args)...) }

func arguments(args []any) []any {
	out := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case string:
			out[i] = Text(a)
		case error:
			out[i] = Text(a.Error())
		case fmt.Stringer:
			out[i] = Text(a.String())
		default:
			if out[i] = a; a != nil && reflect.TypeOf(a).Kind() == reflect.String {
				out[i] = Text(reflect.ValueOf(a).String())
			}
		}
	}
	return out
}

// Lines are the lines of an error: one for each of those that were joined in it, or those of its method Lines, with
// the words around them on the first.
func Lines(err error) []string {
	if own, ok := err.(interface{ Lines() []string }); ok { // not in a joined one
		return own.Lines()
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var lines, texts []string
		for _, e := range joined.Unwrap() {
			lines, texts = append(lines, Lines(e)...), append(texts, e.Error())
		}
		if err.Error() == strings.Join(texts, "\n") {
			return lines
		}
	} else if inner := errors.Unwrap(err); inner != nil {
		return around(err, inner, Lines(inner))
	}
	return []string{err.Error()}
}

// around are the lines of an error that wraps another one.
func around(err, inner error, lines []string) []string {
	head, ok := strings.CutSuffix(err.Error(), inner.Error())
	if !ok || len(lines) < 2 {
		return []string{err.Error()}
	}
	return append([]string{head + lines[0]}, lines[1:]...)
}

// Writer passes on what is printable, the ends of lines and tabs, and escapes the rest. It is no safer for concurrent
// use than what it writes to.
type Writer struct {
	w    io.Writer
	rest []byte // the beginning of a character of which the rest is to come
	buf  []byte
}

// NewWriter returns a writer to w.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// structure is what a text may have besides printable characters.
const structure = "\n\t"

// Write implements io.Writer. A character may come in several parts.
func (w *Writer) Write(p []byte) (int, error) {
	if len(w.rest) == 0 && clean(p, structure) {
		return w.w.Write(p)
	}
	text := append(w.rest, p...)
	whole := len(text)
	for i := 1; i < utf8.UTFMax && i <= len(text); i++ {
		if tail := text[len(text)-i:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				whole -= i
			}
			break
		}
	}
	w.buf = appendText(w.buf[:0], string(text[:whole]), structure, astral16)
	w.rest = append([]byte(nil), text[whole:]...)
	if _, err := w.w.Write(w.buf); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes what was held back: the beginning of an incomplete character.
func (w *Writer) Flush() error {
	if len(w.rest) == 0 {
		return nil
	}
	_, err := w.w.Write(appendText(nil, string(w.rest), structure, astral16))
	w.rest = nil
	return err
}
