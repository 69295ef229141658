//go:build mutation

package system_test

// lawMutations are the ways in which what is told of a key differs from what docs/rules.md says. The reference model
// finds each.
func lawMutations() []mutation {
	law := killer{pkg: "alert", test: "TestWordsAreThoseOfTheReference", checks: 400}
	order := func(test string) killer { return killer{pkg: "alert", test: test} }
	return []mutation{
		{
			breaks: "a window is judged at the ends of its steps, and a repeat is no judgement",
			file:   "alert/due.go", old: "!r.window.tumbling && r.windowDue(en, due):", new: "!r.window.tumbling:",
			by: law, says: `.*of the evaluator:.*`,
		},
		{
			breaks: "the end of dedup judges no window",
			file:   "alert/due.go", old: " && !r.windowLapsed(en, due-r.window.length) {", new: " {",
			by: order("TestWindowsAreJudgedAtTheirEnds"), says: `.*Error:.*`,
		},
		{
			breaks: "what still fires is told by itself when what swallowed it is over",
			file:   "alert/due.go", old: "return en.firing && unsaid && r.hasPeriods() && r",
			new: "return en.firing && unsaid && (r.timed() || en.ended) && r",
			by:  law, says: `.*of the evaluator:.*`,
		},
		{
			breaks: "what is due of an inherited key is done in the order of time",
			file:   "alert/siblings.go", old: "(first == nil || en.provisional.due < first.provisional.due)",
			new: "first == nil",
			by:  order("TestInheritedKeyIsToldInTheOrderOfTime"), says: `.*Error:.*`,
		},
		{
			breaks: "only what matches is a sign of life (a law)",
			file:   "alert/lifecycle.go",
			old:    "		if v == condition.Yes { // other records of the key do not end the absence\n",
			new:    "		if true {\n",
			by:     law, says: `.*of the evaluator:.*`,
		},
		{
			breaks: "a rise in severity is told (a law)",
			file:   "alert/lifecycle.go", old: "	case l.escalates(r, en):\n		l.escalate(r, en, t)\n", new: "",
			by: law, says: `.*of the evaluator:.*`,
		},
		{
			breaks: "the last word is true (a law)",
			file:   "alert/lifecycle.go", old: "en.firing && !en.notified && en.ended && at-en.since >= resolvedGrace",
			new: "false",
			by:  law, says: `.*of the evaluator:.*`,
		},
		{
			breaks: "only what somebody was told of inhibits (a law)",
			file:   "alert/inhibition.go", old: "theirs.firing && (theirs.notified || ",
			new: "theirs.firing && (true || ",
			by:  law, says: `.*of the evaluator:.*`,
		},
		{
			breaks: "silences cover what time brings about (a law)",
			file:   "alert/window_silence.go", old: "if en.covered = l.in.verdicts(r.covers); (was",
			new: "if en.covered = 0; (was",
			by:  law, says: `.*of the evaluator:.*`,
		},
		{
			breaks: "an absent key is given up (a law)",
			file:   "alert/due.go", old: "	if !r.perKey() || !en.notified {\n		return 0",
			new: "	if r != nil {\n		return 0",
			by:  law, says: `.*of the evaluator:.*`,
		},
		{
			breaks: "shards that part twice in a millisecond forget no key",
			file:   "alert/state_inherit.go", old: "born = max(born, parent.rules[r.place].claims[en.key].at)",
			new: "born = max(born, 0)",
			by:  order("TestShardsThatPartInAMillisecond"), says: `.*Error:.*`,
		},
		{
			breaks: "daemons with wrong clocks tell the same (a law)",
			file:   "internal/clock/clock.go", old: "if e.known && (at < e.is.lo || at > e.is.hi) {", new: "if false {",
			by: killer{
				pkg: "internal/system", test: "TestSimWords", checks: 10,
			}, says: `.*told:.*|.*before it was due.*|.*late though.*`,
		},
		{
			breaks: "a part of a window is not judged (a law)",
			file:   "alert/window.go", old: "return !w.needsWhole || s.watched <= from*w.step",
			new: "return !w.needsWhole || from >= 0",
			by:  law, says: `.*of the evaluator:.*`,
		},
	}
}
