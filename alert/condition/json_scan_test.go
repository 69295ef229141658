package condition

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert/payload"
)

// scanSchema looks at every kind of value, nested names and a hidden one.
func scanSchema(tb require.TestingT) *Schema {
	s := NewSchema(false)
	_,
		fault := Compile(`a > 1 && b == "x" && o.p.q > 1 && o.p != nil && $env["n m"] == true && shard == "s" && l `+
		`!= nil && ü == 1`, s)
	require.Nil(tb, fault)
	for _, path := range [][]string{{"a"}, {"o"}, {"o", "p"}, {"o", "p", "q"}, {"shard"}, {"x"}, {"l", "a"}} {
		s.Raw(path)
	}
	return s
}

// both decodes a document by the scanner and by the strict decoder alone.
func both(
	s *Schema, data []byte,
) (taken bool, short, long []Value, hidden [2][BuiltinSlots]bool, raw [2][][]byte, defect payload.Defect) {
	d := NewDecoder(s)
	short, long = make([]Value, s.Slots), make([]Value, s.Slots)
	taken = d.scan(data, short)
	hidden[0], raw[0] = d.Shadowed, d.Raw
	e := NewDecoder(s)
	defect = e.strict(data, long)
	hidden[1], raw[1] = e.Shadowed, e.Raw
	return taken, short, long, hidden, raw, defect
}

func agree(t require.TestingT, s *Schema, data []byte) {
	taken, short, long, hidden, raw, defect := both(s, data)
	if !taken {
		return
	}
	require.Empty(t, defect, "%q", data)
	require.Equal(t, hidden[1], hidden[0], "%q", data)
	require.Equal(t, raw[1], raw[0], "%q", data)
	for slot := range short {
		a, b := &short[slot], &long[slot]
		require.Equal(t, b.Kind, a.Kind, "%q", data)
		require.Equal(t, []any{b.Wide, b.Num, string(b.Raw)}, []any{a.Wide, a.Num, string(a.Raw)}, "%q", data)
	}
}

// FuzzScan: what the scanner takes is acceptable to the strict decoder, and has the same values.
func FuzzScan(f *testing.F) {
	s := scanSchema(f)
	for _, seed := range []string{
		benchDocument, `{}`, ` { "a" : -0.5e+3 , "b":"x\n" } `, `{"a":1e400}`,
		`{"o":{"p":{"q":2,"r":[1,{"a":null}]}},"l":[[],{}]}`,
		`{"a":1,"a":2}`, `{"\u0061":1}`, `{"b":"\ud800"}`, "{\"b\":\"\xff\"}", "{\"ü\":1,\"b\":\"é€😀\"}", `{"a":01}`,
		`{"a":1}x`, `{"n m":true,"shard":false}`,
		`{"a":9007199254740993}`, "{\"b\":\"a\x01\"}", `{"b":"12345678\\\"9"}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`,
		`{"a":nul}`, `{"a" 1}`, `[1]`, `{,}`, `{"a":1,}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) { agree(t, s, data) })
}

const benchDocument = `{"TICKER_SYMBOL":"QXZ","SECTOR":"HEALTHCARE","CHANGE":-1.27,"PRICE":60.18,"a":3,"b":"some ` +
	`text","o":{"p":{"q":1}}}`

// TestScanTakesOrdinaryDocuments: the short way is of use only if it is taken, and the two agree on what was damaged.
func TestScanTakesOrdinaryDocuments(t *testing.T) {
	t.Parallel()
	s := scanSchema(t)
	for _, doc := range []string{
		benchDocument, `{}`, " {\n\t\"a\" : [ 1 , -2.5e-3 , { } ] }\r\n",
		`{"b":"\"quoted\" \\ \n","ü":"é€😀"}`,
	} {
		taken, _, _, _, _, _ := both(s, []byte(doc))
		require.True(t, taken, doc)
	}
	text := rapid.StringOfN(rapid.SampledFrom([]rune(`ab "\/é€😀{}[]:,0 1`+"\n\x01")), 0, 20, -1)
	names := rapid.SampledFrom([]string{"a", "b", "o", "p", "q", "l", "n m", "shard", "ü", "x", "yy", "zzz"})
	var draw func(t *rapid.T, depth int) string
	draw = func(t *rapid.T, depth int) string {
		kinds := 5
		if depth > 3 {
			kinds = 3
		}
		switch rapid.IntRange(0, kinds).Draw(t, "kind") {
		case 0:
			return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "word")
		case 1:
			return rapid.SampledFrom([]string{
				"0", "-0", "1", "-12.5", "1e3", "2E-7", "9007199254740993", "1e400",
				"0.1",
			}).Draw(t, "number")
		case 2, 3:
			quoted, err := jsontext.AppendQuote(nil, text.Draw(t, "text"))
			require.NoError(t, err)
			return string(quoted)
		case 4:
			var parts []string
			for range rapid.IntRange(0, 3).Draw(t, "elements") {
				parts = append(parts, draw(t, depth+1))
			}
			return "[" + strings.Join(parts, ", ") + "]"
		}
		var parts []string
		for _, name := range rapid.SliceOfN(names, 0, 4).Draw(t, "names") {
			parts = append(parts, fmt.Sprintf("%q : %s", name, draw(t, depth+1)))
		}
		return "{ " + strings.Join(parts, ",") + "}"
	}
	rapid.Check(t, func(t *rapid.T) {
		doc := []byte(`{"a":` + draw(t, 0) + `,"o":{"p":` + draw(t, 1) + `},"b":` + draw(t, 1) + `}`)
		agree(t, s, doc)
		damaged := bytes.Clone(doc)
		at := rapid.IntRange(0, len(doc)-1).Draw(t, "at")
		damaged[at] = rapid.SampledFrom([]byte("\"\\{}[]:,e-.0 x\xff\x00")).Draw(t, "byte")
		agree(t, s, damaged)
		agree(t, s, doc[:at])
	})
}
