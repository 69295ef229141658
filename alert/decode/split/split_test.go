package split_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/decode/scan"
	"kinesis-alerter/alert/decode/split"
	"kinesis-alerter/alert/payload"
)

// collect lists pieces, and broken ones as "defect: rest".
func collect(do func(split.Emit)) []string {
	pieces := []string{}
	do(func(piece []byte, fault *payload.Fault) bool {
		if fault != nil {
			pieces = append(pieces, string(fault.Defect)+": "+string(piece))
			return true
		}
		pieces = append(pieces, string(piece))
		return true
	})
	return pieces
}

func TestLines(t *testing.T) {
	for _, c := range []struct {
		data, columns string
		want          []string
	}{
		{"", "", []string{}},
		{"a\nb\n", "", []string{"a", "b"}},
		{"a\r\n\r\n  \r\nb\r\n\nc", "", []string{"a", "", "  ", "b", "", "c"}},
		{"\n\n", "", []string{"", ""}},
		{"\x1e{}\n\x1e{}\n", "", []string{"{}", "{}"}},
		{"a,\"b\nc\"\n", "", []string{`a,"b`, `c"`}},
		{"a,\"b\r\nc\"\r\nd", ",", []string{"a,\"b\r\nc\"", "d"}},
		{"\"a\"\"\n\"\nb", ",", []string{"\"a\"\"\n\"", "b"}},
		{"5\" disk\nb", ",", []string{`5" disk`, "b"}},
		{"a \"b\nc\" d\n", " ", []string{"a \"b\nc\" d"}},
		{"a \"b\nc\" d\n", "\t", []string{`a "b`, `c" d`}},
		{"a,\"b\nc", ",", []string{"a,\"b\nc"}},
		{"a¦\"b\nc\"", "¦", []string{"a¦\"b\nc\""}},
	} {
		got := collect(func(emit split.Emit) { split.Lines([]byte(c.data), c.columns, emit) })
		require.Equal(t, c.want, got, "%q %q", c.data, c.columns)
	}
}

func TestConcatenated(t *testing.T) {
	for _, c := range []struct {
		data string
		want []string
	}{
		{``, []string{}},
		{" \n\n", []string{}},
		{`{"n":1}{"n":2}{"s":"}{"}`, []string{`{"n":1}`, `{"n":2}`, `{"s":"}{"}`}},
		{"{\n  \"n\": 1\n}\n{\n  \"n\": 2\n}\n", []string{"{\n  \"n\": 1\n}", "{\n  \"n\": 2\n}"}},
		{`{"n":1}{"n":2,}{"n":3}`, []string{`{"n":1}`, `not_json: {"n":2,}{"n":3}`}},
		{`{"n":1}{"n":`, []string{`{"n":1}`, `truncated: {"n":`}},
		{`{"n":1},{"n":2}`, []string{`{"n":1}`, `not_json: ,{"n":2}`}},
		{`{"n":NaN}{"a":1,"a":2}[1] 2 null`, []string{`{"n":NaN}`, `{"a":1,"a":2}`, `[1]`, `2`, `null`}},
		{"\x1e{\"n\":1}\n\x1e{\"n\":\n\x1e{\"n\":3}\n", []string{`{"n":1}`, "truncated: {\"n\":\n", `{"n":3}`}},
		{"\uFEFF{}\r\n\uFEFF{}", []string{`{}`, `{}`}},
		{"plain text", []string{"not_json: plain text"}},
		{
			`{}` + strings.Repeat("[", scan.MaxDepth+1),
			[]string{"{}", "too_deep: " + strings.Repeat("[", scan.MaxDepth+1)},
		},
	} {
		got := collect(func(emit split.Emit) { split.Concatenated([]byte(c.data), emit) })
		require.Equal(t, c.want, got, "%.40q", c.data)
	}
}

