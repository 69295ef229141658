package status

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// The states of a Standing.
const (
	standingFires      = "fires"
	standingSuppressed = "suppressed"
	standingWaits      = "waits"
	standingMatches    = "matches"
	standingWatches    = "watches"
	standingUnmatched  = "unmatched"
	standingUnjudged   = "unjudged"
	standingCannot     = "cannot"
	standingStopped    = "stopped"
)

// fewRecords are too few to say that a rule cannot match.
const fewRecords = 20

// StandingOf says whether a rule fires. doubt is what of its configuration keeps it from ever matching; empty if
// nothing.
func StandingOf(r *Rule, doubt string) Standing {
	sum := uint64(0)
	var by []string
	for _, reason := range slices.Sorted(maps.Keys(r.Suppressed)) {
		if n := r.Suppressed[reason]; n > 0 {
			sum += n
			by = append(by, strings.ReplaceAll(reason, "_", " ")+" "+grouped(n))
		}
	}
	switch {
	case doubt != "":
		return Standing{standingCannot, doubt}
	case len(r.Fields) > 0 && r.Matched > 0:
		return Standing{standingStopped, r.Fields[0].finding()}
	case len(r.Fields) > 0:
		return Standing{standingCannot, r.Fields[0].finding()}
	case r.Matched == 0 && r.Undefined >= fewRecords && r.Undefined >= r.Judged:
		return Standing{
			standingCannot,
			"a field that it needs is missing, or of another type, in every one of " + number(r.Judged, "record"),
		}
	case r.Published > 0:
		return Standing{State: standingFires}
	case r.Absence:
		return Standing{standingWatches, "it needs " + r.Needs}
	case r.Judged == 0:
		return Standing{standingUnjudged, "no record has come to it yet"}
	case r.Matched == 0 && r.Undefined > r.Judged/2:
		return Standing{standingUnmatched, fmt.Sprintf(
			"none of %s matched; in %s of them a field that it needs is missing, or of another type",
			number(r.Judged, "record"), percent(r.Undefined, r.Judged),
		)}
	case r.Matched == 0:
		return Standing{standingUnmatched, "none of " + number(r.Judged, "record") + " matched"}
	case sum > 0:
		return Standing{standingSuppressed, "every alert was suppressed: " + strings.Join(by, ", ")}
	case r.Needs != "":
		return Standing{standingMatches, "records matched, but not enough to fire: it needs " + r.Needs}
	}
	return Standing{standingWaits, "SNS has accepted none of its alerts yet"}
}
