//go:build mutation

package system_test

// lettersMutations are the ways to lose or repeat what a dead letter holds.
func lettersMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "a letter is removed only after acceptance",
			file:   "internal/letters/redrive.go",
			old:    "			out.Kept = err.Error()\n			return out\n		}\n	}\n",
			new:    "			out.Kept = err.Error()\n		}\n	}\n",
			by:     only("internal/letters", "TestOnlyWhatWasAcceptedIsRemoved|TestHeldTopicKeepsItsLetters"),
			says:   `.*Error:.*`,
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
			file:   "internal/letters/redrive.go", old: "int(rate)), time.Second", new: "int(rate)), time.Second/10",
			by: only("internal/letters", "TestRedriveKeepsTheRate"), says: `.*Error:.*`,
		},
		{
			breaks: "a rule that remembers does not judge one record",
			file:   "internal/letters/judge.go", old: "		case slices.Contains(j.remembering, a.Rule):\n", new: "",
			by: only("internal/letters", "TestRecordsAreJudged"), says: `.*Error:.*`,
		},
		{
			breaks: "what is removed from a bucket is what was read",
			file:   "internal/letters/bucket.go", old: `return strings.HasSuffix(o.key, "-"+id)`, new: "return true",
			by:   only("internal/letters", "TestAnswersThatLieLoseNothing"),
			says: `.*neither accepted nor there.*`,
		},
		{
			breaks: "a message without a proper receipt is not taken",
			file:   "internal/answer/letters.go",
			old: "		case ids[*m.MessageId], receipts[*m.ReceiptHandle]:\n			return bad(\"two messages " +
				"have one MessageId or ReceiptHandle\")\n",
			new:  "",
			by:   only("internal/letters", "TestAnswersThatLieLoseNothing"),
			says: `.*neither accepted nor there.*`,
		},
		{
			breaks: "no bound of an answer is below the largest letter",
			file:   "internal/answer/letters.go", old: "MostObject = 32 * mib", new: "MostObject = 4 * mib",
			by: only("internal/letters", "TestLargestLetterComesBack"), says: `.*Error:.*`,
		},
		{
			breaks: "a topic that fails ends a redrive",
			file:   "internal/letters/redrive.go", old: "patience = time.Minute", new: "patience = time.Hour",
			by: only("internal/letters", "TestFailingTopicKeepsItsLetters"), says: `.*Error:.*`,
		},
		{
			breaks: "no command writes to a pipe",
			file:   "internal/config/file.go", old: "	if mode&fs.ModeNamedPipe != 0 {", new: "	if false {",
			by: only("internal/cli", "TestFilesThatCannotBeWritten"), says: `.*Error:.*`,
		},
	}
}
