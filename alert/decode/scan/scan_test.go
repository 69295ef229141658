package scan_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/decode/scan"
	"kinesis-alerter/alert/payload"
)

func TestValue(t *testing.T) {
	for _, c := range []struct {
		text   string
		end    int
		defect payload.Defect
	}{
		{`{}x`, 2, ""},
		{`{"a":[1,{"b":null}],"c":-1.5e+3} `, 32, ""},
		{`[NaN,Infinity,-Infinity]`, 24, ""},
		{`{"a":1,"a":2}`, 13, ""},
		{`"\ud800"`, 8, ""},
		{"\"\xff\"", 3, ""},
		{``, 0, payload.Truncated},
		{`{"a":tr`, 7, payload.Truncated},
		{`{"a"`, 4, payload.Truncated},
		{`"a\u00`, 6, payload.Truncated},
		{`[1,`, 3, payload.Truncated},
		{`{"a":1,}`, 7, payload.NotJSON},
		{`[1 2]`, 3, payload.NotJSON},
		{`[1}`, 2, payload.NotJSON},
		{`[.5]`, 1, payload.NotJSON},
		{"\"a\nb\"", 2, payload.NotJSON},
		{`{'a':1}`, 1, payload.NotJSON},
		{strings.Repeat("[", scan.MaxDepth) + strings.Repeat("]", scan.MaxDepth), 2 * scan.MaxDepth, ""},
		{strings.Repeat("[", scan.MaxDepth+1), scan.MaxDepth, payload.TooDeep},
	} {
		end, defect := scan.Value([]byte(c.text), 0)
		require.Equal(t, c.end, end, "%.40s", c.text)
		require.Equal(t, c.defect, defect, "%.40s", c.text)
	}
}

// What the strict decoder reads ends at the same byte here; what ends here is JSON but for what the package lets pass.
func FuzzValue(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,{"b":"\u00e9\n"}],"c":-1.5e+3} x`, `[NaN]`, `[1,2`, `"a`, `01`, `-`, `{"a":{},}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		end, defect := scan.Value(data, scan.Space(data, 0))
		d := jsontext.NewDecoder(strings.NewReader(string(data)),
			jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
		strict, err := d.ReadValue()
		if err == nil {
			require.Empty(t, defect)
			require.EqualValues(t, d.InputOffset(), end)
			require.Equal(t, strict.Kind() == '0', scan.IsNumber(strict))
			return
		}
		if defect == "" && !strings.Contains(string(data), "NaN") && !strings.Contains(string(data), "Infinity") {
			// Only what follows may be at fault: the decoder wants to see a delimiter.
			_, err := jsontext.NewDecoder(strings.NewReader(string(data[:end])),
				jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)).ReadValue()
			require.NoError(t, err)
		}
		if defect == payload.Truncated {
			require.True(t, errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
				strings.Contains(string(data), "N") || strings.Contains(string(data), "I"), "%q: %v", data, err)
		}
	})
}
