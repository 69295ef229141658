package status

import (
	"math"
	"strings"
	"time"

	"kinesis-alerter/internal/config"
)

// rolloutAllowed is how long the workers may have different configurations: that is what a rollout takes.
const rolloutAllowed = 15 * time.Minute

// fleetConfigProblems looks for workers that have another configuration in force than this one: half of the alerts are then made
// by the one, half by the other.
func fleetConfigProblems(st *Status, add addProblem) {
	var differ shardGroup
	for i := range st.Workers {
		if w := &st.Workers[i]; w.DiffersSince != nil {
			differ.Add(w.ID, st.At.Sub(*w.DiffersSince), "")
		}
	}
	n := len(differ.ids)
	if n == 0 {
		return
	}
	add(atLeast(differ.longest, rolloutAllowed, math.MaxInt64), "config_differs",
		"give all workers the same file and reload or restart them; /api/v1/status of each has what is in force there",
		"%s another configuration in force than this one, for %s%s", have(n, "worker"), words(differ.longest), first(differ.ids))
}

// endpointProblems looks for endpoints that anybody on the way can read and answer for.
func endpointProblems(st *Status, add addProblem) {
	if len(st.PlainEndpoints) > 0 {
		add(LevelWarning, "endpoint_plain", "use https:// in AWS_ENDPOINT_URL and its likes, or a proxy on this host",
			"AWS is reached over plain HTTP on %s: payloads and the session token can be read on the way", strings.Join(st.PlainEndpoints, ", "))
	}
}

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
		if part, waits := strings.CutSuffix(change, config.RestartNeeded); waits {
			add(LevelInfo, "restart_needed", "restart the workers one after the other",
				"%s in the file differs from what is in force, since a reload %s ago", part, ago)
		}
	}
}
