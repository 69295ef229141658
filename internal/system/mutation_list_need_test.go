//go:build mutation

package system_test

// needMutations are the ways to write progress too late, or more often than it is needed.
func needMutations() []mutation {
	only := func(test string) killer { return killer{pkg: "checkpoint", test: test} }
	return []mutation{
		{
			breaks: "a shard that has its consumer is not shown to the library again",
			file:   "checkpoint/grants.go", old: "(v.granted[0].state != leaseGranted ||", new: "(v.granted[0].state == leaseOver ||",
			by: killer{pkg: "consumer", test: "TestStartHundredShards"}, says: `.*Error:.*|.*deadlock.*|.*timed out.*`,
		},
		{
			breaks: "what a crash would repeat is stored within the interval",
			file:   "checkpoint/commit.go", old: "return n.settled > n.stored.offers ||", new: "return",
			by: only("TestProgressIsWrittenByNeed"), says: `.*Error:.*`,
		},
		{
			breaks: "a crash reads only so many bytes again",
			file:   "checkpoint/commit.go", old: "n.bytes-n.stored.bytes >= lazyBytes", new: "n.bytes < 0",
			by: only("TestProgressIsWrittenByNeed"), says: `.*Error:.*`,
		},
		{
			breaks: "progress that a crash would only read again waits",
			file:   "checkpoint/commit.go", old: "interval = max(interval, lazyInterval)", new: "interval += 0",
			by: only("TestWriteUnitsOfBusyShards"), says: `.*Error:.*`,
		},
		{
			breaks: "an accepted alert is a need",
			file:   "consumer/progress.go", old: "	p.settled = true\n	if whole = p.mark.Resolve(",
			new:  "	if whole = p.mark.Resolve(",
			by:   killer{pkg: "consumer", test: "TestCrashRepeatsNoAlertOfASecondAgo"},
			says: `.*Error:.*`,
		},
		{
			breaks: "an offer that does not say what was settled leaves the need to the next one",
			file:   "consumer/progress.go", old: "if mark != p.offered || above != \"\" {", new: "if true {",
			by: killer{pkg: "consumer", test: "TestNeedIsOfTheOfferThatSaysIt"}, says: `.*Error:.*`,
		},
		{
			breaks: "a write that stores only a time replaces no checkpoint",
			file:   "checkpoint/commit.go", old: "!p.Position.IsZero() && (p.Position", new: "true || (p.Position",
			by: only("TestIdleWriteReplacesNothing"), says: `.*Error:.*`,
		},
	}
}
