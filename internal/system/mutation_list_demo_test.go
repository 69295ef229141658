//go:build mutation

package system_test

// demoMutations make the demo say that nothing is lost, whatever is.
func demoMutations() []mutation {
	only := func(test string) killer { return killer{pkg: "internal/demo", test: test} }
	return []mutation{
		{
			breaks: "a lost alert ends the demo with a fault",
			file:   "internal/demo/ledger.go", old: "	case len(c.lost) > 0:\n", new: "	case len(c.lost) > 1000:\n",
			by: only("TestStoryWithALostAlert"), says: `An error is expected`,
		},
		{
			breaks: "an alert that no record calls for ends the demo with a fault",
			file:   "internal/demo/ledger.go", old: "	case c.unknown > 0:\n", new: "	case c.unknown > 1000:\n",
			by: only("TestLedger"), says: `An error is expected`,
		},
		{
			breaks: "the killed worker hands nothing over",
			file:   "internal/demo/story.go", old: "	if err := victim.kill(); err != nil {\n",
			new: "	if err := victim.stop(); err != nil {\n",
			by:  only("TestStory"), says: `has taken its shards over`,
		},
		{
			breaks: "a chapter that does not fit into --for is left out, and named",
			file:   "internal/demo/story.go", old: "bounded && i > 0 && time.Until(end) < c.takes",
			new: "bounded && i > 0 && time.Until(end) < 0",
			by:  only("TestStoryThatIsCutShort"), says: `should not contain "\\n2 "`,
		},
	}
}
