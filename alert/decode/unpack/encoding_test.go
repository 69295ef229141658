package unpack

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/payload"
)

func find(tb testing.TB, name string) *Encoding {
	tb.Helper()
	e, ok := FindEncoding(name)
	require.True(tb, ok, name)
	return e
}

// Text in any encoding becomes UTF-8, within the limit.
func TestDecode(t *testing.T) {
	long := strings.Repeat("0123456789", 1000)
	for _, tc := range []struct{ encoding, src, want string }{
		{"base64", "aGVsbG8/Pz8+", "hello???>"},
		{"base64", "aGVsbG8_Pz8-", "hello???>"},
		{"base64", "aGk=", "hi"},
		{"base64", "aGk", "hi"},
		{"base64", "Pz8_Pg==", "???>"},
		{"base64", "\n aGVs\r\nbG8=\n", "hello"},
		{"base64", "", ""},
		{"base64", base64.StdEncoding.EncodeToString([]byte(long)), long},
		{"utf-16", "\xff\xfe{\x00}\x00", "{}"},
		{"utf-16", "\xfe\xff\x00{\x00}", "{}"},
		{"UTF-16", "\xff\xfe=\xd8\x00\xde", "😀"},
		{"utf-16le", "{\x00\xfd\xff", "{\uFFFD"}, // the replacement character itself is a character
		{"utf-16le", "\xff\xfe{\x00", "{"},
		{"utf-16be", "\x00{\xd8=\xde\x00", "{😀"},
		{"utf-16be", "\xfe\xff\x00{", "{"},
		{"iso-8859-1", "Z\xfcrich \x80", "Zürich \u0080"}, // to the letter: no euro sign
		{"latin1", "\xe9", "é"},
		{"windows-1252", "5 \x80 \x93x\x94", "5 € “x”"},
		{"iso-8859-15", "\xa4", "€"},
		{"Shift_JIS", "\x93\xfa\x96\x7b", "日本"},
		{"gb18030", "\x84\x31\xa4\x37 \xd6\xd0", "\uFFFD 中"},
		{"euc-kr", "\xc7\xd1", "한"},
	} {
		e := find(t, tc.encoding)
		for _, dst := range []string{"", "before"} {
			out, fault := e.Append([]byte(dst), []byte(tc.src), len(tc.want))
			require.Nil(t, fault, "%s: %q", tc.encoding, tc.src)
			require.Equal(t, dst+tc.want, string(out), "%s: %q", tc.encoding, tc.src)
		}
		if tc.want != "" {
			_, fault := e.Append(nil, []byte(tc.src), len(tc.want)-1)
			require.NotNil(t, fault, "%s: %q", tc.encoding, tc.src)
			require.Equal(t, payload.UnpackLimit, fault.Defect)
		}
	}
	out, fault := find(t, "utf-8").Append([]byte("x"), []byte("Zürich \uFFFD"), 0)
	require.Nil(t, fault)
	require.Nil(t, out, "it is as it should be")
}

// What is not in the encoding is found, rather than replaced.
func TestBadEncoding(t *testing.T) {
	for _, tc := range []struct{ encoding, src, want string }{
		{"base64", "aGVs bG8", "base64: no base64 at byte 4 of 8"},
		{"base64", "\n{\"n\":1}", "base64: no base64 at byte 1 of 8"},
		{"base64", "aGVsb", "base64: no base64 at byte 4 of 5"},
		{"base64", "aGk=aGk=", "base64: no base64 at byte 4 of 8"},
		{"base64", "aG-/", "base64: no base64 at byte 3 of 4"},
		{"utf-8", "Z\xfcrich", "utf-8: byte 1 of 6 is no UTF-8"},
		{"utf-8", "\uFFFD\xed\xa0\x80", "utf-8: byte 3 of 6 is no UTF-8"},
		{"utf-16", "{\x00}\x00", "utf-16: no byte order mark at byte 0; it looks like utf-16le"},
		{"utf-16", "\x00{\x00}", "utf-16: no byte order mark at byte 0; it looks like utf-16be"},
		{"utf-16", "{}", "utf-16: no byte order mark at byte 0; without one, say utf-16le or utf-16be"},
		{"utf-16", "\xff\xfe=\xd8}\x00", "utf-16: half of a surrogate pair at byte 2 of 6"},
		{"utf-16le", "=\xd8", "utf-16le: half of a surrogate pair at byte 0 of 2"},
		{"utf-16le", "\x00\xde{\x00", "utf-16le: half of a surrogate pair at byte 0 of 4"},
		{"utf-16be", "\x00{\x00", "utf-16be: half a character at byte 2 of 3"},
		{"utf-16be", "\xff\xfe{\x00", "utf-16be: the byte order mark at byte 0 is of the other order"},
		{"us-ascii", "a\x80", "us-ascii: the bytes at byte 1 of 2 stand for no character"},
		{"windows-1253", "ab\xaa", "windows-1253: byte 2 of 3 stands for no character"},
		{"Shift_JIS", "ab\x93\xfa\x93", "shift_jis: the bytes at byte 4 of 5 stand for no character"},
		{"gb18030", "\x84\x31\xa4\x37\xff", "gb18030: the bytes at byte 4 of 5 stand for no character"},
	} {
		_, fault := find(t, tc.encoding).Append(nil, []byte(tc.src), big)
		require.NotNil(t, fault, "%s: %q", tc.encoding, tc.src)
		require.Equal(t, payload.Fault{Defect: payload.BadEncoding, Detail: tc.want}, *fault)
	}
	for _, name := range []string{"", "utf8-ish", "klingon", "utf-7", "json_string"} {
		_, ok := FindEncoding(name)
		require.False(t, ok, name)
	}
}
