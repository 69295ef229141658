//go:build mutation

package system_test

// pressureMutations are the ways to forget what matters, to forget it in silence, and to report it for ever.
func pressureMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "quiet keys are forgotten before those that fire",
			file:   "alert/eviction.go", old: "phase {\n	switch {",
			new: "phase {\n	switch {\n	case en != nil:\n		return quiet",
			by:  only("alert", "TestQuietKeysGoFirst"), says: `.*Not equal.*`,
		},
		{
			breaks: "a quiet key does not push out what fires",
			file:   "alert/eviction.go",
			old: "		if s == quiet && m.lists[quiet].n > 0 && m.held[byKeys] > 1 {\n			return " +
				"inHand\n		}\n", new: "",
			by: only("alert", "TestQuietKeyDoesNotPushOutWhatFires"), says: `.*Not equal.*`,
		},
		{
			breaks: "the rule that holds most gives way",
			file:   "alert/eviction.go", old: "return a.held[by] > b.held[by] ||",
			new: "return a.held[by] < b.held[by] && a.held[by] > 0 ||",
			by:  only("alert", "TestRulesHaveTheirShare"), says: `.*Not equal.*|.*Should be zero.*`,
		},
		{
			breaks: "of two rules that hold as much, who wants more gives way",
			file:   "alert/eviction.go", old: "		first, next = inHand.of, first", new: "		next = first",
			by: only("alert", "TestRulesHaveTheirShare"), says: `.*Not equal.*`,
		},
		{
			breaks: "who was told that a key fires is told that it is no longer watched",
			file:   "alert/eviction.go", old: "			l.notifyEnd(en.of.rule, en, &trig",
			new: "			(func(*rule, *entry, *trigger) {})(en.of.rule, en, &trig",
			by:  only("alert", "TestWhatFiresIsPushedOutAloud"), says: `.*Not equal.*`,
		},
		{
			breaks: "each such end is another message",
			file:   "alert/outbox.go", old: "		if t.evictedFor != nil {",
			new: "		if t.evictedFor != nil && false {",
			by:  only("alert", "TestWhatFiresIsPushedOutAloud"), says: `.*twice.*`,
		},
		{
			breaks: "an end of another key is no outcome of the record",
			file:   "alert/eviction.go", old: "			l.out.evictions += len(l.out.alerts) - before\n",
			new: "			_ = before\n",
			by:  only("alert", "TestOnlyAnEndIsNoAlertOfTheRecord"), says: `.*Not equal.*`,
		},
		{
			breaks: "what fires and is too much for a restart is kept until somebody can be told",
			file:   "alert/eviction.go", old: "		if en == nil || en.firing && en.notified {",
			new: "		if en == nil {",
			by:  only("alert", "TestLessRoomAfterARestart"), says: `.*nothing is lost.*`,
		},
		{
			breaks: "nobody is told by a record whose alerts go nowhere",
			file:   "alert/evaluator.go", old: "	if !rec.Replayed {\n		e.life.makeRoomForLoaded()\n	}\n",
			new: "	e.life.makeRoomForLoaded()\n",
			by:  only("alert", "TestLessRoomAfterARestart"), says: `.*nobody hears.*`,
		},
		{
			breaks: "an absence rule keeps watching what is silent",
			file:   "alert/eviction.go", old: "	if m.rule.absence.After > 0 && m.lists",
			new: "	if m.rule.absence.After < 0 && m.lists",
			by:  only("alert", "TestWhatAnAbsenceRuleWatchesStaysWatched"), says: `.*Not equal.*`,
		},
		{
			breaks: "a key that does not come back is given up",
			file:   "alert/due.go", old: "	case r.givesUp(en) != 0 && due >= r.givesUp(en):\n",
			new: "	case r.givesUp(en) < 0:\n",
			by:  only("alert", "TestAbsenceIsGivenUp"), says: `.*Error:.*`,
		},
		{
			breaks: "the last word on it says so",
			file:   "alert/due.go", old: "	l.endPeriod(r, en, t)\n	l.memory.drop(en)\n",
			new: "	l.memory.drop(en)\n",
			by:  only("alert", "TestAbsenceIsGivenUp"), says: `.*Error:.*`,
		},
		{
			breaks: "an absence that nobody heard of is not given up",
			file:   "alert/due.go", old: "	if !r.perKey() || !en.notified {", new: "	if !r.perKey() {",
			by: only("alert", "TestAbsenceThatNobodyHeardOfIsNotGivenUp"), says: `.*Error:.*`,
		},
		{
			breaks: "it is given up at the same time however time comes",
			file:   "alert/due.go", old: "r.repeatAt(en.sent, min(to, r.lastRepeat(en)))",
			new: "r.repeatAt(en.sent, to)",
			by:  only("alert", "TestAbsenceIsGivenUpHoweverTimeComes"), says: `.*Not equal.*`,
		},
		{
			breaks: "check runs templates",
			file:   "internal/cli/check.go",
			old:    "\tif err := loaded.Trials(); err != nil {\n\t\treturn err\n\t}\n", new: "",
			by: only("internal/cli", "TestCheckTriesTemplates"), says: `.*Not equal.*`,
		},
		{
			breaks: "templates are tried with the types that the condition needs",
			file:   "alert/trial.go", old: "			known = s.Needs(r.formula.When)\n", new: "",
			by: only("alert", "TestTrials"), says: `.*should have 1 item.*`,
		},
		{
			breaks: "a template that works with some record is not refused",
			file:   "alert/trial.go", old: "			values = append([]string{withMembers}, values...)",
			new: "			values = []string{withMembers}",
			by:  killer{pkg: "alert", test: "TestTrialsAreNeverWrong", checks: 3000}, says: `.*makes a message of.*`,
		},
		{
			breaks: "check warns of windows that see a part of their records",
			file:   "alert/doubts.go", old: `key != "" && key != "partition_key"`, new: `key == "partition_key"`,
			by:   only("internal/cli", "TestCheckWarnsOfWindowsByOtherKeys"),
			says: `.*does not contain.*|.*should not contain.*`,
		},
	}
}
