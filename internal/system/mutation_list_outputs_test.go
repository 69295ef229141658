//go:build mutation

package system_test

// outputMutations break what is promised of output streams to a whole daemon.
func outputMutations() []mutation {
	sim := func(test string, checks int) killer {
		return killer{pkg: "internal/system", test: test, checks: checks}
	}
	only := func(test string) killer { return killer{pkg: "internal/system", test: test} }
	return []mutation{
		{
			breaks: "a record is done only when its output is in the output stream",
			file:   "consumer/outputs.go", old: "		o.feed.Submit(&items[n])\n",
			new: "		o.progress.settleOutput(e, alert.Decision{})\n		o.feed.Submit(&items[n])\n",
			by:  sim("TestSimOutputs", 20), says: `.*but record \d+ \(\d+\) was not written.*`,
		},
		{
			breaks: "no later record of a key overtakes one that the output stream refuses",
			file:   "alert/output/schedule.go", old: "	if ln := s.lanes[it.Key]; ln != nil {\n",
			new: "	if ln := s.lanes[it.Key]; ln != nil && ln.failures == 0 {\n",
			by:  sim("TestSimOutputs", 20), says: `.*record \d+ of key \S+ was written after record \d+.*`,
		},
		{
			breaks: "an output stream that fails delays no alert",
			file:   "consumer/outputs.go", old: "		o.feed.Submit(&items[n])\n",
			new: "		o.feed.Submit(&items[n])\n		_ = o.feed.Quiet(o.readCtx)\n",
			by:  sim("TestSimOutputsDelayNoAlert", 10), says: `.*though only the output stream fails.*`,
		},
		{
			breaks: "what a stop drops is not written",
			file:   "alert/output/stream.go",
			old:    "	for _, it := range s.drop(time.Now(), func(it *Item) bool { return it.feed == f }) {\n",
			new: "	for _, it := range s.drop(time.Now(), func(it *Item) bool { return it.feed == f }) {\n" +
				"		f.owner.Written([]*Item{it})\n",
			by: only("TestStopWhileAnOutputIsHeld"), says: `.*record \d+ is missing.*`,
		},
		{
			breaks: "what waits for the stream that an output had is still written there",
			file:   "alert/output/stream.go", old: "	if !s.ending || !faulty && s.held == 0 {\n",
			new: "	if !s.ending {\n",
			by:  only("TestReloadOfOutputs"), says: `.*(is missing|is not to be written|is behind record).*`,
		},
	}
}
