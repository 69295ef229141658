//go:build !race

package system

// simRuns is how many schedules run by default.
const simRuns = 50
