//go:build mutation

package system_test

// hushMutations are the ways to page though somebody has silenced it, and to be silent though nobody has.
func hushMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	windows := only("alert", "TestWindowsOfSilencedRecords")
	return []mutation{
		{
			breaks: "what silences say of a record is kept with its key",
			file:   "alert/lifecycle.go", old: "		l.keepCovers(r, en)\n", new: "",
			by: only("alert", "TestSilencesCoverWhatTimeBringsAbout"), says: `.*Not equal.*`,
		},
		{
			breaks: "a restart keeps what silences said",
			file:   "alert/state_entry.go", old: "covers := w.format >= formatEnds && e.covers()",
			new: "covers := false",
			by:  only("alert", "TestSilencesCoverWhatTimeBringsAbout"), says: `.*Not equal.*`,
		},
		{
			breaks: "a reload keeps what is known of the conditions that stay",
			file:   "alert/state_entry.go", old: "			if known.hash == hash {\n				out[i] = 1 << j",
			new: "			if known.hash == hash {\n				out[i] = 1 << i\n				_ = j",
			by:  only("alert", "TestSilencesAndReloads"), says: `.*Not equal.*`,
		},
		{
			breaks: "what a format cannot store decides nothing",
			file:   "alert/window_silence.go", old: "r.keyless() || !l.memory.has(formatEnds)", new: "r.keyless()",
			by: only("alert", "TestSilencesBelowTheirFormat"), says: `.*Not equal.*`,
		},
		{
			breaks: "a good record of another host does not page with what is silenced",
			file:   "alert/window_silence.go", old: "	if s.silenced == nil {\n		return true\n",
			new: "	if s.silenced != nil || s.silenced == nil {\n		return true\n",
			by:  windows, says: `.*Not equal.*`,
		},
		{
			breaks: "a silence makes no alert",
			file:   "alert/window.go", old: "s.silenced != nil {\n		all.merge(",
			new: "s.silenced != nil && false {\n		all.merge(",
			by:  windows, says: `.*Not equal.*`,
		},
		{
			breaks: "what another host does by itself is told",
			file:   "alert/window_silence.go", old: "	return holds\n}\n\n// judgeWindow",
			new: "	return false && holds\n}\n\n// judgeWindow",
			by:  windows, says: `.*Not equal.*`,
		},
		{
			breaks: "a restart keeps which records of a window were silenced",
			file:   "alert/state_entry.go",
			old:    "w.format >= formatEnds && e.window != nil && e.window.silenced != nil", new: "false",
			by: windows, says: `.*Not equal.*`,
		},
		{
			breaks: "after downtime a key is not said to fire sixty times",
			file:   "consumer/intake.go", old: "	in.eval.Reaches(p.Asked)\n", new: "",
			by: only("internal/system", "TestDowntimeIsNotToldByTheMinute"), says: `.*Error:.*`,
		},
		{
			breaks: "a shard that stays behind repeats all the same",
			file:   "alert/overdue.go", old: "passed >= 0 && passed < r.repeat", new: "passed >= 0",
			by: only("alert", "TestOverdueRepetitions"), says: `.*Error:.*`,
		},
		{
			breaks: "what is overdue decides nothing else",
			file:   "alert/lifecycle.go", old: "	if by := l.mute(r, en, t, true); by != nil {\n",
			new: "	if reason := l.overdue(r, en, t); reason != \"\" {\n		l.suppress(r, en, " +
				"reason)\n		return\n	}\n	if by := l.mute(r, en, t, true); by != nil {\n",
			by: only("alert", "TestOverdueChangesNothingElse"), says: `.*Error:.*`,
		},
		{
			breaks: "a reload refuses a silence that is over",
			file:   "internal/daemon/reload.go", old: "\t\terr = loaded.Current(time.Now())\n", new: "",
			by: only("internal/daemon", "TestReloadRefusesSilencesThatAreOver"), says: `.*Error:.*`,
		},
		{
			breaks: "check refuses a silence that is over",
			file:   "internal/cli/check.go", old: "loaded.Current(p.now()); err != nil",
			new: "loaded.Current(time.Time{}); err != nil",
			by:  only("internal/system", "TestSilencesThatAreOver"), says: `.*Error:.*`,
		},
	}
}
