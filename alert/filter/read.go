package filter

import (
	"bytes"
	"errors"
	"io"

	"github.com/go-json-experiment/json/jsontext"
)

// arrayElement is an element of an array that is an object or an array itself.
type arrayElement struct {
	// parent is the element around the array, -1 for none; depth is how many are around.
	parent, depth int
	array         int
	// first and end are the leaves in the element, without end.
	first, end int
}

// arrayExtent is an array of elements; end is behind its last leaf.
type arrayExtent struct{ end int }

// visit says where the leaves of a member are, for the case that its name comes again.
type visit struct {
	object     uint64
	first, end int
}

// dottedVisit is the visit of a member whose name has dots, which the nodes cannot tell from nested members.
type dottedVisit struct {
	visit

	name []byte
}

// read collects the leaves that patterns look at. It validates the whole payload and reports whether it is valid.
func (m *Matcher) read(data []byte) bool {
	m.input = *bytes.NewBuffer(data)
	m.json.Reset(&m.input, m.options)
	if !m.value(0, -1) {
		return false
	}
	_, err := m.json.ReadToken()
	return errors.Is(err, io.EOF)
}

// value reads the value of a node.
func (m *Matcher) value(node, element int) bool {
	n := &m.set.fields.nodes[node]
	kind := m.json.PeekKind()
	if kind == jsontext.KindBeginArray {
		return m.array(node, element)
	}
	if kind != jsontext.KindBeginObject {
		return m.scalar(n.slot, element)
	}
	if len(n.children) == 0 {
		return m.json.SkipValue() == nil
	}
	return m.object(node, element)
}

func (m *Matcher) scalar(slot, element int) bool {
	raw, err := m.json.ReadValue()
	if err != nil {
		return false
	}
	if slot < 0 {
		return true
	}
	v := value{kind: kindOf(raw.Kind()), text: raw}
	switch v.kind {
	case kindString:
		v.text = m.unquote(raw)
	case kindNumber:
		v.number = parseNumber(raw)
	case kindNull, kindTrue, kindFalse, kindCount:
	}
	m.add(slot, element, v)
	return true
}

func (m *Matcher) object(node, element int) bool {
	if _, err := m.json.ReadToken(); err != nil {
		return false
	}
	m.objects++
	object, dottedBase := m.objects, len(m.dotted)
	for m.json.PeekKind() != jsontext.KindEndObject {
		raw, err := m.json.ReadValue()
		if err != nil {
			return false
		}
		name := m.unquote(raw)
		child, dotted := m.set.fields.find(node, name)
		if child < 0 {
			if m.json.SkipValue() != nil {
				return false
			}
			continue
		}
		v := visit{object: object, first: len(m.leaves)}
		if !m.value(child, element) {
			return false
		}
		v.end = len(m.leaves)
		if dotted {
			m.visitDotted(dottedBase, dottedVisit{visit: v, name: name})
			continue
		}
		if before := &m.visits[child]; before.object == object {
			m.replace(before)
		}
		m.visits[child] = v
	}
	m.dotted = m.dotted[:dottedBase]
	_, err := m.json.ReadToken()
	return err == nil
}

// visitDotted is what object does with a name that has dots. base is where the visits of the object begin.
func (m *Matcher) visitDotted(base int, v dottedVisit) {
	for i := base; i < len(m.dotted); i++ {
		if d := &m.dotted[i]; bytes.Equal(d.name, v.name) {
			m.replace(&d.visit)
			*d = v
			return
		}
	}
	m.dotted = append(m.dotted, v)
}

// replace takes the leaves of a member out, since its name came again: the last wins.
func (m *Matcher) replace(v *visit) {
	for i := v.first; i < v.end; i++ {
		m.leaves[i].replaced = true
	}
}

func (m *Matcher) array(node, element int) bool {
	n := &m.set.fields.nodes[node]
	if _, err := m.json.ReadToken(); err != nil {
		return false
	}
	depth := 0
	if element >= 0 {
		depth = m.elements[element].depth + 1
	}
	array, elements := len(m.arrays), len(m.elements)
	m.arrays = append(m.arrays, arrayExtent{})
	for kind := m.json.PeekKind(); kind != jsontext.KindEndArray; kind = m.json.PeekKind() {
		if kind != jsontext.KindBeginObject && kind != jsontext.KindBeginArray {
			if !m.scalar(n.slot, element) {
				return false
			}
			continue
		}
		at := len(m.elements)
		m.elements = append(m.elements, arrayElement{parent: element, depth: depth, array: array, first: len(m.leaves)})
		if !m.value(node, at) {
			return false
		}
		if m.elements[at].end = len(m.leaves); m.elements[at].first == len(m.leaves) {
			// Nothing points to it, so that a record whose arrays hold no field stays one without elements.
			m.elements = m.elements[:at]
		}
	}
	m.arrays[array].end = len(m.leaves)
	if len(m.elements) == elements {
		m.arrays = m.arrays[:array]
	}
	_, err := m.json.ReadToken()
	return err == nil
}

// unquote returns the text of a valid JSON string.
func (m *Matcher) unquote(quoted []byte) []byte {
	if bytes.IndexByte(quoted, '\\') < 0 {
		return quoted[1 : len(quoted)-1]
	}
	// Unescaping never makes a string longer. A new block, rather than a grown one, leaves earlier leaves their bytes.
	if cap(m.unquoted)-len(m.unquoted) < len(quoted) {
		m.unquoted = make([]byte, 0, max(2*cap(m.unquoted), len(quoted)))
	}
	start := len(m.unquoted)
	// The decoder has accepted the string, so it cannot fail.
	m.unquoted, _ = jsontext.AppendUnquote(m.unquoted, quoted)
	return m.unquoted[start:]
}
