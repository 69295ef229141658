package status

import "cmp"

const (
	// keysFailingWarnAfter is how long an output shard may refuse records that it is sent again.
	keysFailingWarnAfter = 10e9
	// fillingFrom is the part of what may wait for an output, in percent, from which on it will soon stop its shards.
	fillingFrom = 50
)

func outputKinds() []kind {
	const room = "correct what keeps the stream from taking records; with `dead_letter` the oldest would go there, and " +
		"records would be read on"
	return []kind{
		{
			code: "output_full", remedy: room,
			find: ofOutputs(func(m *model, o *Output, _ thresholds) findings {
				return found(when(o.Crowded && outputFails(o), LevelCritical),
					"output %s: all that may wait for %s waits (%s), so records are no longer read and nothing alerts",
					o.Name, o.Stream, o.waits())
			}),
		},
		{
			code: "output_filling", remedy: room, symptomOf: []string{"output_full"},
			find: ofOutputs(func(m *model, o *Output, _ thresholds) findings {
				return found(when(m.DeadLetters == nil && outputFails(o) && o.filled() >= fillingFrom, LevelCritical),
					"output %s: %d %% of what may wait for %s waits (%s); when it is full, records are no longer read "+
						"and nothing alerts", o.Name, o.filled(), o.Stream, o.waits())
			}),
		},
		{
			code: "output_held",
			find: ofOutputs(func(m *model, o *Output, _ thresholds) findings {
				level := LevelCritical
				if m.DeadLetters != nil {
					level = LevelWarning // what does not fit goes there
				}
				return found(when(o.Fault != "", level), "output %s: %s%s, %s", o.Name, faultWords(o.Fault),
					said(o.Error), o.waits()).advise(o.Remedy).blaming(o.Failing)
			}),
		},
		{
			code: "output_failing", symptomOf: []string{"output_held"},
			after: thresholds{critical: failingCritical},
			find: ofOutputs(func(m *model, o *Output, after thresholds) findings {
				d := m.ago(o.FailingSince)
				if o.Failures < failuresWarnAfter && (o.Failures == 0 || d < failingWarnAfter) {
					return nil
				}
				level := cmp.Or(after.level(d), LevelWarning)
				if m.DeadLetters != nil {
					level = LevelWarning
				}
				return found(level, "output %s: Kinesis has failed for %s%s, %s", o.Name, words(d), said(o.Error),
					o.waits()).advise(o.Remedy).blaming(o.Failing)
			}),
		},
		{
			code: "output_keys_held", remedy: "see the log for the record and why Kinesis never takes it; correct the " +
				"output, or set up `dead_letter`, then restart",
			find: ofOutputs(func(_ *model, o *Output, _ thresholds) findings {
				return found(when(o.HeldKeys > 0, LevelCritical),
					"output %s holds %s, because a record of it can never be written", o.Name,
					Number(o.HeldKeys, "partition key"))
			}),
		},
		{
			code:      "output_keys_failing",
			symptomOf: []string{"output_held", "output_failing"},
			find: ofOutputs(func(m *model, o *Output, _ thresholds) findings {
				d := m.ago(o.KeysFailingSince)
				return found(when(o.FailingKeys > 0 && d >= keysFailingWarnAfter, LevelWarning),
					"output %s: %s refused for %s while others are written%s, %s", o.Name,
					are(o.FailingKeys, "partition key"), words(d), said(o.Error), o.waits()).
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

// outputFails reports whether something is wrong with an output, and not only that it is slow.
func outputFails(o *Output) bool {
	return o.Fault != "" || o.Failures > 0 || o.FailingKeys > 0 || o.HeldKeys > 0
}

// filled is how much of what may wait for the output waits, in percent.
func (o *Output) filled() int { return 100 * o.Bytes / max(1, o.MaxBytes) }

func (o *Output) waits() string { return wait(uint64(max(0, o.Waiting)), "record") }
