//go:build mutation

package system_test

// shardMutations break the limit on the shards of a worker.
func shardMutations() []mutation {
	planned := killer{pkg: "checkpoint/plan", test: "TestPlanKeepsLimits"}
	whole := killer{pkg: "internal/system", test: "TestMaxShardsLeavesTheRestAloud"}
	page := killer{pkg: "internal/status", test: "TestShardsOverTheLimit"}
	return []mutation{
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
