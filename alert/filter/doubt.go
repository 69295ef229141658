package filter

import (
	"slices"
)

// Doubts says, for each of the patterns that matches no record at all, why. Those that are not valid have none.
func Doubts(patterns []Pattern) map[int]string {
	out := make(map[int]string)
	for i := range patterns {
		c := compiler{index: i}
		clauses := c.pattern(&patterns[i])
		if len(c.faults) > 0 || len(clauses) == 0 {
			continue
		}
		if !slices.ContainsFunc(clauses, func(one clause) bool { return one[partitionKeyKey].possible() }) {
			out[i] = "the partition key is a string and always there, so no record matches partitionKey"
		}
	}
	return out
}

// possible says whether a partition key can meet the condition; nil is none.
func (c *condition) possible() bool {
	return c == nil || slices.ContainsFunc(c.operators, func(o operator) bool { return !noText(o) })
}

// noText says that an operator matches no string.
func noText(o operator) bool {
	switch o.(type) {
	case *equalNumber, *numericRange, equalLiteral:
		return true
	}
	return false
}
