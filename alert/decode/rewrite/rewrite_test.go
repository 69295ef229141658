package rewrite_test

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/decode/rewrite"
	"kinesis-alerter/alert/decode/scan"
	"kinesis-alerter/alert/payload"
)

func pathsOf(t *testing.T, paths ...string) *rewrite.Paths {
	t.Helper()
	p, err := rewrite.NewPaths(paths)
	require.NoError(t, err)
	return p
}

func TestPaths(t *testing.T) {
	deep := strings.Repeat("[", scan.MaxDepth-1) + strings.Repeat("]", scan.MaxDepth-1)
	tooDeep := `{"a":"[` + deep + `]"}`
	for _, c := range []struct{ paths, src, want string }{
		{
			"message detail.body",
			`{"id":1,"message":"{\"n\":9007199254740993,\"s\":\"x\"}","detail":{"body":"[1,2]"}}` + "\n",
			`{"id":1,"message":{"n":9007199254740993,"s":"x"},"detail":{"body":[1,2]}}` + "\n",
		},
		{"a", ` { "a" : " {\"b\" :  1.50}\r\n" , "c":"{}" } `, ` { "a" : {"b" :  1.50} , "c":"{}" } `},
		{"a", `{"\u0061":"{}"}`, `{"\u0061":{}}`},
		{"a", `{"a":"\ufeff{}"}`, `{"a":{}}`},
		{".a", `{"a":"{}"}`, `{"a":{}}`},
		// a text that is none stays
		{"a", `{"a":"{\"n\":1,"}`, ``},
		{"a", `{"a":"{\"n\":1,\"n\":2}"}`, ``},
		{"a", `{"a":"{\"n\":NaN}"}`, ``},
		{"a", `{"a":"{} {}"}`, ``},
		{"a", `{"a":"7"}`, ``},
		{"a", `{"a":"true"}`, ``},
		{"a", `{"a":"\"x\""}`, ``},
		{"a", `{"a":""}`, ``},
		{"a", `{"a":{"b":1},"b":"{}"}`, ``},
		{"a", `{"a":"{\"b\":\"\\ud800\"}"}`, ``},
		// below and beside
		{"a.b", `{"a":"{}","b":"{}"}`, ``},
		{"a a.b", `{"a":"{\"b\":\"{\\\"c\\\":1}\"}"}`, `{"a":{"b":{"c":1}}}`},
		{"a.b a", `{"a":{"b":"[]"}}`, `{"a":{"b":[]}}`},
		{"a.b", `{"a":[{"b":"{}"},"{}",[{"b":"[]"}],7]}`, `{"a":[{"b":{}},"{}",[{"b":[]}],7]}`},
		{"a", `{"a":["{}"]}`, ``},
		{"a", `{"a":"{}","a":"[]"}`, `{"a":{},"a":[]}`},
		// what is no JSON is as it was, to the byte
		{"a", `{"a":"{}",}`, ``},
		{"a", `{"a":"{}"`, ``},
		{"a", `{"a":"{}"} x`, ``},
		{"a", `{"a":"{}" "b":1}`, ``},
		{"a", `plain`, ``},
		{"a", ``, ``},
		{"a", `["{}"]`, ``},
		// the depth that the evaluator reads
		{"a", `{"a":"` + deep + `"}`, `{"a":` + deep + `}`},
		{"a", tooDeep, ``},
		{"a.b", strings.Repeat(`[`, 2*scan.MaxDepth), ``},
	} {
		got := pathsOf(t, strings.Fields(c.paths)...).Append([]byte("x")[:0], []byte(c.src))
		want := c.want
		if want == "" {
			want = c.src
		}
		require.Equal(t, want, string(got), "%.80s", c.src)
	}
	for _, bad := range [][]string{{}, {""}, {"a..b"}, {"a."}, {strings.Repeat("a.", 16) + "a"}} {
		_, err := rewrite.NewPaths(bad)
		require.Error(t, err, "%q", bad)
	}
}

func TestPathsOfRows(t *testing.T) {
	text := func(s string) payload.Cell { return payload.Cell{Kind: payload.Text, Raw: []byte(s)} }
	row := payload.Row{Names: payload.NewNames("a", "b", "c", "d", "e", "f", "g"), Cells: []payload.Cell{
		text(` {"n":1.50} `), text(`no`), text(`{"x":"[]"}`),
		{Kind: payload.JSON, Raw: []byte(`{"x":"{}"}`)},
		{},
		{Kind: payload.Object, Raw: []byte(`{"x":"{}"}`)},
		{Kind: payload.Object, Raw: []byte(`no`)},
	}}
	pathsOf(t, "a", "b", "c", "c.x", "d.x", "e", "e.x", "f.x", "g.x").Row(&row)
	want := `{"a":{"n":1.50},"b":"no","c":{"x":[]},"d":{"x":{}},"f":{"x":{}}}`
	require.Equal(t, []byte(want), row.AppendJSON(nil))
}

