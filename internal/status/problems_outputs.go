package status

import (
	"cmp"
	"slices"
	"time"
)

const (
	// keysFailingWarnAfter is how long an output shard may refuse records that it is sent again.
	keysFailingWarnAfter = 10 * time.Second
	// fillingFrom is the part of what may wait for an output, in percent, from which on it will soon stop its shards.
	fillingFrom = 50
	// holdingAfter is how long an output record may wait before its output is what holds the checkpoint.
	holdingAfter = time.Minute
)

// outputKinds have no critical problem of an output that has dead letters, but where one holds keys: what does not fit
// goes there, so reading is never stopped. A stream that is only slow is none either: then alerts are late, which lag
// says.
func outputKinds() []kind {
	const room = "remove what keeps the stream from taking records; a `dead_letter` destination would take the " +
		"oldest, " +
		"and records would be read on"
	return []kind{
		{
			code: "output_full", remedy: room,
			find: ofOutputs(func(m *model, o *Output, _ thresholds) findings {
				return found(when(o.Crowded && m.outputStops(o), LevelCritical),
					"output %s: its memory is full, so records are no longer read and nothing alerts (%s for %s)",
					o.Name, o.waits(), o.Stream)
			}),
		},
		{
			code: "output_filling", remedy: room, symptomOf: []string{"output_full"},
			find: ofOutputs(func(m *model, o *Output, _ thresholds) findings {
				return found(when(m.outputStops(o) && o.filled() >= fillingFrom, LevelCritical),
					"output %s: its memory is %d %% full; when it is full, records are no longer read and nothing "+
						"alerts (%s for %s)", o.Name, o.filled(), o.waits(), o.Stream)
			}),
		},
		{
			code: "output_held",
			find: ofOutputs(func(m *model, o *Output, _ thresholds) findings {
				return found(when(o.Fault != "", m.ofOutput(LevelCritical)), "output %s: %s%s, %s", o.Name,
					faultWords(o.Fault), said(o.Error), o.waits()).advise(o.Remedy).blaming(o.Failing)
			}),
		},
		{
			code: "output_failing", symptomOf: []string{"output_held"},
			after: thresholds{critical: failingCritical},
			find: ofOutputs(func(m *model, o *Output, after thresholds) findings {
				if !m.outputFails(o) {
					return nil
				}
				d := m.ago(o.FailingSince)
				return found(m.ofOutput(cmp.Or(after.level(d), LevelWarning)),
					"output %s: Kinesis has failed for %s%s, %s",
					o.Name, words(d), said(o.Error), o.waits()).advise(o.Remedy).blaming(o.Failing)
			}),
		},
		{
			code: "output_keys_held",
			remedy: "see the log for the record and why Kinesis never takes it; correct the " +
				"output, or set up `dead_letter`, then restart",
			find: ofOutputs(func(_ *model, o *Output, _ thresholds) findings {
				return found(when(o.HeldKeys > 0, LevelCritical),
					"output %s: %s held, because a record of each can never be written", o.Name,
					are(o.HeldKeys, "partition key"))
			}),
		},
		{
			code:      "output_keys_failing",
			symptomOf: []string{"output_held", "output_failing"},
			after:     thresholds{critical: failingCritical},
			find: ofOutputs(func(m *model, o *Output, after thresholds) findings {
				if !m.outputKeysFail(o) {
					return nil
				}
				// A slow shard of the output takes what waits, if late: only what has waited long says that one does
				// not.
				level := cmp.Or(after.level(min(m.ago(o.KeysFailingSince), m.ago(o.Oldest))), LevelWarning)
				return found(m.ofOutput(level),
					"output %s: Kinesis has refused records of %s for %s while it takes others%s, %s", o.Name,
					Number(o.FailingKeys, "partition key"), words(m.ago(o.KeysFailingSince)), said(o.Error), o.waits()).
					advise(cmp.Or(o.Remedy, "give the stream more shards, or a key that spreads better"))
			}),
		},
	}
}

// ofOutputs looks at each output, which is the object of what it finds.
func ofOutputs(find func(*model, *Output, thresholds) findings) func(*model, thresholds) findings {
	return func(m *model, after thresholds) (all findings) {
		for i := range m.Outputs {
			for _, f := range find(m, &m.Outputs[i], after) {
				f.object = m.Outputs[i].Name
				all = append(all, f)
			}
		}
		return all
	}
}

// ofOutput is the level of a failing output's problem: with dead letters, what does not fit goes there.
func (m *model) ofOutput(level Level) Level {
	if level == LevelCritical && m.DeadLetters != nil {
		return LevelWarning
	}
	return level
}

// outputFails reports whether calls of an output fail now.
func (st *Status) outputFails(o *Output) bool {
	return o.Fault == "" && o.FailingSince != nil && o.Waiting > 0 &&
		(o.Failures >= failuresWarnAfter || o.Failures > 0 && st.ago(o.FailingSince) >= failingWarnAfter)
}

// outputKeysFail reports whether an output takes the records of some keys alone.
func (st *Status) outputKeysFail(o *Output) bool {
	return o.FailingKeys > 0 && st.ago(o.KeysFailingSince) >= keysFailingWarnAfter
}

// outputStops reports whether something keeps an output from making room: neither does the stream take what waits, nor
// do dead letters. Dead letters never take what a held key holds, because there are none then.
func (st *Status) outputStops(o *Output) bool {
	stuck := st.outputKeysFail(o) && st.ago(o.Oldest) >= failingCritical
	return st.DeadLetters == nil && (o.Fault != "" || o.HeldKeys > 0 || st.outputFails(o) || stuck)
}

// outputsHold reports whether the checkpoints of shards with output records wait for an output.
func (st *Status) outputsHold() bool {
	return slices.ContainsFunc(st.Outputs, func(o Output) bool { return st.ago(o.Oldest) >= holdingAfter })
}

// filled is how much of what may wait for the output waits, in percent.
func (o *Output) filled() int { return 100 * o.Bytes / max(1, o.MaxBytes) }

func (o *Output) waits() string { return wait(uint64(max(0, o.Waiting)), "record") }
