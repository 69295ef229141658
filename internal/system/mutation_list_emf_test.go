//go:build mutation

package system_test

// emfMutations are the ways to tell CloudWatch what is not so, or what it does not take.
func emfMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "counters of a line are the difference to the line before",
			file:   "internal/emf/meter.go", old: "	m.before = *s\n", new: "",
			by: only("internal/emf", "TestLine"), says: `.*Error:.*`,
		},
		{
			breaks: "a line is bounded with any number of topics",
			file:   "internal/emf/meter.go", old: " && l.most+room(name) <= MaxLine", new: "",
			by: only("internal/emf", "TestLinesAreBoundedAndAddUp"), says: `.*Error:.*`,
		},
		{
			breaks: "what a removed topic sent is counted",
			file:   "internal/emf/meter.go", old: "rest || others > 0", new: "rest",
			by: only("internal/emf", "TestAlertsOfATopicThatLeaves"), says: `.*Error:.*`,
		},
		{
			breaks: "a minute has one line, also when the clock steps back",
			file:   "internal/daemon/emf.go", old: "minute.Before(next) && ", new: "minute.IsZero() && ",
			by: only("internal/daemon", "TestMetricLinesAreOneAMinute"), says: `.*Error:.*`,
		},
		{
			breaks: "a stop prints a last line",
			file:   "internal/daemon/emf.go", old: "		m.last = minute\n",
			new: "		if done {\n			return ctx.Err()\n		}\n		m.last = minute\n",
			by:  only("internal/system", "TestMetricLinesOfADaemon"), says: `.*Error:.*`,
		},
	}
}
