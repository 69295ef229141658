//go:build mutation

package system_test

// lettersMutations are the ways to lose or repeat what a dead letter holds.
func lettersMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "a letter is removed only after acceptance",
			file:   "internal/letters/redrive.go", old: "			out.Kept = err.Error()\n			return out, true\n		}\n	}\n",
			new: "			out.Kept = err.Error()\n		}\n	}\n",
			by:  only("internal/letters", "TestOnlyWhatWasAcceptedIsRemoved|TestHeldTopicKeepsItsLetters"), says: `.*Error:.*`,
		},
		{
			breaks: "a letter of an alert holds what it says",
			file:   "consumer/lanes/publish.go", old: ", Message: rendered(a)", new: "",
			by: only("internal/system", "TestLettersComeBack"), says: `.*Error:.*`,
		},
		{
			breaks: "the letters in hand are visible again while a FIFO topic still drops repeats",
			file:   "internal/letters/queue.go", old: "invisible = time.Minute", new: "invisible = 10 * time.Minute",
			by: only("internal/letters", "TestSimRedriveIsKilledAndRepeated"), says: `.*Error:.*`,
		},
		{
			breaks: "a redrive keeps the topic's rate",
			file:   "internal/letters/redrive.go", old: "	case rate >= 1:\n", new: "	case rate >= 1e9:\n",
			by: only("internal/letters", "TestRedriveKeepsTheRate"), says: `.*Error:.*`,
		},
		{
			breaks: "a rule that remembers does not judge one record",
			file:   "internal/letters/judge.go", old: "		case slices.Contains(j.remembering, a.Rule):\n", new: "",
			by: only("internal/letters", "TestRecordsAreJudged"), says: `.*Error:.*`,
		},
	}
}
