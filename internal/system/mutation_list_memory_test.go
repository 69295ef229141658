//go:build mutation

package system_test

// memoryMutations are about what rules remember of a stranger's bytes, and in which format it is stored.
func memoryMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "what producers write is hashed under the application's key",
			file:   "alert/agreement.go", old: "siphash.Hash(k0^uint64(v.Kind), k1, text)",
			new: "siphash.Hash(k0*0, k1*0, text)",
			by:  only("alert", "TestHashesAreKeyed"), says: `.*the same under another key.*`,
		},
		{
			breaks: "a digest of a long key is made under the application's key",
			file:   "alert/agreement.go", old: "siphash.Hash128(k0, k1, key)", new: "siphash.Hash128(k0*0, k1*0, key)",
			by: only("alert", "TestHashesAreKeyed"), says: `.*the same under another key.*`,
		},
		{
			breaks: "distinct tells values apart by the keyed hash",
			file:   "alert/window.go", old: "hash := key.distinct(v)", new: "hash := plainHash(v)",
			by: only("alert", "TestDistinctCountsWhatWasMadeToLookAlike"), says: `.*Error:.*`,
		},
		{
			breaks: "a window counts on by the hash of before until what it saw has passed",
			file:   "alert/window.go", old: "n >= s.since+int64(s.size)", new: "n >= s.since",
			by: killer{"alert", "TestUpgradeOfTheFormatChangesNoAlert", 100}, says: `.*Error:.*`,
		},
		{
			breaks: "long keys are shortened",
			file:   "alert/reading.go", old: "		if len(in.keyText) > maxKey && in.agreed.keyed() {\n",
			new: "		if false {\n",
			by:  only("alert", "TestLongKeysAreKeptShort"), says: `.*Error:.*`,
		},
		{
			breaks: "what rules remember is bounded in bytes",
			file:   "alert/eviction.go", old: "	return byBytes, p.bulk.over()\n", new: "	return byBytes, false\n",
			by: only("alert", "TestMemoryIsBoundedInBytes"), says: `.*Error:.*`,
		},
		{
			breaks: "a snapshot is looked through before it takes memory",
			file:   "alert/state_read.go", old: "	if !sound || !total.over() {\n", new: "	if true {\n",
			by: only("alert", "TestHostileSnapshotsTakeNoMemory"), says: `.*Error:.*`,
		},
		{
			breaks: "a later format is written only when every live worker reads it",
			file:   "checkpoint/agreement.go", old: "			least = min(least, p.Reads)\n",
			new: "			_ = p\n",
			by:  only("checkpoint", "TestFormatWaitsForEveryLiveWorker"), says: `.*Error:.*`,
		},
		{
			breaks: "a new application begins with the format that it reads",
			file:   "checkpoint/agreement.go", old: ", f.agreed == 0 && seen <= born:", new: ":",
			by: only("checkpoint", "TestFormatOfAnApplicationThatBeginsWithIt"), says: `.*Error:.*`,
		},
		{
			breaks: "a later format is not written at the first word",
			file:   "checkpoint/agreement.go", old: "now.Sub(f.since) >= formatPatience", new: "now.Sub(f.since) >= 0",
			by: only("checkpoint", "TestFormatWaitsForEveryLiveWorker"), says: `.*not at the first word.*`,
		},
		{
			breaks: "a worker that knows the application's key writes it again",
			file:   "checkpoint/agreement.go", old: "		key = before.Key\n", new: "		_ = before.Key\n",
			by: only("checkpoint", "TestHashKeyIsOneForAnApplication"), says: `.*Error:.*`,
		},
		{
			breaks: "nothing grows with the number of alerts",
			file:   "alert/dispatch/limiter.go",
			old:    "	l.forget(now)\n	l.ended = l.ended[max(0, len(l.ended)-fastestRate):]\n", new: "",
			by:   only("consumer", "TestNothingGrowsWithRecordsOrAlerts"),
			says: `.*something grows with records or alerts.*`,
		},
	}
}
