//go:build !race

package system

// simRuns is how many schedules run where nobody says.
const simRuns = 50
