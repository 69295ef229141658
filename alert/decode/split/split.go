package split

import (
	"bytes"
	"fmt"

	"kinesis-alerter/alert/decode/scan"
	"kinesis-alerter/alert/payload"
)

// Emit takes a piece, or a broken one with its fault. It returns false to end the splitting.
type Emit func(piece []byte, fault *payload.Fault) bool

// separator begins each text of a JSON text sequence, RFC 7464. JSON has none, not even in texts.
const separator = 0x1E

// Lines splits at newlines, and takes off the separator of RFC 7464. With a separator of columns it does not split
// inside the quotes of CSV. A newline at the end begins no further piece.
func Lines(data []byte, columns string, emit Emit) {
	for len(data) > 0 {
		end := bytes.IndexByte(data, '\n')
		if columns != "" {
			end = unquoted(data, columns)
		}
		line, rest := data, []byte(nil)
		if end >= 0 {
			line, rest = data[:end], data[end+1:]
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		if !emit(bytes.TrimPrefix(line, []byte{separator}), nil) {
			return
		}
		data = rest
	}
}

// unquoted finds the first newline that is not quoted; -1 is none. A quote opens where a column begins: others are
// text, as in every log that has inches or bare quotes in it.
func unquoted(data []byte, columns string) int {
	begins, quoted := true, false
	for i := 0; i < len(data); i++ {
		switch {
		case quoted && data[i] == '"':
			if i+1 < len(data) && data[i+1] == '"' {
				i++
			} else {
				quoted = false
			}
		case quoted:
		case data[i] == '\n':
			return i
		case data[i] == '"' && begins:
			quoted, begins = true, false
		default:
			begins = data[i] == columns[len(columns)-1] && bytes.HasSuffix(data[:i+1], []byte(columns))
		}
	}
	return -1
}

// Concatenated splits JSON values that stand one behind the other, with or without white space between them. Behind a
// broken one there is no way to find the next: the rest is one broken piece. In a sequence of RFC 7464 there is.
func Concatenated(data []byte, emit Emit) {
	i := between(data, 0)
	if i == len(data) || data[i] != separator {
		concatenated(data, i, len(data), emit)
		return
	}
	for i < len(data) {
		end := len(data)
		if n := bytes.IndexByte(data[i+1:], separator); n >= 0 {
			end = i + 1 + n
		}
		if !concatenated(data, i+1, end, emit) {
			return
		}
		i = end
	}
}

// concatenated splits data[i:end].
func concatenated(data []byte, i, end int, emit Emit) bool {
	for {
		if i = between(data[:end], i); i == end {
			return true
		}
		next, defect := scan.Value(data[:end], i)
		if defect != "" {
			return emit(data[i:end], broken(defect, next, len(data)))
		}
		if !emit(data[i:next], nil) {
			return false
		}
		i = next
	}
}

// between passes what may stand between values: white space, and the byte order marks of files that were joined.
func between(data []byte, i int) int {
	for {
		i = scan.Space(data, i)
		if !bytes.HasPrefix(data[i:], []byte("\uFEFF")) {
			return i
		}
		i += len("\uFEFF")
	}
}

// broken is the fault of JSON that breaks at a byte.
func broken(defect payload.Defect, at, of int) *payload.Fault {
	detail := fmt.Sprintf("split: no JSON from byte %d of %d on", at, of)
	switch defect { //nolint:exhaustive // package scan has no others
	case payload.Truncated:
		detail = fmt.Sprintf("split: the JSON ends in the middle of a value, at byte %d", at)
	case payload.TooDeep:
		detail = fmt.Sprintf("split: more than %d levels at byte %d", scan.MaxDepth, at)
	}
	return &payload.Fault{Defect: defect, Detail: detail}
}
