//go:build mutation

package system_test

// hostileMutations believe what AWS did not say.
func hostileMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	hostile := only("internal/system", "TestHostile")
	return []mutation{
		{
			breaks: "an answer is checked before it is believed",
			file:   "internal/answer/checker.go", old: "		bad = judge(op.check, &call)\n",
			new: "		_ = judge\n",
			by:  hostile, says: `.*records lost.*|.*SHARD_END.*|.*does not name it.*`,
		},
		{
			breaks: "the body of an answer is bounded while it is read",
			file:   "internal/answer/body.go", old: "io.LimitReader(body, most+1)", new: "body",
			by: hostile, says: `.*bytes of one answer were read.*`,
		},
		{
			breaks: "a redirect is not followed",
			file:   "internal/daemon/clients.go",
			old:    "return &http.Client{Transport: c.Transport, Timeout: c.Timeout, Jar: c.Jar, CheckRedirect: refuse}", new: "_ = refuse\n		return c",
			by: hostile, says: `.*redirects were followed.*`,
		},
		{
			breaks: "a null in a list is not passed over",
			file:   "internal/answer/dynamodb.go", old: "		return \"a list in it holds a null\"\n",
			new: "		return \"\"\n",
			by:  only("internal/answer", "TestAnswersOfEveryOperation"), says: `.*null in a list.*`,
		},
		{
			breaks: "an error that nobody can read is no refusal",
			file:   "internal/answer/checker.go", old: "unreadable || status != 0", new: "unreadable",
			by: only("internal/answer", "TestUnreadableErrorIsABadAnswer"), says: `.*Should be true.*`,
		},
		{
			breaks: "what is no answer of a destination is tried again soon, whatever its status",
			file:   "alert/delivery/verdict.go", old: "max(status, bad.BadAnswer()) < http.StatusInternalServerError",
			new: "max(status, bad.BadAnswer()) < http.StatusBadRequest",
			by:  only("alert/delivery", "TestClassify"), says: `.*of somebody else.*`,
		},
		{
			breaks: "one answer does not make a table another one's",
			file:   "checkpoint/open.go", old: "refused.Confirmed()", new: "refused.Any()",
			by: only("checkpoint", "TestOneAnswerIsNoProofOfAForeignTable"), says: `.*not within.*`,
		},
		{
			breaks: "a checkpoint beyond the shard silences nothing behind a snapshot",
			file:   "consumer/memory.go", old: "	if m.tips++; m.tips < replayTips {\n",
			new: "	if m.tips++; m.tips > 0 {\n",
			by:  only("internal/system", "TestHostileLies"), says: `.*records lost.*`,
		},
		{
			breaks: "one answer does not end a shard that was just taken",
			file:   "checkpoint/writes.go", old: "	if landed && r.Ended() && was != nil && !was.Ended() {",
			new: "	if landed && r.Ended() && was != nil && !was.Ended() && false {",
			by:  only("internal/system", "TestHostileLies"), says: `.*records lost.*`,
		},
		{
			breaks: "the answer to another call accepts no alert",
			file:   "alert/sns/call.go", old: "mark: rand.Text() + \"-\"", new: "mark: rand.Text()[:0]",
			by: only("alert/dispatch", "TestAnswerToAnotherCallIsNone"), says: `.*Error:.*`,
		},
		{
			breaks: "what is accepted and failed in one answer is not accepted",
			file:   "internal/answer/messaging.go", old: "			both[id] = true\n",
			new: "			both[id] = false\n",
			by:  only("internal/answer", "TestBatchIsAcceptedByEntry"), says: `.*Error:.*`,
		},
		{
			breaks: "rows without the table's key are a bad answer",
			file:   "internal/answer/dynamodb.go", old: "		if c.Expect != nil && c.Expect.Key != \"\" {",
			new: "		if c.Expect != nil && false {",
			by:  only("internal/answer", "TestItemsHaveTheKeyOfTheirTable"), says: `.*Error:.*`,
		},
		{
			breaks: "an operation that is bad for one row is told, however good it is for others",
			file:   "internal/answer/checker.go", old: "	return []string{subject, strings.Join(row, \"\")}\n",
			new: "	_ = row\n	return []string{subject}\n",
			by:  only("internal/answer", "TestRowsAreJudgedApart"), says: `.*Error:.*`,
		},
		{
			breaks: "good pages do not heal a later one",
			file:   "internal/answer/checker.go", old: "	if call.page() != laterPage {\n", new: "	if true {\n",
			by: only("internal/answer", "TestGoodPagesDoNotHealALaterOne"), says: `.*Error:.*`,
		},
		{
			breaks: "what one table answers does not heal another one",
			file:   "internal/answer/checker.go",
			old:    "	case *dynamodb.GetItemInput:\n		return aws.ToString(in.TableName)\n",
			new:    "	case *dynamodb.GetItemInput:\n		return \"\"\n",
			by:     only("internal/answer", "TestTablesAreJudgedApart"), says: `.*Error:.*`,
		},
	}
}
