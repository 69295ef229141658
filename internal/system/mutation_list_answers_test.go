//go:build mutation

package system_test

// answerMutations are the ways to believe an answer that proves nothing.
func answerMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	daemon := only("internal/system", "TestBadAnswersCostTime")
	every := only("internal/answer", "TestAnswersOfEveryOperation")
	return []mutation{
		{
			breaks: "an empty answer ends no shard and passes no record over",
			file:   "internal/answer/kinesis.go",
			old:    "	case out.Records == nil:\n		return bad(\"Records is missing\")\n", new: "",
			by: daemon, says: `.*Error:.*|.*the page names it.*|.*ended.*`,
		},
		{
			breaks: "a body that never ends is not read",
			file:   "internal/answer/body.go", old: "b.left < 0 {", new: "b.left < -1<<62 {",
			by: only("internal/answer", "TestEndlessBodyIsCut"), says: `.*Error:.*`,
		},
		{
			breaks: "bodies have a bound",
			file:   "internal/answer/body.go", old: "	if n > most {\n", new: "	if n > most+1 {\n",
			by: only("internal/answer", "TestBoundCountsUnpackedBytes"), says: `.*Error:.*`,
		},
		{
			breaks: "records are behind the position that was asked for, and rise",
			file:   "internal/answer/kinesis.go", old: "last != \"\" && !above(*r.SequenceNumber, last)",
			new: "last != \"\" && false",
			by:  only("internal/answer", "TestRecordsBelongToThePosition"), says: `.*Error:.*`,
		},
		{
			breaks: "no attribute takes the value of the one before it",
			file:   "internal/answer/dynamodb.go", old: "len(v) != 1", new: "len(v) > 1",
			by: every, says: `.*Error:.*`,
		},
		{
			breaks: "the answer to another call is no answer",
			file:   "internal/answer/dynamodb.go", old: "	if !known {\n", new: "	if false {\n",
			by: every, says: `.*Error:.*`,
		},
		{
			breaks: "an alert is accepted by its message id",
			file:   "internal/answer/messaging.go", old: "!empty(e.MessageId), \"an", new: "true, \"an",
			by: only("internal/answer", "TestBatchIsAcceptedByEntry"), says: `.*Error:.*`,
		},
		{
			breaks: "redirects are refused",
			file:   "internal/daemon/clients.go", old: "SteadyBody{refuseRedirects(cfg.HTTPClient)}",
			new: "SteadyBody{cfg.HTTPClient}",
			by:  daemon, says: `.*redirect was followed.*`,
		},
		{
			breaks: "bad answers are on the page",
			file:   "internal/answer/watch.go", old: "return s.inRow >= twiceInARow ||", new: "return false &&",
			by: daemon, says: `.*the page names it.*`,
		},
		{
			breaks: "what a retry healed is not on the page",
			file:   "internal/answer/watch.go", old: "return s.inRow >= twiceInARow ||", new: "return true ||",
			by: only("internal/answer", "TestWatch.*"), says: `.*Error:.*`,
		},
		{
			breaks: "a Date that the other answers contradict is not believed",
			file:   "internal/answer/clock.go", old: "|| date.Sub(agreed).Abs() > slack", new: "|| slack < 0",
			by: only("internal/answer", "TestDateThatTheOthersContradict"), says: `.*Error:.*`,
		},
		{
			breaks: "records with times that cannot be are read again",
			file:   "consumer/read/times.go", old: "s.taken = s.reads >= strangeReads &&", new: "s.taken = true ||",
			by: only("consumer/read", "TestStrangeTimesOnce"), says: `.*Error:.*`,
		},
		{
			breaks: "a stored state whose time is ahead is brought back",
			file:   "consumer/memory.go", old: "	m.bringBack()\n	m.at = at\n", new: "	m.at = at\n",
			by: only("consumer", "TestStateAheadOfTheClock"), says: `.*Error:.*`,
		},
		{
			breaks: "rules speak again when their state was brought back",
			file:   "alert/bring_back.go", old: "			e.life.bringBack(r.rule, en, limit)\n",
			new: "			_ = en\n",
			by:  only("alert", "TestStateAheadIsBroughtBack"), says: `.*Error:.*`,
		},
	}
}
