package columns

import (
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/payload"
)

func compile(t *testing.T, c Config) *Reader {
	t.Helper()
	r, field, err := c.Compile()
	require.NoError(t, err, field)
	return r
}

// read is what a reader makes of a text: JSON, a text, or a fault.
func read(r *Reader, text string, in *payload.Row, header *payload.Names) string {
	var data []byte
	if in == nil {
		data = []byte(text)
	}
	var out payload.Row
	got, fault := r.Read(data, in, header, &out)
	switch {
	case fault != nil:
		return string(fault.Defect) + ": " + fault.Detail
	case got != nil:
		return "text " + strconv.Quote(string(got))
	}
	made := out.AppendJSON(nil)
	if !jsontext.Value(made).IsValid() {
		return "not strict: " + string(made)
	}
	return string(made)
}

// TestCSV: what is a number in JSON is one, everything else is text as it is written, and what does not fit is a fault.
func TestCSV(t *testing.T) {
	three := compile(t, Config{As: AsCSV, Columns: []string{"a", "b-c", "d"}, Text: []string{"d"}})
	for text, want := range map[string]string{
		"1,-2.50e1,3":                    `{"a":1,"b_c":-2.50e1,"d":"3"}`,
		"1,2,3\r\n":                      `{"a":1,"b_c":2,"d":"3"}`,
		"007,-,+1":                       `{"a":"007","b_c":"-","d":"+1"}`,
		"0x1F,1.,.5":                     `{"a":"0x1F","b_c":"1.","d":".5"}`,
		" 1,1 ,":                         `{"a":" 1","b_c":"1 ","d":""}`,
		"12e4567,NaN,true":               `{"a":"12e4567","b_c":"NaN","d":"true"}`,
		"9007199254740993,,x":            `{"a":9007199254740993,"b_c":"","d":"x"}`,
		`"1","a ""b"", c",x`:             `{"a":1,"b_c":"a \"b\", c","d":"x"}`,
		"\"two\nlines\",\"\",\"\"\"\"\n": `{"a":"two\nlines","b_c":"","d":"\""}`,
		`5" pipe,a"b"c,""`:               `{"a":"5\" pipe","b_c":"a\"b\"c","d":""}`,
		"Zürich,☃,\x00":                  `{"a":"Zürich","b_c":"☃","d":"\u0000"}`,
		"\n":                             `text "\n"`,
		"1,2":                            "bad_columns: csv: too few fields: 2, and there are 3 columns",
		"":                               `text ""`,
		"1,2,3,4,5":                      "bad_columns: csv: too many fields: 5, and there are 3 columns",
		"1,2,3\n4,5,6\n": "bad_columns: csv: a newline at byte 5; `split: lines` makes a record of " +
			"each line",
		`1,"2,3`:        "bad_columns: csv: the quote at byte 2 is not closed",
		`1,"2"x,3`:      "bad_columns: csv: no separator behind the quote at byte 4",
		`1,"a \"b\"",3`: "bad_columns: csv: no separator behind the quote at byte 6",
		"1,\xff,3":      "invalid_utf8: csv: byte 2 of 5 is no UTF-8",
	} {
		require.Equal(t, want, read(three, text, nil, nil), "%q", text)
	}
	for separator, text := range map[string]string{"tab": "1\tx,y", "|": "1|x,y", "¦": "1¦x,y", " ": "1 x,y"} {
		two := compile(t, Config{As: AsCSV, Separator: separator, Columns: []string{"a", "b"}})
		require.JSONEq(t, `{"a":1,"b":"x,y"}`, read(two, text, nil, nil))
	}
}

// TestHeader: the first line names the columns as a configuration would, and the same line gives the same names, so
// that rules look them up once.
func TestHeader(t *testing.T) {
	r := compile(t, Config{As: AsCSV, Header: true, Text: []string{"account-id"}})
	names, fault := r.Header([]byte("account-id,\"log \"\"x\"\"\",n\r\n"))
	require.Nil(t, fault)
	require.JSONEq(t, `{"account_id":"12","log \"x\"":"y","n":3}`, read(r, "12,y,3", nil, names))
	require.Equal(t, "bad_columns: csv: too few fields: 1, and there are 3 columns", read(r, "1", nil, names))
	other, fault := r.Header([]byte("n"))
	require.Nil(t, fault)
	require.JSONEq(t, `{"n":3}`, read(r, "3", nil, other))
	again, fault := r.Header([]byte("account-id,\"log \"\"x\"\"\",n"))
	require.Nil(t, fault)
	require.Same(t, names, again)
	for line, want := range map[string]string{
		"a,,b":                          "csv: the header: column 2 has no name",
		"a-b,a_b":                       `csv: the header: "a_b" names two columns`,
		`a,"b`:                          "csv: the quote at byte 2 is not closed",
		strings.Repeat(",", maxColumns): "csv: the header: 10001 names, and 10000 is the most",
	} {
		_, fault := r.Header([]byte(line))
		require.EqualError(t, fault, want)
	}
}

