package condition

import (
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/payload"
)

// rowSchema looks at all members of a row, at some below them, and at one that a built-in name hides.
func rowSchema(tb require.TestingT) *Schema {
	s := NewSchema(false)
	_, fault := Compile(`message contains "x" && timestamp > 1 && id != "" && extracted.bytes == "7" && json.n > 1 && `+
		`json.o.p == "y" && json.o != nil && shard != "s" && absent != nil && whole != nil`, s)
	require.Nil(tb, fault)
	return s
}

// agreeOnRow decodes a row as it is and by its JSON text.
func agreeOnRow(t require.TestingT, s *Schema, d *Decoder, row *payload.Row) {
	ofRow, ofText := make([]Value, s.Slots), make([]Value, s.Slots)
	defect := d.DecodeRow(row, ofRow)
	text := row.AppendJSON(nil)
	e := NewDecoder(s)
	require.Equal(t, e.Decode(text, ofText), defect, "%s", text)
	if defect != "" {
		return
	}
	require.Equal(t, e.Shadowed, d.Shadowed, "%s", text)
	require.ElementsMatch(t, e.Touched, d.Touched, "%s", text)
	for slot := range ofRow {
		a, b := &ofRow[slot], &ofText[slot]
		require.Equal(t, b.Kind, a.Kind, "slot %d of %s", slot, text)
		require.Equal(t, []any{b.Wide, b.Num, string(b.Raw)}, []any{a.Wide, a.Num, string(a.Raw)}, "slot %d of %s",
			slot, text)
	}
}

// FuzzRow: a row has the values that its JSON text has, and the defect.
func FuzzRow(f *testing.F) {
	for _, seed := range []struct{ message, timestamp, extracted string }{
		{"plain x\n", "1796000000000", `{"bytes":"7"}`},
		{`{"n":2,"o":{"p":"y"}}` + "\n", "1e400", `{"bytes":7}`},
		{` {"n":1e400}`, "0", `"\u0041"`},
		{`{"n":1e400,}`, `"later"`, "[1]"},
		{`{"n":1,"n":2}`, "null", "true"},
		{`{"o":{"p":"\ud83d\ude00"}}`, " 5 ", `{}`},
		{`{"\u006e":9007199254740993}`, "-0", ` { "bytes" : "7" } `},
		{`{"o":[1]} x`, "1", `{"bytes":"\n"}`},
	} {
		f.Add(seed.message, seed.timestamp, seed.extracted)
	}
	s := rowSchema(f)
	names := payload.NewNames("message", "timestamp", "id", "extracted", "json", "shard", "absent", "whole", "other")
	f.Fuzz(func(t *testing.T, message, timestamp, extracted string) {
		text := []byte(strings.ToValidUTF8(message, ""))
		row := payload.Row{Names: names, Cells: make([]payload.Cell, names.Len())}
		row.Cells[0] = payload.Cell{Kind: payload.Text, Raw: text}
		for i, v := range map[int]string{1: timestamp, 3: extracted} {
			if jsontext.Value(v).IsValid() {
				row.Cells[i] = payload.Cell{Kind: payload.JSON, Raw: []byte(v)}
			}
		}
		row.Cells[2] = payload.Cell{Kind: payload.JSON, Raw: []byte(`"é\n"`)}
		for _, i := range []int{4, 5, 7, 8} {
			row.Cells[i] = payload.Cell{Kind: payload.Object, Raw: text}
		}
		d := NewDecoder(s)
		agreeOnRow(t, s, d, &row)
		agreeOnRow(t, s, d, &row)
	})
}

// TestRowsOfOtherShapes: a decoder tells the shapes of rows apart.
func TestRowsOfOtherShapes(t *testing.T) {
	t.Parallel()
	s := rowSchema(t)
	d := NewDecoder(s)
	cells := []payload.Cell{{Kind: payload.Text, Raw: []byte("x")}, {Kind: payload.JSON, Raw: []byte("7")}}
	one, two := payload.NewNames("message", "timestamp"), payload.NewNames("other", "message")
	for range 2 {
		for _, names := range []*payload.Names{one, two} {
			agreeOnRow(t, s, d, &payload.Row{Names: names, Cells: cells})
		}
	}
	require.True(t, s.TakesRows())
	s.Raw([]string{"message"})
	require.False(t, s.TakesRows(), "a row has no document of which a member could be taken")
	require.False(t, NewSchema(true).TakesRows())
}
