//go:build mutation

package system_test

// inheritMutations are the ways to lose what rules remember in a reshard, or to say it twice.
func inheritMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	follow := only("internal/system", "TestOneSplitFollowsTheRecords")
	reshard := killer{"alert", "TestReshardSaysWhatOneShardWould", 600}
	return []mutation{
		{
			breaks: "every child inherits every key",
			file:   "consumer/memory.go", old: "	heir.Parents, heir.Siblings = m.lease.Family()\n",
			new: "	heir.Parents, _ = m.lease.Family()\n",
			by:  follow, says: `.*said too often.*|.*never said.*|.*Error:.*`,
		},
		{
			breaks: "what is due waits for what the others have heard",
			file:   "alert/siblings.go", old: "	if !covered {\n", new: "	if !covered && false {\n",
			by: reshard, says: `.*Error:.*`,
		},
		{
			breaks: "one child speaks for a key of which none hears",
			file:   "alert/siblings.go",
			old:    "	rel.life.out.silent, rel.life.out.unsure = k.silent, strings.Join(unsure, \", \")\n",
			new:    "	rel.life.out.silent, rel.life.out.unsure = false, strings.Join(unsure, \", \")\n",
			by:     reshard, says: `.*Error:.*`,
		},
		{
			breaks: "a claim outlives the memory of the key",
			file:   "alert/siblings.go",
			old: "			m.claim(r, en.key, en.provisional.family.others, max(now, " +
				"en.provisional.partedAt+1))\n", new: "",
			by: reshard, says: `.*Error:.*`,
		},
		{
			breaks: "a claim is of its generation",
			file:   "alert/siblings.go", old: "	if at <= en.provisional.partedAt {\n", new: "	if at == 0 {\n",
			by: reshard, says: `.*Error:.*`,
		},
		{
			breaks: "a shard that has ended is replaced by its children",
			file:   "alert/siblings.go",
			old:    "		f.others = without(union(f.others, x.heirs), x.shard, e.shard)\n",
			new:    "		f.others = without(f.others, x.shard)\n",
			by:     reshard, says: `.*Error:.*`,
		},
		{
			breaks: "after five minutes it is decided without the other memory",
			file:   "consumer/kin.go", old: "	kinLimit = 5 * time.Minute\n",
			new: "	kinLimit = 500 * time.Minute\n",
			by:  only("internal/system", "TestInheritedKeysAreDecidedWithoutAMissingMemory"), says: `.*Error:.*`,
		},
		{
			breaks: "an alert that is not certain says so",
			file:   "alert/message.go", old: "	if data.Unsure != \"\" && !says.Unsure {\n",
			new: "	if data.Unsure != \"\" && !says.Unsure && false {\n",
			by:  only("alert", "TestUnsureIsSaid"), says: `.*Error:.*`,
		},
		{
			breaks: "a version that does not know copies speaks for none",
			file:   "alert/state_write.go", old: "		if en.provisional == nil || !en.provisional.silent {\n",
			new: "		if true {\n",
			by:  only("alert", "TestOlderVersionsKeepWhatTheyDoNotKnow"), says: `.*Error:.*`,
		},
		{
			breaks: "of two children one inherits a key that was placed outside the parent's range",
			file:   "checkpoint/kin.go", old: "(keys.Holds(hash) || keys.Below(own))", new: "true",
			by: only("checkpoint", "TestRangesAreWhereTheServicePutsARecord"), says: `.*Error:.*`,
		},
		{
			breaks: "a shard saves when the others wait for it",
			file:   "consumer/intake.go", old: "	in.memory.saveForKin(now)\n", new: "",
			by: only("internal/system", "TestInheritedKeysAreSettledSoon"), says: `.*Error:.*`,
		},
	}
}