// TestLogfmt: names without a value are empty texts, and a name that is there twice has no value to judge.
func TestLogfmt(t *testing.T) {
	r := compile(t, Config{As: AsLogfmt, Text: []string{"id"}})
	long := strings.Repeat("x", 100<<10)
	for text, want := range map[string]string{
		`ts=2026-11-30T00:00:00Z msg="disk \"sda\" full" dur=1.25s n=12 id=7 empty= flag` + "\n": `{"ts":"2026-11-30T00:00:00Z","msg":"disk \"sda\" full","dur":"1.25s","n":12,"id":"7","empty":"","flag":""}`,
		"request-id=05  \t ok=true": `{"request_id":"05","ok":"true"}`,
		"a=" + long + " b=2":        `{"a":"` + long + `","b":2}`,
		`b="open`:                   "bad_columns: logfmt: unterminated quoted value at byte 7",
		`a=1 =2`:                    "bad_columns: logfmt: unexpected '=' at byte 4",
		`a=1"2"`:                    `bad_columns: logfmt: unexpected '"' at byte 3`,
		"level=info level=error":    `bad_columns: logfmt: "level" is there twice; tolerate: [duplicate_names] takes the last`,
		"START RequestId: 6f5b":     "bad_columns: logfmt: there is no name=value in it",
		"a=1\nb=2": "bad_columns: logfmt: a newline at byte 3; `split: lines` makes a " +
			"record of each line",
		"a=\xff":                            "invalid_utf8: logfmt: byte 2 of 3 is no UTF-8",
		" \n":                               `text " \n"`,
		strings.Repeat("a= ", maxColumns+1): "bad_columns: logfmt: more than 10000 names",
	} {
		for range 2 { // behind a broken text and behind itself
			require.Equal(t, want, read(r, text, nil, nil), "%.60q", text)
			require.JSONEq(t, `{"c":3}`, read(r, "c=3", nil, nil))
		}
	}
	r.LastOfName = true
	require.JSONEq(t, `{"n":1,"level":"error"}`, read(r, "level=info n=1 level=error", nil, nil))
}

// TestText takes one newline off the end, no more.
func TestText(t *testing.T) {
	r := compile(t, Config{As: AsText})
	for text, want := range map[string]string{
		"a\n": "a", "a\r\n": "a", "a\n\n": "a\n", "a": "a", "\n": "", "": "", "a\r": "a\r",
	} {
		require.Equal(t, "text "+strconv.Quote(want), read(r, text, nil, nil))
	}
}

// TestFrom: the columns take the place of the text; other members stay, unless a column has their name.
func TestFrom(t *testing.T) {
	csv := compile(t, Config{As: AsCSV, From: "log", Separator: " ", Columns: []string{"status", "ms"}})
	logfmt := compile(t, Config{As: AsLogfmt, From: "log"})
	text := compile(t, Config{As: AsText, From: "log"})
	for _, c := range []struct {
		r          *Reader
		data, want string
	}{
		{csv, `{"log":"200 12\n","pod":{"a":["}",1]},"ms":"old"}`, `{"pod":{"a":["}",1]},"status":200,"ms":12}`},
		{csv, ` { "a\"b-c" : 1 , "l\u006fg" : "ok \u00fc" } `, `{"a\"b-c":1,"status":"ok","ms":"ü"}`},
		{csv, `{"log":"1 2"}`, `{"status":1,"ms":2}`},
		{csv, `{"log":"1"}`, "bad_columns: csv: too few fields: 1, and there are 2 columns"},
		{csv, `{"log":7}`, `bad_columns: csv: the member "log" is no text`},
		{csv, `{"message":"1 2"}`, `bad_columns: csv: the record has no member "log"`},
		{csv, `{}`, `bad_columns: csv: the record has no member "log"`},
		{csv, `{"log":"1 2"`, `text "{\"log\":\"1 2\""`},
		{csv, `{"log":"1 2","log":"3 4"}`, `text "{\"log\":\"1 2\",\"log\":\"3 4\"}"`},
		{csv, "1 2", `text "1 2"`},
		{logfmt, `{"log":"level=error a-b=1","stream":"stderr"}`, `{"stream":"stderr","level":"error","a_b":1}`},
		{logfmt, `{"log":""}`, "bad_columns: logfmt: there is no name=value in it"},
		{text, `{"log":"a\nb\n","stream":"stderr"}`, `text "a\nb"`},
		{text, `{"log":""}`, `text ""`},
	} {
		require.Equal(t, c.want, read(c.r, c.data, nil, nil), c.data)
	}
	csv.Bare = true
	require.JSONEq(t, `{"status":1,"ms":2}`, read(csv, "1 2\n", nil, nil))
	require.Equal(t, `text "{1 2"`, read(csv, "{1 2", nil, nil))
}

