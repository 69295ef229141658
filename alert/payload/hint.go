package payload

import (
	"bytes"
	"fmt"
	"strings"
)

// Hint is what a record that cannot be read is, found out by decoding it, and what to write into the configuration.
type Hint struct {
	// Begins are the bytes that it begins with, in hexadecimal, where they are a format's own.
	Begins string `json:"begins,omitempty"`
	// Looks are what it looks like, in words, and what was found inside, the outermost first.
	Looks []string `json:"looks_like"`
	// Input is the `input` that was seen to read it, as the configuration has it; empty where none was found.
	Input string `json:"input,omitempty"`
	// Fault is why it cannot be decoded all the same.
	Fault string `json:"fault,omitempty"`
	// Remedy is what to do where there is no Input.
	Remedy string `json:"remedy,omitempty"`
}

// Words are what it is, in words: "gzip data that holds a batch of CloudWatch Logs".
func (h *Hint) Words() string { return strings.Join(h.Looks, " that holds ") }

// Advice is what to do about records like it, as the end of a sentence.
func (h *Hint) Advice() string {
	switch {
	case h.Input != "":
		return fmt.Sprintf("`input: %s` reads it", h.Input)
	case h.Fault != "":
		return "it cannot be decoded: " + h.Fault
	}
	return h.Remedy
}

// Begins returns the bytes that are a format's own at the beginning of data, in hexadecimal.
func Begins(data []byte) string {
	for _, s := range signatures() {
		if len(s.begins) > 1 && bytes.HasPrefix(data, []byte(s.begins)) && !readable(s.begins) {
			return fmt.Sprintf("% x", s.begins)
		}
	}
	return ""
}

// readable reports whether a format begins with letters, which say more than their codes.
func readable(begins string) bool { return begins[0] >= ' ' && begins[0] < 0x7f && begins[0] != '(' }
