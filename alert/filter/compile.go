package filter

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

const (
	// maxBranches is how many combinations the $or of one pattern may make, as on event buses.
	maxBranches = 1000
	// maxTotalBranches and maxConditions bound the memory of a Set. A condition is a field in a combination of $or:
	// some 200 bytes while it is compiled.
	maxTotalBranches = 100_000
	maxConditions    = 1_000_000
	// maxFaults is how many faults of one pattern are reported: each quotes it.
	maxFaults = 100
)

// The keys that a pattern can look at.
const (
	dataKey         = "data"
	partitionKeyKey = "partitionKey"
)

// condition is what a branch asks of one field. Any of the operators will do.
type condition struct {
	path      string
	slot      int
	operators []operator
	// absent says that exists false is among the alternatives.
	absent bool
	// tries and scans are how many operators there are, and how many of them may read all of a text.
	tries, scans int64
}

// price notes what it costs to try the operators.
func (c *condition) price() {
	c.tries, c.scans = 0, 0
	for _, o := range c.operators {
		c.add(o)
	}
}

func (c *condition) add(o operator) {
	c.tries++
	switch o := o.(type) {
	case *anythingBut:
		for _, but := range o.operators {
			c.add(but)
		}
	case *wildcard, *equalFolded, *prefixFolded, *suffixFolded:
		c.scans++
	}
}

func (c *condition) matches(v *value) bool {
	for _, o := range c.operators {
		if o.matches(v) {
			return true
		}
	}
	return false
}

// clause is one way to satisfy a pattern: the condition of each path. A path that is written twice has the last one.
type clause map[string]*condition

