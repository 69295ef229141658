//go:build mutation

package system_test

// fleetMutations break what the status page says of all workers, and of rules.
func fleetMutations() []mutation {
	system := func(test string) killer { return killer{pkg: "internal/system", test: test} }
	page := func(test string) killer { return killer{pkg: "internal/status", test: test} }
	return []mutation{
		{
			breaks: "totals leave out who is fenced",
			file:   "internal/status/totals.go", old: "if w.State == workerFenced {", new: "if w.State == \"\" {",
			by: page("TestTotals"), says: `.*Not equal.*`,
		},
		{
			breaks: "totals say that an older version says nothing",
			file:   "internal/status/totals.go", old: "\t\t\tt.Unsaid++\n", new: "",
			by: page("TestTotals"), says: `.*Not equal.*`,
		},
		{
			breaks: "what a worker does is read from its row",
			file:   "checkpoint/watch.go", old: "p.Pulse = w.Pulse", new: "_ = w.Pulse",
			by: killer{pkg: "checkpoint", test: "TestPulse"}, says: `.*Condition never satisfied|.*await.*|.*Error:.*`,
		},
		{
			breaks: "a worker writes what it does",
			file:   "internal/daemon/run.go", old: "Pulse: page.pulse, ", new: "",
			by: system("TestStatusOfTheFleet"), says: `.*Error:.*`,
		},
		{
			breaks: "a rule that no record can match differs from one that no record has matched",
			file:   "internal/status/standing.go", old: "r.Undefined >= fewRecords && r.Undefined >= r.Judged",
			new: "r.Undefined > r.Judged",
			by:  page("TestStanding"), says: `.*all undefined.*`,
		},
		{
			breaks: "alerts in digests count by kind",
			file:   "alert/dispatch/receipts.go",
			old:    "\t\ts.tallies.add(d.lines[m.line].rule, d.lines[m.line].kind, true)\n", new: "",
			by: killer{pkg: "alert/dispatch", test: "TestRecentTellsOfAlertsAndDigests"}, says: `.*add up.*`,
		},
		{
			breaks: "a curve fills its card",
			file:   "internal/status/curve.go", old: "step := curveWidth / float64(len(points)-1)",
			new: "step := curveWidth / float64(HistoryLength-1)",
			by:  page("TestCurves"), says: `.*does not contain.*`,
		},
		{
			breaks: "a shell reads the command as it is meant",
			file:   "internal/plain/terminal.go", old: "if s != \"\" && strings", new: "if s != \"\" || strings",
			by: killer{pkg: "internal/plain", test: "TestShellWord"}, says: `.*Error:.*`,
		},
	}
}
