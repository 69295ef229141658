//go:build mutation

package system_test

// pageMutations break what keeps every page right.
func pageMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "only what matches is a sign of life",
			file:   "alert/lifecycle.go", old: "if v == condition.Yes { // other records of the key",
			new: "if v != condition.UndefinedMissing { // other records of the key",
			by:  only("alert", "TestRulesThatRememberSeeWhatMatches"), says: `.*Error:.*`,
		},
		{
			breaks: "what nobody was told of inhibits nothing",
			file:   "alert/inhibition.go", old: "theirs.firing && (theirs.notified || c.silenced(other, theirs))",
			new: "theirs.firing",
			by:  only("alert", "TestOnlyWhatSomebodyKnowsInhibits"), says: `.*Error:.*`,
		},
		{
			breaks: "what a person has silenced inhibits",
			file:   "alert/inhibition.go", old: "theirs.firing && (theirs.notified || c.silenced(other, theirs))",
			new: "theirs.firing && theirs.notified",
			by:  only("alert", "TestOnlyWhatSomebodyKnowsInhibits"), says: `.*Error:.*`,
		},
		{
			breaks: "only alerts spend the tokens of a rate limit",
			file:   "alert/rate_limit.go", old: "changesAt(*candidate) (never time.Time) { return never }",
			new: "changesAt(c *candidate) (never time.Time) { c.life.memory.rules[c.rule.place].spend(c.now); " +
				"return never }",
			by: only("alert", "TestOnlyAlertsSpendTokens"), says: `.*Error:.*`,
		},
		{
			breaks: "the reason is the first muter that mutes",
			file:   "alert/mute.go", old: "		} else if m.mutes(c) {\n",
			new: "		} else if m.mutes(c) && false {\n",
			by:  only("alert", "TestOnlyAlertsSpendTokens"), says: `.*Error:.*`,
		},
		{
			breaks: "what leaves a constant by a hair is no anomaly",
			file:   "alert/forest/threshold.go", old: " && !t.steady(f, values, v.Threshold)", new: "",
			by: only("alert/forest", "TestConstantHasNoScale"), says: `.*Error:.*`,
		},
		{
			breaks: "beside a constant the other dimensions are judged",
			file:   "alert/forest/threshold.go", old: "return changed && f.Score(t.scratch) <= threshold",
			new: "return changed",
			by:  only("alert/forest", "TestConstantHasNoScale"), says: `.*Error:.*`,
		},
		{
			breaks: "what is over inhibits nothing, whatever its dedup",
			file:   "alert/inhibition.go", old: "return !other.notifiesEnd() && other.dedup", new: "return other.dedup",
			by: only("alert", "TestWhatIsOverInhibitsNothing"), says: `.*Error:.*`,
		},
		{
			breaks: "a rise that quiet hours swallowed is told by itself",
			file:   "alert/due.go", old: "unsaid := !en.notified || r.severityOf != nil && en.grade < en.severity",
			new: "unsaid := !en.notified",
			by:  only("alert", "TestRiseIsToldByItself"), says: `.*Error:.*`,
		},
		{
			breaks: "what a repeat told of a rise is told",
			file:   "alert/lifecycle.go", old: "en.severity = en.grade // the repetition has this severity",
			new: "_ = en",
			by:  only("alert", "TestRiseInSeverity"), says: `.*Error:.*`,
		},
		{
			breaks: "the least of a part of a window is not that of the whole",
			file:   "alert/window.go", old: "case AggregateMin: //",
			new: "case AggregateMin, AggregateMax: return false //",
			by:  only("alert", "TestWindowBelow"), says: `.*Error:.*`,
		},
		{
			breaks: "a rise in severity is told",
			file:   "alert/lifecycle.go", old: "	case l.escalates(r, en):\n",
			new: "	case l.escalates(r, en) && false:\n",
			by:  only("alert", "TestRiseInSeverity"), says: `.*Error:.*`,
		},
		{
			breaks: "dedup holds back no rise in severity",
			file:   "alert/dedup.go", old: " && !c.life.escalates(c.rule, en) && !en.mustNotify",
			new: " && !en.mustNotify",
			by:  only("alert", "TestRiseInSeverity"), says: `.*Error:.*`,
		},
		{
			breaks: "the severity of the last record survives a restart",
			file:   "alert/state_entry.go", old: "	set(entryGrade, graded)\n", new: "	graded = false\n",
			by: only("alert", "TestRiseInSeverity"), says: `.*Error:.*`,
		},
		{
			breaks: "a part of a window is not judged",
			file:   "alert/window.go", old: "return !w.needsWhole || s.watched", new: "return true || s.watched",
			by: only("alert", "TestWindowBelow"), says: `.*Error:.*`,
		},
		{
			breaks: "an empty window counts as 0",
			file:   "alert/window.go", old: "	return w.needsWhole && en.last", new: "	return false && en.last",
			by: only("alert", "TestWindowBelow"), says: `.*Error:.*`,
		},
		{
			breaks: "a restart does not begin to watch a key anew",
			file:   "alert/state_entry.go", old: "watched = r.time()", new: "watched = r.time() * 0",
			by: only("alert", "TestWindowBelow"), says: `.*Error:.*`,
		},
		{
			breaks: "sums keep what rounding loses",
			file:   "alert/window.go", old: "		p.rest += (x - sum) + p.sum\n", new: "",
			by: only("alert", "TestSumsAreCompensated"), says: `.*Error:.*|.*sum.*`,
		},
		{
			breaks: "the last word is not that it is over while it holds",
			file:   "alert/lifecycle.go", old: "at-en.since >= resolvedGrace", new: "at-en.since < 0",
			by: only("alert", "TestTheLastWordIsTrue"), says: `.*Error:.*`,
		},
		{
			breaks: "a key that flaps makes no message more",
			file:   "alert/lifecycle.go", old: "at-en.since >= resolvedGrace", new: "at-en.since >= 0",
			by: only("alert", "TestTheLastWordIsTrue"), says: `.*Error:.*`,
		},
		{
			breaks: "numbers in templates compare whatever their type",
			file:   "alert/template/numbers.go", old: "	case isNumber && areNumbers:\n",
			new: "	case isNumber && areNumbers && v.Type() == w.Type():\n",
			by:  only("alert", "TestNumbersInTemplates"), says: `.*Error:.*`,
		},
		{
			breaks: "nobody is paged with a complaint of fmt",
			file:   "alert/template/numbers.go", old: "	if strings.Count(out, complaint) <= meant {",
			new: "	if meant >= 0 {",
			by:  only("alert", "TestNumbersInTemplates"), says: `.*Error:.*`,
		},
		{
			breaks: "a shard whose worker is silent does not count as read",
			file:   "internal/status/totals.go", old: "ids[w.ID] = true", new: "ids[w.ID] = false",
			by: only("internal/status", "TestSilentOwnersReadNothing"), says: `.*Error:.*`,
		},
		{
			breaks: "what a rule said in mode shadow suppresses nothing once it is live",
			file:   "alert/audience.go", old: "t.shadow && !r.shadow }", new: "t.shadow && r.shadow }",
			by: only("alert", "TestShadowMutesNothingLive"), says: `.*Error:.*`,
		},
	}
}
