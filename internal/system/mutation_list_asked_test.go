//go:build mutation

package system_test

// askedMutations break what the commands answer to people who ask why, and when.
func askedMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "what came before a record is evaluated before it is explained",
			file:   "internal/rehearse/search.go",
			old:    "	back := min(max(replayTimes*longest, leastReplay), mostReplay)\n",
			new:    "	back := min(longest, time.Second)\n",
			by:     only("internal/cli", "TestExplainFindsTheRecordsOfAKey"), says: `.*Error:.*`,
		},
		{
			breaks: "a key is looked for in every shard where rules have keys of their own",
			file:   "internal/rehearse/search.go", old: "	if !s.byRule {\n", new: "	if true {\n",
			by: only("internal/cli", "TestExplainFindsTheRecordsOfAKey"), says: `.*Error:.*`,
		},
		{
			breaks: "a key that is not where its hash belongs is found",
			file:   "internal/rehearse/search.go", old: "	source.Only = nil\n	return s.look(", new: "	return s.look(",
			by: only("internal/cli", "TestExplainFindsAKeyThroughAReshard"), says: `.*Error:.*`,
		},
		{
			breaks: "a pause ends when the shards are drained",
			file:   "checkpoint/admin/change.go", old: "		return !r.Paused || r.Owner == \"\" ||",
			new: "		return true || !r.Paused || r.Owner == \"\" ||",
			by:  only("internal/cli", "TestLeasesPause"), says: `.*Error:.*`,
		},
		{
			breaks: "a configuration with faults has no daemon killed",
			file:   "internal/cli/healthcheck.go",
			old:    "	if listen := config.ListenIn(ctx, file, p.env); listen != \"\" {\n",
			new:    "	if listen := config.ListenIn(ctx, file, p.env); false {\n",
			by:     only("internal/cli", "TestHealthcheckReadsTheConfiguration"), says: `.*Error:.*`,
		},
	}
}
