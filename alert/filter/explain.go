package filter

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Explanation is what one pattern makes of a record.
type Explanation struct {
	// Index is the place of the pattern in the list, from 0.
	Index   int
	Matched bool
	// Field is the first field, in the order of their paths, that kept the pattern from matching, such as
	// data.ANOMALY_SCORE. Of several combinations of $or it is that of the one that came furthest.
	Field string
	// Reason says what the field is and what the pattern wants: 2.91 is not > 3.
	Reason string
}

// String is the explanation in a line: data.ANOMALY_SCORE: 2.91 is not > 3.
func (e Explanation) String() string {
	if e.Matched {
		return "matches"
	}
	return e.Field + ": " + e.Reason
}

// Explain says of each pattern whether it matches a record, and why not. It is for people: it reads the record anew,
// and tries every pattern to its end.
func (s *Set) Explain(data []byte, partitionKey string) []Explanation {
	m := s.Matcher()
	m.begin(partitionKey)
	m.work = math.MinInt64 / 2 // as much as it takes
	valid := !s.readsData || m.read(data)
	out := make([]Explanation, s.size)
	furthest := make([]int, s.size)
	for i := range out {
		out[i].Index = i
		furthest[i] = -1
	}
	for i := range s.branches {
		b := &s.branches[i]
		e := &out[b.pattern]
		if e.Matched {
			continue
		}
		field, reason, held := dataKey, "the payload is not valid JSON", 0
		if valid || !b.readsData {
			field, reason, held = m.explain(b)
		}
		if field == "" {
			*e = Explanation{Index: b.pattern, Matched: true}
			continue
		}
		if held > furthest[b.pattern] {
			furthest[b.pattern] = held
			e.Field, e.Reason = field, reason
		}
	}
	return out
}

// explain returns the first field of a branch that fails, why, and how many conditions hold before it; no field if the
// branch matches.
func (m *Matcher) explain(b *branch) (field, reason string, held int) {
	for i := range b.conditions {
		if c := &b.conditions[i]; !m.holds(c) {
			return c.path, m.actual(c), i
		}
	}
	if len(m.elements) == 0 {
		return "", "", len(b.conditions)
	}
	for i := range b.conditions {
		if m.consistent(b.conditions[:i+1]) {
			continue
		}
		c := &b.conditions[i]
		if c.absent && len(c.operators) == 0 || !m.anyMatches(c) {
			return c.path, m.actual(c), i
		}
		return c.path, m.shown(c) + " " + wanted(c) + " only in other elements of the array than the fields before it",
			i
	}
	return "", "", len(b.conditions)
}

func (m *Matcher) anyMatches(c *condition) bool {
	for at := m.slots[c.slot].first; at >= 0; at = m.leaves[at].next {
		if l := &m.leaves[at]; !l.replaced && c.matches(&l.value) {
			return true
		}
	}
	return false
}

// actual says what the field has that c does not want.
func (m *Matcher) actual(c *condition) string {
	shown := m.shown(c)
	switch {
	case shown == "":
		return "has no value, wanted is " + alternatives(c)
	case len(c.operators) == 0:
		return shown + " exists"
	}
	for _, o := range c.operators {
		switch o.(type) {
		case equalText, *equalNumber, equalLiteral, *equalAddress, *numericRange:
		default:
			return shown + " does not match " + alternatives(c)
		}
	}
	return shown + " is not " + alternatives(c)
}

func wanted(c *condition) string { return "matches " + alternatives(c) }

func alternatives(c *condition) string {
	var list []string
	for _, o := range c.operators {
		list = append(list, o.String())
	}
	if c.absent {
		list = append(list, "exists false")
	}
	const most = 5
	if n := len(list) - most; n > 0 {
		list = append(list[:most], fmt.Sprintf("%d more", n))
	}
	return strings.Join(list, " or ")
}

// shown are the values of a field, empty if there are none.
func (m *Matcher) shown(c *condition) string {
	const most = 5
	var list []string
	n := 0
	for at := m.slots[c.slot].first; at >= 0; at = m.leaves[at].next {
		l := &m.leaves[at]
		if l.replaced {
			continue
		}
		if n++; n > most {
			continue
		}
		list = append(list, l.shown())
	}
	switch {
	case n == 0:
		return ""
	case n == 1:
		return list[0]
	case n > most:
		list = append(list, fmt.Sprintf("%d more", n-most))
	}
	return "each of " + strings.Join(list, ", ")
}

// shown is the value as it was written, cut where it is long.
func (v *value) shown() string {
	const most = 64
	text := v.text
	cut := len(text) > most
	if cut {
		text = text[:most]
		for len(text) > 0 && !utf8.Valid(text) {
			text = text[:len(text)-1]
		}
	}
	s := string(text)
	if v.kind == kindString {
		s = strconv.Quote(s)
	}
	if cut {
		s += "…"
	}
	return s
}
