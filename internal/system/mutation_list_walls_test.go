//go:build mutation

package system_test

// wallMutations break what keeps strangers' bytes out: rows, terminals, labels, the admin server.
func wallMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	const failed = `.*Error:.*`
	return []mutation{
		{
			breaks: "times out of range are no times",
			file:   "checkpoint/table/rows.go", old: "err != nil || ms <= 0 || ms > now.Add(mostAhead).UnixMilli()",
			new: "err != nil || ms <= 0",
			by:  only("checkpoint", "TestHostileRows"), says: failed,
		},
		{
			breaks: "numbers out of range are no numbers",
			file:   "checkpoint/table/rows.go", old: "if err != nil || n < 0 || n > MostCount {",
			new: "if err != nil || n < 0 {",
			by:  only("checkpoint", "TestHostileRows"), says: `.*Error:.*|.*not within.*|.*panic.*`,
		},
		{
			breaks: "a parent is believed where the listing agrees",
			file:   "checkpoint/lineage/tree.go", old: "if !s.OfStream || len(s.Parents) == 0 {",
			new: "if len(s.Parents) == 0 {",
			by:  only("checkpoint", "TestParentsOfRowsAreClaims"), says: `.*Error:.*|.*not within.*`,
		},
		{
			breaks: "nobody waits in a circle",
			file:   "checkpoint/lineage/tree.go", old: "		case l.descends(p, id):\n", new: "",
			by: only("checkpoint", "TestParentsOfRowsAreClaims"), says: failed,
		},
		{
			breaks: "a circle is told",
			file:   "checkpoint/lineage/circles.go", old: "	if !met { // as usual", new: "	if met || !met {",
			by: only("checkpoint", "TestRowsThatDescendFromThemselves"), says: failed,
		},
		{
			breaks: "nothing is made by a count of a row",
			file:   "checkpoint/table/origin.go", old: " || hi-lo >= room", new: " || room < 0",
			by:   only("checkpoint", "TestShardsOfAnApplicationAreBounded"),
			says: `.*Error:.*|.*panic.*|.*out of memory.*`,
		},
		{
			breaks: "C1 and bidirectional marks are escaped",
			file:   "internal/plain/plain.go", old: "case strconv.IsPrint(r), strings",
			new: "case r >= 0x80, strconv.IsPrint(r), strings",
			by:  only("internal/plain", "TestText"), says: failed,
		},
		{
			breaks: "a stranger makes no line of the page",
			file:   "internal/plain/plain.go", old: "		case string:\n			out[i] = Text(a)",
			new: "		case string:\n			out[i] = a",
			by:  only("internal/status", "TestPageAsTextObeysNobody"), says: failed,
		},
		{
			breaks: "an error code is no label as it came",
			file:   "internal/daemon/clients.go", old: "closedCode(resultCode(err))", new: "resultCode(err)",
			by: only("internal/daemon", "TestCodesOfAWSAreAClosedSet"), says: failed,
		},
		{
			breaks: "texts of AWS are cut",
			file:   "internal/answer/checker.go", old: "err = shortened(err)", new: "_ = shortened",
			by: only("internal/answer", "TestTextsAreCut"), says: failed,
		},
		{
			breaks: "the controls ask for a known name",
			file:   "internal/daemon/admin.go", old: "err != nil && !known[host] {",
			new: "err != nil && !known[host] && r.URL.Path == \"/\" {",
			by:  only("internal/daemon", "TestServerIsAskedByItsOwnNames"), says: failed,
		},
		{
			breaks: "connections are bounded",
			file:   "internal/daemon/admin_connections.go", old: "if len(c.open) >= c.most {", new: "if false {",
			by: only("internal/daemon", "TestConnectionsAreBounded"), says: failed,
		},
		{
			breaks: "those who ask together share one answer",
			file:   "internal/daemon/admin_connections.go", old: "			s.next[kind] = made\n", new: "",
			by: only("internal/daemon", "TestAnswersAreShared"), says: `.*Error:.*|.*deadlock.*`,
		},
		{
			breaks: "reloads share their answer",
			file:   "internal/daemon/reload.go", old: "	if t.next == nil {\n		t.next",
			new: "	{\n		t.next",
			by:  only("internal/daemon", "TestReloadsShareTheirAnswer"), says: `.*Error:.*|.*deadlock.*`,
		},
		{
			breaks: "who has gone costs no reload",
			file:   "internal/daemon/reload.go", old: "n == nil || n.callers == 0", new: "n == nil",
			by: only("internal/daemon", "TestReloadsShareTheirAnswer"), says: `.*Error:.*|.*deadlock.*`,
		},
		{
			breaks: "a stop waits for no file that is read",
			file:   "internal/daemon/reload.go", old: "	case <-ctx.Done():\n		t.err = errStopping\n	}",
			new: "	}",
			by:  only("internal/daemon", "TestStopEndsTheQueueOfReloads"), says: `.*Error:.*|.*deadlock.*`,
		},
		{
			breaks: "slow clients make no stop fail",
			file:   "internal/daemon/admin.go",
			old:    "	if a.server.Shutdown(ctx) != nil {\n		return a.server.Close()\n	}\n	return nil",
			new:    "	return a.server.Shutdown(ctx)",
			by:     only("internal/daemon", "TestScrapesAreNeverStarved"), says: failed,
		},
	}
}
