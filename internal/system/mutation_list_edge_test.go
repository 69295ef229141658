//go:build mutation

package system_test

// edgeMutations are about credentials, regions, what SNS says of an alert, and panics.
func edgeMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "an alert is accepted by its message id alone",
			file:   "alert/sns/call.go",
			old: "; text(e.MessageId) != \"\" {\n			if at := b.place(e.Id); at >= 0 " +
				"{\n				outcomes[at].ID = " +
				"*e.MessageId\n",
			new: "; e.Id != nil {\n			if at := b.place(e.Id); at >= 0 " +
				"{\n				outcomes[at].ID = \"?\" + " +
				"text(e.MessageId)\n",
			by:   only("alert/dispatch", "TestAnswerWithoutAnOutcomeIsNoAcceptance"),
			says: `.*the alert has an end already.*`,
		},
		{
			breaks: "a failure without a code rejects nothing",
			file:   "alert/sns/call.go", old: "e := &out.Failed[i]; text(e.Code) != \"\" {",
			new:  "e := &out.Failed[i]; e.Id != nil {",
			by:   only("alert/dispatch", "TestAnswerWithoutAnOutcomeIsNoAcceptance"),
			says: `.*the alert has an end already.*`,
		},
		{
			breaks: "answers without an outcome are repeated slowly",
			file:   "alert/dispatch/health.go",
			old: "			h.careful = true\n			h.Postpone(now.Add(delivery.Pause(h.Failures()-1, " +
				"delivery.Lot())))\n", new: "",
			by:   only("alert/dispatch", "TestAnswerWithoutAnOutcomeIsNoAcceptance"),
			says: `.*is not less than or equal to.*`,
		},
		{
			breaks: "a topic that does not answer holds no other",
			file:   "consumer/lanes/lanes.go", old: "	p := l.publishing[topic]\n", new: "	topic = \"\"\n	p := l.publishing[topic]\n",
			by: only("consumer/lanes", "TestLanesOfOneTopicHoldNoOther"), says: `.*heard.*`,
		},
		{
			breaks: "a topic that a rule gets later waits for no other",
			file:   "consumer/lanes/lanes.go", old: "		if l.cfg.HasTopic != nil && !l.cfg.HasTopic(ln.topic) {",
			new: "		if l.cfg.HasTopic != nil {",
			by:  only("consumer/lanes", "TestLanesOfATopicThatComesLater"), says: `.*(Error|deadlock).*`,
		},
		{
			breaks: "redirected alerts wait for older ones of their new topic",
			file:   "consumer/lanes/publish.go", old: "	return true, len(g.after) > 0\n",
			new: "	g.after = nil\n	return true, false\n",
			by:  only("consumer/lanes", "TestLanesKeepTheOrderOfWhatIsRedirected"), says: `.*Error:.*`,
		},
		{
			breaks: "what goes to another topic of a moved rule goes before later alerts",
			file:   "consumer/lanes/lanes.go", old: "ln.queue[0].waits():", new: "false:",
			by: only("consumer/lanes", "TestLanesKeepTheOrderOfWhatIsRedirected"), says: `.*Error:.*`,
		},
		{
			breaks: "a stop waits for no topic that refuses",
			file:   "alert/dispatch/topic.go", old: "	case t.gatherer.state().drains:\n", new: "	case false:\n",
			by: only("internal/system", "TestStopWhileATopicRefusesIsClean"), says: `.*Error:.*`,
		},
		{
			breaks: "what is left at a topic that refuses is not resolved",
			file:   "consumer/lanes/disposition.go",
			old:    "	case errors.Is(err, alert.ErrHeld):\n		return leftToNext\n",
			new:    "	case errors.Is(err, alert.ErrHeld):\n		return accepted\n",
			by:     only("internal/system", "TestStopWhileATopicRefusesIsClean"), says: `.*Error:.*`,
		},
		{
			breaks: "a structure that an endpoint refuses is left out",
			file:   "alert/sns/call.go", old: "|| m.structure != alert.StructureString ||", new: "|| true ||",
			by: only("alert/dispatch", "TestStructureThatIsRefusedIsLeftOut"), says: `.*Received unexpected error.*`,
		},
		{
			breaks: "a topic is asked in the region of its ARN",
			file:   "alert/sns/topic.go", old: "		o.Region = cmp.Or(arns.Region(topicARN), o.Region)\n",
			new: "		o.Region = cmp.Or(o.Region, arns.Region(topicARN))\n",
			by:  only("internal/system", "TestEveryARNIsAskedInItsRegion"), says: `.*Error:.*`,
		},
		{
			breaks: "a stream is asked in the region of its ARN, and the tables are not",
			file:   "internal/daemon/clients.go", old: "cmp.Or(arns.Region(address), cfg.Region)",
			new: "cmp.Or(cfg.Region, arns.Region(address))",
			by:  only("internal/system", "TestEveryARNIsAskedInItsRegion"), says: `.*Error:.*`,
		},
		{
			breaks: "an ARN whose parts do not go together is refused",
			file:   "internal/arns/arns.go", old: "at >= 0 && at != i", new: "at >= 0 && at < 0",
			by: only("internal/daemon", "TestCheckOfARNs"), says: `.*An error is expected.*`,
		},
		{
			breaks: "credentials that AWS refuses are resolved again at once",
			file:   "internal/credentials/provider.go", old: " || p.isRefusedLocked()\n", new: "\n",
			by: only("internal/system", "TestRefusedCredentials"), says: `.*should have 30 item.*`,
		},
		{
			breaks: "the whole chain is resolved anew",
			file:   "internal/credentials/chain.go", old: "		c, err := fresh.Credentials.Retrieve(ctx)\n",
			new: "		_ = fresh\n		c, err := base.Credentials.Retrieve(ctx)\n",
			by:  only("internal/credentials", "TestChainReadsTheSharedFileAnew"), says: `.*Condition never satisfied.*`,
		},
		{
			breaks: "credentials are used until their end",
			file:   "internal/credentials/provider.go",
			old:    "	if !p.have.CanExpire || now.Before(p.have.Expires) {\n		return true\n",
			new:    "	if !p.have.CanExpire || now.Before(p.have.Expires.Add(-RenewBefore)) {\n		return true\n",
			by:     only("internal/credentials", "TestCredentialsAreUsedUntilTheirEnd"), says: `.*cannot be renewed.*`,
		},
		{
			breaks: "credentials are not used beyond their end",
			file:   "internal/credentials/provider.go",
			old:    "	if !p.have.CanExpire || now.Before(p.have.Expires) {\n		return true\n",
			new: "	if !p.have.CanExpire || now.Before(p.have.Expires.Add(10 * RenewBefore)) " +
				"{\n		return true\n",
			by: only("internal/system", "TestCredentialsThatCannotBeRenewed"), says: `.*Error:.*`,
		},
		{
			breaks: "the page blames the credentials, and no service for them",
			file:   "internal/status/problems_credentials.go", old: "slices.ContainsFunc(errors, blames)",
			new: "false && slices.ContainsFunc(errors, blames)",
			by:  only("internal/system", "TestRefusedCredentials"), says: `.*no service is blamed beside them.*`,
		},
		{
			breaks: "--fail-fast waits for what may pass",
			file:   "internal/daemon/preflight.go",
			old:    "failFast && (checkpoint.NamesFault(err) || !time.Now().Before(patience))",
			new:    "failFast && (true || checkpoint.NamesFault(err) || !time.Now().Before(patience))",
			by:     only("internal/system", "TestFailFastWaitsAMinuteForWhatMayPass"), says: `.*Error:.*`,
		},
		{
			breaks: "nothing is published after a panic of what is shared",
			file:   "internal/guard/guard.go", old: "			report(p)\n", new: "			_, _ = report, p\n",
			by: only("internal/system", "TestPanicOfSharedStateEndsTheProcess"), says: `.*still running.*|.*Error:.*`,
		},
		{
			breaks: "a part that panics begins again",
			file:   "internal/daemon/run.go",
			old:    "			if !panicked {\n				return err\n			}\n",
			new:    "			if true || !panicked {\n				return err\n			}\n",
			by:     only("internal/daemon", "TestPartThatPanicsBeginsAgain"), says: `.*Error:.*`,
		},
	}
}
