//go:build mutation

package system_test

// repeatsMutations are the ways to publish twice, and to lose progress that was known.
func repeatsMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	again := only("consumer", "TestShardTakenAgainRepeatsNothing")
	return []mutation{
		{
			breaks: "what was accepted outlives the lease",
			file:   "consumer/consumer.go", old: "	c.keepAccount(s)\n", new: "",
			by: again, says: `.*Should be zero.*`,
		},
		{
			breaks: "what was accepted is stored when the shard is taken again",
			file:   "consumer/progress.go", old: "	p.stored, p.offered = p.startAt, p.startAt\n",
			new: "	p.stored = p.startAt\n	defer func() { p.offered = p.startAt }()\n",
			by:  again, says: `.*Should be zero.*`,
		},
		{
			breaks: "a part of a record's alerts is not published again",
			file:   "consumer/intake.go",
			old:    "		if tracked {\n			p.Dealt = &e.Dealt\n",
			new:    "		if tracked && len(parts) == 1 && len(p.Alerts) == 1 {\n			p.Dealt = &e.Dealt\n",
			by:     again, says: `.*Should be zero.*`,
		},
		{
			breaks: "what time brought about is not published again",
			file:   "consumer/intake.go", old: "tracked = tracked || len(parts) > 1", new: "tracked = len(parts) > 1",
			by: again, says: `.*Should be zero.*`,
		},
		{
			breaks: "rules remember what was accepted above the checkpoint",
			file:   "consumer/memory.go", old: "	m.at = m.progress.stored\n", new: "	m.at = m.progress.startAt\n",
			by: again, says: `.*not within.*|.*Error:.*`,
		},
		{
			breaks: "a rewind repeats what the same process had accepted",
			file:   "consumer/ledger.go", old: "a.generation != generation || ", new: "",
			by: only("consumer", "TestRewindRepeats"), says: `.*published again.*`,
		},
		{
			breaks: "a letter is not sent twice",
			file:   "consumer/intake.go", old: "; in.progress.wasDealt(id)", new: "; in.progress.wasDealt(id) && false",
			by: only("consumer", "TestLettersAreNotSentTwice"), says: `.*should have 10 item.*|.*Not equal.*`,
		},
		{
			breaks: "what is remembered of lost shards is bounded",
			file:   "consumer/ledger.go", old: "l.sizeLocked() - maxRemembered; over > 0; over",
			new: "0; over > 0; over",
			by:  only("consumer", "TestLedgerIsBounded"), says: `.*Error:.*`,
		},
		{
			breaks: "a late commit at the same position brings nothing back",
			file:   "checkpoint/table/write.go", old: "	e.ifBefore(number)\n", new: "",
			by: only("checkpoint", "TestLateCommitAtTheSamePosition"), says: `.*the late commit.*`,
		},
		{
			breaks: "the epoch that is raised carries the offer",
			file:   "checkpoint/writes.go",
			old: "		e.Progress(c.offer, c.number, c.replaces)\n		e.Set(table.AttrEpoch, " +
				"table.Num(c.epoch+1))\n		now, err",
			new: "		e.Set(table.AttrEpoch, table.Num(c.epoch+1))\n		now, err",
			by:  only("checkpoint", "TestEpochRaisedCarriesTheOffer"), says: `.*must not repeat what it drained.*`,
		},
		{
			breaks: "a row that is written again has its number",
			file:   "checkpoint/writes.go", old: "l.saved(), Offers: c.number, At: time.Now(),",
			new: "l.saved(), At: time.Now(),",
			by:  only("checkpoint", "TestOffersGrowOverOwners"), says: `.*written again.*`,
		},
		{
			breaks: "an offer without order is not taken",
			file:   "checkpoint/offers.go", old: "	return why == \"\"\n", new: "	return true\n",
			by: only("checkpoint", "TestOfferThatCannotBeStored"), says: `.*Error:.*`,
		},
		{
			breaks: "nonsense in the row is not taken for progress",
			file:   "checkpoint/commit.go", old: "l.comparableLocked(r) && r.Position", new: "r.Position",
			by: only("checkpoint", "TestStoredPositionOfAnotherForm"), says: `.*Error:.*`,
		},
		{
			breaks: "a reset begins at the first record",
			file:   "checkpoint/admin/reset.go", old: "c.After.StartAt = r.To\n",
			new: "c.After.StartAt = table.Start{}\n",
			by:  only("checkpoint", "TestResetBeginsARecreatedStream"), says: `.*Error:.*`,
		},
		{
			breaks: "a reset waits for the workers",
			file:   "checkpoint/admin/reset.go", old: "len(r.Live) > 0 && !force", new: "false",
			by: only("checkpoint", "TestResetBeginsARecreatedStream"), says: `.*Error:.*`,
		},
		{
			breaks: "an import reads no number as no checkpoint",
			file:   "checkpoint/admin/verify.go",
			old:    "	case nil, *types.AttributeValueMemberNULL:\n		return \"\", nil\n",
			new: "	case nil, *types.AttributeValueMemberNULL, *types.AttributeValueMemberN:\n		return " +
				"\"\", nil\n",
			by: only("internal/cli", "TestLeasesImportNamesWhatItDoesNotImport"), says: `.*Error:.*`,
		},
		{
			breaks: "an import ends no open shard",
			file:   "checkpoint/admin/verify.go",
			old:    "case in[id].Position.Sequence == position.ShardEnd && !a.closed(id):", new: "case false:",
			by: only("internal/cli", "TestLeasesImportNamesWhatItDoesNotImport"), says: `.*Error:.*`,
		},
		{
			breaks: "an import asks the stream for its positions",
			file:   "checkpoint/admin/verify.go", old: "		if causes[i] != \"\" {", new: "		if false {",
			by: only("internal/cli", "TestLeasesImportNamesWhatItDoesNotImport"), says: `.*Error:.*`,
		},
		{
			breaks: "a row that nobody can read is written anew",
			file:   "checkpoint/watch.go", old: "		w.repairRows(ctx)\n", new: "",
			by: only("checkpoint", "TestRowsThatNobodyCanRead"), says: `.*not held.*|.*not within.*|.*Error:.*`,
		},
		{
			breaks: "a checkpoint that cannot be read is not none",
			file:   "checkpoint/table/damage.go", old: "	case lost, badStart && !placed:",
			new: "	case lost && false, badStart && !placed:",
			by:  only("checkpoint", "TestRowsThatNobodyCanRead"), says: `.*Error:.*`,
		},
		{
			breaks: "a sub-sequence number that cannot be read is not the whole record",
			file:   "checkpoint/table/damage.go", old: "		e.Set(AttrSub, Num(0))\n",
			new: "		e.Remove(AttrSub)\n",
			by:  only("checkpoint", "TestRowsThatNobodyCanRead"), says: `.*Error:.*`,
		},
		{
			breaks: "a worker whose row cannot be read is fenced",
			file:   "checkpoint/table/rows.go", old: "		e.IfEqual(AttrCounter, w.Raw)\n",
			new: "		e.IfEqual(AttrCounter, Num(w.Counter))\n",
			by:  only("checkpoint", "TestWorkerRowThatNobodyCanRead"), says: `.*Error:.*|.*within.*`,
		},
		{
			breaks: "leases list names what is wrong",
			file:   "internal/cli/leases_list.go", old: "	a.Check(ctx, &t)\n", new: "",
			by: only("internal/cli", "TestLeasesListNamesWhatIsWrong"), says: `.*Error:.*`,
		},
		{
			breaks: "at once, nothing waits for an interval",
			file:   "checkpoint/lease.go", old: "		ask(s.committer.wake)\n", new: "",
			by: only("checkpoint", "TestCommitsAtOnce"), says: `.*no interval to wait for.*`,
		},
		{
			breaks: "a throttled commit backs off",
			file:   "checkpoint/commit.go", old: "time.Now().Add(sleep.Backoff(l.ledger.pace.failed))",
			new: "time.Now().Add(0 * sleep.Backoff(l.ledger.pace.failed))",
			by:  only("checkpoint", "TestCommitsAtOnceBackOff"), says: `.*two attempts a call.*`,
		},
	}
}
