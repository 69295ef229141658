package alert

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// decodeOne decodes payload for one wanted path.
func decodeOne(payload []byte, path ...string) (value, Defect) {
	s := newSchema(false)
	slot := s.field(path)
	f := newFrame(s)
	defect := newDecoder(s).decode(payload, f.slots)
	return f.slots[slot], defect
}

func TestDecodeReasons(t *testing.T) {
	t.Parallel()
	nested := func(n int) string {
		return `{"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	large := func(n int) string {
		const head, tail = `{"s":5,"x":"`, `"}`
		return head + strings.Repeat("a", n-len(head)-len(tail)) + tail
	}
	cases := []struct {
		name, payload string
		want          Defect
	}{
		{"empty", ``, Empty},
		{"white space", " \n\t", Empty},
		{"text", `hello`, NotJSON},
		{"CSV", `QXZ,HEALTHCARE,-1.2`, NotJSON},
		{"byte order mark", "\xef\xbb\xbf{}", NotJSON},
		{"comment", `{"s":1} // one`, TrailingData},
		{"comment inside", `{/**/"s":1}`, NotJSON},
		{"single quotes", `{'s':1}`, NotJSON},
		{"bare name", `{s:1}`, NotJSON},
		{"trailing comma", `{"s":1,}`, NotJSON},
		{"missing comma", `{"s":1 "x":2}`, NotJSON},
		{"missing value", `{"s":}`, NotJSON},
		{"leading zero", `{"s":03.5}`, NotJSON},
		{"leading plus", `{"s":+3.5}`, NotJSON},
		{"no fraction", `{"s":3.}`, NotJSON},
		{"no integer part", `{"s":.5}`, NotJSON},
		{"hex", `{"s":0x10}`, NotJSON},
		{"capital literal", `{"s":True}`, NotJSON},
		{"bad escape", `{"s":"\q"}`, NotJSON},
		{"control character", "{\"s\":\"a\nb\"}", NotJSON},
		{"mismatched brackets", `{"s":[1}}`, NotJSON},
		{"truncated object", `{"s":1`, Truncated},
		{"truncated string", `{"s":"abc`, Truncated},
		{"truncated escape", `{"s":"\u12`, Truncated},
		{"truncated literal", `{"s":tru`, Truncated},
		{"truncated number", `{"s":1e`, Truncated},
		{"truncated character", "{\"s\":\"\xc3", Truncated},
		{"only a bracket", `{`, Truncated},
		{"second object", `{"s":1}{"s":2}`, TrailingData},
		{"second line", "{\"s\":1}\n{\"s\":2}\n", TrailingData},
		{"stray bracket", `{"s":1}}`, TrailingData},
		{"NUL behind", "{\"s\":1}\x00", TrailingData},
		{"array", `[{"s":1}]`, NotObject},
		{"string", `"hello"`, NotObject},
		{"number", `3.5`, NotObject},
		{"null", `null`, NotObject},
		{"broken array", `[1,]`, NotJSON},
		{"two values", `1 2`, TrailingData},
		{"invalid UTF-8", "{\"s\":\"a\xffb\"}", InvalidUTF8},
		{"invalid UTF-8 elsewhere", "{\"s\":1,\"x\":\"a\xffb\"}", InvalidUTF8},
		{"invalid UTF-8 in a name", "{\"\xff\":1}", InvalidUTF8},
		{"invalid UTF-8 behind", "{\"s\":1}\xff", InvalidUTF8},
		{"Latin-1", "{\"s\":\"M\xfcller\"}", InvalidUTF8},
		{"CESU surrogate", "{\"s\":\"\xed\xa0\x80\"}", InvalidUTF8},
		{"lone high surrogate", `{"s":"\ud83d"}`, LoneSurrogate},
		{"lone high surrogate before text", `{"s":"\ud83dabcdef"}`, LoneSurrogate},
		{"lone low surrogate", `{"s":"\uDE00 abcdef"}`, LoneSurrogate},
		{"swapped surrogates", `{"s":"\ude00\ud83d"}`, LoneSurrogate},
		{"duplicate wanted name", `{"s":1,"s":2}`, DuplicateKey},
		{"duplicate other name", `{"s":1,"x":1,"x":2}`, DuplicateKey},
		{"duplicate escaped name", `{"s":1,"\u0073":2}`, DuplicateKey},
		{"duplicate nested name", `{"s":1,"x":[{"y":1,"y":1}]}`, DuplicateKey},
		{"NaN", `{"s":NaN}`, NonFinite},
		{"nan", `{"s":nan}`, NonFinite},
		{"NaN elsewhere", `{"s":1,"x":[NaN]}`, NonFinite},
		{"Infinity", `{"s":Infinity}`, NonFinite},
		{"-Infinity", `{"s":-Infinity}`, NonFinite},
		{"out of range", `{"s":1e400}`, NumberRange},
		{"out of range below", `{"s":-1e400}`, NumberRange},
		{"out of range in digits", `{"s":1` + strings.Repeat("0", 400) + `}`, NumberRange},
		{"out of range elsewhere", `{"s":1,"x":1e400}`, ""},
		{"deepest", nested(9_999), ""},
		{"too deep", nested(10_000), TooDeep},
		{"largest record", large(MaxRecordBytes), ""},
		{"above the largest record", large(MaxRecordBytes + 1), TooLarge},
		{"empty object", `{}`, ""},
		{"white space around", " {\"s\" : 1 }\r\n", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, got := decodeOne([]byte(c.payload), "s")
			require.Equal(t, c.want, got)
			if got != "" {
				require.Contains(t, defects(), got)
			}
		})
	}
}

