package filter

import "sort"

// search looks for a choice of leaves, one for each condition, that agrees on the elements of arrays: no two of them
// may lie in different elements of one array. It is the scratch memory of Matcher.consistent.
//
// A choice is made condition by condition in the order of the paths. What was chosen matters to the conditions behind
// only as far as it fixes an element of an array in which one of them has a leaf. Since paths below one array are
// neighbours in that order, this is one element and those around it, and what has failed for it is remembered: the work
// grows with the number of leaves, not with the product of the array lengths.
type search struct {
	conditions []condition
	// matching has, by condition, the leaves that satisfy it; all has every leaf of the field where exists false is
	// asked.
	matching, all [][]int
	// lastUse has, by array, the last condition that has a leaf in it.
	lastUse []int
	// chosen are the innermost elements of the leaves that are chosen so far.
	chosen []int
	// failed has a bit for each condition and element (the last for none) from which no choice was found.
	failed []uint64
	// budget is how many choices are tried that failed cannot remember.
	budget int
}

// maxChoices is the budget. Choices that depend on two independent elements exist only where a name with dots and
// nested names make the same path in one record, and an array is on each way.
const maxChoices = 10_000

// consistent reports whether the conditions hold in the same elements of arrays.
func (m *Matcher) consistent(conditions []condition) bool {
	s := &m.search
	s.conditions, s.budget, s.chosen = conditions, maxChoices, s.chosen[:0]
	m.work += int64(len(m.arrays))/perUnit + int64(len(conditions)*len(m.elements))/(64*perUnit)
	s.lastUse = s.lastUse[:0]
	for range m.arrays {
		s.lastUse = append(s.lastUse, -1)
	}
	for len(s.matching) < len(conditions) {
		s.matching, s.all = append(s.matching, nil), append(s.all, nil)
	}
	for i := range conditions {
		if !m.collect(i, &conditions[i]) {
			return false
		}
	}
	bits := len(conditions) * (len(m.elements) + 1)
	s.failed = s.failed[:0]
	for range (bits + 63) / 64 {
		s.failed = append(s.failed, 0)
	}
	return m.choose(0)
}

// collect gathers the leaves of one condition. It reports false if there is nothing to choose from.
func (m *Matcher) collect(i int, c *condition) bool {
	s := &m.search
	s.matching[i], s.all[i] = s.matching[i][:0], s.all[i][:0]
	for at := m.slots[c.slot].first; at >= 0; at = m.leaves[at].next {
		l := &m.leaves[at]
		if l.replaced {
			continue
		}
		if m.spent() {
			return false
		}
		matches := m.matches(c, &l.value)
		if matches {
			s.matching[i] = append(s.matching[i], at)
		}
		if c.absent {
			s.all[i] = append(s.all[i], at)
		}
		if !matches && !c.absent {
			continue
		}
		for e := l.element; e >= 0; e = m.elements[e].parent {
			m.work++
			if s.lastUse[m.elements[e].array] == i {
				break
			}
			s.lastUse[m.elements[e].array] = i
		}
	}
	return c.absent || len(s.matching[i]) > 0
}

// choose reports whether the conditions from i on hold together with what is chosen.
func (m *Matcher) choose(i int) bool {
	s := &m.search
	if i == len(s.conditions) {
		return true
	}
	if m.spent() {
		return false
	}
	element, single := m.relevant(i)
	bit := i*(len(m.elements)+1) + len(m.elements)
	if element >= 0 {
		bit = i*(len(m.elements)+1) + element
	}
	switch {
	case single && s.failed[bit/64]>>(bit%64)&1 == 1:
		return false
	case !single && s.budget == 0:
		return false
	case !single:
		s.budget--
	}
	if s.conditions[i].absent && m.next(s.all[i], 0) == len(s.all[i]) {
		if m.choose(i + 1) {
			return true
		}
	}
	for k := m.next(s.matching[i], 0); k < len(s.matching[i]); k = m.next(s.matching[i], k+1) {
		chosen := len(s.chosen)
		if e := m.leaves[s.matching[i][k]].element; e >= 0 {
			s.chosen = append(s.chosen, e)
		}
		if m.choose(i + 1) {
			return true
		}
		s.chosen = s.chosen[:chosen]
	}
	if single {
		s.failed[bit/64] |= 1 << (bit % 64)
	}
	return false
}

// relevant returns the one innermost element among those chosen, and those around them, that matters to the conditions
// from i on; -1 for none. single is false if there are several.
func (m *Matcher) relevant(i int) (element int, single bool) {
	s := &m.search
	element = -1
	for _, e := range s.chosen {
		for m.work++; e >= 0 && s.lastUse[m.elements[e].array] < i; m.work++ {
			e = m.elements[e].parent
		}
		switch {
		case e < 0 || m.within(element, e):
		case element < 0 || m.within(e, element):
			element = e
		default:
			return element, false
		}
	}
	return element, true
}

// within reports whether element e is outer or in it.
func (m *Matcher) within(e, outer int) bool {
	for ; e >= 0 && m.elements[e].depth > m.elements[outer].depth; m.work++ {
		e = m.elements[e].parent
	}
	return e == outer
}

// next returns the place of the first leaf of list, from k on, that agrees with what is chosen; len(list) if there is
// none.
func (m *Matcher) next(list []int, k int) int {
again:
	for k < len(list) {
		for _, chosen := range m.search.chosen {
			if m.work++; m.spent() {
				return len(list)
			}
			target := m.conflict(m.leaves[list[k]].element, chosen, list[k])
			if target >= 0 {
				k += sort.SearchInts(list[k:], target)
				continue again
			}
		}
		return k
	}
	return len(list)
}

// conflict returns -1 if a leaf in element e agrees with the chosen element, and otherwise the leaf from which on one
// may.
func (m *Matcher) conflict(e, chosen, at int) int {
	if e < 0 || e == chosen {
		return -1
	}
	a, b := e, chosen
	for ; m.elements[a].depth > m.elements[b].depth; m.work++ {
		a = m.elements[a].parent
	}
	for ; m.elements[b].depth > m.elements[a].depth; m.work++ {
		b = m.elements[b].parent
	}
	if a == b {
		return -1
	}
	for ; m.elements[a].parent != m.elements[b].parent; m.work++ {
		a, b = m.elements[a].parent, m.elements[b].parent
	}
	if m.elements[a].array != m.elements[b].array {
		return -1
	}
	if at < m.elements[b].first {
		return m.elements[b].first
	}
	return m.arrays[m.elements[b].array].end
}
