//go:build mutation

package system_test

// envelopeMutations break how records are taken out of what stands around them, and how joined ones are split.
func envelopeMutations() []mutation {
	only := func(pkg, test string) killer { return killer{pkg: "alert/decode" + pkg, test: test} }
	const failed, dir = `.*Error:.*`, "alert/decode/"
	return []mutation{
		{
			breaks: "a message of the service itself is no record",
			file:   dir + "decoder.go", old: "			p.blank = true\n			return d.add(p)\n		}\n	case s.split", new: "		}\n	case s.split",
			by: only("", "TestEnvelopes"), says: failed,
		},
		{
			breaks: "an envelope of nothing holds nothing",
			file:   dir + "envelope/single.go", old: "			return dst, false, nil\n", new: "			return nil, false, nil\n",
			by: only("/envelope", "TestUnwrap"), says: failed,
		},
		{
			breaks: "a number of DynamoDB is one in JSON",
			file:   dir + "envelope/dynamodb.go", old: "if !scan.IsNumber(digits) {", new: "if len(digits) > 99 {",
			by: only("/envelope", "TestUnwrap"), says: failed,
		},
		{
			breaks: "an attribute has one type",
			file:   dir + "envelope/dynamodb.go", old: "c.src[end] != '}' {", new: "c.src[end] == 0 {",
			by: only("/envelope", "TestUnwrap"), says: failed,
		},
		{
			breaks: "the unit of a creation time is known",
			file:   dir + "envelope/dynamodb.go", old: "return shift(dst, number, -3)", new: "return shift(dst, number, 0)",
			by: only("/envelope", "TestUnwrap"), says: failed,
		},
		{
			breaks: "a flattened row is no message of Debezium",
			file:   dir + "envelope/single.go", old: "events != nil && collections != nil && ",
			new: "(events != nil || collections != nil || time != nil) && ",
			by:  only("/envelope", "TestUnwrap"), says: failed,
		},
		{
			breaks: "behind broken JSON the rest is a broken piece",
			file:   dir + "split/split.go", old: "return emit(data[i:end], broken(defect, next, len(data)))", new: "return next < 0",
			by: only("/split", "TestConcatenated"), says: failed,
		},
		{
			breaks: "a path that leads to no array is a fault",
			file:   dir + "split/array.go", old: "if s.whole == nil && i >= 0 && !s.some {", new: "if s.whole == nil && i < -1 {",
			by: only("/split", "TestArray"), says: failed,
		},
		{
			breaks: "a newline in the quotes of CSV splits nothing",
			file:   dir + "split/split.go", old: `if columns != "" {`, new: `if columns == "none" {`,
			by: only("/split", "TestLines"), says: failed,
		},
		{
			breaks: "a bare quote inside a column opens nothing",
			file:   dir + "split/split.go", old: `case data[i] == '"' && begins:`, new: `case data[i] == '"' && (begins || i > 0):`,
			by: only("/split", "TestLines"), says: failed,
		},
		{
			breaks: "a text that is no strict JSON stays a text",
			file:   dir + "rewrite/rewrite.go", old: " || !jsontext.Value(text).IsValid() {", new: " {",
			by: only("/rewrite", "TestPaths"), says: failed,
		},
		{
			breaks: "what breaks is left as it is, to the byte",
			file:   dir + "rewrite/rewrite.go", old: "	if !ok || scan.Space(src, end) < len(src) {\n", new: "	if !ok && end < 0 {\n",
			by: only("/rewrite", "TestPaths"), says: failed,
		},
		{
			breaks: "only whole words are no numbers",
			file:   dir + "rewrite/tolerate.go", old: " || i > 0 && !delimits(src[i-1])", new: "",
			by: only("/rewrite", "TestTolerances"), says: failed,
		},
		{
			breaks: "the last of a name counts, at every depth",
			file:   dir + "rewrite/tolerate.go", old: "	for i := len(c.names) - 1; i >= o.first; i-- {", new: "	for i := len(c.names) - 1; i >= 0; i-- {",
			by: only("/rewrite", "TestTolerances"), says: failed,
		},
		{
			breaks: "names are compared in bounded memory",
			file:   dir + "rewrite/tolerate.go", old: "len(c.names) >= maxNames || ", new: "",
			by: only("/rewrite", "TestTolerancesAreBounded"), says: failed,
		},
	}
}
