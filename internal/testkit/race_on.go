//go:build race

package testkit

// RaceMemory is how many times as much memory the race detector takes.
const RaceMemory = 2

// raceTime is how many times as long it takes, about: what is random is played so much less often.
const raceTime = 4