func TestDecodeValues(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, payload string
		path          []string
		want          value
	}{
		{"absent", `{}`, []string{"s"}, value{}},
		{"null", `{"s":null}`, []string{"s"}, value{kind: null}},
		{"true", `{"s":true}`, []string{"s"}, value{kind: boolean, num: 1}},
		{"text", `{"s":"abc"}`, []string{"s"}, value{kind: text, raw: []byte("abc")}},
		{"escaped text", `{"s":"a\n\u00e9\ud83d\ude00"}`, []string{"s"}, value{kind: text, raw: []byte("a\né😀")}},
		{"escaped name", `{"\u0073":1}`, []string{"s"}, value{kind: number, num: 1}},
		{"other case", `{"S":1}`, []string{"s"}, value{}},
		{"integer", `{"s":9007199254740991}`, []string{"s"}, value{kind: number, num: 9007199254740991}},
		{"wide", `{"s":9007199254740993}`, []string{"s"}, value{kind: number, num: 1 << 53, wide: true, raw: []byte("9007199254740993")}},
		{"exponent", `{"s":1e300}`, []string{"s"}, value{kind: number, num: 1e300}},
		{"underflow", `{"s":1e-400}`, []string{"s"}, value{kind: number}},
		{"nested", `{"x":{"s":9},"order":{"x":1,"price":2.5}}`, []string{"order", "price"}, value{kind: number, num: 2.5}},
		{"nested in no object", `{"order":[{"price":2.5}]}`, []string{"order", "price"}, value{}},
		{"object", `{"s": {"a": [1, 2]} , "x":1}`, []string{"s"}, value{kind: composite, raw: []byte(`{"a": [1, 2]}`)}},
		{"array", `{"s":[1,{}]}`, []string{"s"}, value{kind: composite, raw: []byte(`[1,{}]`)}},
		{"empty name", `{"":1}`, []string{""}, value{kind: number, num: 1}},
		{"Unicode name", `{"größe":1}`, []string{"größe"}, value{kind: number, num: 1}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, defect := decodeOne([]byte(c.payload), c.path...)
			require.Empty(t, defect)
			require.Equal(t, c.want, got)
		})
	}
}

