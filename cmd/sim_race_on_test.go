//go:build race

package cmd

// simRuns is how many schedules run where nobody says; the race detector makes each of them many times slower.
const simRuns = 8
