//go:build mutation

package system_test

// cloudwatchMutations read events of CloudWatch Logs, and other records without a JSON text, as what they are not.
func cloudwatchMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: pkg, test: test} }
	return []mutation{
		{
			breaks: "filters, scores and outputs see the text of a row",
			file:   "alert/config.go", old: "out.readsRows = out.every == nil && out.filter == nil &&",
			new: "out.readsRows = out.every == nil &&",
			by:  only("alert", "TestARowIsWhatItsTextIs"), says: `.*Error:.*`,
		},
		{
			breaks: "an alert keeps no memory that is used again",
			file:   "alert/record.go", old: "case r.Borrowed || r.Inner || len(r.Data) < ownBytes:", new: "case false:",
			by: only("alert", "TestBorrowedMemoryIsCopied"), says: `.*Error:.*`,
		},
		{
			breaks: "a number out of range below json is no number",
			file:   "alert/condition/row.go", old: "return true, d.member(node, cell.Raw, slots)",
			new: "_ = d.member(node, cell.Raw, slots)\n\treturn true, \"\"",
			by:  only("alert/condition", "FuzzRow"), says: `.*Error:.*`,
		},
		{
			breaks: "json is there only if the message is one strict object",
			file:   "alert/condition/row.go", old: "if cell.Kind == payload.Object && !payload.IsObject(cell.Raw) {",
			new: "if cell.Kind == payload.Object && !payload.MayBeObject(cell.Raw) {",
			by:  only("alert/condition", "FuzzRow"), says: `.*Error:.*`,
		},
		{
			breaks: "rows of another shape have other cells",
			file:   "alert/condition/row.go", old: "if d.rows.names != row.Names {", new: "if d.rows.names == nil {",
			by: only("alert/condition", "TestRowsOfOtherShapes"), says: `.*(Error:|panic).*`,
		},
		{
			breaks: "a control message holds no events",
			file:   "alert/decode/envelope/batch.go", old: "if fault != nil || b.Control {", new: "if fault != nil {",
			by: only("alert/decode/envelope", "TestBatchControl"), says: `.*Error:.*`,
		},
		{
			breaks: "an extracted field that occurs twice is found",
			file:   "alert/decode/envelope/batch_short.go", old: "if bytes.Equal(known, name) {", new: "if bytes.Equal(known, name) && n < 0 {",
			by: only("alert/decode/envelope", "FuzzBatch"), says: `.*Error:.*`,
		},
		{
			breaks: "half of a surrogate pair is no character",
			file:   "alert/decode/envelope/batch_short.go", old: "if !utf16.IsSurrogate(r) {", new: "if true {",
			by: only("alert/decode/envelope", "TestBatch"), says: `.*Error:.*`,
		},
		{
			breaks: "messages are UTF-8",
			file:   "alert/decode/envelope/batch_short.go", old: "if wide && !utf8.Valid(to[began:n]) {",
			new: "if wide && !utf8.Valid(to[began:n]) && n < began {",
			by:  only("alert/decode/envelope", "FuzzBatch"), says: `.*Error:.*`,
		},
		{
			breaks: "the events that are kept are bounded",
			file:   "alert/decode/envelope/batch_short.go", old: "if len(b.events) >= pieces {",
			new: "if len(b.events) > 1<<20 {",
			by:  only("alert/decode/envelope", "TestBatchBounds"), says: `.*Error:.*`,
		},
		{
			breaks: "a broken event keeps its place",
			file:   "alert/decode/envelope/batch_strict.go", old: "if raw[0] != '{' {", new: "if raw[0] == 0 {",
			by: only("alert/decode/envelope", "TestBatch"), says: `.*(Error:|panic).*`,
		},
		{
			breaks: "a record keeps its position behind a visit that gave the memory back",
			file:   "alert/decode/decoder.go", old: "u.SubSequence = uint32(i)",
			new: "u.SubSequence = uint32(i) & 1023",
			by:  only("alert/decode", "TestLargeCloudWatchRecord"), says: `.*Error:.*`,
		},
		{
			breaks: "a blank record is no mistake",
			file:   "alert/record.go", old: "return !r.Inner && r.Row == nil && payload.IsBlank(r.Data)",
			new: "return r.Inner && r.Row == nil && payload.IsBlank(r.Data)",
			by:  only("alert", "TestBlankRecords"), says: `.*Error:.*`,
		},
	}
}