func TestTolerances(t *testing.T) {
	const finite, last, both = "finite", "last", "both"
	many := make([]string, 0, 60)
	for i := range 30 {
		many = append(many, `"`+strings.Repeat("k", i+1)+`":0`)
	}
	all := strings.Join(many, ",")
	for _, c := range []struct{ what, src, want string }{
		{
			finite, `{"n": NaN, "i": Infinity, "m": -Infinity, "t": "NaN"}`,
			`{"n": null, "i": null, "m": null, "t": "NaN"}`,
		},
		{finite, `[NaN,-Infinity,"a\"NaN",{"NaN":NaN}]`, `[null,null,"a\"NaN",{"NaN":null}]`},
		{finite, "{\"a\":NaN}\n{\"a\":NaN}", "{\"a\":null}\n{\"a\":null}"},
		{finite, `{"a":1NaN,"b":NaNs,"c":-NaN,"d":+Infinity,"e":nan,"f":xNaN}`, ``},
		{finite, `{"a":1,"a":2}`, ``},
		{finite, `{"a":NaN,"b":"NaN`, `{"a":null,"b":"NaN`},
		{finite, `{"a":"\`, ``},
		{last, `{"level":"info","n":1,"level":"error","o":{"a":1,"a":2}}`, `{"n":1,"level":"error","o":{"a":2}}`},
		{last, `{"a":{"b":1,"b":2},"a":{"b":3,"b":4}}`, `{"a":{"b":4}}`},
		{last, ` { "a" : 1 , "b" : 2 , "a" : 3 , "b" : 4 , "a" : 5 } `, ` { "b" : 4 , "a" : 5 } `},
		{last, `[{"a":1,"\u0061":2},{"a":3}]`, `[{"\u0061":2},{"a":3}]`},
		{last, `{"a":1.50,"b":{"a":1},"c":[{"a":2}]}`, ``},
		{last, "{\"a\":1,\"a\":2}\n{\"a\":3,\"a\":4}\n", "{\"a\":2}\n{\"a\":4}\n"},
		{last, `{` + all + `,` + all + `,"k":1}`, `{` + strings.Join(many[1:], ",") + `,"k":1}`},
		{last, `{"a":NaN,"a":1}`, `{"a":1}`},
		{last, `{"a":1,"a":2,}`, ``},
		{last, `{"\ud800":1,"a":1,"a":2}`, ``},
		{last, ``, ``},
		{both, `{"a":NaN,"b":NaN,"a":Infinity}`, `{"b":null,"a":null}`},
		{both, `{"a":1,"b":{"c":NaN,"c":1,"d":2}}`, `{"a":1,"b":{"c":1,"d":2}}`},
	} {
		tolerances := rewrite.Tolerances{NonFinite: c.what != last, DuplicateNames: c.what != finite}
		want := c.want
		if want == "" {
			want = c.src
		}
		for _, room := range []int{1, 4096} {
			dst := append(make([]byte, 0, room), 'x')
			require.Equal(t, "x"+want, string(tolerances.Append(dst, []byte(c.src))), "%s %.80s", c.what, c.src)
		}
	}
}

// Hostile texts cost no more than others of their size, and what is not read for that stays as it is.
func TestTolerancesAreBounded(t *testing.T) {
	last := rewrite.Tolerances{DuplicateNames: true}
	members := func(n int, name func(i int) int) []byte {
		b := []byte("{")
		for i := range n {
			b = strconv.AppendInt(append(b, `"`...), int64(name(i)), 10)
			b = append(b, `":0,`...)
		}
		return append(b, `"x":0}`...)
	}
	src := members(90_000, func(i int) int { return i % 60_000 })
	require.True(t, strict(last.Append(nil, src)))
	src = members(110_000, func(i int) int { return i % 60_000 })
	require.Equal(t, src, last.Append(nil, src), "names twice among so many stay")
	nested := []byte(strings.Repeat(`{"a":1,"a":`, scan.MaxDepth-1) + "{}" + strings.Repeat("}", scan.MaxDepth-1))
	require.True(t, strict(last.Append(nil, nested)))
}

func TestJSONString(t *testing.T) {
	for _, c := range []struct{ src, want, fault string }{
		{`"{\"n\":1,\"s\":\"a\"}"`, `{"n":1,"s":"a"}`, ""},
		{" \"\\u00e9\\ud83d\\ude00\"\n", "é😀", ""},
		{`""`, ``, ""},
		{``, ``, ""},
		{`{\"level\":\"error\",\"path\":\"/pay\",\"ms\":1250}` + "\n", `{"level":"error","path":"/pay","ms":1250}`, ""},
		{`plain \\ text`, `plain \ text`, ""},
		{
			`{\"level\":\"error\",\"ms\":1250,"time":"2026-11-30T00:00:00"}`,
			`{"level":"error","ms":1250,"time":"2026-11-30T00:00:00"}`, "",
		},
		{`{"n":1}`, "", "decode: no text in JSON: "},
		{`{"s":"a\"b"}`, "", "decode: no text in JSON: "},
		{`{\"a\":1,"b":"\"}`, "", "decode: no text in JSON: "},
		{`"a"b"`, "", "decode: no text in JSON: "},
		{`"a`, "", "decode: no text in JSON: "},
		{`"\ud800"`, "", "decode: no text in JSON: "},
		{"\"\xff\"", "", "decode: no text in JSON: "},
		{"a\nb", "", "decode: no text in JSON: "},
	} {
		out, fault := rewrite.JSONString([]byte("x"), []byte(c.src))
		if c.fault != "" {
			require.NotNil(t, fault, c.src)
			require.Equal(t, payload.BadEncoding, fault.Defect)
			require.Contains(t, fault.Detail, c.fault)
			continue
		}
		require.Nil(t, fault, c.src)
		require.Equal(t, "x"+c.want, string(out), c.src)
	}
	_, fault := rewrite.JSONString(nil, make([]byte, payload.MaxRecordBytes+1))
	require.Equal(t, payload.TooLarge, fault.Defect)
}

