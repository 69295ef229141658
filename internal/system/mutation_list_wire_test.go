//go:build mutation

package system_test

// wireMutations are about what is read fast: answers of Kinesis, and records with many members.
func wireMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "a name that occurs twice is found in a large object, too",
			file:   "alert/condition/json_scan_names.go",
			old:    "data != nil && n.all[*slot-1].is(", new: "data != nil && len(table) == 0 && n.all[*slot-1].is(",
			by: only("alert/condition", "TestScanKnowsEveryName"), says: `.*Error:.*`,
		},
		{
			breaks: "a table of names has those that came before it",
			file:   "alert/condition/json_scan_names.go",
			old:    "range n.all[o.first:] {\n		if !n.place(", new: "range n.all[:0] {\n		if !n.place(",
			by: only("alert/condition", "TestScanKnowsEveryName"), says: `.*Error:.*`,
		},
		{
			breaks: "names whose hashes are equal cost no more than others",
			file:   "alert/condition/json_scan_names.go",
			old:    "range uint64(namesProbed) {", new: "range uint64(len(table)) {",
			by: only("alert/condition", "TestEqualHashesStayLinear"), says: `.*Error:.*`,
		},
		{
			breaks: "one huge record does not take memory for names for ever",
			file:   "alert/condition/json_scan_names.go",
			old:    "cap(n.all) > keptNames", new: "cap(n.all) < 0",
			by: only("alert/condition", "TestScanAllocatesNothing"), says: `.*Error:.*`,
		},
		{
			breaks: "the daemon's own decoder is asked for records",
			file:   "internal/daemon/clients.go", old: "o.Retryer, o.Protocol = once(), protocol",
			new: "o.Retryer, _ = once(), protocol",
			by:  only("internal/daemon", "TestRecordsAreDecodedHere"), says: `.*Error:.*`,
		},
		{
			breaks: "an answer that the SDK decodes is counted",
			file:   "internal/getrecords/protocol.go", old: "	p.handed()\n", new: "",
			by: only("internal/daemon", "TestRecordsAreDecodedHere"), says: `.*Error:.*`,
		},
		{
			breaks: "no compressed answer is asked for",
			file:   "internal/daemon/clients.go", old: "t.DisableCompression = true",
			new: "t.DisableCompression = false",
			by:  only("internal/daemon", "TestCompressionIsNotAskedFor"), says: `.*Error:.*`,
		},
		{
			breaks: "a member that comes twice is the SDK's to judge",
			file:   "internal/getrecords/page.go", old: "i < 0 || seen&saw != 0 {", new: "i < 0 {",
			by: only("internal/getrecords", "TestAnswerIsThatOfTheSDK"), says: `.*Error:.*`,
		},
		{
			breaks: "what follows an answer is the SDK's to judge",
			file:   "internal/getrecords/page.go", old: "i >= 0 && g.space(i) == len(p)", new: "i >= 0",
			by: only("internal/getrecords", "TestAnswerIsThatOfTheSDK"), says: `.*Error:.*`,
		},
		{
			breaks: "a member that is null does not send an answer to the SDK",
			file:   "internal/getrecords/page.go", old: "if p[at] == 'n' {", new: "if false {",
			by: only("internal/getrecords", "TestAnswerIsThatOfTheSDK"), says: `.*Error:.*`,
		},
		{
			breaks: "a wrong character of base64 is found",
			file:   "internal/getrecords/base64.go", old: "if seen&none != 0 {", new: "if false {",
			by: only("internal/getrecords", "TestPayloadsAreThoseOfTheSDK"), says: `.*Error:.*`,
		},
		{
			breaks: "times are cut to milliseconds as the SDK does it",
			file:   "internal/getrecords/page.go", old: "return int64(f * 1e3), i", new: "return int64(f*1e3 + 0.5), i",
			by: only("internal/getrecords", "TestTimesAreThoseOfTheSDK"), says: `.*Error:.*`,
		},
		{
			breaks: "records are not in a buffer that is used again",
			file:   "internal/getrecords/records.go",
			old: "		case need+slack > cap(shared)-len(shared):\n			to = make([]byte, 0, " +
				"min(piece, left+slack))\n",
			new: "		default:\n			to = g.p[data.start:data.start]\n",
			by:  only("internal/getrecords", "TestNothingIsUsedAgain"), says: `.*have changed.*`,
		},
		{
			breaks: "a record that is kept keeps no page",
			file:   "internal/getrecords/records.go", old: "piece = 256 << 10", new: "piece = 256 << 20",
			by: only("internal/getrecords", "TestPiecesAreSmall"), says: `.*Error:.*`,
		},
		{
			breaks: "a large record that is kept keeps nothing but itself",
			file:   "internal/getrecords/records.go", old: "own = 32 << 10", new: "own = 32 << 20",
			by: only("internal/getrecords", "TestPiecesAreSmall"), says: `.*Error:.*`,
		},
		{
			breaks: "an alert has a copy of its record",
			file:   "alert/record.go", old: "r.Borrowed || r.Inner || len(r.Data) < ownBytes",
			new: "r.Borrowed || r.Inner",
			by:  only("alert", "TestKept.*|TestPageMay.*"), says: `.*Error:.*`,
		},
		{
			breaks: "what rules remember has copies of a record's texts",
			file:   "alert/lifecycle.go", old: "strings.Clone(rec.SequenceNumber)", new: "rec.SequenceNumber",
			by: only("alert", "TestPageMayBeForgotten"), says: `.*Error:.*`,
		},
	}
}