// TestDecodeKeepsEscapedTexts guards the scratch space: a later string must not overwrite an earlier one.
func TestDecodeKeepsEscapedTexts(t *testing.T) {
	t.Parallel()
	s := newSchema(false)
	var doc strings.Builder
	var want []string
	for i := range 40 {
		s.field([]string{strconv.Itoa(i)})
		text := strings.Repeat(strconv.Itoa(i)+"\n", i*7)
		want = append(want, text)
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		fmt.Fprintf(&doc, `,"%d":%s`, i, quoted)
	}
	d, f := newDecoder(s), newFrame(s)
	for range 3 {
		clear(f.slots)
		require.Empty(t, d.decode([]byte("{"+doc.String()[1:]+"}"), f.slots))
		for i, text := range want {
			require.Equal(t, text, string(f.slots[builtinSlots+i].raw))
		}
	}
}

// TestDecodeWholeAndPart: a rule set may want an object and a member of it.
func TestDecodeWholeAndPart(t *testing.T) {
	t.Parallel()
	s := newSchema(false)
	whole, part, other := s.field([]string{"order"}), s.field([]string{"order", "price"}), s.field([]string{"order", "lines", "n"})
	f := newFrame(s)
	const order = `{"price":3,"lines":{"n":"x"}}`
	require.Empty(t, newDecoder(s).decode([]byte(`{"order" :  `+order+`}`), f.slots))
	require.Equal(t, value{kind: composite, raw: []byte(order)}, f.slots[whole])
	require.InDelta(t, 3, f.slots[part].num, 0)
	require.Equal(t, "x", string(f.slots[other].raw))
}

func drawJSON(t *rapid.T, depth int) any {
	kinds := 6
	if depth == 0 {
		kinds = 4
	}
	switch rapid.IntRange(0, kinds-1).Draw(t, "kind") {
	case 0:
		return nil
	case 1:
		return rapid.Bool().Draw(t, "bool")
	case 2:
		return json.Number(rapid.SampledFrom([]string{
			"0", "-0", "1", "3.0", "2.5e3", "1E-7", "9007199254740991", "9007199254740993", "-9223372036854775809", "1e22",
		}).Draw(t, "number"))
	case 3:
		return rapid.StringN(0, 12, -1).Draw(t, "text")
	case 4:
		return rapid.SliceOfN(rapid.Custom(func(t *rapid.T) any { return drawJSON(t, depth-1) }), 0, 3).Draw(t, "array")
	default:
		return drawObject(t, depth-1)
	}
}

func drawObject(t *rapid.T, depth int) map[string]any {
	name := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "order", "price", "x y", `q"`, "\u00e9"}), rapid.StringN(0, 6, -1))
	return rapid.MapOfN(name, rapid.Custom(func(t *rapid.T) any { return drawJSON(t, depth) }), 0, 6).Draw(t, "object")
}

// paths lists every path of names through objects.
func paths(object map[string]any, prefix []string) [][]string {
	var all [][]string
	for name, member := range object {
		path := append(append([]string{}, prefix...), name)
		all = append(all, path)
		if inner, ok := member.(map[string]any); ok {
			all = append(all, paths(inner, path)...)
		}
	}
	return all
}

func lookup(object map[string]any, path []string) (any, bool) {
	x, ok := object[path[0]]
	if !ok || len(path) == 1 {
		return x, ok
	}
	inner, ok := x.(map[string]any)
	if !ok {
		return nil, false
	}
	return lookup(inner, path[1:])
}

