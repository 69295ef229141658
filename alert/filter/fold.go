package filter

import (
	"strconv"
	"unicode"
	"unicode/utf8"
)

// folded is a text of which each character may be in lower or upper case. Only the pattern's characters are folded, one
// by one, as event-ruler does: a pattern with the Kelvin sign matches k, a pattern with k does not match the Kelvin
// sign.
type folded struct {
	runes []foldedRune
	text  string
}

type foldedRune struct{ self, lower, upper rune }

func newFolded(text string) folded {
	f := folded{text: text}
	for _, r := range text {
		f.runes = append(f.runes, foldedRune{self: r, lower: unicode.ToLower(r), upper: unicode.ToUpper(r)})
	}
	return f
}

func (r *foldedRune) is(c rune) bool { return c == r.self || c == r.lower || c == r.upper }

// prefix reports whether text begins with f, and how long that beginning is.
func (f *folded) prefix(text []byte) (int, bool) {
	at := 0
	for i := range f.runes {
		c, size := utf8.DecodeRune(text[at:])
		if size == 0 || !f.runes[i].is(c) {
			return 0, false
		}
		at += size
	}
	return at, true
}

// suffix reports whether text ends with f.
func (f *folded) suffix(text []byte) bool {
	for i := len(f.runes) - 1; i >= 0; i-- {
		c, size := utf8.DecodeLastRune(text)
		if size == 0 || !f.runes[i].is(c) {
			return false
		}
		text = text[:len(text)-size]
	}
	return true
}

// equalFolded is equals-ignore-case.
type equalFolded struct{ folded }

func (o *equalFolded) matches(v *value) bool {
	if v.kind != kindString {
		return false
	}
	n, ok := o.prefix(v.text)
	return ok && n == len(v.text)
}
func (o *equalFolded) String() string { return "equals-ignore-case " + strconv.Quote(o.text) }

// prefixFolded is prefix with equals-ignore-case.
type prefixFolded struct{ folded }

func (o *prefixFolded) matches(v *value) bool {
	if v.kind != kindString {
		return false
	}
	_, ok := o.prefix(v.text)
	return ok
}

func (o *prefixFolded) String() string { return "prefix equals-ignore-case " + strconv.Quote(o.text) }

// suffixFolded is suffix with equals-ignore-case.
type suffixFolded struct{ folded }

func (o *suffixFolded) matches(v *value) bool { return v.kind == kindString && o.suffix(v.text) }
func (o *suffixFolded) String() string {
	return "suffix equals-ignore-case " + strconv.Quote(o.text)
}
