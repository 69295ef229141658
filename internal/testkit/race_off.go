//go:build !race

package testkit

// RaceMemory is how many times as much memory the race detector takes.
const RaceMemory = 1

const raceTime = 1
