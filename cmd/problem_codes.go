package cmd

// problemSubjects are the codes of all problems that the status page can show, each with what it is about. A code is stable: it
// is the label of a metric and the name of a section in the runbook.
func problemSubjects() map[string]string {
	return map[string]string{
		"lease_loop_stuck":      "daemon",
		"start_waits":           "daemon",
		"stopping":              "daemon",
		"checkpoint_stuck":      "table",
		"state_awaited":         "table",
		"state_unsaved":         "table",
		"table_failing":         "table",
		"trust_ended":           "table",
		"topic_digesting":       "topic",
		"topic_failing":         "topic",
		"topic_held":            "topic",
		"dead_letters_failing":  "dead_letters",
		"dead_letters_held":     "dead_letters",
		"reads_failing":         "kinesis",
		"shards_free":           "owners",
		"shards_unread":         "owners",
		"worker_silent":         "owners",
		"inherited_unsure":      "shards",
		"keys_held":             "shards",
		"reads_held":            "shards",
		"shards_paused":         "shards",
		"alerts_dead_lettered":  "records",
		"alerts_given_up":       "records",
		"alerts_skipped":        "records",
		"keyless_records":       "records",
		"panics":                "records",
		"records_dead_lettered": "records",
		"records_missed":        "records",
		"state_lost":            "records",
		"lag":                   "lag",
		"reload_refused":        "configuration",
		"restart_needed":        "configuration",
	}
}