// TestFromRow: members of an event stay as they are, absent ones and objects in texts too, and rows of one shape share
// their names.
func TestFromRow(t *testing.T) {
	r := compile(t, Config{As: AsCSV, From: "message", Separator: " ", Columns: []string{"n", "id"}})
	in := &payload.Row{
		Names: payload.NewNames("message", "id", "group", "json", "extra"),
		Cells: []payload.Cell{
			{Kind: payload.Text, Raw: []byte("1 x")},
			{Kind: payload.Text, Raw: []byte("old")},
			{Kind: payload.Text, Raw: []byte("/a\"b")},
			{Kind: payload.Object, Raw: []byte(`{"k":1}`)},
			{Kind: payload.Absent},
		},
	}
	var out payload.Row
	text, fault := r.Read(nil, in, nil, &out)
	require.Nil(t, fault)
	require.Nil(t, text)
	require.JSONEq(t, `{"group":"/a\"b","json":{"k":1},"n":1,"id":"x"}`, string(out.AppendJSON(nil)))
	names := out.Names
	in.Cells[0].Raw = []byte("2 y")
	_, fault = r.Read(nil, in, nil, &out)
	require.Nil(t, fault)
	require.Same(t, names, out.Names)
	in.Cells[0].Kind = payload.Absent
	require.Equal(t, `bad_columns: csv: the record has no member "message"`, read(r, "", in, nil))
	whole := compile(t, Config{As: AsLogfmt})
	require.Equal(t, "bad_columns: logfmt: the record has members: from has to name the one with the text",
		read(whole, "", in, nil))
}

// TestWrongConfigs: each is refused with the field and what to do.
func TestWrongConfigs(t *testing.T) {
	two := []string{"a", "b"}
	for _, c := range []struct {
		config      Config
		field, want string
	}{
		{Config{As: AsCSV}, ".columns", "header: true"},
		{Config{As: AsCSV, Columns: two, Header: true}, ".columns", "header: true"},
		{Config{As: AsCSV, Columns: []string{"a-b", "a_b"}}, ".columns", `"a_b" names two columns`},
		{Config{As: AsCSV, Columns: []string{"a", ""}}, ".columns", "column 2 has no name"},
		{Config{As: AsCSV, Columns: two, Separator: ";;"}, ".separator", "one character"},
		{Config{As: AsCSV, Columns: two, Separator: `"`}, ".separator", "one character"},
		{Config{As: AsCSV, Columns: two, Separator: "\n"}, ".separator", "one character"},
		{Config{As: AsCSV, Columns: two, Separator: "\xff"}, ".separator", "one character"},
		{Config{As: AsCSV, Columns: two, Text: []string{"c"}}, ".text", `"c"`},
		{Config{As: AsCSV, Header: true, From: "m"}, ".header", "from"},
		{Config{As: AsLogfmt, Columns: two}, ".columns", "csv only"},
		{Config{As: AsLogfmt, Separator: ","}, ".separator", "csv only"},
		{Config{As: AsText, Header: true}, ".header", "csv only"},
		{Config{As: AsText, Text: two}, ".text", "csv and logfmt only"},
		{Config{As: AsJSON, From: "m"}, ".from", "nested"},
	} {
		_, field, err := c.config.Compile()
		require.ErrorContains(t, err, c.want)
		require.Equal(t, c.field, field)
	}
}

// TestReadsWithoutAllocation: streams of separated text and logfmt cost no garbage.
func TestReadsWithoutAllocation(t *testing.T) {
	flow := []byte("2 000000000000 eni-0a1b 10.0.0.5 10.0.1.7 443 49152 6 20 4249 1796000000 1796000060 ACCEPT OK\n")
	columns := strings.Split("a b c d e f g h i j k l m n", " ")
	for name, c := range map[string]struct {
		r    *Reader
		data []byte
	}{
		"csv":    {compile(t, Config{As: AsCSV, Separator: " ", Columns: columns}), flow},
		"quotes": {compile(t, Config{As: AsCSV, Columns: columns[:2]}), []byte(`"a ""b""",2`)},
		"logfmt": {compile(t, Config{As: AsLogfmt}), []byte(`level=error msg="disk full" n=12`)},
	} {
		var out payload.Row
		require.Zero(t, testing.AllocsPerRun(100, func() {
			if _, fault := c.r.Read(c.data, nil, nil, &out); fault != nil {
				t.Fatal(fault)
			}
			c.r.Release()
		}), name)
	}
}

// TestShapesAreForgotten: a stream whose texts all have other names does not fill the memory.
func TestShapesAreForgotten(t *testing.T) {
	r := compile(t, Config{As: AsLogfmt, From: "m"})
	for i := range 1000 {
		n := strconv.Itoa(i)
		require.JSONEq(t, `{"o`+n+`":1,"n`+n+`":2}`, read(r, `{"o`+n+`":1,"m":"n`+n+`=2"}`, nil, nil))
	}
	require.LessOrEqual(t, len(r.shapes), maxShapes)
	require.LessOrEqual(t, len(r.joined), maxShapes)
}
