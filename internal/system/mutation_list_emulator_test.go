//go:build mutation

package system_test

// emulatorMutations take from the first hour what a newcomer cannot see for himself.
func emulatorMutations() []mutation {
	by := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "records of one key keep their order",
			file:   "internal/produce/putter.go", old: "		if keys[q.key] {\n",
			new: "		if false && keys[q.key] {\n",
			by:  by("internal/produce", "TestPutKeepsTheOrderOfAKey"), says: `is not greater than`,
		},
		{
			breaks: "a line is put when it is there",
			file:   "internal/produce/putter.go", old: "		case <-pause:\n			return waiting, nil\n",
			new: "		case <-pause:\n",
			by:  by("internal/produce", "TestPutWaitsForNoOtherLine"), says: `"first"`,
		},
		{
			breaks: "a producer outlives an endpoint that does not answer",
			file:   "internal/produce/sender.go", old: "	if !answered(err) {\n		return true\n",
			new: "	if !answered(err) {\n		return false\n",
			by:  by("internal/produce", "TestProducerRidesOverWhatPasses"), says: `Received unexpected error`,
		},
		{
			breaks: "what may be there twice is counted",
			file:   "internal/produce/sender.go", old: "			s.repeated += len(batch)\n",
			new: "			s.repeated += 0\n",
			by:  by("internal/produce", "TestProducerRidesOverWhatPasses"), says: `what may be there twice is counted`,
		},
		{
			breaks: "a message that nobody gets is shown as such",
			file:   "internal/emulator/emulator.go", old: "	if len(m.Receipts) == 0 {\n",
			new: "	if len(m.Receipts) < 0 {\n",
			by:  by("internal/emulator", "TestMessagesThatNobodyGets"), says: `does not contain "nobody `,
		},
		{
			breaks: "the exports of the emulator lead no call to AWS",
			file:   "internal/emulator/introduce.go", old: `"unset AWS_PROFILE AWS_DEFAULT_PROFILE `,
			new: `"unset AWS_DEFAULT_PROFILE `,
			by:  by("internal/emulator", "TestExportsLeadHere"), says: `AWS_PROFILE=production`,
		},
		{
			breaks: "no other site reads the messages, or publishes one",
			file:   "internal/emulator/emulator.go", old: "		case !local(r.Host):\n",
			new: "		case false && !local(r.Host):\n",
			by:  by("internal/emulator", "TestPageLetsNobodyElseIn"), says: `expected: 403`,
		},
		{
			breaks: "the author of an e-mail does nothing to a terminal",
			file:   "internal/screen/frame.go", old: `plain.Text(strings.ReplaceAll(text, "\t", "    "))`,
			new: `strings.ReplaceAll(text+plain.Text(""), "\t", "    ")`,
			by:  by("internal/screen", "TestEmailsObeyNobody"), says: `Should be true`,
		},
	}
}
