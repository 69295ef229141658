//go:build mutation

package system_test

// outputWriterMutations are the ways to lose, repeat, reorder or hold back records for output streams.
func outputWriterMutations() []mutation {
	by := func(test string) killer { return killer{pkg: "alert/output", test: test} }
	const any = `.*Error:.*|.*is under way twice.*|.*ends twice.*`
	return []mutation{
		{
			breaks: "a key's later record waits for a failed one", file: "alert/output/schedule.go",
			old: "	ln.phase, ln.due = waiting, now.Add(wait)\n	heap.Push(&s.delayed, ln)\n",
			new: "	ln.phase, ln.due = waiting, now.Add(wait)\n	if it := ln.first; it.behind != nil {\n" +
				"		ln.first, it.behind.ahead, it.behind, it.ahead, ln.last.behind = " +
				"it.behind, nil, nil, ln.last, it\n		ln.last = it\n	}\n	heap.Push(&s.delayed, ln)\n",
			by: by("TestFailedEntriesGoAloneAndInOrder"), says: `.*out of order.*`,
		},
		{
			breaks: "at most one record of a key is in a call", file: "alert/output/schedule.go",
			old: "	if ln := s.lanes[it.Key]; ln != nil {", new: "	if ln := s.lanes[it.Key]; ln != nil && len(s.lanes) > 9 {",
			by: by("TestScheduleKeepsItsPromises"), says: any,
		},
		{
			breaks: "what was accepted is not sent again", file: "alert/output/call.go",
			old: "			ended = s.end(ended, ln, now, resultWritten, alert.Unmatched, \"\")\n",
			new: "			if ended = append(ended, it); ln.sent > 1 {\n				_ = s.end(nil, ln, now, resultWritten, 0, \"\")\n" +
				"			} else {\n				s.retry(it, now)\n			}\n",
			by: by("TestWritesInOrderOfEachKey"), says: any,
		},
		{
			breaks: "an entry that fails alone holds its key alone", file: "alert/output/call.go",
			old: "	case len(faulty) > 0 && took == 0:", new: "	case took < len(c.items):\n" +
				"		s.health.failed(now, c.epoch, delivery.Retry.Because(delivery.ReasonThrottled), errNoOutcome)\n" +
				"	case len(faulty) > 0 && took == 0:",
			by: by("TestSlowOutputShardHoldsOnlyItsKeys"), says: any,
		},
		{
			breaks: "entries that fail alone are paced", file: "alert/output/call.go",
			old: "delivery.Backoff(it.lane.failures, share)", new: "delivery.Backoff(0, share)",
			by: by("TestSlowOutputShardHoldsOnlyItsKeys"), says: `.*the slow ones are paced.*`,
		},
		{
			breaks: "an entry with a sequence number and an error is no acceptance", file: "alert/output/call.go",
			old: "accepted == (code != \"\") {", new: "!accepted && code == \"\" {",
			by: by("TestUncheckedAnswers"), says: any,
		},
		{
			breaks: "an answer has an entry for each record", file: "alert/output/call.go",
			old: "out == nil || len(out.Records) != len(c.items)", new: "out == nil || len(out.Records) < len(c.items)",
			by: by("TestUncheckedAnswers"), says: any,
		},
		{
			breaks: "the record that a call was refused for is found", file: "alert/output/call.go",
			old: "			ln.batch = len(c.items) / 2\n", new: "			_ = ln.batch\n",
			by: by("TestCulpritIsFound"), says: any,
		},
		{
			breaks: "a fault of the stream rejects nothing", file: "alert/output/faults.go",
			old: "		case strings.Contains(lower, \"streamarn\"), strings.Contains(lower, \"streamname\"),",
			new: "		case strings.Contains(lower, \"streamarn\"),",
			by:  by("TestFaultsAndTheirReasons"), says: any,
		},
		{
			breaks: "a held output is probed with one record", file: "alert/output/schedule.go",
			old: "	if s.health.Fault() != \"\" || s.careful {", new: "	if s.careful {",
			by: by("TestConfigurationFaultHolds"), says: `.*one record probes.*`,
		},
		{
			breaks: "answers that prove nothing repeat little", file: "alert/output/call.go",
			old: "		s.careful = true\n	}\n	s.health.failed(now, c.epoch, v, c.err)",
			new: "	}\n	s.health.failed(now, c.epoch, v, c.err)",
			by:  by("TestHostileAnswers"), says: `.*each may be a repeat.*`,
		},
		{
			breaks: "what waits is bounded", file: "alert/output/stream.go",
			old: "s.bytes+cost <= s.settings.Load().MaxBytes", new: "s.bytes <= s.settings.Load().MaxBytes+1e6*cost",
			by: by("TestBudget"), says: any,
		},
		{
			breaks: "a short outage sends nothing to the dead letters", file: "alert/output/schedule.go",
			old: "now.Sub(since) >= patience", new: "now.Sub(since) >= 0",
			by: by("TestBudget"), says: `.*a short outage costs nothing.*`,
		},
		{
			breaks: "what fails makes room", file: "alert/output/stream.go",
			old: "				s.post(ln, letter{alert.ConditionRetries, ReasonFailing, detail, ln.sent})\n",
			new: "				s.again(ln, now)\n				_ = detail\n",
			by:  by("TestBudget"), says: `.*too many records wait.*`,
		},
		{
			breaks: "no more makes room than it takes", file: "alert/output/stream.go",
			old: "			return missing+it.cost > 0\n", new: "			return true\n",
			by: by("TestBudget"), says: `.*no more than it takes.*`,
		},
		{
			breaks: "who waits longest gets room first", file: "alert/output/stream.go",
			old: "	if len(s.waiters) == 0 && s.fits(cost) {", new: "	if s.fits(cost) {",
			by: by("TestBudget"), says: any,
		},
		{
			breaks: "time in which a fault held an output is no age", file: "alert/delivery/age.go",
			old: "		age -= max(0, to.Sub(from))\n", new: "		_ = to.Sub(from)\n",
			by: by("TestLimitOfAge"), says: any,
		},
		{
			breaks: "throttling is no attempt", file: "alert/output/call.go",
			old: "		case v.Reason == delivery.ReasonServiceError:", new: "		case v.Class == delivery.Retry:",
			by: by("TestLimitOfAttempts"), says: any,
		},
		{
			breaks: "a feed that was stopped hears nothing more", file: "alert/output/stream.go",
			old: "	if it.dropped {\n		return ended\n	}\n	it.Result", new: "	it.feed.stopped.Store(false)\n	it.Result",
			by: by("TestStopDuringACall"), says: any,
		},
		{
			breaks: "the next feed's records wait for a call of the former one", file: "alert/output/schedule.go",
			old: "			if it.busy() {\n", new: "			if it.busy() && it.lane.phase != flying {\n",
			by: by("TestScheduleKeepsItsPromises"), says: any,
		},
		{
			breaks: "nothing is quiet before its owner knows", file: "alert/output/feed.go",
			old: "	f.owner.Written(items)\n	f.pending.Add(-int64(len(items)))\n",
			new: "	f.pending.Add(-int64(len(items)))\n	f.writer.moved.tell()\n	time.Sleep(time.Second)\n	f.owner.Written(items)\n",
			by:  by("TestQuiet"), says: any,
		},
		{
			breaks: "what is held is quiet", file: "alert/output/stream.go",
			old: "		case faulty && (it.lane.phase == ready || it.lane.phase == waiting):\n			items++\n", new: "",
			by: by("TestConfigurationFaultHolds"), says: any,
		},
		{
			breaks: "what waits for a stream that is not there goes where its output goes now", file: "alert/output/stream.go",
			old: "	if s.replaced {\n", new: "	if s.replaced {\n		return ended, nil\n	}\n	if s.stopping {\n",
			by: by("TestUpdate"), says: any,
		},
		{
			breaks: "a stream has one writer", file: "alert/output/writer.go",
			old: "if i := slices.IndexFunc(former, back); i >= 0 {", new: "if i := slices.IndexFunc(former, back); i > 9 {",
			by: by("TestUpdate"), says: any,
		},
		{
			breaks: "nothing is sent outside the trust window", file: "alert/output/stream.go",
			old: "!open || until.Sub(now) < trustMargin", new: "!open",
			by: by("TestTrustWindow"), says: any,
		},
		{
			breaks: "a dead letter names its output", file: "alert/deadletter/id.go",
			old: "		fields = append(fields, l.Output)\n", new: "		_ = fields\n",
			by: killer{pkg: "alert/deadletter", test: "TestIDIsOfTheLetterAlone"}, says: any,
		},
		{
			breaks: "several calls are under way, and full", file: "alert/output/schedule.go",
			old: "	if s.ready >= mostRecords || s.readyBytes", new: "	if s.ready >= 9*mostRecords || s.readyBytes",
			by: by("TestThroughput"), says: `.*40,000 records.*`,
		},
	}
}
