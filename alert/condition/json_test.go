package condition

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

	"kinesis-alerter/alert/payload"
)

// decodeOne decodes payload for one wanted path.
func decodeOne(payload []byte, path ...string) (Value, payload.Defect) {
	s := NewSchema(false)
	slot := s.Field(path)
	f := NewFrame(s)
	defect := NewDecoder(s).Decode(payload, f.Slots)
	return f.Slots[slot], defect
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
		want          payload.Defect
	}{
		{"empty", ``, payload.Empty},
		{"white space", " \n\t", payload.Empty},
		{"text", `hello`, payload.NotJSON},
		{"CSV", `QXZ,HEALTHCARE,-1.2`, payload.NotJSON},
		{"byte order mark", "\xef\xbb\xbf{}", payload.NotJSON},
		{"comment", `{"s":1} // one`, payload.TrailingData},
		{"comment inside", `{/**/"s":1}`, payload.NotJSON},
		{"single quotes", `{'s':1}`, payload.NotJSON},
		{"bare name", `{s:1}`, payload.NotJSON},
		{"trailing comma", `{"s":1,}`, payload.NotJSON},
		{"missing comma", `{"s":1 "x":2}`, payload.NotJSON},
		{"missing value", `{"s":}`, payload.NotJSON},
		{"leading zero", `{"s":03.5}`, payload.NotJSON},
		{"leading plus", `{"s":+3.5}`, payload.NotJSON},
		{"no fraction", `{"s":3.}`, payload.NotJSON},
		{"no integer part", `{"s":.5}`, payload.NotJSON},
		{"hex", `{"s":0x10}`, payload.NotJSON},
		{"capital literal", `{"s":True}`, payload.NotJSON},
		{"bad escape", `{"s":"\q"}`, payload.NotJSON},
		{"control character", "{\"s\":\"a\nb\"}", payload.NotJSON},
		{"mismatched brackets", `{"s":[1}}`, payload.NotJSON},
		{"truncated object", `{"s":1`, payload.Truncated},
		{"truncated string", `{"s":"abc`, payload.Truncated},
		{"truncated escape", `{"s":"\u12`, payload.Truncated},
		{"truncated literal", `{"s":tru`, payload.Truncated},
		{"truncated number", `{"s":1e`, payload.Truncated},
		{"truncated character", "{\"s\":\"\xc3", payload.Truncated},
		{"only a bracket", `{`, payload.Truncated},
		{"second object", `{"s":1}{"s":2}`, payload.TrailingData},
		{"second line", "{\"s\":1}\n{\"s\":2}\n", payload.TrailingData},
		{"stray bracket", `{"s":1}}`, payload.TrailingData},
		{"NUL behind", "{\"s\":1}\x00", payload.TrailingData},
		{"array", `[{"s":1}]`, payload.NotObject},
		{"string", `"hello"`, payload.NotObject},
		{"number", `3.5`, payload.NotObject},
		{"null", `null`, payload.NotObject},
		{"broken array", `[1,]`, payload.NotJSON},
		{"two values", `1 2`, payload.TrailingData},
		{"invalid UTF-8", "{\"s\":\"a\xffb\"}", payload.InvalidUTF8},
		{"invalid UTF-8 elsewhere", "{\"s\":1,\"x\":\"a\xffb\"}", payload.InvalidUTF8},
		{"invalid UTF-8 in a name", "{\"\xff\":1}", payload.InvalidUTF8},
		{"invalid UTF-8 behind", "{\"s\":1}\xff", payload.InvalidUTF8},
		{"Latin-1", "{\"s\":\"M\xfcller\"}", payload.InvalidUTF8},
		{"CESU surrogate", "{\"s\":\"\xed\xa0\x80\"}", payload.InvalidUTF8},
		{"lone high surrogate", `{"s":"\ud83d"}`, payload.LoneSurrogate},
		{"lone high surrogate before text", `{"s":"\ud83dabcdef"}`, payload.LoneSurrogate},
		{"lone low surrogate", `{"s":"\uDE00 abcdef"}`, payload.LoneSurrogate},
		{"swapped surrogates", `{"s":"\ude00\ud83d"}`, payload.LoneSurrogate},
		{"duplicate wanted name", `{"s":1,"s":2}`, payload.DuplicateKey},
		{"duplicate other name", `{"s":1,"x":1,"x":2}`, payload.DuplicateKey},
		{"duplicate escaped name", `{"s":1,"\u0073":2}`, payload.DuplicateKey},
		{"duplicate nested name", `{"s":1,"x":[{"y":1,"y":1}]}`, payload.DuplicateKey},
		{"NaN", `{"s":NaN}`, payload.NonFinite},
		{"nan", `{"s":nan}`, payload.NonFinite},
		{"NaN elsewhere", `{"s":1,"x":[NaN]}`, payload.NonFinite},
		{"Infinity", `{"s":Infinity}`, payload.NonFinite},
		{"-Infinity", `{"s":-Infinity}`, payload.NonFinite},
		{"out of range", `{"s":1e400}`, payload.NumberRange},
		{"out of range below", `{"s":-1e400}`, payload.NumberRange},
		{"out of range in digits", `{"s":1` + strings.Repeat("0", 400) + `}`, payload.NumberRange},
		{"out of range elsewhere", `{"s":1,"x":1e400}`, ""},
		{"deepest", nested(9_999), ""},
		{"too deep", nested(10_000), payload.TooDeep},
		{"largest record", large(payload.MaxRecordBytes), ""},
		{"above the largest record", large(payload.MaxRecordBytes + 1), payload.TooLarge},
		{"empty object", `{}`, ""},
		{"white space around", " {\"s\" : 1 }\r\n", ""},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, got := decodeOne([]byte(c.payload), "s")
			require.Equal(t, c.want, got)
			if got != "" {
				require.Contains(t, payload.Defects(), got)
			}
		})
	}
}

