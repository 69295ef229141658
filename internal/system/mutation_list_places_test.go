//go:build mutation

package system_test

// placesMutations are the ways to lose places inside records, or to use those of another input.
func placesMutations() []mutation {
	only := func(test string) killer { return killer{pkg: "consumer", test: test} }
	return []mutation{
		{
			breaks: "the row says which input counts its places",
			file:   "checkpoint/table/write.go", old: "	e.Put(AttrInput, Str(p.Input), p.Input != \"\")\n", new: "",
			by: only("TestResumeInsideAPackedRecord"), says: `.*Error:.*`,
		},
		{
			breaks: "a place of another input is not used",
			file:   "consumer/progress.go", old: "recounts := t.lease.Input() != t.plan.Hash()", new: "recounts := false",
			by: only("TestAnotherInputReadsTheRecordAnew"), says: `.*not within.*`,
		},
		{
			breaks: "ranges with places of another input are not used",
			file:   "consumer/progress.go", old: "return r.After.Inside() || r.UpTo.Inside()", new: "return false",
			by: only("TestAnotherInputDoesNotUseItsPlaces"), says: `.*not within.*`,
		},
		{
			breaks: "progress in a record that is read anew is stored at once",
			file:   "checkpoint/lease.go", old: "at.Compare(offer.Position) < 0 && l.ledger.replaces == \"\"",
			new: "at.Compare(offer.Position) < 0",
			by:  only("TestAnotherInputReadsTheRecordAnew"), says: `.*Error:.*`,
		},
		{
			breaks: "no position is stored that no record has",
			file:   "consumer/progress.go", old: "	if mark == p.before && !mark.IsZero() {", new: "	if false {",
			by: only("TestNoPlaceBeforeARecordIsStored"), says: `.*Error:.*`,
		},
		{
			breaks: "the same place under another input has another id",
			file:   "alert/id.go", old: "if input != \"\" && rec.Inner {", new: "if false {",
			by: killer{pkg: "alert", test: "TestAlertIDGolden"}, says: `.*Error:.*`,
		},
		{
			breaks: "the last piece that is seen passes the record",
			file:   "consumer/intake.go", old: "	if u.Last {\n		at.Sub", new: "	if false {\n		at.Sub",
			by: only("TestDroppedPiecesArePassed"), says: `.*Error:.*`,
		},
		{
			breaks: "nobody waits while holding the budget",
			file:   "consumer/intake.go", old: "	if in.decoder.Yield() {", new: "	if false {",
			by: only("TestDeadTopicDoesNotKeepTheBudget"), says: `.*not within.*`,
		},
		{
			breaks: "a dead letter of a piece is its own",
			file:   "consumer/part.go", old: "newPart(rec.PartitionKey), rec.Kept()", new: "newPart(rec.PartitionKey), *rec",
			by: only("TestLettersOfPieces"), says: `.*not within.*`,
		},
		{
			breaks: "a snapshot is taken at a whole record",
			file:   "consumer/memory.go", old: "return m.at == m.progress.before || m.at.Inside() && m.plan.Hash() != \"\"",
			new: "return false",
			by:  only("TestMemoryBeginsAtAWholeRecord"), says: `.*Error:.*`,
		},
		{
			breaks: "an export keeps what counts its places",
			file:   "checkpoint/admin/import.go", old: "c.After.Input = x.Input", new: "c.After.Input = \"\"",
			by: killer{pkg: "checkpoint", test: "TestExportKeepsTheInput"}, says: `.*Error:.*`,
		},
	}
}
