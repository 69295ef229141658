//go:build mutation

package system_test

// outputRuleMutations break what is written to output streams.
func outputRuleMutations() []mutation {
	by := func(test string) killer { return killer{pkg: "alert", test: test} }
	return []mutation{
		{
			breaks: "what was settled before is not written again",
			file:   "alert/evaluator.go", old: "len(e.in.set.outputs) > 0 && !rec.Replayed", new: "len(e.in.set.outputs) > 0",
			by: by("TestOutputsByOutcome"), says: `.*Error:.*`,
		},
		{
			breaks: "an output is valid JSON: a member of the source's name is replaced",
			file:   "alert/output_record.go", old: "o.replaced >= 0 && ", new: "o.replaced > 99 && ",
			by: killer{pkg: "alert", test: "TestOutputsAreValid", checks: 400}, says: `.*duplicate_key.*`,
		},
		{
			breaks: "a key that cannot be computed is a dead letter, not a record under no key",
			file:   "alert/output_record.go", old: "	if out.Detail != \"\" {\n", new: "	if out.Detail == \"x\" {\n",
			by: by("TestOutputKeys"), says: `.*Error:.*`,
		},
		{
			breaks: "a member keeps its bytes, also one that only the strict decoder reads",
			file:   "alert/condition/json.go", old: "	if node.raw > 0 {\n		d.Raw[node.raw-1] = raw\n	}\n	if node.slot < 0 {",
			new: "	if node.slot < 0 {",
			by:  by("TestOutputRecords"), says: `.*Error:.*`,
		},
		{
			breaks: "nothing of one record is written of the next",
			file:   "alert/condition/row.go", old: "	clear(d.Shadowed[:])\n	clear(d.Raw)\n}", new: "	clear(d.Shadowed[:])\n}",
			by: by("TestOutputOfAnotherRecord"), says: `.*Error:.*`,
		},
		{
			breaks: "what is written may be kept",
			file:   "alert/output_record.go", old: "Data: bytes.Clone(in.render(o, head, rec))",
			new: "Data: in.render(o, head, rec)",
			by:  by("TestOutputOfTheSample"), says: `.*Error:.*`,
		},
		{
			breaks: "the stream that is read is no output",
			file:   "internal/config/outputs.go", old: `c.Name != "" && outputName == c.Name`, new: `c.Name != "" && outputName == ""`,
			by: killer{pkg: "internal/config", test: "TestOutputStreams"}, says: `.*Error:.*`,
		},
		{
			breaks: "a test of rules sees what is written",
			file:   "internal/rehearse/diff.go", old: "	if x.Outputs != nil {\n", new: "	if false {\n",
			by: killer{pkg: "internal/cli", test: "TestOutputsInTheTools"}, says: `.*Error:.*`,
		},
	}
}
