//go:build mutation

package system_test

// ruleMutations break what is told of rules and records that make no alerts.
func ruleMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "records that cannot be read are told, with what they look like",
			file:   "alert/evaluator.go", old: "		e.pipeline.unreadable(e.in.textOf(rec), reason)\n", new: "",
			by: only("internal/system", "TestStatusOfRulesThatSeeNothing"), says: `.*Error:.*`,
		},
		{
			breaks: "a field that no record has is told where they have one like it",
			file:   "alert/watch.go", old: "l > f.likeness && f.seen(condition.JSONKinds).record == 0", new: "l > same",
			by: only("alert", "TestFieldThatNoRecordHas"), says: `.*Error:.*`,
		},
		{
			breaks: "a field that was there is not missing before an hour and 10,000 records have passed",
			file:   "alert/watch.go",
			old:    "(since < watchRecords || time.Duration(w.latest-last.at)*time.Millisecond < watchTime)",
			new:    "since < watchRecords",
			by:     only("alert", "TestFieldThatNoRecordHas"), says: `.*Error:.*`,
		},
		{
			breaks: "a field that is of another type in every record is told",
			file:   "alert/watch.go", old: "			if field := bySlot[need.Slot]; field != nil {\n",
			new: "			if field := bySlot[need.Slot]; field != nil && false {\n",
			by:  only("alert", "TestFieldOfAnotherType"), says: `.*Error:.*`,
		},
		{
			breaks: "a filter that drops everything for an hour is told",
			file:   "internal/daemon/status.go", old: "if f.at.IsZero() || passed != f.passed {", new: "if true {",
			by: only("internal/system", "TestStatusOfAFilterThatDropsAll"), says: `.*Error:.*`,
		},
		{
			breaks: "check warns of conditions that can never hold",
			file:   "alert/condition/doubt.go", old: "	if f.possible() {\n		return nil\n	}\n",
			new: "	if true {\n		return nil\n	}\n",
			by:  only("alert", "TestDoubtsAboutConditions"), says: `.*Error:.*`,
		},
		{
			breaks: "a condition that can hold is not called impossible",
			file:   "alert/condition/doubt.go",
			old:    "		x := d.search(append(slices.Clone(splits[1:]), way...), known.clone())\n",
			new:    "		x := d.search(append(slices.Clone(splits[1:]), way...), known)\n",
			by:     only("alert", "TestDoubts.*"), says: `.*Error:.*|.*but it holds.*`,
		},
		{
			breaks: "the page tells of a rule that can never match",
			file:   "internal/daemon/run.go", old: "	reloads.doubt(o.Loaded, c)\n", new: "",
			by: only("internal/system", "TestRulesThatCanNeverMatch"), says: `.*Error:.*`,
		},
		{
			breaks: "every command takes aggregates apart",
			file:   "internal/rehearse/play.go", old: "				d = p.evaluator.Evaluate(&u.Record)\n",
			new: "				d = p.evaluator.Evaluate(&alert.Record{Arrival: u.Arrival, Data: e.record.payload})\n",
			by:  only("internal/cli", "TestToolsReadRecordsAsTheDaemonDoes"), says: `.*Error:.*`,
		},
		{
			breaks: "an aggregate of nothing has an outcome",
			file:   "alert/decode/decoder.go", old: "	if last < 0 {\n", new: "	if d.whole != nil {\n",
			by: only("alert/decode", "TestUserRecords"), says: `.*Error:.*`,
		},
		{
			breaks: "what a lost lease leaves behind is counted",
			file:   "consumer/shard.go", old: "	s.progress.abandon()\n", new: "",
			by: only("consumer", "TestLostLeaseEndsTheShard"), says: `.*Error:.*`,
		},
		{
			breaks: "explain does not take a score that it cannot know for missing",
			file:   "alert/condition/explain.go", old: "slices.Contains(open, f.name) && (v.Undefined() || f.optional)",
			new: "slices.Contains(open, f.name) && f.optional",
			by:  only("alert", "TestExplainOfScores"), says: `.*Error:.*`,
		},
		{
			breaks: "digests keep the sample's attribute",
			file:   "alert/dispatch/digest_text.go", old: "	if d.sampled {\n", new: "	if false {\n",
			by: only("internal/cli", "TestWhenKeepsTheSamplesAttribute"), says: `.*Error:.*`,
		},
		{
			breaks: "null is missing in a message",
			file:   "alert/template/functions.go",
			old:    "			if v == nil {\n				return nil, errors.New(\"it is null\")\n			}\n", new: "",
			by: only("alert", "TestNullIsMissing"), says: `.*Error:.*`,
		},
		{
			breaks: "compiled rules count for one pipeline",
			file:   "alert/pipeline.go", old: "	set := r.set.Swap(nil)\n", new: "	set := r.set.Load()\n",
			by: only("alert", "TestRulesAreForOnePipeline"), says: `.*Error:.*`,
		},
		{
			breaks: "a test of rules finds no counts of the tests before it",
			file:   "internal/rehearse/play.go", old: "			before[series] += n\n", new: "",
			by: only("internal/rehearse", "TestRulesTestsAreApart"), says: `.*Error:.*`,
		},
	}
}
