package cli

import (
	"errors"
	"strings"
	"time"

	"kinesis-alerter/checkpoint"
)

// timeHelp is what instant reads, for the help of flags.
const timeHelp = "RFC 3339, or a duration before now such as -2h or -1d12h"

// errTime says what a time is.
var errTime = errors.New("want a time such as 2026-11-22T09:00:00Z, or a duration before now such as -2h")

// instant reads a moment of the past as every flag takes it: a time in RFC 3339, now, or a negative duration, with days
// if need be, as the time so long before now.
func instant(text string, now time.Time) (time.Time, error) {
	if text == "now" {
		return now, nil
	}
	if ago, ok := strings.CutPrefix(text, "-"); ok {
		d, err := durationWithDays(ago)
		if err != nil {
			return time.Time{}, errTime
		}
		return now.Add(-d), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return t, errTime
	}
	return t.UTC(), nil
}

// durationWithDays is time.ParseDuration with days before the other units.
func durationWithDays(text string) (time.Duration, error) {
	var sum time.Duration
	if days, rest, ok := strings.Cut(text, "d"); ok {
		d, err := time.ParseDuration(days + "h")
		// digits alone: 1h2 is a duration, too
		if err != nil || strings.Trim(days, "0123456789.") != "" || d > 10_000*time.Hour {
			return 0, errTime
		}
		if sum = 24 * d; rest == "" {
			return sum, nil
		}
		text = rest
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 || sum+d < sum { // more than a duration holds
		return 0, errTime
	}
	return sum + d, nil
}

// start reads where to begin: trim_horizon, latest, or an instant.
func start(text string, now time.Time) (checkpoint.Start, error) {
	switch text {
	case "latest":
		return checkpoint.Start{}, nil
	case "trim_horizon":
		return checkpoint.Start{Kind: checkpoint.StartTrimHorizon}, nil
	}
	t, err := instant(text, now)
	return checkpoint.Start{Kind: checkpoint.StartTime, Time: t}, err
}
