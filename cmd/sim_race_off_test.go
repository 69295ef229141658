//go:build !race

package cmd

// simRuns is how many schedules run where nobody says.
const simRuns = 50

// raceMemory is how many times as much memory the race detector takes.
const raceMemory = 1
