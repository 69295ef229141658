//go:build mutation

package system_test

// hintMutations are the ways to name an input that does not read the records, or to spend too much on finding it.
func hintMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "an input is named only where it was seen to read the record",
			file:   "alert/decode/hint.go", old: "	s.broken++\n	if s.unread == nil",
			new: "	s.readable++\n	if s.unread == nil",
			by:  only("alert/decode", "TestHint"), says: `.*Error:.*`,
		},
		{
			breaks: "where an input reads most of a record, no other is named",
			file:   "alert/decode/hint.go", old: "s.mostly() || s.dropped != \"\" {\n			return nil",
			new: "s.mostly() || s.dropped != \"\" {\n			return x.run(ctx)",
			by:  only("alert/decode", "TestHintIsOfAnotherInput"), says: `.*Error:.*`,
		},
		{
			breaks: "an aggregate that can be read but for one record gets no hint",
			file:   "alert/decode/hint.go", old: "known == 0 || p.readable && input == \"\"", new: "known == 0",
			by: only("alert/decode", "TestHint"), says: `.*Error:.*`,
		},
		{
			breaks: "one record is no evidence of what has no beginning of its own",
			file:   "alert/payload/likely.go", old: "l == LikelyDeflate || l == LikelySnappy && byHeader(data) != l",
			new: "false",
			by:  only("alert/decode", "TestHint"), says: `.*Error:.*`,
		},
		{
			breaks: "few of many bad records are looked at",
			file:   "alert/hints.go", old: "n > all && n%some != 0", new: "n > all && n%some > some",
			by: only("alert", "TestUnreadRecordsAreLookedAtNowAndThen"), says: `.*Error:.*`,
		},
		{
			breaks: "the page says what to write",
			file:   "internal/status/problems_records.go", old: "input != \"\" && n*2 >= tried",
			new: "input == \"\" && n*2 >= tried",
			by:  only("internal/system", "TestStatusOfRulesThatSeeNothing"), says: `.*Error:.*`,
		},
	}
}
