//go:build mutation

package system_test

// shardMutations break the limit on the shards of a worker, what new tables get, and what a rewind ends.
func shardMutations() []mutation {
	planned := killer{pkg: "checkpoint/plan", test: "TestPlanKeepsLimits"}
	whole := killer{pkg: "internal/system", test: "TestMaxShardsLeavesTheRestAloud"}
	page := killer{pkg: "internal/status", test: "TestShardsOverTheLimit"}
	tables := func(test string) killer { return killer{pkg: "internal/system", test: test} }
	rewound := killer{pkg: "internal/cli", test: "TestRewoundKeysGetTheirEnd"}
	owed := func(test string) killer { return killer{pkg: "alert", test: test} }
	return []mutation{
		{
			breaks: "a rewind leaves what its next owner has to end",
			file:   "checkpoint/admin/change.go", old: "c.keeps = c.Before.Position.Sequence != position.ShardEnd",
			new: "c.keeps = false",
			by:  rewound, says: `.*-firing ended.*|.*Not equal.*`,
		},
		{
			breaks: "a shard that has ended does not speak for its children",
			file:   "checkpoint/admin/change.go", old: "c.keeps = c.Before.Position.Sequence != position.ShardEnd",
			new: "c.keeps = true",
			by:  rewound, says: `.*Should be false.*`,
		},
		{
			breaks: "no rule goes on with what it knew before a rewind",
			file:   "alert/rewound.go", old: "\t\told.sense = rewoundSense()\n", new: "",
			by: owed("TestRewoundMemoryIsNotTaken"), says: `.*Not equal.*`,
		},
		{
			breaks: "an older format gets no memory from before a rewind",
			file:   "alert/rewound.go", old: "if head.format > e.memory.format {", new: "if head.format > 99 {",
			by: owed("TestRewoundMemoryNeedsItsFormat"), says: `.*Error:.*`,
		},
		{
			breaks: "an end is not from before its alert",
			file:   "alert/edited_rules.go", old: "timeOf(max(l.reached(), en.since, v.arrival))", new: "timeOf(l.reached())",
			by: owed("TestEndAfterARewindIsNotBeforeItsAlert"), says: `.*Not equal.*`,
		},
		{
			breaks: "refused tags end no start",
			file:   "checkpoint/table/maker.go", old: "len(in.Tags) > 0 && NamesFault(err) {", new: "len(in.Tags) > 99 {",
			by: tables("TestNewTablesWithoutPermissions"), says: `.*Error:.*`,
		},
		{
			breaks: "a setting of a new table is tried until it is there",
			file:   "checkpoint/table/maker.go", old: "if code := Code(err); err == nil || code ==",
			new: "if code := Code(err); err == nil || code != \"\" || code ==",
			by:  tables("TestNewTablesWithoutPermissions"), says: `.*Error:.*`,
		},
		{
			breaks: "a setting that a new table lacks is on the page",
			file:   "checkpoint/status.go", old: "\tout.Lacks = s.maker.Lacks()\n", new: "",
			by: tables("TestNewTablesWithoutPermissions"), says: `.*Not equal.*`,
		},
		{
			breaks: "DynamoDB may take its time with a new table",
			file:   "checkpoint/table/maker.go", old: "return l.Refused || now.Sub(l.Since) > settingPatience",
			new: "return l.Code != \"\"",
			by:  tables("TestNewTablesAreAsWanted"), says: `.*DynamoDB takes its time.*`,
		},
		{
			breaks: "a table that is there is not changed",
			file:   "checkpoint/open.go", old: "\t\tcase desc.TableStatus == types.TableStatusActive,",
			new: "\t\tcase o.createTable(ctx) == nil && desc.TableStatus == types.TableStatusActive,",
			by:  tables("TestTablesThatAreThereAreNotChanged"), says: `.*Not equal.*`,
		},
		{
			breaks: "a worker takes no more than it may read",
			file:   "checkpoint/plan/plan.go", old: "min(f.share(total), mine.most) -", new: "f.share(total) -",
			by: planned, says: `.*may hold.*`,
		},
		{
			breaks: "a worker is given no more than it may read",
			file:   "checkpoint/plan/plan.go", old: "\t\tif len(m.shards) < m.most {\n", new: "\t\tif m.most > 0 {\n",
			by: planned, says: `.*may hold.*`,
		},
		{
			breaks: "what one may not read is in the share of the others",
			file:   "checkpoint/plan/plan.go", old: "\t\ttotal -= limit\n", new: "\t\treturn limit\n",
			by: planned, says: `.*are free.*`,
		},
		{
			breaks: "a worker that has more than it may gives it away",
			file:   "checkpoint/plan/plan.go", old: "if len(m.shards) > m.most {", new: "if m.most < 0 {",
			by: planned, says: `.*are free.*`,
		},
		{
			breaks: "the others know a worker's limit",
			file:   "checkpoint/session.go", old: "\tif s.cfg.MaxShards > 0 {\n", new: "\tif s.cfg.MaxShards < 0 {\n",
			by: whole, says: `.*Error:.*`,
		},
		{
			breaks: "a worker that has room explains no limit",
			file:   "internal/status/problems_owners.go", old: "w.MaxShards == 0 || w.Shards < w.MaxShards",
			new: "w.MaxShards == 0",
			by:  page, says: `.*the other worker has room.*`,
		},
	}
}
