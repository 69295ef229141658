package testkit

import (
	"iter"
	"math/rand/v2"
	"testing"
)

// make test and make test-race are go test -short. What they leave out because of the functions here, make sim plays:
// it runs every package that calls one of them.

// Long leaves a test out of go test -short.
func Long(tb testing.TB) {
	tb.Helper()
	if testing.Short() {
		tb.Skip("too long for go test -short; make sim plays it")
	}
}

// Runs is how often a test plays something: all of them, and few in go test -short, where the race detector has it play
// a quarter of those.
func Runs(all, few int) int {
	if testing.Short() {
		return min(all, max(1, few/raceTime))
	}
	return all
}

// Cases yields the rows of a table: all of them, and few that chance picks in go test -short. The few differ from run
// to run, so that no row is left to make sim for good.
func Cases[C any](table []C, few int) iter.Seq[C] {
	return func(yield func(C) bool) {
		for _, i := range rand.Perm(len(table))[:Runs(len(table), few)] { //nolint:gosec // which rows is no secret
			if !yield(table[i]) {
				return
			}
		}
	}
}

// Named is Cases of a table by name.
func Named[C any](table map[string]C, few int) iter.Seq2[string, C] {
	return func(yield func(string, C) bool) {
		names := make([]string, 0, len(table))
		for name := range table {
			names = append(names, name)
		}
		for name := range Cases(names, few) {
			if !yield(name, table[name]) {
				return
			}
		}
	}
}
