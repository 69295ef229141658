package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// FieldError is one fault of a configuration.
type FieldError struct {
	// File, Line and Column say where; Line and Column count from 1 and are 0 when the fault is an absence, or when
	// the configuration came from flags (then File is empty too).
	File         string
	Line, Column int
	// Field is the path of the value, such as "rules[2].when".
	Field string
	// Value is the value as written; empty if there is none.
	Value string
	// Rule says what is expected.
	Rule string
}

func (p *FieldError) Error() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File)
		if p.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", p.Line, p.Column)
		}
		b.WriteString(": ")
	}
	if p.Field != "" {
		b.WriteString(shorten(p.Field, 300) + ": ")
	}
	if p.Value != "" {
		b.WriteString(abbreviate(p.Value) + ": ")
	}
	b.WriteString(p.Rule)
	return b.String()
}

// abbreviate keeps a message on one line of a terminal however long the value is.
func abbreviate(value string) string { return shorten(value, 120) }

func shorten(value string, most int) string {
	value = strings.Join(strings.Fields(value), " ")
	if r := []rune(value); len(r) > most {
		return string(r[:most]) + "…"
	}
	return value
}

// FieldErrors are all faults of a configuration, in the order of the file.
type FieldErrors []*FieldError

func (ps FieldErrors) Error() string { return strings.Join(ps.Lines(), "\n") }

// Lines are the faults, a line each, of one kind only the first ones.
func (ps FieldErrors) Lines() []string {
	lines, alike := []string{}, map[string]int{}
	kind := func(p *FieldError) string { return regexp.MustCompile(`\d+`).ReplaceAllString(p.Rule, "0") }
	left := 0
	for _, p := range ps {
		if alike[kind(p)]++; alike[kind(p)] > MostAlike || len(lines) == mostShown {
			left++
			continue
		}
		lines = append(lines, p.Error())
	}
	switch {
	case len(ps) >= mostFaults:
		lines = append(lines, fmt.Sprintf("and %d or more further faults", left))
	case left > 0:
		lines = append(lines, fmt.Sprintf("and %s of these kinds", Plural(left, "further fault")))
	}
	return lines
}

const (
	// MostAlike is how many faults are shown of one kind: those that differ in numbers only.
	MostAlike = 10
	// mostShown is how many are shown at all.
	mostShown = 100
)

// Sort puts the problems into the order of the file; those without a line come last.
func (ps FieldErrors) Sort() {
	slices.SortStableFunc(ps, func(a, b *FieldError) int {
		switch {
		case a.Line == b.Line:
			return a.Column - b.Column
		case a.Line == 0:
			return 1
		case b.Line == 0:
			return -1
		}
		return a.Line - b.Line
	})
}

// fieldFault is what the packages' own Validate methods report: their errors know the path of the field in the
// configuration file, but not its place in the file.
type fieldFault interface {
	error
	ConfigField() string
}

// flatten returns the leaves of a tree of joined errors.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	// A fieldFault is a leaf, even when it wraps its cause.
	if _, ok := err.(fieldFault); ok { //nolint:errorlint // the tree is walked by hand, so that no leaf is skipped
		return []error{err}
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var leaves []error
		for _, e := range joined.Unwrap() {
			leaves = append(leaves, flatten(e)...)
		}
		return leaves
	}
	if inner := errors.Unwrap(err); inner != nil {
		if leaves := flatten(inner); len(leaves) > 1 || isFieldError(leaves) {
			return leaves
		}
	}
	return []error{err}
}

func isFieldError(leaves []error) bool {
	if len(leaves) == 0 {
		return false
	}
	_, ok := leaves[0].(fieldFault) //nolint:errorlint // as in flatten
	return ok
}