func TestDecodeValues(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name, payload string
		path          []string
		want          Value
	}{
		{"absent", `{}`, []string{"s"}, Value{}},
		{"null", `{"s":null}`, []string{"s"}, Value{Kind: Null}},
		{"true", `{"s":true}`, []string{"s"}, Value{Kind: Boolean, Num: 1}},
		{"text", `{"s":"abc"}`, []string{"s"}, Value{Kind: Text, Raw: []byte("abc")}},
		{"escaped text", `{"s":"a\n\u00e9\ud83d\ude00"}`, []string{"s"}, Value{Kind: Text, Raw: []byte("a\né😀")}},
		{"escaped name", `{"\u0073":1}`, []string{"s"}, Value{Kind: Number, Num: 1}},
		{"other case", `{"S":1}`, []string{"s"}, Value{}},
		{"integer", `{"s":9007199254740991}`, []string{"s"}, Value{Kind: Number, Num: 9007199254740991}},
		{
			"wide", `{"s":9007199254740993}`,
			[]string{"s"},
			Value{Kind: Number, Num: 1 << 53, Wide: true, Raw: []byte("9007199254740993")},
		},
		{"exponent", `{"s":1e300}`, []string{"s"}, Value{Kind: Number, Num: 1e300}},
		{"underflow", `{"s":1e-400}`, []string{"s"}, Value{Kind: Number}},
		{
			"nested", `{"x":{"s":9},"order":{"x":1,"price":2.5}}`,
			[]string{"order", "price"},
			Value{Kind: Number, Num: 2.5},
		},
		{"nested in no object", `{"order":[{"price":2.5}]}`, []string{"order", "price"}, Value{}},
		{"object", `{"s": {"a": [1, 2]} , "x":1}`, []string{"s"}, Value{Kind: Composite, Raw: []byte(`{"a": [1, 2]}`)}},
		{"array", `{"s":[1,{}]}`, []string{"s"}, Value{Kind: Composite, Raw: []byte(`[1,{}]`)}},
		{"empty name", `{"":1}`, []string{""}, Value{Kind: Number, Num: 1}},
		{"Unicode name", `{"größe":1}`, []string{"größe"}, Value{Kind: Number, Num: 1}},
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
	s := NewSchema(false)
	var doc strings.Builder
	var want []string
	for i := range 40 {
		s.Field([]string{strconv.Itoa(i)})
		text := strings.Repeat(strconv.Itoa(i)+"\n", i*7)
		want = append(want, text)
		quoted, err := json.Marshal(text)
		require.NoError(t, err)
		fmt.Fprintf(&doc, `,"%d":%s`, i, quoted)
	}
	d, f := NewDecoder(s), NewFrame(s)
	for range 3 {
		clear(f.Slots)
		require.Empty(t, d.Decode([]byte("{"+doc.String()[1:]+"}"), f.Slots))
		for i, text := range want {
			require.Equal(t, text, string(f.Slots[BuiltinSlots+i].Raw))
		}
	}
}

