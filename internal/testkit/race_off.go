//go:build !race

package testkit

// raceMemory is how many times as much memory the race detector takes.
const RaceMemory = 1
