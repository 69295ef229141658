//go:build mutation

package system_test

// cliMutations are the ways to misread a command line.
func cliMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "a long flag with one dash is not the short one and its value",
			file:   "internal/cli/tree.go", old: "near := config.Nearest(name, flagNames(c)); near != \"\"",
			new: "near := config.Nearest(name, flagNames(c)); near == \"-\"",
			by:  only("internal/cli", "TestWrongUsage"), says: `.*Not equal.*`,
		},
		{
			breaks: "a value may begin with a dash",
			file:   "internal/cli/tree.go", old: "			i++ // a value may begin with a dash\n", new: "",
			by: only("internal/cli", "TestValuesWithADash"), says: `.*Not equal.*`,
		},
		{
			breaks: "an empty --config looks for no other file",
			file:   "internal/cli/source.go", old: "if *file = name; name == \"\" {",
			new: "if *file = name; name == \"-\" {",
			by:  only("internal/cli", "TestBacktestUsage"), says: `.*Error:.*`,
		},
		{
			breaks: "a suffix that two shards have names neither",
			file:   "internal/position/shards.go", old: "	switch len(found) {",
			new: "	switch min(len(found), 1) {",
			by:  only("internal/position", "TestFindShard"), says: `.*Error:.*`,
		},
		{
			breaks: "colours let no text steer the terminal",
			file:   "internal/cli/terminal.go", old: "	if text = plain.Text(text); s.colour {",
			new: "	if s.colour {",
			by:  only("internal/cli", "TestTablesFitTheTerminal"), says: `.*Error:.*`,
		},
		{
			breaks: "a pipe gets whole ids",
			file:   "internal/cli/terminal.go", old: "s.width > 0 && total > s.width", new: "total > max(s.width, 20)",
			by: only("internal/cli", "TestTablesFitTheTerminal"), says: `.*Error:.*`,
		},
		{
			breaks: "a dead worker drains nothing", file: "internal/cli/leases_pause.go",
			old: "	if len(dead) > 0 {", new: "	if len(dead) > len(dead) {",
			by: only("internal/cli", "TestLeasesPauseOfADeadWorkerIsNoDrain"), says: `.*Error:.*`,
		},
		{
			breaks: "a command that waits for AWS in vain says so", file: "internal/rehearse/stream.go",
			old: "	if s.troubled = err != nil; s.Trouble != nil {",
			new: "	if s.troubled = err != nil; s.Trouble == nil {",
			by:  only("internal/cli", "TestCommandsSayThatTheyTryInVain"), says: `.*`,
		},
	}
}
