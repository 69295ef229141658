//go:build mutation

package cmd_test

// costMutations are about what records, rules and files may cost.
func costMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "the size of a window is counted where a value is added",
			file:   "alert/window.go", old: "		s.resized = s.resized || !known\n", new: "",
			by: only("alert", "TestSizesAreOfWhatIsRemembered"), says: `.*Not equal.*`,
		},
		{
			breaks: "the size of a key is counted where the texts of its last record change",
			file:   "alert/episode.go", old: "	resized = resized || len(l.sequence) != len(rec.SequenceNumber)\n", new: "",
			by: only("alert", "TestSizesAreOfWhatIsRemembered"), says: `.*Not equal.*`,
		},
	}
}
