//go:build mutation

package system_test

// endMutations break what is known of the end of a shard, of shards that are not listed, and of positions.
func endMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "one answer without a next iterator is no end",
			file:   "consumer/read/times.go", old: "return len(out.ChildShards) > 0 || again",
			new: "_ = again\n	return true",
			by:  only("consumer/read", "TestOneNullAnswerIsNoClaim"), says: `.*Error:.*`,
		},
		{
			breaks: "an end is believed after a listing agrees",
			file:   "consumer/end.go", old: "ended, err := s.lease.Ended(ctx, c.at)",
			new: "ended, err := true, ctx.Err()",
			by:  only("consumer", "TestEndWaitsForItsProof"), says: `.*Error:.*`,
		},
		{
			breaks: "only a listing begun after the answer proves an end",
			file:   "checkpoint/lineage/proof.go", old: "return !t.IsZero() && !t.Before(answered)",
			new: "return !t.IsZero()",
			by:  only("checkpoint", "TestProofOfAnEnd"), says: `.*Error:.*`,
		},
		{
			breaks: "a listing that does not cover every key proves nothing missing",
			file:   "checkpoint/lineage/proof.go",
			old:    "		if bytes.Compare(r.first[:], next[:]) > 0 {\n			return false\n		}\n",
			new:    "",
			by:     only("checkpoint", "TestListingIsCompleteWhenItCoversEveryKey"), says: `.*Error:.*`,
		},
		{
			breaks: "an incomplete listing is asked for again within seconds",
			file:   "checkpoint/listing.go", old: "if undecided || !c.health.complete {", new: "if undecided {",
			by: only("checkpoint", "TestFirstListingIsNotTheLastWord"), says: `.*not within.*|.*Error:.*`,
		},
		{
			breaks: "a shard is gone only when Kinesis has no iterator for it",
			file:   "checkpoint/judge.go", old: "found, err := s.stream.Exists(ctx, id)",
			new:  "found, err := false, ctx.Err()",
			by:   only("checkpoint", "TestUnlistedShardIsKeptWhileItCanBeRead|TestChildWaitsForAnUnlistedParent"),
			says: `.*Error:.*`,
		},
		{
			breaks: "the row of a shard that is gone keeps its position",
			file:   "checkpoint/listing.go",
			old:    `r.Owner != "" || r.Progressed() && info.Absent.To.Sub(info.Absent.From) < c.retention`,
			new:    `r.Owner != ""`,
			by:     only("checkpoint", "TestShardThatComesBackIsReadFromItsPosition"), says: `.*Error:.*`,
		},
		{
			breaks: "SHARD_END of an open shard is taken back",
			file:   "checkpoint/judge.go", old: "			out = append(out, r)\n", new: "			_ = r\n",
			by: only("checkpoint", "TestEndOfAnOpenShardIsTakenBack"), says: `.*not within.*|.*Error:.*`,
		},
		{
			breaks: "an end is taken back only when reading goes on",
			file:   "checkpoint/undo.go", old: "open, err := s.stream.GoesOn(ctx, r.ID)",
			new: "open, err := true, ctx.Err()",
			by:  only("checkpoint", "TestEndOfAClosedShardStays"), says: `.*Error:.*`,
		},
		{
			breaks: "the end keeps the last position",
			file:   "checkpoint/writes.go", old: "			e.Set(table.AttrLast, table.Str(last.Sequence))\n",
			new: "",
			by:  only("checkpoint", "TestEndOfAnOpenShardIsTakenBack"), says: `.*Error:.*`,
		},
		{
			breaks: "a wrong skip at the first start is undone",
			file:   "checkpoint/judge.go", old: "	if len(skipped) > 0 {", new: "	if len(skipped) < 0 {",
			by: only("checkpoint", "TestSkipIsUndone"), says: `.*not within.*|.*Error:.*`,
		},
		{
			breaks: "one summary does not make it another stream",
			file:   "checkpoint/identity.go", old: "	case !lineage.SameShards(shards, first, positions) && twice:",
			new: "	case twice:",
			by:  only("checkpoint", "TestSummaryThatLies"), says: `.*Error:.*`,
		},
		{
			breaks: "a position that left the stream is found by the time up to which it was read",
			file:   "consumer/read/doubt.go", old: "r.source.clock.At(now).Sub(d.caughtUp) > r.shard.Retention() &&",
			new: "now.Before(d.caughtUp) &&",
			by:  only("consumer", "TestShardThatStandsStill"), says: `.*Error:.*`,
		},
		{
			breaks: "empty pages as far behind as the retention are no progress",
			file:   "consumer/read/doubt.go", old: "p.Behind >= r.shard.Retention()-retentionSlack",
			new: "p.Behind < 0",
			by:  only("consumer", "TestGapTellsWhetherRecordsWereMissed"), says: `.*Error:.*|.*within.*`,
		},
		{
			breaks: "a refusal alone does not give a position up",
			file:   "consumer/read/doubt.go",
			old:    "position.CompareSequences(aws.ToString(p.Records[0].SequenceNumber),\n\t\t*was.SequenceNumber) <= 0",
			new:    "position.CompareSequences(\"\", aws.ToString(p.Records[0].SequenceNumber)) > 0",
			by:     only("consumer/read", "TestRefusedPositionIsKept"), says: `.*Error:.*`,
		},
		{
			breaks: "a look at the oldest record is no success while a position is refused",
			file:   "consumer/read/polling.go", old: "	r.expired = false\n",
			new: "	r.expired = false\n	r.shard.Activity.succeeded()\n",
			by:  only("consumer/read", "TestRefusalsAreOneTrouble"), says: `.*Error:.*`,
		},
		{
			breaks: "children that wait for their parents are told of",
			file:   "internal/status/problems_shards.go", old: "warning: time.Minute}, // a reshard",
			new: "warning: time.Hour}, // a reshard",
			by:  only("internal/status", "TestEndProblems"), says: `.*Error:.*`,
		},
		{
			breaks: "a parent that cannot be is not waited for",
			file:   "checkpoint/lineage/tree.go", old: "			return p != nil && (IsOpen(p) || ",
			new: "			return p != nil && false && (IsOpen(p) || ",
			by:  only("checkpoint", "TestParentThatCannotBe"), says: `.*Error:.*|.*not within.*`,
		},
		{
			breaks: "a listing corrects what a shard's last answer said of its children",
			file:   "checkpoint/lineage/tree.go",
			old:    "		if len(parents) > 0 {\n			s.Parents = parents\n		}\n", new: "",
			by: only("checkpoint", "TestListingCorrectsTheParentsOfAChild"), says: `.*not within.*`,
		},
		{
			breaks: "the checkpoint behind a snapshot that left the stream is looked at, too",
			file:   "consumer/read/doubt.go", old: "doubt{caughtUp: d.caughtUp}", new: "doubt{}",
			by: only("consumer", "TestBothPositionsLeftTheStream"), says: `.*Error:.*`,
		},
		{
			breaks: "a checkpoint that is no position is replaced",
			file:   "checkpoint/offers.go", old: "	l.ledger.disown()\n	s.incidents", new: "	s.incidents",
			by: only("consumer", "TestUnusablePositionIsReplaced"), says: `.*Error:.*|.*within.*`,
		},
		{
			breaks: "an application that waited for its listing begins with the first answer about its stream",
			file:   "checkpoint/open.go", old: "if again && met.Before(at) {", new: "if again && met.After(at) {",
			by: only("checkpoint", "TestBeginsWithTheFirstAnswer"), says: `.*not within.*`,
		},
		{
			breaks: "a listing that is older than #application undoes no skip",
			file:   "checkpoint/undo.go", old: "info.Open.To.After(v.adopted)", new: "info.Open.Any()",
			by: only("checkpoint", "TestOlderListingUndoesNoSkip"), says: `.*Error:.*`,
		},
	}
}
