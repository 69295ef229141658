//go:build mutation

package system_test

// costMutations are about what records, rules and files may cost.
func costMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "the size of a window is counted where a value is added",
			file:   "alert/window.go", old: "		s.resized = s.resized || !known\n", new: "",
			by: only("alert", "TestSizesAreOfWhatIsRemembered"), says: `.*Not equal.*`,
		},
		{
			breaks: "the size of a key is counted where the texts of its last record change",
			file:   "alert/lifecycle.go", old: "	resized = resized || len(l.sequence) != len(rec.SequenceNumber)\n",
			new: "",
			by:  only("alert", "TestSizesAreOfWhatIsRemembered"), says: `.*Not equal.*`,
		},
		{
			breaks: "what rules have done with a record is missing for the next ones",
			file:   "alert/condition/formula.go", old: "	f.rules -= f.Meter.Spent()\n", new: "",
			by: only("alert", "TestRecordHasABudget"), says: `.*Error:.*`,
		},
		{
			breaks: "the keys of a record that does not match have a budget together",
			file:   "alert/condition/formula.go", old: "	f.others -= f.Meter.Spent()\n	return ok\n",
			new: "	return ok\n",
			by:  only("alert", "TestRecordHasABudgetForWhatIsRemembered"), says: `.*Error:.*`,
		},
		{
			breaks: "a check keeps nothing of what it has compiled",
			file:   "alert/config.go", old: "compileRules(c.WithDefaults(), (*rule).forget)",
			new: "compileRules(c.WithDefaults(), func(*rule) {})",
			by:  only("internal/cli", "TestCheckOfALargeFileCostsLittle"), says: `.*is not less than.*`,
		},
		{
			breaks: "the work of a filter is counted",
			file:   "alert/filter/match.go", old: "	m.work += 1 + c.tries", new: "	m.work += 0 * c.tries",
			by: only("alert/filter", "TestRecordHasABudget"), says: `.*Not equal.*`,
		},
		{
			breaks: "a record that is beyond the filter's budget passes",
			file:   "alert/evaluator.go",
			old:    "	case filter.OverBudget: // rather an extra alert than a missing one\n",
			new: "	case filter.OverBudget:\n		return Decision{Outcome: Filtered, Alerts: " +
				"e.out.made()}\n	case 99:\n",
			by: only("internal/system", "TestStatusOfAFilterOverBudget"), says: `.*Error:.*`,
		},
		{
			breaks: "a silence beyond its budget is named",
			file:   "alert/silence.go", old: "			silence.Inc()\n", new: "			_ = silence\n",
			by: only("alert", "TestSilenceOverBudgetIsNamed"), says: `.*Error:.*`,
		},
	}
}
