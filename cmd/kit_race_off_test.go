//go:build !race

package cmd

// raceMemory is how many times as much memory the race detector takes.
const raceMemory = 1
