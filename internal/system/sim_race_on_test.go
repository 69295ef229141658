//go:build race

package system

// simRuns is how many schedules run by default; the race detector makes each of them many times slower.
const simRuns = 8
