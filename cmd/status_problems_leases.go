package cmd

// progressProblems looks at progress of shards of this process that the lease table cannot hold.
func progressProblems(st *Status, add addProblem) {
	var shards []string
	why := ""
	for i := range st.Shards {
		if r := st.Shards[i].Reading; r != nil && r.Unstorable != "" {
			shards, why = append(shards, st.Shards[i].ID), r.Unstorable
		}
	}
	if len(shards) > 0 {
		add(LevelCritical, "offer_unstorable", "look at the checkpoint with kinesis-alerter leases list; kinesis-alerter leases rewind SHARD --to TIME replaces it",
			"the progress of %s cannot be stored, a restart repeats its alerts: %s%s", number(len(shards), "shard"), why, first(shards))
	}
}