// Compile makes a Set of patterns, which are ORed; none at all match every record. The error joins every fault of every
// pattern, each as a *PatternError.
func Compile(patterns []Pattern) (*Set, error) {
	var faults []error
	total, conditions := 0, 0
	clauses := make([][]clause, len(patterns))
	for i := range patterns {
		c := compiler{index: i, conditions: conditions}
		clauses[i] = c.pattern(&patterns[i])
		conditions = c.conditions
		faults = append(faults, c.faults...)
		total += len(clauses[i])
		if total > maxTotalBranches {
			faults = append(faults, &PatternError{Index: i, Rule: fmt.Sprintf(
				"all patterns up to this one have %d combinations of their $or together; at most %d are allowed", total,
				maxTotalBranches)})
			break
		}
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return newSet(clauses), nil
}

// compiler reads one pattern and collects its faults.
type compiler struct {
	index  int
	faults []error
	// conditions counts those that were made, of the patterns before too.
	conditions int
	// exploded says that a limit was reported; nothing is added any more.
	exploded bool
}

func (c *compiler) fault(at, format string, args ...any) {
	if len(c.faults) >= maxFaults {
		return
	}
	c.faults = append(c.faults, &PatternError{Index: c.index, Path: at, Rule: fmt.Sprintf(format, args...)})
}

func (c *compiler) pattern(p *Pattern) []clause {
	root, err := parseSyntax(p.source)
	if inner := root.member("Pattern"); inner != nil && len(root.members) == 1 {
		root = *inner
	}
	if err == nil && root.kind == jsontext.KindString {
		root, err = parseSyntax([]byte(root.text))
	}
	if err != nil {
		c.fault("", "%s", err)
		return nil
	}
	if root.kind != jsontext.KindBeginObject {
		c.fault("", `is %s; a pattern must be an object such as {"data": {"price": [{"numeric": [">", 5]}]}}`,
			describe(&root))
		return nil
	}
	return c.object(nil, "", "", &root, false)
}

// object adds what s asks to each clause. path is the dotted name of the field, at the place in the pattern.
func (c *compiler) object(clauses []clause, path, at string, s *syntax, inOr bool) []clause {
	if len(s.members) == 0 {
		c.fault(at, "is an empty object; it must name at least one field")
	}
	for i := range s.members {
		m := &s.members[i]
		inner, name := join(at, m.name), join(path, m.name)
		switch {
		case m.name == "$or":
			clauses = c.or(clauses, path, inner, &m.value)
			continue
		case inOr && reserved(m.name):
			c.fault(inner, "is a reserved name, which no field inside $or can have")
			continue
		case path == "" && !c.available(inner, m.name):
			continue
		}
		clauses = c.member(clauses, name, inner, &m.value, inOr)
	}
	return clauses
}

// member adds what the value of one name asks.
func (c *compiler) member(clauses []clause, path, at string, v *syntax, inOr bool) []clause {
	if v.kind == jsontext.KindBeginArray {
		return c.field(clauses, path, at, v)
	}
	if v.kind != jsontext.KindBeginObject {
		c.fault(at, "is %s; it must be a list of alternatives, or an object with the fields below it", describe(v))
		return clauses
	}
	if path == partitionKeyKey {
		c.fault(at, "the partition key is a string, not an object; it must be a list of alternatives")
		return clauses
	}
	return c.object(clauses, path, at, v, inOr)
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// available reports whether a pattern can look at a key of the record.
func (c *compiler) available(at, name string) bool {
	first, _, nested := strings.Cut(name, ".")
	if first == dataKey || name == partitionKeyKey {
		return true
	}
	if nested && first == partitionKeyKey {
		c.fault(at, "the partition key is a string, not an object; it must be named %s", partitionKeyKey)
		return false
	}
	c.fault(at,
		`a pattern can look at %s and %s alone, not at %s; a field of the payload is written as {"data": {%s: ...}}`,
		dataKey, partitionKeyKey, strconv.Quote(name), strconv.Quote(name))
	return false
}

// or forks the clauses for each object of the list.
func (c *compiler) or(clauses []clause, path, at string, s *syntax) []clause {
	if s.kind != jsontext.KindBeginArray {
		c.fault(at, "is %s; it must be a list of at least two objects", describe(s))
		return clauses
	}
	if len(s.items) < 2 {
		c.fault(at, "has %d element; it must have at least two objects", len(s.items))
	}
	if c.exploded {
		return clauses
	}
	var forks []clause
	for i := range s.items {
		inner := fmt.Sprintf("%s[%d]", at, i)
		if s.items[i].kind != jsontext.KindBeginObject {
			c.fault(inner, "is %s; it must be an object", describe(&s.items[i]))
			continue
		}
		fork := make([]clause, 0, max(len(clauses), 1))
		for _, one := range clauses {
			if !c.room(at, len(one)) {
				return clauses
			}
			fork = append(fork, maps.Clone(one))
		}
		if len(fork) == 0 {
			fork = append(fork, clause{})
		}
		forks = append(forks, c.object(fork, path, inner, &s.items[i], true)...)
		if len(forks) > maxBranches {
			if !c.exploded {
				c.exploded = true
				c.fault(at, "makes more than %d combinations together with the $or around and before it", maxBranches)
			}
			return clauses
		}
	}
	return forks
}

// room counts n more conditions and reports whether there is room for them.
func (c *compiler) room(at string, n int) bool {
	if c.conditions += n; c.conditions > maxConditions && !c.exploded {
		c.exploded = true
		c.fault(at, "makes more than %d conditions together with all before it: fields times combinations of $or",
			maxConditions)
	}
	return !c.exploded
}

// field sets the condition of one path in each clause.
func (c *compiler) field(clauses []clause, path, at string, s *syntax) []clause {
	if len(s.items) == 0 {
		c.fault(at, "is an empty list; it must have at least one alternative")
		return clauses
	}
	cond := &condition{path: path}
	for i := range s.items {
		op, absent, err := expression(&s.items[i])
		switch {
		case err != nil:
			c.fault(fmt.Sprintf("%s[%d]", at, i), "%s", err)
		case absent:
			cond.absent = true
		default:
			cond.operators = append(cond.operators, op)
		}
	}
	if len(clauses) == 0 {
		clauses = []clause{{}}
	}
	if !c.room(at, len(clauses)) {
		return clauses
	}
	for _, one := range clauses {
		one[path] = cond
	}
	return clauses
}

// reserved are the names that event-ruler keeps for operators, present and future, inside $or.
func reserved(name string) bool {
	return slices.Contains([]string{
		"exactly", "equals-ignore-case", "prefix", "suffix", "anything-but", "exists", "wildcard", "numeric", "cidr",
		"=", "<", "<=", ">", ">=", "regex", "not-wildcard", "not-equals-ignore-case",
		"date-after", "date-on-or-after", "date-before", "date-on-or-before", "in-date-range",
		"ip-address-in-range", "ip-address-not-in-range",
	}, name)
}
