//go:build mutation

package system_test

// unpackMutations break what keeps compressed and encoded records within bounds, and strict.
func unpackMutations() []mutation {
	only := func(test string) killer { return killer{pkg: "alert/decode/unpack", test: test} }
	const failed, dir = `.*Error:.*`, "alert/decode/unpack/"
	return []mutation{
		{
			breaks: "a bomb ends at the limit",
			file:   dir + "deflate.go", old: "case f.size() > f.limit:", new: "case f.size() > 1<<40:",
			by: only("TestBombs"), says: failed,
		},
		{
			breaks: "what holds nothing is not read for ever",
			file:   dir + "deflate.go", old: "left -= max(minCost, size); left < 0", new: "left -= size; left < 0",
			by: only("TestMuchOfNothing"), says: failed,
		},
		{
			breaks: "what is behind the last member is not swallowed",
			file:   dir + "deflate.go", old: `if len(bytes.TrimLeft(src[at:], "\x00")) == 0 {`,
			new: `if len(src) > 0 {`,
			by:  only("TestUnpack|TestBroken"), says: failed,
		},
		{
			breaks: "a checksum counts",
			file:   dir + "deflate.go", old: "if binary.LittleEndian.Uint32(src[end:]) != f.crc ||", new: "if",
			by: only("TestBroken"), says: failed,
		},
		{
			breaks: "text that begins like zlib is text",
			file:   dir + "unpack.go", old: "text && auto {", new: "text && !auto {",
			by: only("TestAutoNeverGuesses"), says: failed,
		},
		{
			breaks: "broken zlib is not taken for text",
			file:   dir + "deflate.go", old: "text = utf8.Valid(src)\n			return broken(Zlib, \"checksum",
			new: "text = true\n			return broken(Zlib, \"checksum",
			by:  only("TestBroken"), says: `.*Error:.*|.*panic.*`,
		},
		{
			breaks: "a window is refused by its declaration",
			file:   dir + "zstd.go", old: "if window > maxWindow {", new: "if window > 1<<60 {",
			by: only("TestBroken"), says: `.*Error:.*|.*panic.*`,
		},
		{
			breaks: "the size of frames is known before they are unpacked",
			file:   dir + "zstd.go", old: "if least > limit || left < 0 {", new: "if left < -1<<40 {",
			by: only("TestBombs|TestMuchOfNothing"), says: failed,
		},
		{
			breaks: "half of a surrogate pair is found",
			file:   dir + "encoding.go", old: "both != utf8.RuneError {", new: "both != 0 {",
			by: only("TestBadEncoding"), says: failed,
		},
		{
			breaks: "what the library replaced is found",
			file:   dir + "encoding.go", old: "[]byte(replacement)) > e.meant(src):", new: "[]byte(replacement)) > len(src):",
			by: only("TestBadEncoding"), says: failed,
		},
	}
}
