package alert

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// Truncate returns m with a body of at most limit bytes; see TruncateText. Attributes, subject and the bodies for
// single protocols do not change. It is pure; m must not be of structure json.
func Truncate(m Message, limit int, a *Alert) Message {
	m.Body = TruncateText(m.Body, limit, a)
	return m
}

// TruncateText returns text with at most limit bytes, in valid UTF-8. A longer text is cut between characters and ends
// with a marker that gives its full length and the position of the record. If the limit is too small for the marker,
// only the beginning of the text is returned. It is pure and safe for concurrent use.
func TruncateText(text string, limit int, a *Alert) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= limit {
		return text
	}
	marker := " [cut, " + strconv.Itoa(len(text)) + " bytes"
	if a.Record.SequenceNumber != "" {
		marker += "; whole record: " + position(&a.Record)
	}
	marker = strings.ToValidUTF8(marker+"]", "\uFFFD")
	if len(marker) >= limit {
		marker = ""
	}
	return prefix(text, limit-len(marker)) + marker
}

// position returns the position of a record as text.
func position(r *Record) string {
	return "shard " + r.Shard + ", sequence number " + r.SequenceNumber + ", sub-sequence " + decimal(r.SubSequence)
}

// prefix returns the longest prefix of s of at most n bytes that ends between characters.
func prefix(s string, n int) string {
	if n <= 0 {
		return ""
	}
	for n < len(s) && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:min(n, len(s))]
}
