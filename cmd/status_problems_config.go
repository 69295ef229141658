package cmd

import "strings"

// reloadProblems looks at the last reload of the configuration file.
func reloadProblems(st *Status, add addProblem) {
	r := st.Reload
	if r == nil {
		return
	}
	ago := words(st.At.Sub(r.At))
	if !r.OK {
		add(LevelWarning, "reload_refused", "kinesis-alerter check --config FILE names every fault",
			"the last reload was refused %s ago, the old configuration stays in force", ago)
		return
	}
	for _, change := range r.Changes {
		if part, waits := strings.CutSuffix(change, restartNeeded); waits {
			add(LevelInfo, "restart_needed", "restart the workers one after the other",
				"%s in the file differs from what is in force, since a reload %s ago", part, ago)
		}
	}
}
