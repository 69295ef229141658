//go:build mutation

package system_test

// schemaMutations break what keeps check and the schema of the configuration together.
func schemaMutations() []mutation {
	only := func(test string) killer { return killer{pkg: "internal/schema", test: test} }
	return []mutation{
		{
			breaks: "true and false are written so",
			file:   "internal/config/document.go",
			old:    "if err != nil || !expanded && n.ShortTag() != \"!!bool\" {", new: "if err != nil {",
			by: only("TestSchemaRefuses"), says: `.*per_shard: 0.*`,
		},
		{
			breaks: "check and the schema have the same ranges",
			file:   "internal/config/ranges.go", old: "if rule := outside(v.Field(i), within); rule != \"\" {",
			new: "if rule := outside(v.Field(i), within); rule == \"?\" {",
			by:  only("TestSchemaRefuses"), says: `.*(min_records: 1000000001|memory: 99999999999999).*`,
		},
		{
			breaks: "the limit that init proposes is above what was seen",
			file:   "internal/scaffold/ideas.go",
			old:    "limit := nice(f.max + math.Abs(f.max)/4)", new: "limit := f.max",
			by: killer{pkg: "internal/scaffold", test: "TestProposals"}, says: `.*latency > 1[25]0.*`,
		},
		{
			breaks: "init overwrites nothing",
			file:   "internal/cli/init.go",
			old:    "		if x.force {\n", new: "		if !x.force {\n",
			by: killer{pkg: "internal/cli", test: "TestInitOverwritesNothing"}, says: `.*Error:.*`,
		},
	}
}
