package config

import (
	"bytes"
	"fmt"

	"go.yaml.in/yaml/v4"
)

// What a document may hold. It is read by a daemon that has 64 MiB to spare, and its author may mean harm.
const (
	// mostValues bounds keys and values, with all that aliases stand for: 7,000 rules with six settings each, as many
	// as there is room for in a file, or 20 MiB of nodes.
	mostValues = 120_000
	// mostLevels bounds how deep they stand.
	mostLevels = 100
	// mostText bounds their text, in bytes: an alias repeats it.
	mostText = 4 << 20
	// mostPaths bounds the paths under which they are known, in bytes.
	mostPaths = 16 << 20
	// mostGiven bounds what all ${VAR} together give, in bytes.
	mostGiven = 4 << 20
	// mostEntries bounds each list and mapping of entries with fields, such as the rules.
	mostEntries = 10_000
	// mostFaults is how many faults are gathered.
	mostFaults = 200
)

// valuesAtMost is an upper bound of the nodes that a YAML text has, from its bytes alone: nodes cost 160 bytes each,
// and have to be counted before they are made. Each but the root is an entry of a list, a key or a value, so there is
// an indicator before or behind it. Texts have such signs, too, so the bound is a little too high. Only mappings that
// are keys of mappings pass with a third more.
func valuesAtMost(text []byte) int {
	n := 8 // a document or two and their roots
	fresh, paired := false, false
	for i, c := range text {
		switch c {
		case '[', '{': // itself, and its first entry: a key, and a value that need not be written
			switch {
			case i > 0 && text[i-1] == '$': // of a variable; in a flow it is an error
			case c == '{' && i > 0 && text[i-1] == '{' && !paired: // of a template, rather than a mapping for a key
				paired = true
				continue
			default:
				n, fresh = n+3, true
			}
			paired = false
		case ',':
			n, fresh = n+2, true
		case ':':
			switch {
			case fresh: // its key and value were counted; in a list, they have a mapping around them
				n++
			case separates(text, i+1) || i > 0 && bytes.IndexByte([]byte(`"'}]`), text[i-1]) >= 0:
				n += 2 // key and value
			}
			fresh = false
		case '-':
			if separates(text, i+1) {
				n++
			}
		case '?':
			if separates(text, i+1) {
				n += 2
			}
		}
	}
	return n
}

// separates reports whether the character at i ends an indicator: a space, a line's end of any kind, a bracket, the end
// of the text.
func separates(text []byte, i int) bool {
	if i >= len(text) {
		return true
	}
	c := text[i]
	return c <= ' ' || c > '~' || bytes.IndexByte([]byte(",[]{}"), c) >= 0
}

// extent is the size of a node with all that its aliases stand for.
type extent struct{ values, text, paths, levels int }

// surveyor measures a document before anything is made of it.
type surveyor struct {
	measured map[*yaml.Node]extent // of nodes with an anchor
	open     map[*yaml.Node]bool   // those that are being measured
	fault    *FieldError
}

// survey returns what is wrong with the extent of a document, or nil.
func survey(root *yaml.Node) *FieldError {
	s := &surveyor{measured: map[*yaml.Node]extent{}, open: map[*yaml.Node]bool{}}
	s.measure(root)
	return s.fault
}

func (s *surveyor) refuse(n *yaml.Node, format string, args ...any) {
	if s.fault == nil {
		s.fault = &FieldError{Line: n.Line, Column: n.Column, Rule: fmt.Sprintf(format, args...)}
	}
}

func (s *surveyor) measure(n *yaml.Node) extent {
	anchored := n
	if n.Kind == yaml.AliasNode {
		if anchored = n.Alias; s.open[anchored] {
			s.refuse(n, "the alias *%s refers to itself: it is within what &%s names", abbreviate(n.Value),
				abbreviate(n.Value))
			return extent{}
		}
	}
	if e, known := s.measured[anchored]; known {
		return e
	}
	if anchored.Anchor != "" {
		s.open[anchored] = true
	}
	e := extent{values: 1, text: len(anchored.Value)}
	key := 0
	for i, item := range anchored.Content {
		below := s.measure(item)
		if s.fault != nil {
			return e
		}
		isKey := anchored.Kind == yaml.MappingNode && i%2 == 0
		if isKey {
			key = len(item.Value)
		} else if anchored.Kind == yaml.SequenceNode {
			key = len("[12345]")
		}
		e.values += below.values
		e.text += below.text
		e.levels = max(e.levels, below.levels)
		if !isKey {
			e.paths += below.paths + below.values*(key+1)
		}
	}
	e.levels++
	switch {
	case e.levels > mostLevels+1: // the document is one
		s.refuse(n, "is nested deeper than %d levels", mostLevels)
	case e.values > mostValues:
		s.refuse(n, "has more than %d keys and values, with all that its aliases stand for", mostValues)
	case e.text > mostText:
		s.refuse(n, "has more than %d MiB of text, with all that its aliases stand for", mostText>>20)
	case e.paths > mostPaths:
		s.refuse(n, "has keys that are too long for the number of values below them")
	}
	if anchored.Anchor != "" {
		delete(s.open, anchored)
		s.measured[anchored] = e
	}
	return e
}