// requireSame compares a slot with what encoding/json, with UseNumber, made of the same place.
func requireSame(t require.TestingT, want any, found bool, got *value) {
	if !found {
		require.Equal(t, absent, got.kind)
		return
	}
	switch want := want.(type) {
	case nil:
		require.Equal(t, null, got.kind)
	case bool:
		require.Equal(t, value{kind: boolean, num: map[bool]float64{true: 1}[want]}, *got)
	case string:
		require.Equal(t, text, got.kind)
		require.Equal(t, want, string(got.raw))
	case json.Number:
		f, err := want.Float64()
		require.NoError(t, err)
		require.Equal(t, number, got.kind)
		require.Equal(t, math.Float64bits(f), math.Float64bits(got.num))
		require.Equal(t, math.Abs(f) >= 1<<53 && !strings.ContainsAny(string(want), ".eE"), got.wide)
		if got.wide {
			require.Equal(t, string(want), string(got.raw))
		}
	default:
		require.Equal(t, composite, got.kind)
		var inner any
		d := json.NewDecoder(bytes.NewReader(got.raw))
		d.UseNumber()
		require.NoError(t, d.Decode(&inner))
		require.Equal(t, want, inner)
	}
}

// TestDecodeLikeEncodingJSON reads every valid document as encoding/json does, at every wanted path.
func TestDecodeLikeEncodingJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		object := drawObject(t, 3)
		var doc []byte
		var err error
		if rapid.Bool().Draw(t, "indent") {
			doc, err = json.MarshalIndent(object, " ", "\t")
		} else {
			doc, err = json.Marshal(object)
		}
		require.NoError(t, err)
		// What was drawn, as encoding/json reads it back.
		object = nil
		d := json.NewDecoder(bytes.NewReader(doc))
		d.UseNumber()
		require.NoError(t, d.Decode(&object))

		wanted := [][]string{{"a"}, {"order", "price"}, {"nosuch", "deep"}}
		for _, path := range paths(object, nil) {
			if rapid.Bool().Draw(t, "wanted") {
				wanted = append(wanted, path)
			}
		}
		s := newSchema(false)
		slots := make([]int, len(wanted))
		for i, path := range wanted {
			slots[i] = s.field(path)
		}
		f := newFrame(s)
		require.Empty(t, newDecoder(s).decode(doc, f.slots), "%s", doc)
		for i, path := range wanted {
			want, found := lookup(object, path)
			requireSame(t, want, found, &f.slots[slots[i]])
		}
	})
}

// FuzzDecode holds the decoder to encoding/json on any bytes: what it accepts, encoding/json accepts and reads alike; what
// it calls broken, encoding/json rejects, except for what I-JSON forbids and encoding/json mends in silence.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"order":{"price":2}}`, `{"a":"\ud83d\ude00"}`, `{"a":1e400}`, `{"a":[1,2,{"b":null}],"a":2}`, `{"a":NaN}`,
		"{\"a\":\"\xff\"}", `[1]`, ` `, `{"a":1}x`, `{"order":{"price":{"x":1}},"a":true}`, `{"a":"\ud83d"}`, `{"a":-0}`,
	} {
		f.Add([]byte(seed))
	}
	s := newSchema(false)
	wanted := [][]string{{"a"}, {"order"}, {"order", "price"}, {"é"}}
	slots := make([]int, len(wanted))
	for i, path := range wanted {
		slots[i] = s.field(path)
	}
	reused := newDecoder(s)
	f.Fuzz(func(t *testing.T, data []byte) {
		frame := newFrame(s)
		before := bytes.Clone(data)
		defect := reused.decode(data, frame.slots)
		require.Equal(t, before, data, "the payload belongs to the page")

		fresh := newFrame(s)
		require.Equal(t, defect, newDecoder(s).decode(data, fresh.slots), "a used decoder decides as a new one")
		if defect != "" {
			require.Contains(t, defects(), defect)
			mended := []Defect{
				NotObject, NumberRange, DuplicateKey, LoneSurrogate, InvalidUTF8, TooDeep,
			}
			require.True(t, slices.Contains(mended, defect) || !json.Valid(data), "%s: %q", defect, data)
			return
		}
		require.True(t, utf8.Valid(data))
		var object map[string]any
		d := json.NewDecoder(bytes.NewReader(data))
		d.UseNumber()
		require.NoError(t, d.Decode(&object))
		require.False(t, d.More())
		for i, path := range wanted {
			want, found := lookup(object, path)
			requireSame(t, want, found, &frame.slots[slots[i]])
		}
	})
}