// TestDecodeWholeAndPart: a rule set may want an object and a member of it.
func TestDecodeWholeAndPart(t *testing.T) {
	t.Parallel()
	s := NewSchema(false)
	whole, part, other := s.Field([]string{"order"}), s.Field([]string{"order", "price"}),
		s.Field([]string{"order", "lines", "n"})
	f := NewFrame(s)
	const order = `{"price":3,"lines":{"n":"x"}}`
	require.Empty(t, NewDecoder(s).Decode([]byte(`{"order" :  `+order+`}`), f.Slots))
	require.Equal(t, Value{Kind: Composite, Raw: []byte(order)}, f.Slots[whole])
	require.InDelta(t, 3, f.Slots[part].Num, 0)
	require.Equal(t, "x", string(f.Slots[other].Raw))
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
			"0", "-0", "1", "3.0", "2.5e3", "1E-7", "9007199254740991", "9007199254740993", "-9223372036854775809",
			"1e22",
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
	name := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "order", "price", "x y", `q"`, "\u00e9"}),
		rapid.StringN(0, 6, -1))
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
func requireSame(t require.TestingT, want any, found bool, got *Value) {
	if !found {
		require.Equal(t, Absent, got.Kind)
		return
	}
	switch want := want.(type) {
	case nil:
		require.Equal(t, Null, got.Kind)
	case bool:
		require.Equal(t, Value{Kind: Boolean, Num: map[bool]float64{true: 1}[want]}, *got)
	case string:
		require.Equal(t, Text, got.Kind)
		require.Equal(t, want, string(got.Raw))
	case json.Number:
		f, err := want.Float64()
		require.NoError(t, err)
		require.Equal(t, Number, got.Kind)
		require.Equal(t, math.Float64bits(f), math.Float64bits(got.Num))
		require.Equal(t, math.Abs(f) >= 1<<53 && !strings.ContainsAny(string(want), ".eE"), got.Wide)
		if got.Wide {
			require.Equal(t, string(want), string(got.Raw))
		}
	default:
		require.Equal(t, Composite, got.Kind)
		var inner any
		d := json.NewDecoder(bytes.NewReader(got.Raw))
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
		s := NewSchema(false)
		slots := make([]int, len(wanted))
		for i, path := range wanted {
			slots[i] = s.Field(path)
		}
		f := NewFrame(s)
		require.Empty(t, NewDecoder(s).Decode(doc, f.Slots), "%s", doc)
		for i, path := range wanted {
			want, found := lookup(object, path)
			requireSame(t, want, found, &f.Slots[slots[i]])
		}
	})
}

// FuzzDecode holds the decoder to encoding/json on any bytes: what it accepts, encoding/json accepts and reads alike;
// what it calls broken, encoding/json rejects, except for what I-JSON forbids and encoding/json mends in silence.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"a":1,"order":{"price":2}}`, `{"a":"\ud83d\ude00"}`, `{"a":1e400}`, `{"a":[1,2,{"b":null}],"a":2}`,
		`{"a":NaN}`,
		"{\"a\":\"\xff\"}", `[1]`, ` `, `{"a":1}x`, `{"order":{"price":{"x":1}},"a":true}`, `{"a":"\ud83d"}`,
		`{"a":-0}`,
	} {
		f.Add([]byte(seed))
	}
	s := NewSchema(false)
	wanted := [][]string{{"a"}, {"order"}, {"order", "price"}, {"é"}}
	slots := make([]int, len(wanted))
	for i, path := range wanted {
		slots[i] = s.Field(path)
	}
	reused := NewDecoder(s)
	f.Fuzz(func(t *testing.T, data []byte) {
		frame := NewFrame(s)
		before := bytes.Clone(data)
		defect := reused.Decode(data, frame.Slots)
		require.Equal(t, before, data, "the payload belongs to the page")

		fresh := NewFrame(s)
		require.Equal(t, defect, NewDecoder(s).Decode(data, fresh.Slots), "a used decoder decides as a new one")
		if defect != "" {
			require.Contains(t, payload.Defects(), defect)
			mended := []payload.Defect{
				payload.NotObject, payload.NumberRange, payload.DuplicateKey, payload.LoneSurrogate,
				payload.InvalidUTF8, payload.TooDeep,
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
			requireSame(t, want, found, &frame.Slots[slots[i]])
		}
	})
}
