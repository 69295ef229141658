package filter

import (
	"net/netip"
	"slices"
)

// index finds the branches that one value of a field can satisfy. Each branch is in the index of one field alone, its
// pivot, without which it cannot match; what an index gives is a candidate, all of whose conditions are still to be
// tried.
type index struct {
	text      map[string][]int
	addresses map[netip.Addr][]int
	numbers   map[numberKey][]int
	literals  [kindCount][]int
	ranges    *intervals
	prefixes  affixes
	suffixes  affixes
	// present are branches that any value may satisfy.
	present []int
	// strings and numeric say that something above is worth a look for such a value.
	strings, numeric bool
}

// affixes are texts that strings begin or end with, by their length.
type affixes struct {
	lengths []int
	text    map[string][]int
}

// shape is how an operator is found.
type shape uint8

const (
	shapeText shape = iota
	shapeAddress
	shapeNumber
	shapeLiteral
	shapeRange
	shapePrefix
	shapeSuffix
	// shapePresent is that of operators that have no index: any value leads to them.
	shapePresent
)

// key is one place in the index of a field.
type key struct {
	slot    int
	shape   shape
	text    string
	address netip.Addr
	number  numberKey
	literal kind
}

func keyOf(slot int, o operator) key {
	k := key{slot: slot}
	switch o := o.(type) {
	case equalText:
		k.shape, k.text = shapeText, string(o)
	case *equalAddress:
		k.shape, k.address = shapeAddress, o.address
	case *equalNumber:
		k.shape, k.number = shapeNumber, o.number.key()
	case equalLiteral:
		k.shape, k.literal = shapeLiteral, kind(o)
	case *numericRange:
		k.shape = shapeRange
	case prefix:
		k.shape, k.text = shapePrefix, string(o)
	case suffix:
		k.shape, k.text = shapeSuffix, string(o)
	case *wildcard:
		switch first, last := o.parts[0], o.parts[len(o.parts)-1]; {
		case len(o.parts) == 1:
			k.shape, k.text = shapeText, first
		case first != "":
			k.shape, k.text = shapePrefix, first
		case last != "":
			k.shape, k.text = shapeSuffix, last
		default:
			k.shape = shapePresent
		}
	default:
		k.shape = shapePresent
	}
	if k.text == "" && (k.shape == shapePrefix || k.shape == shapeSuffix) {
		k.shape = shapePresent
	}
	return k
}

// buildIndexes finds the pivot of each branch: the field whose values lead to the fewest branches.
func (s *Set) buildIndexes() {
	keys := make(map[key]int)
	mentions := make([]int, len(s.fields.paths))
	for i := range s.branches {
		for j := range s.branches[i].conditions {
			c := &s.branches[i].conditions[j]
			mentions[c.slot]++
			for _, o := range c.operators {
				keys[keyOf(c.slot, o)]++
			}
		}
	}
	// cost is how many branches are candidates, at worst, when a value leads to this one.
	cost := func(c *condition) int {
		sum := 0
		for _, o := range c.operators {
			switch k := keyOf(c.slot, o); k.shape {
			case shapeRange:
				// Half of the others is what a value in the middle of open-ended ranges finds.
				sum += 1 + keys[k]/2
			case shapePresent:
				// Not of this value alone, but of any.
				sum += 2 * mentions[c.slot]
			case shapeText, shapeAddress, shapeNumber, shapeLiteral, shapePrefix, shapeSuffix:
				sum += keys[k]
			}
		}
		return sum
	}
	s.indexes = make([]*index, len(s.fields.paths))
	builders := make([]indexBuilder, len(s.fields.paths))
	var byKey indexBuilder
	for i := range s.branches {
		b := &s.branches[i]
		var pivot *condition
		least := 0
		for j := range b.conditions {
			c := &b.conditions[j]
			if c.absent {
				continue
			}
			if x := cost(c); pivot == nil || x < least {
				pivot, least = c, x
			}
		}
		switch {
		case !b.readsData && pivot == nil:
			// The partition key is never absent, so that exists false is no alternative of it.
			byKey.add(&b.conditions[0], i)
		case !b.readsData:
			byKey.add(pivot, i)
		case pivot == nil:
			s.always = append(s.always, i)
		default:
			builders[pivot.slot].add(pivot, i)
		}
	}
	for slot := range builders {
		s.indexes[slot] = builders[slot].build()
	}
	s.byKey = byKey.build()
}

// indexBuilder collects what an index is made of.
type indexBuilder struct {
	index  *index
	ranges []interval
}

func (b *indexBuilder) add(c *condition, branch int) {
	if b.index == nil {
		b.index = &index{
			text: make(map[string][]int), addresses: make(map[netip.Addr][]int), numbers: make(map[numberKey][]int),
			prefixes: affixes{text: make(map[string][]int)}, suffixes: affixes{text: make(map[string][]int)},
		}
	}
	x := b.index
	for _, o := range c.operators {
		switch k := keyOf(c.slot, o); k.shape {
		case shapeText:
			x.text[k.text] = appendOnce(x.text[k.text], branch)
		case shapeAddress:
			x.addresses[k.address] = appendOnce(x.addresses[k.address], branch)
		case shapeNumber:
			x.numbers[k.number] = appendOnce(x.numbers[k.number], branch)
		case shapeLiteral:
			x.literals[k.literal] = appendOnce(x.literals[k.literal], branch)
		case shapeRange:
			if r, ok := o.(*numericRange); ok {
				b.ranges = append(b.ranges, interval{low: r.low, high: r.high, branch: branch})
			}
		case shapePrefix:
			x.prefixes.add(k.text, branch)
		case shapeSuffix:
			x.suffixes.add(k.text, branch)
		case shapePresent:
			x.present = appendOnce(x.present, branch)
		}
	}
}

func (b *indexBuilder) build() *index {
	if b.index == nil {
		return nil
	}
	if len(b.ranges) > 0 {
		b.index.ranges = newIntervals(b.ranges)
	}
	b.index.strings = len(b.index.text)+len(b.index.addresses)+len(b.index.prefixes.text)+len(b.index.suffixes.text) > 0
	b.index.numeric = len(b.index.numbers)+len(b.ranges) > 0
	slices.Sort(b.index.prefixes.lengths)
	slices.Sort(b.index.suffixes.lengths)
	return b.index
}

func (a *affixes) add(text string, branch int) {
	if !slices.Contains(a.lengths, len(text)) {
		a.lengths = append(a.lengths, len(text))
	}
	a.text[text] = appendOnce(a.text[text], branch)
}

func appendOnce(list []int, branch int) []int {
	if len(list) > 0 && list[len(list)-1] == branch {
		return list
	}
	return append(list, branch)
}
