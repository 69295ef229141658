//go:build !race

package cmd

// simRuns is how many schedules run where nobody says.
const simRuns = 50
