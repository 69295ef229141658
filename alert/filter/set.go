package filter

import (
	"maps"
	"slices"
)

// Set is a compiled list of patterns. It is immutable and safe for concurrent use; records are matched by a Matcher.
type Set struct {
	// size is the number of patterns.
	size     int
	fields   fields
	branches []branch
	// indexes are, by slot, how branches that look at the payload are found. byKey is the same for those that look at
	// the partition key alone.
	indexes []*index
	byKey   *index
	// always are branches that no value leads to: each of their fields may be absent.
	always []int
	// keySlot is the slot of the partition key, -1 if no branch looks at it.
	keySlot int
	// readsData says that some branch looks at the payload.
	readsData bool
}

// branch is one combination of a pattern's $or, or all of a pattern without.
type branch struct {
	pattern int
	// conditions are in the order of their paths, in which exists false sees the array elements that were chosen
	// before.
	conditions []condition
	readsData  bool
}

func newSet(clauses [][]clause) *Set {
	s := &Set{size: len(clauses), fields: fields{nodes: []fieldNode{{slot: -1}}}, keySlot: -1}
	for pattern, list := range clauses {
		for _, one := range list {
			b := branch{pattern: pattern, conditions: make([]condition, 0, len(one))}
			for _, path := range slices.Sorted(maps.Keys(one)) {
				c := *one[path]
				if path != partitionKeyKey {
					b.readsData = true
					c.slot = s.fields.slot(path)
				} else {
					if s.keySlot < 0 {
						s.keySlot = s.fields.slot(path)
					}
					c.slot = s.keySlot
				}
				c.price()
				b.conditions = append(b.conditions, c)
			}
			s.readsData = s.readsData || b.readsData
			s.branches = append(s.branches, b)
		}
	}
	s.buildIndexes()
	return s
}

// ReadsData reports whether a pattern looks at the payload, so that a record that is not JSON can be NotJSON.
func (s *Set) ReadsData() bool { return s.readsData }
