package config

import (
	"cmp"
	"encoding/json"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"kinesis-alerter/alert"
	"kinesis-alerter/internal/near"
)

const (
	// MostFieldNames bounds the names that are kept of a sample: some 100 MB.
	MostFieldNames = 1_000_000
	// MostSuggestions is for how many unknown names the most alike is looked for among all of them.
	MostSuggestions = 20
	// MostSuggested is how long a name may be that is suggested, in bytes.
	MostSuggested = 200
)

// FieldNames are the names of the fields of a sample: a tree, so that a name costs its own bytes however deep it is.
// Arrays on the way are no level.
type FieldNames struct {
	steps map[fieldStep]int32
	Nodes []fieldNode // the first is the record itself
	// Objects says that a record was an object with a field; full, that there are more names than are kept.
	Objects, Full bool
}

type fieldStep struct {
	parent int32
	Name   string
}

type fieldNode struct {
	fieldStep

	Length int  // of the name with all above it, joined by dots
	direct bool // reached through objects alone, as rules go; filters go through arrays, too
}

// NewFieldNames returns an empty set.
func NewFieldNames() *FieldNames {
	return &FieldNames{steps: map[fieldStep]int32{}, Nodes: make([]fieldNode, 1)}
}

// Add takes up the fields of a payload. One that is no JSON has none.
func (n *FieldNames) Add(data []byte) {
	if json.Valid(data) {
		n.value(LenientJSON(data), 0, true)
	}
}

// value takes up the names in the next value, which is valid.
func (n *FieldNames) value(dec *jsontext.Decoder, at int32, direct bool) {
	switch dec.PeekKind() { //nolint:exhaustive // the others have no names
	case jsontext.KindBeginObject:
		_, _ = dec.ReadToken()
		for dec.PeekKind() == jsontext.KindString {
			name, _ := dec.ReadToken()
			n.value(dec, n.child(at, name.String(), direct), direct)
		}
		_, _ = dec.ReadToken()
	case jsontext.KindBeginArray:
		_, _ = dec.ReadToken()
		for kind := dec.PeekKind(); kind != jsontext.KindEndArray &&
			kind != jsontext.KindInvalid; kind = dec.PeekKind() {
			n.value(dec, at, false)
		}
		_, _ = dec.ReadToken()
	default:
		_ = dec.SkipValue()
	}
}

func (n *FieldNames) child(parent int32, name string, direct bool) int32 {
	step := fieldStep{parent, name}
	at, known := n.steps[step]
	if !known {
		if len(n.Nodes) > MostFieldNames {
			n.Full = true
			return 0
		}
		at = int32(len(n.Nodes)) //nolint:gosec // bounded
		length := len(name)
		if parent > 0 {
			length += n.Nodes[parent].Length + len(".")
		}
		n.steps[step] = at
		n.Nodes = append(n.Nodes, fieldNode{fieldStep: step, Length: length})
	}
	n.Nodes[at].direct = n.Nodes[at].direct || direct
	n.Objects = n.Objects || direct
	return at
}

// Has reports whether a record had the field that is mentioned.
func (n *FieldNames) Has(m alert.Mention) bool {
	if m.Filter {
		return n.dotted(0, m.Name())
	}
	at := int32(0)
	for _, name := range m.Path {
		child, ok := n.steps[fieldStep{at, name}]
		if !ok || !n.Nodes[child].direct {
			return false
		}
		at = child
	}
	return true
}

// dotted looks for a name of a filter below a node: a dot is one in a name, or leads to the next one.
func (n *FieldNames) dotted(at int32, name string) bool {
	if _, ok := n.steps[fieldStep{at, name}]; ok {
		return true
	}
	for i := range name {
		if name[i] != '.' {
			continue
		}
		if child, ok := n.steps[fieldStep{at, name[:i]}]; ok && n.dotted(child, name[i+1:]) {
			return true
		}
	}
	return false
}

// Near is the name that was probably meant, or nothing: one that differs in case or a few letters, or that is
// elsewhere in the record.
func (n *FieldNames) Near(m alert.Mention) string {
	want := m.Name()
	lower := strings.ToLower(want)
	last := lower[strings.LastIndexByte(lower, '.')+1:]
	type candidate struct {
		name           string
		letters, cases int
	}
	var alike []candidate
	elsewhere := ""
	for i := range n.Nodes[1:] {
		node := &n.Nodes[i+1]
		if !m.Filter && !node.direct || node.Length > MostSuggested {
			continue
		}
		if d := node.Length - len(want); d >= -2 && d <= 2 {
			name := n.Name(node)
			if letters := near.Distance(lower, strings.ToLower(name)); letters < 3 && letters < len(name) {
				alike = append(alike, candidate{name, letters, near.Distance(want, name)})
			}
		}
		if own := node.Name[strings.LastIndexByte(node.Name, '.')+1:]; strings.EqualFold(own, last) {
			if name := n.Name(node); elsewhere == "" || name < elsewhere {
				elsewhere = name
			}
		}
	}
	if len(alike) == 0 {
		return elsewhere
	}
	return slices.MinFunc(alike, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.letters, b.letters), cmp.Compare(a.cases, b.cases), strings.Compare(a.name, b.name))
	}).name
}

// Name is the whole name of a node.
func (n *FieldNames) Name(node *fieldNode) string {
	if node.parent == 0 {
		return node.Name
	}
	return n.Name(&n.Nodes[node.parent]) + "." + node.Name
}
