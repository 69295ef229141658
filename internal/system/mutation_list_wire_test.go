//go:build mutation

package system_test

// wireMutations are about what is read fast: answers of Kinesis, and records with many members.
func wireMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "a name that occurs twice is found in a large object, too",
			file:   "alert/condition/json_scan_names.go",
			old:    "data != nil && n.all[*slot-1].is(", new: "data == nil && n.all[*slot-1].is(",
			by: only("alert/condition", "TestScanKnowsEveryName"), says: `.*Error:.*`,
		},
		{
			breaks: "a table of names has those that came before it",
			file:   "alert/condition/json_scan_names.go",
			old:    "range n.all[o.first:] {\n		if !n.place(", new: "range n.all[:0] {\n		if !n.place(",
			by: only("alert/condition", "TestScanKnowsEveryName"), says: `.*Error:.*`,
		},
		{
			breaks: "names whose hashes are equal cost no more than others",
			file:   "alert/condition/json_scan_names.go",
			old:    "range uint64(namesProbed) {", new: "range uint64(len(table)) {",
			by: only("alert/condition", "TestEqualHashesStayLinear"), says: `.*Error:.*`,
		},
		{
			breaks: "one huge record does not take memory for names for ever",
			file:   "alert/condition/json_scan_names.go",
			old:    "cap(n.all) > keptNames", new: "cap(n.all) < 0",
			by: only("alert/condition", "TestScanAllocatesNothing"), says: `.*Error:.*`,
		},
	}
}
