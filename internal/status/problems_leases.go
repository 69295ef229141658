package status

// rowProblems looks at rows of the lease table that nobody can read. One that was written anew is worth a look for a while:
// somebody wrote to it who should not.
func rowProblems(st *Status, add addProblem) {
	const remedy = "find out who else writes to the lease table; kinesis-alerter leases list names the row"
	for _, r := range st.UnreadableRows {
		if r.Mended {
			add(LevelWarning, "row_unreadable", remedy, "row %s of the lease table could not be read: %s; it was written anew, and alerts may have been repeated", r.Key, r.Cause)
		} else {
			add(LevelCritical, "row_unreadable", remedy, "row %s of the lease table cannot be read: %s", r.Key, r.Cause)
		}
	}
}

// progressProblems looks at progress of shards of this process that the lease table cannot hold.
func progressProblems(st *Status, add addProblem) {
	rowProblems(st, add)
	var shards []string
	why := ""
	for i := range st.Shards {
		if r := st.Shards[i].Reading; r != nil && r.Unstorable != "" {
			shards, why = append(shards, st.Shards[i].ID), r.Unstorable
		}
	}
	if len(shards) > 0 {
		add(LevelCritical, "offer_unstorable", "look at the checkpoint with kinesis-alerter leases list; kinesis-alerter leases rewind SHARD --to TIME replaces it",
			"the progress of %s cannot be stored, a restart repeats its alerts: %s%s", Number(len(shards), "shard"), why, first(shards))
	}
}
