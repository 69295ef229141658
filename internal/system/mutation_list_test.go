//go:build mutation

package system_test

import "slices"

// mutations are the ways to break the daemon. A simulation finds them wherever it can see them; the others name the
// test that was made for them.
func mutations() []mutation {
	return slices.Concat(
		coreMutations(), edgeMutations(), answerMutations(), repeatsMutations(), outsideMutations(), pageMutations(),
		ruleMutations(), silenceMutations(),
		inheritMutations(), endMutations(), hostileMutations(), wallMutations(), fileMutations(), schemaMutations(),
		cliMutations(),
		lettersMutations(),
		askedMutations(), budgetMutations(), cloudwatchMutations(),
		demoMutations(), emulatorMutations(), moveinMutations(),
		memoryMutations(), costMutations(), wireMutations(), hushMutations(), emfMutations(), lawMutations(),
		clockMutations(),
		inputMutations(), pressureMutations(), unpackMutations(), envelopeMutations(), columnsMutations(),
		editMutations(), fleetMutations(), shardMutations(), docsMutations(), roleMutations(),
		outputWriterMutations(), outputRuleMutations(), outputMutations(), needMutations(), hintMutations(),
		placesMutations(),
	)
}

func coreMutations() []mutation {
	var (
		fleet   = killer{"checkpoint", "TestSimFleetUnderFaults", 400}
		daemons = killer{"internal/system", "TestSimDaemons", 40}
	)
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "a stored checkpoint never moves back",
			file:   "checkpoint/table/write.go", old: "		e.ifNotBeyond(p.Position, replaces)\n", new: "",
			by: only("checkpoint", "TestLateCommitOfTheSameEpochIsRefused"), says: `.*Error:.*`,
		},
		{
			breaks: "commits are fenced by owner and epoch",
			file:   "checkpoint/table/write.go",
			old:    "	e.IfEqual(AttrOwner, Str(worker))\n	e.IfEqual(AttrEpoch, Num(epoch))\n",
			new:    "	e.IfPresent(AttrKey)\n	_, _ = worker, epoch\n",
			by:     only("checkpoint", "TestLateWritesOfAFormerOwnerAreRefused"), says: `.*Error:.*`,
		},
		{
			breaks: "a shard is taken in one epoch by one worker",
			file:   "checkpoint/writes.go",
			old: "		e.IfEqual(table.AttrEpoch, " +
				"table.Num(was.Epoch))\n		e.IfAbsent(table.AttrPaused)\n		if " +
				"was.Owner == \"\" {\n			e.IfAbsent(table.AttrOwner)\n		} else " +
				"{\n			e.IfEqual(table.AttrOwner, " +
				"table.Str(was.Owner))\n		}\n", new: "		e.IfPresent(table.AttrKey)\n",
			by: fleet, says: `went from owner .*|acts on .*`,
		},
		{
			breaks: "a silent worker is fenced before its shards are taken",
			file:   "checkpoint/watch.go", old: "moved, err := w.fenceWorker(ctx, id, observed)",
			new: "moved, err := (*table.Worker)(nil), error(nil)\n		_ = observed",
			by:  only("checkpoint", "TestCrashIsTakenOverAndTheZombieIsFenced"), says: `.*Error:.*`,
		},
		{
			breaks: "the fence holds only at the counter that stood still",
			file:   "checkpoint/writes.go", old: "	observed.Still(e)\n",
			new: "	e.IfPresent(table.AttrKey)\n	_ = observed\n",
			by:  only("checkpoint", "TestFenceAndHeartbeatExclude"), says: `.*Error:.*`,
		},
		{
			breaks: "no heartbeat counts after the fence",
			file:   "checkpoint/session.go", old: "	e.IfAbsent(table.AttrFenced)\n", new: "",
			by: daemons, says: `.* went on with its heartbeat after it was fenced`,
		},
		{
			breaks: "nobody acts outside the trust window",
			file:   "checkpoint/window.go", old: "span: lease - lease/marginShare", new: "span: 2 * lease",
			by: fleet, says: `.* acts on .* while .* does`,
		},
		{
			breaks: "the trust window begins with the first attempt",
			file:   "checkpoint/session.go", old: "inc.window = newTrustWindow(first, lease)",
			new: "inc.window = newTrustWindow(time.Now(), lease)",
			by:  only("checkpoint", "TestWindowBeginsWithTheFirstAttempt"), says: `.*Error:.*`,
		},
		{
			breaks: "a closed window ends every lease",
			file:   "checkpoint/session.go", old: "			l.endLocked(ErrLeaseLost, eventExpired)\n", new: "",
			by: daemons, says: `.*owned by.*|outside its trust window|never published`,
		},
		{
			breaks: "an answer that was lost is no confirmation",
			file:   "checkpoint/table/client.go",
			old:    "		return false, now, err\n	}\n	return false, now, nil",
			new:    "		return true, now, nil\n	}\n	return false, now, nil",
			by:     fleet, says: `.* acts on .* while .* does|.*Error.*`,
		},
		{
			breaks: "an answer that was lost is read back",
			file:   "checkpoint/table/client.go", old: "	if len(now) > 0 && landed(now) {\n",
			new: "	if len(now) > 0 && landed(now) && false {\n",
			by:  only("checkpoint", "TestLostAnswer.*"), says: `.*Error:.*`,
		},
		{
			breaks: "parents end before their children start",
			file:   "checkpoint/planner.go", old: "Open: v.gateOpen(id)", new: "Open: true",
			by: fleet, says: `.* runs while its parent .*`,
		},
		{
			breaks: "a shard that is younger than the application starts at TRIM_HORIZON",
			file:   "checkpoint/table/origin.go",
			old: "		return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}\n	}\n	if " +
				"start.Kind ==",
			new: "		return types.StartingPosition{Type: types.ShardIteratorTypeLatest}\n	}\n	if " +
				"start.Kind ==",
			by: daemons, says: `record .* (was never|was not) published`,
		},
		{
			breaks: "T0 is fixed once",
			file:   "checkpoint/table/origin.go", old: "Timestamp: aws.Time(o.T0)}",
			new: "Timestamp: aws.Time(time.Now())}",
			by:  daemons, says: `record .* (was never|was not) published`,
		},
		{
			breaks: "a row that vanished is written again with its checkpoint",
			file:   "checkpoint/writes.go", old: "	case now == nil:\n		return l.rewriteRow(ctx, c)\n",
			new: "	case now == nil:\n		l.end(ErrLeaseLost, eventLost)\n		return nil\n",
			by:  only("checkpoint", "TestRowOfAHeldShardIsRewritten"), says: `.*Error:.*`,
		},
		{
			breaks: "no record below a checkpoint is without outcome",
			file:   "consumer/watermark/watermark.go", old: "	return w.First.before\n", new: "	return w.Last\n",
			by: daemons, says: `is stored at .* but record .* was not published`,
		},
		{
			breaks: "a shard ends when all of it is resolved",
			file:   "consumer/shard.go", old: "		err := s.drained()\n", new: "		var err error\n",
			by: daemons, says: `is stored at .*SHARD_END.* was not published|record .* was never published`,
		},
		{
			breaks: "a shard is handed over when it is drained",
			file:   "consumer/shard.go",
			old:    "	err := s.quiet(ctx)\n	if err == nil {\n		s.progress.offer(true)\n",
			new:    "	err := ctx.Err()\n	if err == nil {\n		s.progress.offer(true)\n",
			by:     only("consumer", "TestHandoffRepeatsNothing"), says: `.*Error:.*`,
		},
		{
			breaks: "a release carries the last offer",
			file:   "checkpoint/writes.go",
			old:    "		e.Progress(c.offer, c.number, c.replaces)\n		e.Remove(table.AttrOwner)\n",
			new:    "		e.Context(c.offer)\n		e.Remove(table.AttrOwner)\n",
			by:     daemons, says: `publishes record .* again, for which .* had the answer before it let go`,
		},
		{
			breaks: "what an owner resolved above the checkpoint is kept",
			file:   "consumer/progress.go", old: "DecodeRanges(settled)", new: "DecodeRanges(settled[:0])",
			by: only("consumer", "TestStopRemembersWhatWasPublishedAbove"), says: `.*Error:.*`,
		},
		{
			breaks: "the order of a key",
			file:   "consumer/lanes/lanes.go", old: "		if ln.topic == topic {",
			new: "		if ln.topic == topic && false {",
			by:  daemons, says: `of key .* was published after record .*`,
		},
		{
			breaks: "a repetition carries the first alert_id",
			file:   "alert/id.go", old: "	if generation > 0 {",
			new: "	for k := range map[string]bool{\"a\": true, \"b\": true} {\n		fields = append(fields, " +
				"k)\n		break\n	}\n	if generation > 0 {",
			by: daemons, says: `was published as .* and again as .*`,
		},
		{
			breaks: "the FIFO deduplication id is the alert id",
			file:   "alert/sns/message.go", old: "token(a.Record.PartitionKey), token(a.ID)",
			new: "token(a.Record.PartitionKey), token(m.Body)",
			by:  only("alert/dispatch", "Test.*FIFO.*"), says: `.*Error:.*`,
		},
		{
			breaks: "a misconfigured topic holds its alerts",
			file:   "alert/sns/errors.go", old: "		return delivery.Hold.Because(dispatch.ReasonMissing), true\n",
			new: "		return delivery.Reject.Because(dispatch.ReasonMissing), true\n",
			by:  only("alert/dispatch", "TestConfigurationFaultHoldsAndEndsByItself"), says: `.*Error:.*`,
		},
		{
			breaks: "everything is published soon after the last fault",
			file:   "alert/delivery/backoff.go", old: "	LongestBackoff = 5 * time.Second\n",
			new: "	LongestBackoff = time.Hour\n",
			by:  only("alert/delivery", "TestBackoffGrowsAndIsBounded"), says: `.*Error:.*`,
		},
		{
			breaks: "reading goes on after any error of Kinesis",
			file:   "consumer/read/polling.go",
			old: "		if ctx.Err() != nil {\n			return Page{}, " +
				"context.Cause(ctx)\n		}\n		r.failed(err)\n	}\n}",
			new: "		r.failed(err)\n		<-ctx.Done()\n		return Page{}, context.Cause(ctx)\n	}\n}",
			by:  daemons, says: `record .* (was never|was not) published`,
		},
		{
			breaks: "the process never exits because AWS is unwell",
			file:   "checkpoint/store.go", old: "s.opener.open(ctx, s.cfg.FailFast)", new: "s.opener.tryOpen(ctx)",
			by: daemons, says: `its end by itself.*`,
		},
		{
			breaks: "credits are never exceeded",
			file:   "consumer/read/credits.go", old: "	case missing <= b.total-b.used:\n",
			new: "	case missing <= b.total:\n",
			by:  only("consumer/read", "TestManyReadersMeetLargePages"), says: `.*Error:.*`,
		},
		{
			breaks: "a stopped worker asks AWS for nothing more",
			file:   "checkpoint/store.go", old: "func() error { return part(ctx) })",
			new: "func() error {\n				go func() { _ = part(context.WithoutCancel(ctx)) " +
				"}()\n				<-ctx.Done()\n				return nil\n			})",
			by: daemons, says: `.* after it had stopped`,
		},
		{
			breaks: "a stop keeps to its budget",
			file:   "internal/daemon/stop.go", old: "budget*time.Duration(s.share)/100",
			new: "budget*time.Duration(s.share)/10",
			by:  only("internal/daemon", "TestStopAbandonsAStepThatOverruns"), says: `.*Error:.*`,
		},
		{
			breaks: "what rules remember is that of a run without restart",
			file:   "consumer/memory.go", old: "\tdefault:\n\t\terr = m.eval.Restore(snap.State)\n",
			new: "\tdefault:\n\t\terr = nil\n",
			by:  only("internal/system", "TestAlertsAreThoseOfARunWithoutRestart"), says: `.*Error:.*`,
		},
		{
			breaks: "a crash in the first minute of a shard forgets nothing",
			file:   "consumer/memory.go", old: "	m.saveFirst()\n", new: "",
			by: only("consumer", "TestRestartRightAfterTheStart"), says: `not within 30s: 40`,
		},
		{
			breaks: "a state never includes what is not resolved",
			file:   "consumer/memory.go", old: "	if !m.opened || m.midPage || !m.keepsState() {",
			new: "	if !m.opened || !m.keepsState() {",
			by:  only("consumer", "Test.*(State|Torn|Remembers).*"), says: `.*Error:.*`,
		},
		{
			breaks: "no stretch reaches over an alert that time has made",
			file:   "consumer/watermark/watermark.go", old: "if e.Timed || len(out)", new: "if len(out)",
			by: killer{"consumer/watermark", "TestWatermark.*", 100}, says: `.*Error.*|.*failed.*`,
		},
		{
			breaks: "ticks only bring forward",
			file:   "alert/evaluator.go", old: "	e.others.advance(e.clock.now())\n", new: "",
			by: killer{"alert", "TestTicksOnlyBringForward", 100}, says: `.*Error:.*|.*failed.*`,
		},
		{
			breaks: "a snapshot keeps the order in which keys are forgotten",
			file:   "alert/state_read.go", old: "cmp.Compare(a.rank, b.rank)",
			new: "cmp.Compare(a.entry.key, b.entry.key)",
			by:  killer{"alert", "TestRestartGivesTheSameAlerts", 100}, says: `.*Error:.*|.*failed.*`,
		},
		{
			breaks: "who was told that a key fires is told that it is resolved",
			file:   "alert/lifecycle.go", old: "	if t != nil && en.notified {\n",
			new: "	if t != nil && en.notified && l.mute(r, en, t, false) == nil {\n",
			by:  only("alert", "TestResolveIsToldWhateverMutes"), says: `.*Error:.*`,
		},
		{
			breaks: "a restart changes no score",
			file:   "alert/state_write.go", old: "	for _, m := range x.m.scores {\n		body",
			new: "	for _, m := range x.m.scores[:0] {\n		body",
			by:  only("alert", "TestScoresSurviveARestart"), says: `.*Error:.*`,
		},
		{
			breaks: "children take over the keys that fall to them, and no others",
			file:   "alert/state_inherit.go", old: "r.key != nil || owns(en.key)", new: "true || owns(en.key)",
			by: only("alert", "TestChildrenInheritTheirKeys"), says: `.*Error:.*`,
		},
		{
			breaks: "all workers together keep to a topic's rate",
			file:   "alert/dispatch/rate.go", old: "	n, wait := r.limiter.room(now, r.share(now))\n",
			new: "	n, wait := r.limiter.room(now, share{quota: r.limiter.allowance.most})\n",
			by:  only("alert/dispatch", "TestStormOfManyWorkers"), says: `.*Error:.*|.*messages within.*`,
		},
		{
			breaks: "the alerts of one key are gathered in a storm, too",
			file:   "alert/dispatch/schedule.go", old: "s.pressed = room == 0 && ", new: "s.pressed = false && ",
			by: only("internal/system", "TestStormOfFewKeys"), says: `.*Error:.*`,
		},
		{
			breaks: "a missing field is no match and no error",
			file:   "alert/condition/value.go",
			old:    "	case a.Kind == Absent || b.Kind == Absent:\n		return UndefinedMissing\n",
			new:    "	case a.Kind == Absent || b.Kind == Absent:\n		return Yes\n",
			by:     only("alert/condition", "TestConditionTraps"), says: `.*Error:.*`,
		},
		{
			breaks: "the scanner takes nothing that the strict decoder refuses",
			file:   "alert/condition/json_scan.go",
			old:    "		if !s.names.add(&known, data, i+1, end-1) {\n			return -1\n		}\n",
			new:    "",
			by:     killer{"alert/condition", "FuzzScan|TestScan.*", 100}, says: `.*Error.*|.*failed.*`,
		},
		{
			breaks: "the lag is the age of the oldest record that waits",
			file:   "consumer/read/lag.go", old: "		return max(0, now.Sub(oldest))\n",
			new: "		return behind\n",
			by:  only("consumer/read", "TestLag"), says: `.*Error:.*`,
		},
	}
}
