package condition

import (
	"slices"
	"strings"

	"github.com/expr-lang/expr/conf"
)

// The slots of the built-in names; the fields that the rules mention follow.
const (
	SlotPartitionKey = iota
	SlotShard
	SlotArrival
	SlotAge
	SlotData
	BuiltinSlots
)

// BuiltinNames are the built-in names by slot.
func BuiltinNames() [BuiltinSlots]string {
	return [BuiltinSlots]string{"partition_key", "shard", "arrival", "age", "data"}
}

// builtinSlot returns the slot of a built-in name. The payload has one where records are text.
func (s *Schema) builtinSlot(name string) (int, bool) {
	names := BuiltinNames()
	slot := slices.Index(names[:], name)
	return slot, slot >= 0 && (slot != SlotData || s.Text)
}

// Schema is what a rule set looks at: every field has a slot, and the tree finds it while the document is read.
type Schema struct {
	// Text says that records are texts, which have no fields.
	Text  bool
	Slots int
	root  fieldNode
	// raws is how many members are wanted as the document has them: see Raw.
	raws int
	// Used marks the built-in names that some rule mentions; the others are not worth filling.
	Used [BuiltinSlots]bool
	// instructions are those of all regular expressions so far.
	instructions int
	// language is what every expression knows, and strict what its operators are replaced by. Made with the first
	// expression.
	language *conf.Config
	strict   conf.FunctionsTable
}

// fieldNode is one name on the way to the referenced fields.
type fieldNode struct {
	name string
	// slot is where the value goes; -1 if only members of it are wanted.
	slot int
	// shadowed marks a top-level name that is hidden by a built-in name; slot is that name's.
	shadowed bool
	// raw is the place of its bytes in Decoder.Raw, from 1; 0 if nobody wants them.
	raw      int
	children []*fieldNode
	// byName replaces the walk over children where there are many.
	byName map[string]*fieldNode
}

// manyChildren is where a map becomes faster than comparing lengths and bytes one by one.
const manyChildren = 12

// NewSchema makes a schema without fields. text says that records are texts.
func NewSchema(text bool) *Schema {
	return &Schema{Text: text, Slots: BuiltinSlots, root: fieldNode{slot: -1}}
}

// Field returns the slot of a path, made on first use.
func (s *Schema) Field(path []string) int {
	node := &s.root
	for _, name := range path {
		node = node.add(name)
	}
	if node.slot < 0 {
		node.slot = s.Slots
		s.Slots++
	}
	return node.slot
}

// Raw returns the place in Decoder.Raw where the bytes of the member of a path are left, exactly as the document has
// them.
func (s *Schema) Raw(path []string) int {
	node := &s.root
	for _, name := range path {
		node = node.add(name)
	}
	if node.raw == 0 {
		s.raws++
		node.raw = s.raws
	}
	return node.raw - 1
}

// Builtin returns the slot of a built-in name, and notes its use.
func (s *Schema) Builtin(name string) (slot int, ok bool) {
	if slot, ok = s.builtinSlot(name); ok {
		s.builtin(name, slot)
	}
	return slot, ok
}

// builtin notes the use of a built-in name and watches for a field that it hides.
func (s *Schema) builtin(name string, slot int) {
	s.Used[slot] = true
	node := s.root.add(name)
	node.slot, node.shadowed = slot, true
}

func (n *fieldNode) add(name string) *fieldNode {
	if child := n.find([]byte(name)); child != nil {
		return child
	}
	child := &fieldNode{name: name, slot: -1}
	n.children = append(n.children, child)
	switch {
	case n.byName != nil:
		n.byName[name] = child
	case len(n.children) >= manyChildren:
		n.byName = make(map[string]*fieldNode, len(n.children))
		for _, c := range n.children {
			n.byName[c.name] = c
		}
	}
	return child
}

// find returns the child of that name, or nil.
func (n *fieldNode) find(name []byte) *fieldNode {
	if n.byName != nil {
		return n.byName[string(name)]
	}
	for _, c := range n.children {
		if string(name) == c.name {
			return c
		}
	}
	return nil
}

// SlotOf is the slot of a path that has one; -1 otherwise.
func (s *Schema) SlotOf(path []string) int {
	node := &s.root
	for _, name := range path {
		if node = node.find([]byte(name)); node == nil {
			return -1
		}
	}
	return node.slot
}

// Needs are the kinds that fields have in every record for which a condition holds, by their paths, joined by NUL.
func (s *Schema) Needs(c *Condition) map[string]KindSet {
	bySlot := make(map[int]KindSet)
	for _, need := range c.Needs() {
		if need.Slot < BuiltinSlots {
			continue
		}
		if before, known := bySlot[need.Slot]; known {
			need.Kinds &= before
		}
		bySlot[need.Slot] = need.Kinds
	}
	out := make(map[string]KindSet)
	var walk func(n *fieldNode, path []string)
	walk = func(n *fieldNode, path []string) {
		if kinds := bySlot[n.slot]; n.slot >= BuiltinSlots && kinds != 0 {
			out[strings.Join(path, "\x00")] = kinds
		}
		for _, child := range n.children {
			walk(child, append(slices.Clip(path), child.name))
		}
	}
	walk(&s.root, nil)
	return out
}