func TestArray(t *testing.T) {
	otlp := `{"resourceLogs":[{"resource":{},"scopeLogs":[{"logRecords":[{"n":1},{"n":2}]},{"scope":{}}]},` +
		`{"scopeLogs":[]},{"scopeLogs":[{"logRecords":[{"n":3}]}]}]}`
	for _, c := range []struct {
		path, data string
		want       []string
		fault      string
	}{
		{"", `[{"n":1},{"n":2},17,null,{"n":5}]`, []string{`{"n":1}`, `{"n":2}`, `17`, `null`, `{"n":5}`}, ""},
		{"", ` [ ] `, []string{}, ""},
		{"", ` [ {"n":NaN} , [] ]` + "\n", []string{`{"n":NaN}`, `[]`}, ""},
		{"", `[{"n":1},{"n":2,},{"n":3}]`, []string{`{"n":1}`, `not_json: {"n":2,},{"n":3}]`}, ""},
		{"", `[{"n":1},{"n":2},]`, []string{`{"n":1}`, `{"n":2}`, `not_json: ]`}, ""},
		{"", `[{"n":1},{"n`, []string{`{"n":1}`, `truncated: {"n`}, ""},
		{"", `[{"n":1}`, []string{`{"n":1}`, `truncated: `}, ""},
		{"", `[{"n":1}] {}`, []string{`{"n":1}`, `trailing_data: {}`}, ""},
		{"", `{"n":1}`, []string{`bad_envelope: {"n":1}`}, ""},
		{"", `[,]`, []string{}, "not_json: split: no JSON from byte 1 of 3 on"},
		{"", ``, []string{}, "truncated: split: the JSON ends in the middle of a value, at byte 0"},
		{"items", `{"batch":"b1","items":[{"n":1},{"n":2}],"more":[]}`, []string{`{"n":1}`, `{"n":2}`}, ""},
		{"items", `{"\u0069tems":[{"n":1}]}`, []string{`{"n":1}`}, ""},
		{"items", `{"batch":"b1"}`, []string{}, "bad_envelope: split: no array at items"},
		{"items", `{}`, []string{}, "bad_envelope: split: no array at items"},
		{"items", `{"items":null}`, []string{"bad_envelope: null"}, ""},
		{"items", `{"items":{"n":1}}`, []string{`bad_envelope: {"n":1}`}, ""},
		{"items", `{"items":[{}],"items":[{}]}`, []string{`{}`, `duplicate_key: [{}]`}, ""},
		{"items", `{"items":[{}],"x":tru}`, []string{`{}`, `not_json: "x":tru}`}, ""},
		{"items", `{"x":tru,"items":[{}]}`, []string{}, "not_json: split: no JSON from byte 5 of 22 on"},
		{"a.b", `{"b":[0],"a":{"b":[{"n":1}]}}`, []string{`{"n":1}`}, ""},
		{"a.b", `[{"a":[{"b":[{"n":1}]}]},{"a":{"b":[]}}]`, []string{`{"n":1}`}, ""},
		{"a.b", `{"a":[1,{"b":[{"n":1}]}]}`, []string{`bad_envelope: 1`, `{"n":1}`}, ""},
		{"resourceLogs.scopeLogs.logRecords", otlp, []string{`{"n":1}`, `{"n":2}`, `{"n":3}`}, ""},
		{"resourceLogs.scopeLogs.logRecords", `{"resourceLogs":[]}`, []string{}, ""},
		{
			"a", strings.Repeat("[", scan.MaxDepth+2),
			[]string{},
			"too_deep: split: more than 10000 levels at byte 10001",
		},
	} {
		var path []string
		if c.path != "" {
			path = strings.Split(c.path, ".")
		}
		var fault *payload.Fault
		got := collect(func(emit split.Emit) { fault = split.Array([]byte(c.data), path, emit) })
		require.Equal(t, c.want, got, "%.60s", c.data)
		if c.fault == "" {
			require.Nil(t, fault, "%.60s", c.data)
			continue
		}
		require.NotNil(t, fault, "%.60s", c.data)
		require.Equal(t, c.fault, string(fault.Defect)+": "+fault.Detail)
	}
}

// The end of splitting ends it.
func TestEmitEndsIt(t *testing.T) {
	for _, do := range []func(split.Emit){
		func(emit split.Emit) { split.Lines([]byte("a\nb\nc"), "", emit) },
		func(emit split.Emit) { split.Concatenated([]byte("1 2 3"), emit) },
		func(emit split.Emit) { split.Concatenated([]byte("\x1e1 \x1e2 \x1e3"), emit) },
		func(emit split.Emit) { _ = split.Array([]byte("[1,2,3]"), nil, emit) },
		func(emit split.Emit) {
			_ = split.Array([]byte(`[{"a":[1]},{"a":[2]},{"a":[3]}]`), []string{"a"}, emit)
		},
	} {
		n := 0
		do(func([]byte, *payload.Fault) bool {
			n++
			return n < 2
		})
		require.Equal(t, 2, n)
	}
}

// No byte is lost between pieces but what separates them.
func FuzzSplit(f *testing.F) {
	f.Add([]byte("a\r\n\"b\n\"\n\n"), ",")
	f.Add([]byte(`{"n":1}{"n":2,}{"n":3}`), "")
	f.Add([]byte("\x1e{\"n\":1}\n\x1e{\"n\":\n\x1e3"), "")
	f.Add([]byte(` [{"n":1} ,17,null,{"a":1,"a":"\u00e9"}] `), " ")
	f.Add([]byte(`[1,2] x`), "\t")
	f.Fuzz(func(t *testing.T, data []byte, columns string) {
		lost := func(separators string, do func(split.Emit)) (broken bool) {
			rest := data
			do(func(piece []byte, fault *payload.Fault) bool {
				i := bytes.Index(rest, piece)
				require.GreaterOrEqual(t, i, 0, "%q is no part of %q", piece, rest)
				require.Empty(t, strings.Trim(string(rest[:i]), separators))
				rest = rest[i+len(piece):]
				broken = broken || fault != nil
				return true
			})
			require.Empty(t, strings.Trim(string(rest), separators))
			return broken
		}
		lost("\r\n\x1e", func(emit split.Emit) { split.Lines(data, columns, emit) })

		const space = " \t\r\n\uFEFF\x1e"
		broken := lost(space, func(emit split.Emit) { split.Concatenated(data, emit) })
		if want, ok := values(data); ok {
			got := collect(func(emit split.Emit) { split.Concatenated(data, emit) })
			require.False(t, broken)
			require.Equal(t, want, got)
		}

		var fault *payload.Fault
		array := func(emit split.Emit) { fault = split.Array(data, nil, emit) }
		pieces := collect(array)
		if fault == nil {
			broken = lost("[],"+space, array)
		}
		var want []json.RawMessage
		if json.Unmarshal(data, &want) == nil && want != nil {
			require.Nil(t, fault)
			require.False(t, broken)
			require.Len(t, pieces, len(want))
			for i := range want {
				require.Equal(t, string(want[i]), pieces[i])
			}
		}
	})
}

// values are objects and arrays one behind the other, as encoding/json finds them; false if it finds others.
func values(data []byte) ([]string, bool) {
	all := []string{}
	for d := json.NewDecoder(bytes.NewReader(data)); ; {
		var v json.RawMessage
		if err := d.Decode(&v); errors.Is(err, io.EOF) {
			return all, true
		} else if err != nil || v[0] != '{' && v[0] != '[' {
			return nil, false
		}
		all = append(all, string(v))
	}
}
