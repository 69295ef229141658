//go:build mutation

package system_test

// editMutations are the ways to leave an incident open, or to close one twice, when rules are edited while they fire.
func editMutations() []mutation {
	words := killer{pkg: "alert", test: "TestEditedRulesEndWhatTheyTold"}
	daemon := killer{pkg: "internal/system", test: "TestRulesEditedWhileTheyFire"}
	return []mutation{
		{
			breaks: "the end waits until all workers agree about the rules",
			file:   "alert/former_rules.go", old: "if s.owedEnds > 0 && (settled || total",
			new: "if s.owedEnds > 0 && (true || total", by: words, says: `.*Error:.*`,
		},
		{
			breaks: "a rule that is taken out ends what it told",
			file:   "alert/edited_rules.go", old: "{ l.endFormer(s, &room) }", new: "{ s.removeEnded() }", by: words,
			says: `.*Error:.*`,
		},
		{
			breaks: "a topic that a rule leaves is told the end",
			file:   "alert/edited_rules.go", old: "			r.oweEnds = l.endInLostTopics(r, &room)\n",
			new: "			r.oweEnds = false\n", by: words, says: `.*Error:.*`,
		},
		{
			breaks: "a topic hears no end of what it never heard of",
			file:   "alert/edited_rules.go",
			old:    "	if en.audience == 0 {\n		l.out.emit(r, en, KindResolved, t)",
			new:    "	if true {\n		l.out.emit(r, en, KindResolved, t)", by: words, says: `.*Error:.*`,
		},
		{
			breaks: "whoever hears of a moved rule now hears of the key",
			file:   "alert/edited_rules.go", old: "			en.notified, en.ended, en.audience = false, true, 0\n",
			new: "			en.audience = 0\n", by: words, says: `.*Error:.*`,
		},
		{
			breaks: "another threshold keeps what fires",
			file:   "alert/edited_rules.go", old: "	return r.remembers() && r.sense.memory == t.memory",
			new: "	return r.sense.condition == t.condition && r.sense.memory == t.memory", by: words,
			says: `.*Error:.*`,
		},
		{
			breaks: "both parents' ends are said after a merge, once",
			file:   "alert/former_rules.go", old: "	add(&t, uint64(len(s.notified.audiences)), false)\n", new: "",
			by: words, says: `.*Error:.*`,
		},
		{
			breaks: "an end is not said while the rule of today fires for the key",
			file:   "alert/edited_rules.go", old: "en != nil && en.firing && en.notified && now.rule.notifiesEnd() {",
			new: "en == nil {", by: words, says: `.*Error:.*`,
		},
		{
			breaks: "one child says the end",
			file:   "alert/former_rules.go", old: "			mine = len(s.owedTo(v)) == 0 || owns(string(v.key))\n",
			new: "			mine = true\n", by: words, says: `.*Error:.*`,
		},
		{
			breaks: "what is about to be forgotten is ended first",
			file:   "alert/former_rules.go", old: "settled || total > maxFormer || s.expired(now)", new: "settled",
			by: killer{pkg: "alert", test: "TestMemoryOfEditedRulesEndsBeforeItIsForgotten"}, says: `.*Error:.*`,
		},
		{
			breaks: "formats that cannot keep it change no decision",
			file:   "alert/state_write.go", old: "		if m.has(formatEnds) && r.rule.stateful() {",
			new: "		if r.rule.stateful() {", by: killer{
				pkg: "alert", test: "TestEndsOfEditedRulesNeedTheirFormat",
			}, says: `.*Error:.*`,
		},
		{
			breaks: "an end that the rule of today has said is not said again",
			file:   "alert/former_rules.go", old: "			s.over[key] = union(s.over[key], topics)\n", new: "",
			by: killer{pkg: "alert", test: "TestEndIsSaidByTheRuleOfToday"}, says: `.*Error:.*`,
		},
		{
			breaks: "workers that differ do not agree",
			file:   "checkpoint/confighash.go", old: "!p.Fenced && !v.retired[id] && p.Config != hash",
			new: "!p.Fenced && v.retired[id] && p.Config != hash", by: killer{
				pkg: "checkpoint", test: "TestSettledWaitsForEveryLiveWorker",
			}, says: `.*Error:.*`,
		},
		{
			breaks: "ends are said where no rule remembers anything",
			file:   "consumer/memory.go",
			old:    "	} else if m.loadOwed(); m.readCtx.Err() != nil {\n		return from, false\n	}\n",
			new:    "	}\n", by: daemon, says: `.*Error:.*`,
		},
		{
			breaks: "what was agreed about the old rules says nothing about the new ones",
			file:   "checkpoint/confighash.go",
			old: "	seen := s.view.configOfAll(now, s.agreement.configHashLocked()) // it may have changed since " +
				"the last look\n", new: "	seen := s.agreement.configs.seen\n", by: killer{
				pkg: "checkpoint", test: "TestSettledWaitsForEveryLiveWorker",
			}, says: `.*Error:.*`,
		},
		{
			breaks: "alerts for a topic that left the configuration go where their rule goes",
			file:   "consumer/lanes/publish.go", old: "redirected, waits := l.redirect(g, err)",
			new: "redirected, waits := false, l == nil",
			by:  killer{pkg: "internal/system", test: "TestAlertsForATopicThatLeft"}, says: `.*Error:.*`,
		},
		{
			breaks: "a topic that left the configuration and refuses alerts stops nobody",
			file:   "alert/dispatch/topic.go", old: "	case t.settings.Load().ending && t",
			new: "	case false && t", by: killer{
				pkg: "internal/system", test: "TestAlertsForATopicThatLeft",
			}, says: `.*Error:.*`,
		},
	}
}
