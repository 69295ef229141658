//go:build mutation

package system_test

// budgetMutations let one record stall or burst its shard.
func budgetMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "the work of a rule is counted",
			file:   "alert/budget/meter.go", old: "m.Work, m.Text, m.Lists = m.Work+work, m.Text+text, m.Lists+lists",
			new: "m.Work, m.Text, m.Lists = 0*work, m.Text+text, m.Lists+lists",
			by:  only("alert", "TestBudgetIsOfRuleAndRecord"), says: `.*Error:.*`,
		},
		{
			breaks: "the bytes that a rule makes are counted",
			file:   "alert/budget/meter.go", old: "m.Work, m.Text, m.Lists = m.Work+work, m.Text+text, m.Lists+lists",
			new: "m.Work, m.Text, m.Lists = m.Work+work, 0*text, m.Lists+lists",
			by:  only("alert", "TestEachPartOfABudgetIsCounted"), says: `.*Error:.*`,
		},
		{
			breaks: "what templates make is counted",
			file:   "alert/template/execution.go", old: "if x.meter == nil || x.meter.Spend(work, text, 0) {",
			new: "if x.meter == nil || x.meter.Spend(work, 0*text, 0) {",
			by:  only("alert", "TestEachPartOfABudgetIsCounted"), says: `.*Error:.*`,
		},
		{
			breaks: "loops of templates pay for what they do",
			file:   "alert/template/execution.go", old: "return 0, x.pay(x.prices[&p[:1][0]], 0)", new: "return 0, nil",
			by: only("alert", "TestEachPartOfABudgetIsCounted"), says: `.*Error:.*`,
		},
		{
			breaks: "everything that a rule computes is paid for before its memory changes, needed or not",
			file:   "alert/condition/formula.go", old: "case v == Yes && !f.settle(x.computed):",
			new: "case v == Yes && !f.settle(nil):",
			by:  only("alert", "TestBudgetIsOfRuleAndRecord|TestOverBudgetLeavesMemoryAlone"), says: `.*Error:.*`,
		},
		{
			breaks: "a flood of records beyond the budget is no flood of dead letters",
			file:   "alert/evaluator.go", old: "now >= e.lastLetter+1000", new: "true",
			by: only("alert", "TestOverBudgetLettersAreBounded"), says: `.*Error:.*`,
		},
		{
			breaks: "a partition key that Kinesis never took is a bad record",
			file:   "alert/decode/aggregate.go", old: "utf8.RuneCountInString(a.keys[index]) > maxPartitionKey",
			new: "utf8.RuneCountInString(a.keys[index]) > 1<<30",
			by:  only("alert/decode", "TestDeaggregateRefusesLongKeys"), says: `.*Error:.*`,
		},
		{
			breaks: "a rule beyond its budget is told by name",
			file:   "internal/daemon/status.go",
			old:    "	out.OverBudget, out.SilencesOverBudget = p.pipeline.OverBudget(),",
			new:    "	out.SilencesOverBudget =",
			by:     only("internal/system", "TestStatusOfARuleOverBudget"), says: `.*Error:.*`,
		},
	}
}
