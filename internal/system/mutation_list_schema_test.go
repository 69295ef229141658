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
			by:  only("TestSchemaRefuses"), says: `.*min_records: 1000000001.*`,
		},
	}
}