// strict reports whether the evaluator would take a text.
func strict(data []byte) bool { return jsontext.Value(data).IsValid() }

func decoded(t *testing.T, data []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	require.NoError(t, d.Decode(&v), "%q", data)
	return v
}

// A record is strict JSON with its texts read in place if and only if it was before, and says the same.
func FuzzPaths(f *testing.F) {
	f.Add([]byte(`{"a":"{\"b\":\"[1,{\\\"a\\\":2}]\"}","b":[{"a":"{}"}]}`))
	f.Add([]byte(`{"a":"{\"b\":\"\\ud800\"}","b":"\ufeff[]"}`))
	f.Add([]byte(`[{"a":"{}"},"{}"] `))
	f.Fuzz(func(t *testing.T, src []byte) {
		out := pathsOf(t, "a", "a.b", "b.a").Append(nil, src)
		require.Equal(t, strict(src), strict(out), "%q", out)
		if !strict(src) {
			return
		}
		require.Equal(t, read(decoded(t, src), "", 0), decoded(t, out))
	})
}

// read reads the paths a, a.b and b.a of a value, which is what encoding/json makes of JSON.
func read(v any, path string, texts int) any {
	switch v := v.(type) {
	case map[string]any:
		for name, inner := range v {
			switch below := strings.TrimPrefix(path+"."+name, "."); below {
			case "a", "b", "a.b", "b.a":
				v[name] = read(inner, below, 0)
			}
		}
	case []any:
		for i, inner := range v {
			if _, isText := inner.(string); !isText {
				v[i] = read(inner, path, 0)
			}
		}
	case string:
		text := []byte(strings.Trim(strings.TrimPrefix(v, "\uFEFF"), " \t\r\n"))
		if path == "" || path == "b" || len(text) == 0 || text[0] != '{' && text[0] != '[' || !strict(text) {
			return v
		}
		var inner any
		d := json.NewDecoder(bytes.NewReader(text))
		d.UseNumber()
		if d.Decode(&inner) != nil {
			return v
		}
		return read(inner, path, texts+1)
	}
	return v
}

// What is strict but for what is tolerated becomes strict, and says what encoding/json reads: the last of a name.
func FuzzTolerances(f *testing.F) {
	f.Add([]byte(`{"a":1,"b":{"a":NaN,"a":-Infinity},"a":"NaN","\u0061":Infinity}`))
	f.Add([]byte(`[{"a":{"b":1,"b":2},"c":1,"a":{"b":3}},NaN]`))
	f.Add([]byte("{\"a\":NaN}\n{\"a\":1,\"a\":2}"))
	f.Fuzz(func(t *testing.T, src []byte) {
		both := rewrite.Tolerances{NonFinite: true, DuplicateNames: true}
		out := both.Append(nil, src)
		if strict(src) {
			require.Equal(t, string(src), string(out))
			return
		}
		require.Equal(t, string(out), string(both.Append(nil, out)), "once is enough")
		finite := rewrite.Tolerances{NonFinite: true}.Append(nil, src)
		if !jsontext.Value(finite).IsValid(jsontext.AllowDuplicateNames(true)) {
			require.False(t, strict(out), "%q", out)
			return
		}
		require.True(t, strict(out), "%q", out)
		require.Equal(t, decoded(t, finite), decoded(t, out))
	})
}

// What was encoded twice is what was encoded once.
func FuzzJSONString(f *testing.F) {
	f.Add("{\"a\":\"\\u00e9\"}")
	f.Add(" a\n\"b\\")
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.ToValidUTF8(text, "")
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		for _, src := range [][]byte{quoted, bytes.Trim(quoted, `"`)} {
			if len(src) > 0 && src[0] != '"' && (strings.HasPrefix(text, `"`) || strings.HasSuffix(text, `"`) ||
				strings.Trim(text, " \t\r\n") != text) {
				continue // cut at the wrong quote
			}
			out, fault := rewrite.JSONString(nil, src)
			require.Nil(t, fault, "%q", src)
			require.Equal(t, text, string(out))
		}
	})
}
