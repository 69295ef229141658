//go:build mutation

package system_test

// columnsMutations break how texts with columns are read.
func columnsMutations() []mutation {
	only := func(test string) killer { return killer{pkg: "alert/decode/columns", test: test} }
	const failed, dir = `.*Error:.*`, "alert/decode/columns/"
	return []mutation{
		{
			breaks: "leading zeros stay",
			file:   dir + "read.go", old: "whole == 0 || whole > 1 && text[i] == '0'", new: "whole == 0",
			by: only("TestCSV"), says: failed,
		},
		{
			breaks: "what no rule could read as a number is a text",
			file:   dir + "read.go", old: "if !exponent && whole < 300 {", new: "if exponent || whole < 300 {",
			by: only("TestCSV"), says: failed,
		},
		{
			breaks: "columns that stay texts do",
			file:   dir + "reader.go", old: "!r.stays[i] && isNumber", new: "isNumber",
			by: only("TestCSV"), says: failed,
		},
		{
			breaks: "fields that no column has are a fault",
			file:   dir + "read.go", old: "case n > names.Len():", new: "case n > names.Len()+100:",
			by: only("TestCSV"), says: failed,
		},
		{
			breaks: "a line torn from another is a fault",
			file:   dir + "read.go", old: "case len(rest) > 0 && !bytes.HasPrefix(rest, r.separator):",
			new: "case false:",
			by:  only("TestCSV"), says: `.*Error:.*|.*panic.*`,
		},
		{
			breaks: "names that occur twice in logfmt have no value",
			file:   dir + "reader.go", old: "case !r.LastOfName:", new: "case false:",
			by: only("TestLogfmt"), says: failed,
		},
		{
			breaks: "a broken line of logfmt costs itself",
			file:   dir + "read.go", old: "r.logfmt = nil // it does not go beyond an error", new: "",
			by: only("TestLogfmt"), says: failed,
		},
		{
			breaks: "prose is no logfmt",
			file:   dir + "read.go", old: "if bytes.IndexByte(text, '=') < 0 {", new: "if false {",
			by: only("TestLogfmt"), says: failed,
		},
		{
			breaks: "columns win over members of their name",
			file:   dir + "reader.go", old: "i != place && !taken[base.At(i)]", new: "i != place",
			by: only("TestFrom"), says: failed,
		},
		{
			breaks: "records of one shape share their names",
			file:   dir + "reader.go", old: "	r.joined[key] = j\n", new: "",
			by: only("TestFromRow"), says: failed,
		},
		{
			breaks: "shapes are forgotten",
			file:   dir + "reader.go", old: "if len(r.shapes) >= maxShapes {", new: "if false {",
			by: only("TestShapesAreForgotten"), says: failed,
		},
		{
			breaks: "a line as an agent puts it is a flow log too",
			file:   "alert/decode/plan.go", old: "last.bare, s.bare = true, true", new: "",
			by: killer{pkg: "alert/decode", test: "TestFlowLogs"}, says: failed,
		},
	}
}
