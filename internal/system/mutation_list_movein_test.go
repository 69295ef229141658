//go:build mutation

package system_test

// moveinMutations make what takes over mappings and pipes guess, or keep silent.
func moveinMutations() []mutation {
	several := killer{pkg: "internal/cli", test: "TestExplainLambdaOfSeveral"}
	hostile := killer{pkg: "internal/takeover", test: "TestHostileFiles"}
	return []mutation{
		{
			breaks: "a rewind that goes forward says what it skips",
			file:   "checkpoint/admin/change.go",
			old:    "return c.Before.CaughtUp, c.Before.CaughtUp.Before(to.Time)",
			new:    "return c.Before.CaughtUp, false",
			by:     killer{pkg: "internal/cli", test: "TestLeasesRewindSaysWhatItSkips"}, says: `SKIPPED`,
		},
		{
			breaks: "sources that are not Kinesis are named",
			file:   "internal/takeover/mapping.go", old: "	for _, p := range aside {\n",
			new: "	for _, p := range aside[:0] {\n",
			by:  several, says: `left out`,
		},
		{
			breaks: "a number that is not in the file has a placeholder that check refuses",
			file:   "internal/takeover/configuration.go",
			old:    "	open(\"processing.max_retry_attempts\", \"MaximumRetryAttempts\")\n", new: "",
			by: several, says: `MaximumRetryAttempts`,
		},
		{
			breaks: "configurations of one file never share a lease table",
			file:   "internal/takeover/configuration.go",
			old:    "application = \"kinesis-alerter-\" + safe(w.found.called)",
			new:    "application = \"kinesis-alerter-\" + w.rule()",
			by:     several, says: `application`,
		},
		{
			breaks: "aliases of aliases cost little",
			file:   "internal/takeover/tree.go", old: "	case r.nodes > maxNodes:\n",
			new: "	case r.nodes > 10*maxNodes:\n",
			by:  hostile, says: `is more than 200000 values`,
		},
		{
			breaks: "a key that occurs twice is refused",
			file:   "internal/takeover/tree.go", old: "if _, twice := object[name]; twice {",
			new: "if _, twice := object[name]; twice && depth > maxDepth {",
			by:  hostile, says: `a second time`,
		},
	}
}
