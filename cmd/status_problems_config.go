package cmd

import "strings"

// reloadProblems looks at the last reload of the configuration file.
func reloadProblems(st *Status, add addProblem) {
	const check = "kinesis-alerter check --config FILE names every fault"
	if since := st.ReloadingSince; since != nil {
		if d := st.At.Sub(*since); d >= reloadWorthAWord {
			add(LevelWarning, "reload_unfinished", "is the file a regular one on a disk that answers, and no larger than a megabyte? "+check,
				"a reload has not come to an end for %s, the old configuration stays in force", words(d))
		}
	}
	r := st.Reload
	if r == nil {
		return
	}
	ago := words(st.At.Sub(r.At))
	if !r.OK {
		faults := r.Error
		if faults != "" {
			faults = ": " + faults
		}
		add(LevelWarning, "reload_refused", check, "the last reload was refused %s ago, the old configuration stays in force%s", ago, faults)
		return
	}
	for _, change := range r.Changes {
		if part, waits := strings.CutSuffix(change, restartNeeded); waits {
			add(LevelInfo, "restart_needed", "restart the workers one after the other",
				"%s in the file differs from what is in force, since a reload %s ago", part, ago)
		}
	}
}
