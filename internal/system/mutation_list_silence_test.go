//go:build mutation

package system_test

// silenceMutations are the ways to stop alerting, or to be about to, without a word.
func silenceMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "a problem has its series",
			file:   "internal/status/problem_watch.go", old: "shown[[2]string{p.Code, string(p.Level)}] = 1",
			new: "shown[[2]string{p.Subject, string(p.Level)}] = 1",
			by:  only("internal/status", "TestProblemMetric|TestProblemsOfTheDaemon"), says: `.*Error:.*`,
		},
		{
			breaks: "what explains a problem hides it",
			file:   "internal/status/problems.go", old: "if !slices.ContainsFunc(c.symptomOf, explained) {",
			new: "if true || explained(\"\") {",
			by:  only("internal/status", "TestSymptomsAreHidden"), says: `.*Error:.*`,
		},
		{
			breaks: "what explains a problem of one topic hides none of another",
			file:   "internal/status/problems.go", old: "return there[problemKey{code, c.Object}] ||",
			new: "for k := range there {\n				if k.code == code {\n					return " +
				"true\n				}\n			}\n			return",
			by: only("internal/status", "TestSymptomsAreHidden"), says: `.*Error:.*`,
		},
		{
			breaks: "a problem that comes and goes does not fill the log",
			file:   "internal/status/problem_watch.go", old: "case p.Level != k.said && k.lines >= 1:",
			new: "case p.Level != k.said:",
			by:  only("internal/status", "TestProblemLog"), says: `.*Error:.*`,
		},
		{
			breaks: "refused reads are told within seconds",
			file:   "internal/status/problems_shards.go",
			old:    "st.ago(r.ReadFailing) >= refusalWarnAfter,\n		d >= noAnswerWarnAfter",
			new:    "st.ago(r.ReadFailing) >= stallWarnAfter,\n		d >= stallWarnAfter",
			by:     only("internal/system", "TestStatusOfRefusedReads"), says: `.*Error:.*`,
		},
		{
			breaks: "throttled reads that make a lag are told",
			file:   "consumer/read/polling.go", old: "		r.shard.Activity.throttled.Store(now.UnixNano())\n",
			new: "",
			by:  only("consumer", "TestThrottledReadsAreSeen"), says: `.*Error:.*`,
		},
		{
			breaks: "an evaluation that does not end is told",
			file:   "consumer/intake.go", old: "	began := time.Now()\n	in.activity.StartEvaluating()\n",
			new: "	began := time.Now()\n",
			by:  only("consumer", "TestEvaluationThatTakesLongIsSeen"), says: `.*Error:.*`,
		},
		{
			breaks: "a wait for SNS is no evaluation",
			file:   "consumer/intake.go",
			old:    "	in.activity.StopEvaluating()\n	defer in.activity.StartEvaluating()\n", new: "",
			by: only("consumer", "TestEvaluationThatTakesLongIsSeen"), says: `.*Error:.*`,
		},
		{
			breaks: "a lag that grows is told without a cause",
			file:   "internal/status/lag.go", old: "slices.Min(before)+lagGrowth",
			new: "slices.Min(before)+1000*lagGrowth",
			by:  only("internal/status", "TestLagThatGrows"), says: `.*Error:.*`,
		},
		{
			breaks: "a lag that comes and goes is no alarm",
			file:   "internal/status/lag.go", old: "min(now, slices.Min(recent)) >= slices.Min(before)",
			new: "min(now, slices.Max(recent)) >= slices.Min(before)",
			by:  only("internal/status", "TestLagThatGrows"), says: `.*Error:.*`,
		},
		{
			breaks: "what SNS said is on the page",
			file:   "alert/dispatch/health.go", old: "= alert.ErrorText(err), cred", new: "= \"\", cred",
			by: only("internal/system", "TestStatusTellsWhatSNSSaid"), says: `.*Error:.*`,
		},
		{
			breaks: "an alert that SNS fails again and again is told",
			file:   "alert/dispatch/health.go", old: "	h.noteStubborn(c)\n", new: "",
			by: only("internal/system", "TestStatusTellsWhatSNSSaid"), says: `.*Error:.*`,
		},
		{
			breaks: "what follows the first line of an error stays off the page",
			file:   "alert/errors.go",
			old:    "	line, _, _ := strings.Cut(strings.TrimLeft(text, \"\\r\\n\"), \"\\n\")\n",
			new:    "	line := text\n",
			by:     only("alert", "TestErrorTextIsOneBoundedLine"), says: `.*Error:.*`,
		},
		{
			breaks: "a reload that does not come to an end is told",
			file:   "internal/daemon/reload.go", old: "	r.began.Store(&began)\n", new: "	_ = began\n",
			by: only("internal/system", "TestStatusOfReloads"), says: `.*Error:.*`,
		},
		{
			breaks: "a topic that nobody hears is told",
			file:   "internal/status/problems_topics.go", old: "when(t.heard() && s.Confirmed == 0, LevelCritical)",
			new: "when(false, LevelCritical)",
			by:  only("internal/system", "TestStatusOfTopicsThatNobodyHears"), says: `.*Error:.*`,
		},
		{
			breaks: "topics are asked again who hears them",
			file:   "alert/dispatch/topic.go",
			old: "		if err == nil || !passes " +
				"{\n			failures = 0\n",
			new: "		if err == nil || !passes " +
				"{\n			return\n",
			by: only("internal/system", "TestStatusOfTopicsThatNobodyHears"), says: `.*Error:.*`,
		},
		{
			breaks: "how many subscriptions a topic had survives a restart",
			file:   "internal/daemon/subscriptions.go", old: "		err = m.save(ctx, m.encode())\n", new: "",
			by: only("internal/system", "TestStatusOfTopicsThatNobodyHears"), says: `.*Error:.*`,
		},
		{
			breaks: "a drill that nobody hears fails",
			file:   "internal/cli/drill.go", old: "	if s.Confirmed == 0 {", new: "	if s.Confirmed < 0 {",
			by: only("internal/system", "TestDrill"), says: `.*Error:.*`,
		},
		{
			breaks: "workers with another configuration are told of",
			file:   "checkpoint/watch.go", old: "p.since, p.Report, p.moved, p.Config = at, w.Report, true, w.Config",
			new: "p.since, p.Report, p.moved, p.Config = at, w.Report, true, \"\"",
			by:  only("internal/system", "TestStatusOfWorkersThatDiffer"), says: `.*Error:.*`,
		},
		{
			breaks: "the hash of a configuration is keyed by its application",
			file:   "checkpoint/confighash.go", old: "	h := hmac.New(sha256.New, key[:])\n",
			new: "	h := hmac.New(sha256.New, key[:0])\n",
			by:  only("checkpoint", "TestConfigHash"), says: `.*Error:.*`,
		},
		{
			breaks: "every rule counts in the hash of a configuration",
			file:   "internal/config/yaml.go",
			old:    "Filter: c.Filter, Score: c.Score, Rules: c.Rules,\n		Silences",
			new:    "Filter: c.Filter, Score: c.Score,\n		Silences",
			by:     only("internal/config", "TestMeaningOfAConfiguration"), says: `.*Error:.*`,
		},
		{
			breaks: "a peer was heard when it wrote its heartbeat",
			file:   "checkpoint/confighash.go", old: "		return p.Beat\n", new: "		return p.since\n",
			by: only("checkpoint", "TestAPeerWasHeardWhenItWrote"), says: `.*Error:.*`,
		},
		{
			breaks: "the watchdog is silent while the fleet is behind by the clock",
			file:   "alert/watchdog.go", old: " && (f.Now.IsZero() || f.Now.Sub(f.CaughtUp).Milliseconds() <= limit)",
			new: " && limit > 0",
			by:  only("internal/system", "TestWatchdogOfADaemonThatIsBehind"), says: `.*Error:.*`,
		},
		{
			breaks: "the watchdog is silent while a shard is paused",
			file:   "alert/watchdog.go", old: " && !f.Paused &&", new: " &&",
			by: only("alert", "TestWatchdogIsSilentWhileTheFleetIsNotWell"), says: `.*Error:.*`,
		},
		{
			breaks: "the watchdog makes up for nothing",
			file:   "alert/watchdog.go",
			old:    "			e.memory.watchdog = max(e.memory.watchdog, last(f.Now.UnixMilli()))\n", new: "",
			by: only("alert", "TestWatchdogIsSilentWhileTheFleetIsNotWell"), says: `.*Error:.*`,
		},
		{
			breaks: "one answer that a quiet shard is behind takes no watchdog's message",
			file:   "alert/watchdog.go", old: "f.Now.Sub(e.unavailableSince) >= briefLag",
			new: "f.Now.Sub(e.unavailableSince) >= 0",
			by:  only("alert", "TestWatchdogIsSilentWhileTheFleetIsNotWell"), says: `.*Error:.*`,
		},
		{
			breaks: "a worker speaks for itself alone",
			file:   "internal/status/headline.go", old: "h.here > 0 && h.soon+h.others == 0 && h.workers <= 1",
			new: "h.here > 0",
			by:  only("internal/status", "TestStatusSummary"), says: `.*Error:.*`,
		},
	}
}
