//go:build mutation

package system_test

// clockMutations break what lets alerts go by Kinesis' clock, and by no other.
func clockMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "time goes by the answers, not by the machine's clock",
			file:   "internal/clock/clock.go", old: "if e.known && (at < e.is.lo || at > e.is.hi) {", new: "if false {",
			by: killer{
				pkg: "internal/system", test: "TestSimClocks", checks: 2,
			}, says: `.*(not told|told for nothing|Error:).*`,
		},
		{
			breaks: "one record's arrival time moves no event time",
			file:   "consumer/read/ahead.go", old: "records[i].ApproximateArrivalTimestamp = &borne", new: "_ = borne",
			by: killer{
				pkg: "internal/system", test: "TestSimClocks", checks: 8,
			}, says: `.*(not told|told for nothing|Error:).*`,
		},
		{
			breaks: "wrong Dates among right ones are not believed",
			file:   "internal/clock/clock.go", old: "e.is, e.seen, e.count = grown.and(s), max(e.seen, now), 0",
			new: "e.is, e.seen = grown.and(s), max(e.seen, now)",
			by:  only("internal/clock", "TestWrongAnswersProveLittle"), says: `.*Error:.*`,
		},
		{
			breaks: "a Date that nothing else agrees with takes long to be believed",
			file:   "internal/clock/clock.go", old: "lasts >= quick && here.gap(e.other) <= tolerance ||",
			new: "lasts >= quick ||",
			by:  only("internal/clock", "TestWrongAnswersProveLittle"), says: `.*Error:.*`,
		},
		{
			breaks: "a change that lasts is believed",
			file:   "internal/clock/clock.go", old: "|| lasts >= slow ||", new: "||",
			by: only("internal/clock", "TestLastingChangeIsBelieved"), says: `.*Error:.*`,
		},
		{
			breaks: "a change that the machine's clock shows, too, is believed soon",
			file:   "internal/clock/clock.go", old: "lasts >= quick && here.gap(e.other) <= tolerance ||", new: "",
			by: only("internal/clock", "TestLastingChangeIsBelieved"), says: `.*Error:.*`,
		},
		{
			breaks: "nobody concludes anything from a time that an answer denies",
			file:   "internal/clock/clock.go", old: "	if held := c.dates.holdsBack(now); held != nil {",
			new: "	if held := c.dates.holdsBack(now); held != nil && now < 0 {",
			by:  only("internal/clock", "TestWhatIsSureYieldsAtOnce"), says: `.*Error:.*`,
		},
		{
			breaks: "arrival times are believed where they contradict the Dates",
			file:   "internal/clock/clock.go", old: "c.stamps.known && (s.lo > tolerance || s.hi < -tolerance)",
			new: "false",
			by:  only("internal/system", "TestClockThatIsOff"), says: `.*Error:.*`,
		},
		{
			breaks: "the first record that contradicts the Dates holds time back",
			file:   "internal/clock/clock.go", old: "held != nil && !c.stamps.known {", new: "held != nil && false {",
			by: only("internal/system", "TestClockThatIsOff"), says: `.*Error:.*`,
		},
		{
			breaks: "a page tells up to when the shard was read by Kinesis' clock",
			file:   "consumer/read/polling.go", old: "Asked: r.source.clock.Surely(start)", new: "Asked: start",
			by: only("internal/system", "TestClockThatIsOff"), says: `.*Error:.*`,
		},
		{
			breaks: "an arrival time of the future is not there yet",
			file:   "consumer/read/ahead.go", old: "if known && borne.After(latest.Add(aheadSlack)) {",
			new: "if known && false {",
			by:  only("consumer/read", "TestArrivalThatNothingBearsOut"), says: `.*Error:.*`,
		},
		{
			breaks: "the next records bear an arrival time out",
			file:   "consumer/read/ahead.go", old: "borne = attested(records[i+1:], borne, reached)", new: "",
			by: only("consumer/read", "TestOneWrongArrivalMovesNoOther"), says: `.*failed after.*`,
		},
		{
			breaks: "turns go by one clock",
			file:   "alert/dispatch/share.go", old: "s.shift = f.at(now).Sub(now)", new: "",
			by: killer{
				pkg: "alert/dispatch", test: "TestFleetKeepsTheRate", checks: 1000,
			}, says: `.*Error:.*|.*failed after.*`,
		},
		{
			breaks: "turns wait for a clock that is fine",
			file:   "alert/dispatch/share.go", old: "f.within() > clockTolerance/2", new: "false",
			by: only("alert/dispatch", "TestTurnsWaitForAClockThatIsFine"), says: `.*Error:.*`,
		},
		{
			breaks: "an arrival that is still to come does not hide the stream's silence",
			file:   "checkpoint/watch.go", old: " && !w.Arrival.After(latest.Add(clocksDiffer))", new: "",
			by: only("checkpoint", "TestFleetIsNotAheadOfThePresent"), says: `.*Error:.*`,
		},
		{
			breaks: "no peer has read further than the present",
			file:   "checkpoint/fleet.go", old: "if f.caughtUp.After(latest) {", new: "if false {",
			by: only("checkpoint", "TestFleetIsNotAheadOfThePresent"), says: `.*Error:.*`,
		},
		{
			breaks: "the distance of the machine's clock is told",
			file:   "internal/status/problems_daemon.go", old: "found(after.level(off), \"this machine's",
			new: "found(\"\", \"this machine's",
			by:  only("internal/system", "TestMachineClockThatIsOffIsTold"), says: `.*Error:.*`,
		},
		{
			breaks: "what is read again for the memory is no lag",
			file:   "consumer/status.go", old: "; s.replaying && !settled.IsZero() {",
			new: "; s.replaying && settled.IsZero() {",
			by:  killer{pkg: "consumer", test: "TestReplayIsNoLag"}, says: `.*Error:.*`,
		},
	}
}
