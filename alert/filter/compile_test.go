package filter_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/filter"
)

// faults compiles patterns and returns what is wrong with them, each as its error says it.
func faults(tb testing.TB, texts ...string) []string {
	tb.Helper()
	var patterns []filter.Pattern
	for _, text := range texts {
		patterns = append(patterns, pattern(tb, text))
	}
	set, err := filter.Compile(patterns)
	if err == nil {
		return nil
	}
	require.Nil(tb, set)
	var list []string
	joined, ok := err.(interface{ Unwrap() []error })
	require.True(tb, ok)
	for _, err := range joined.Unwrap() {
		fault, ok := errors.AsType[*filter.PatternError](err)
		require.True(tb, ok)
		require.NotEmpty(tb, fault.Rule)
		list = append(list, err.Error())
	}
	return list
}

func TestCompileNamesEveryFault(t *testing.T) {
	require.Equal(t, []string{
		`filter[0].data.a[1]: unknown operator "regex"; possible are anything-but, cidr, equals-ignore-case, ` +
			`exactly, exists, numeric, prefix, suffix, wildcard`,
		`filter[0].data.b: is a number; it must be a list of alternatives, or an object with the fields below it`,
		`filter[2].eventName: a pattern can look at data and partitionKey alone, not at "eventName"; a field of the ` +
			`payload is written as {"data": {"eventName": ...}}`,
		`filter[2].data.$or[0].prefix: is a reserved name, which no field inside $or can have`,
		`filter[2].data.$or[1]: is an empty object; it must name at least one field`,
		`filter[2].data.$or[2]: is a string; it must be an object`,
	}, faults(t,
		`{"data":{"a":["x",{"regex":"x"}],"b":5}}`,
		`{"data":{"a":["x"]}}`,
		`{"eventName":["x"],"data":{"$or":[{"prefix":["x"]},{},"x"]}}`,
	))
}

func TestCompileReasons(t *testing.T) {
	for alternative, want := range map[string]string{
		`[1]`: `must be a string, a number, true, false, null or an object with ` +
			`an operator, not a list`,
		`{}`: `is an empty object; it must hold one operator of anything-but, cidr`,
		`{"prefix":"a","foo":[]}`: `holds 2 operators (prefix, foo); one object holds one operator, ` +
			`alternatives are objects of their own`,
		`{"prefix":3}`:    `prefix: must be a string, not a number`,
		`{"suffix":null}`: `suffix: must be a string, not null`,
		`{"prefix":{"suffix":"x"}}`: `prefix: must be a string or an object with equals-ignore-case ` +
			`alone, not with suffix`,
		`{"prefix":{}}`: `prefix: must be a string or an object with equals-ignore-case ` +
			`alone, not with nothing`,
		`{"prefix":{"equals-ignore-case":true}}`: `prefix: equals-ignore-case: must be a string, not true`,
		`{"equals-ignore-case":["x"]}`:           `equals-ignore-case: must be a string, not a list`,
		`{"exactly":{}}`:                         `exactly: must be a string, not an object`,
		`{"exists":"true"}`:                      `exists: must be true or false`,
		`{"wildcard":"a**b"}`: `wildcard: has ** at byte 1; one * stands for any run of ` +
			`characters, also of none`,
		`{"wildcard":"ab\\c"}`: `wildcard: has a backslash at byte 2 that escapes nothing; possible ` +
			`are \* and \\`,
		`{"cidr":"10.0.0.0"}`: `cidr: "10.0.0.0" must be an IP address, / and the number of fixed ` +
			`bits, such as 10.0.0.0/8 or 2001:db8::/32`,
		`{"cidr":"10.0.0.0/32"}`: `cidr: "10.0.0.0/32" must fix 0 to 31 bits; a single address is ` +
			`written as a plain string`,
		`{"cidr":"::1/x"}`: `cidr: "::1/x" must fix 0 to 127 bits`,
		`{"numeric":5}`: `numeric: must be a list of "=", ">", ">=", "<" or "<=" and a ` +
			`number, or a lower bound followed by an upper one`,
		`{"numeric":[">"]}`:     `numeric: has 1 elements; it must be "="`,
		`{"numeric":[">","1"]}`: `numeric: element 1 is a string; it must be "="`,
		`{"numeric":["!=",1]}`:  `numeric: unknown comparison "!="; it must be "="`,
		`{"numeric":["<",1,">",0]}`: `numeric: < stands before another bound; a range is a lower bound ` +
			`followed by an upper one`,
		`{"numeric":["=",1,"<",2]}`: `numeric: = stands before another bound`,
		`{"numeric":[">",1,"=",2]}`: `numeric: "=" as the second bound; behind a lower bound it must be ` +
			`< or <=`,
		`{"numeric":[">",30,"<",1]}`:        `numeric: the lower bound 30 must be less than the upper bound 1`,
		`{"numeric":[">=",1.0,"<=",10e-1]}`: `numeric: the lower bound 1.0 must be less than the upper bound 10e-1`,
		`{"anything-but":null}`: `anything-but: must be a string, a number, a list of strings or of ` +
			`numbers, or an object with one of equals-ignore-case, prefix, suffix, wildcard, not null`,
		`{"anything-but":[true]}`: `anything-but: must be a string, a number, a list of strings or of ` +
			`numbers`,
		`{"anything-but":[]}`:                  `anything-but: must not be an empty list`,
		`{"anything-but":["a",1]}`:             `anything-but: mixes strings and numbers; a list must be of one type`,
		`{"anything-but":{"numeric":["=",1]}}`: `anything-but: unknown operator "numeric"; it must be a string`,
		`{"anything-but":{}}`: `anything-but: must be a string, a number, a list of strings or of ` +
			`numbers, or an object with one of equals-ignore-case, prefix, suffix, wildcard; the object holds nothing`,
		`{"anything-but":{"prefix":["a",""]}}`: `anything-but: prefix: must not be empty: nothing would be left`,
		`{"anything-but":{"suffix":[1]}}`: `anything-but: suffix: must be a string or a list of strings, not a ` +
			`list with a number`,
		`{"anything-but":{"wildcard":"**"}}`: `anything-but: wildcard: has ** at byte 0`,
	} {
		list := faults(t, `{"data":{"x":[`+alternative+`]}}`)
		require.Len(t, list, 1, alternative)
		require.True(t, strings.HasPrefix(list[0], "filter[0].data.x[0]: "+want), "%s", list[0])
	}
	for text, want := range map[string]string{
		``:                              `filter[0]: is empty`,
		`null`:                          `filter[0]: is null; a pattern must be an object such as`,
		`[1,2]`:                         `filter[0]: is a list; a pattern must be an object`,
		`"hello"`:                       `filter[0]: is not valid JSON: `,
		`"{\"data\":{\"a\":1}}"`:        `filter[0].data.a: is a number; it must be a list of alternatives`,
		`{"data":{"a":[1]}} x`:          `filter[0]: is not valid JSON: something follows the value at byte 18`,
		`{"data":{"a":[1`:               `filter[0]: is not valid JSON: `,
		"{\"data\":{\"a\":[\"\xff\"]}}": `filter[0]: is not valid JSON: `,
		`{}`:                            `filter[0]: is an empty object; it must name at least one field`,
		`{"data":{}}`:                   `filter[0].data: is an empty object; it must name at least one field`,
		`{"data":[]}`:                   `filter[0].data: is an empty list; it must have at least one alternative`,
		`{"data":"hello"}`:              `filter[0].data: is a string; it must be a list of alternatives`,
		`{"a":[1]}`: `filter[0].a: a pattern can look at data and partitionKey alone, not at ` +
			`"a"; a field of the payload is written as {"data": {"a": ...}}`,
		`{"$or":[{"a":[1]},{"data":[1]}]}`: `filter[0].$or[0].a: a pattern can look at data and ` +
			`partitionKey alone`,
		`{"partitionKey":{"a":[1]}}`: `filter[0].partitionKey: the partition key is a string, not ` +
			`an object; it must be a list of alternatives`,
		`{"partitionKey.a":[1]}`: `filter[0].partitionKey.a: the partition key is a string, ` +
			`not an object; it must be named partitionKey`,
		`{"data":{"$or":[{"a":[1]}]}}`: `filter[0].data.$or: has 1 element; it must have at least ` +
			`two objects`,
		`{"data":{"$or":{"a":[1]}}}`: `filter[0].data.$or: is an object; it must be a list of at ` +
			`least two objects`,
		`{"data":{"$or":[{"a":{"=":[1]}},{"b":[1]}]}}`: `filter[0].data.$or[0].a.=: is a reserved name`,
	} {
		list := faults(t, text)
		require.Len(t, list, 1, text)
		require.True(t, strings.HasPrefix(list[0], want), "%s", list[0])
	}
}

// or has n combinations: n alternatives of one $or.
func or(n int, name string) string {
	var forks []string
	for i := range n {
		forks = append(forks, fmt.Sprintf(`{%q:[%d]}`, name, i))
	}
	return `"$or":[` + strings.Join(forks, ",") + `]`
}

func TestCombinationsAreBounded(t *testing.T) {
	require.Empty(t, faults(t, `{"data":{`+or(1000, "a")+`}}`))
	require.Empty(t, faults(t, `{"data":{`+or(10, "a")+","+or(10, "b")+","+or(10, "c")+`}}`))
	const want = "makes more than 1000 combinations together with the $or around and before it"
	require.Equal(t, []string{`filter[0].data.$or: ` + want}, faults(t, `{"data":{`+or(1001, "a")+`}}`))
	// 10^9 combinations are refused without being made, and once.
	var names []string
	for i := range 9 {
		names = append(names, or(10, fmt.Sprintf("f%d", i)))
	}
	require.Equal(t, []string{`filter[0].data.$or: ` + want}, faults(t, `{"data":{`+strings.Join(names, ",")+`}}`))

	var patterns []string
	for range 101 {
		patterns = append(patterns, `{"data":{`+or(1000, "a")+`}}`)
	}
	require.Equal(t, []string{
		"filter[100]: all patterns up to this one have 101000 combinations of their $or together; at most 100000 " +
			"are allowed",
	}, faults(t, patterns...))
}

func TestConditionsAreBounded(t *testing.T) {
	var fields []string
	for i := range 1001 {
		fields = append(fields, fmt.Sprintf(`"f%d":[1]`, i))
	}
	require.Equal(t, []string{
		`filter[1].data.f998: makes more than 1000000 conditions together with all before it: fields times ` +
			`combinations of $or`,
	}, faults(t, `{"data":{"x":[1]}}`, `{"data":{`+or(1000, "a")+","+strings.Join(fields, ",")+`}}`))
	require.Empty(t, faults(t, `{"data":{`+strings.Join(fields, ",")+","+or(100, "a")+`}}`))
}

func TestPatternKeepsItsText(t *testing.T) {
	const text = `{"data":{"x":["hello"],"x":["world"],"n":[1.0]}}`
	var list []filter.Pattern
	require.NoError(t, json.Unmarshal([]byte(`[`+text+`]`), &list))
	back, err := json.Marshal(list)
	require.NoError(t, err)
	require.True(t, bytes.Equal([]byte(`[`+text+`]`), back), "%s", back)

	back, err = json.Marshal(filter.Pattern{})
	require.NoError(t, err)
	require.Equal(t, "null", string(back))
	require.Equal(t, []string{"filter[0]: is empty"}, faults(t, ""))
}

func TestParseCriteria(t *testing.T) {
	const one = `{"Filters":[{"Pattern":"{\"data\":{\"a\":[1]}}"},{"Pattern":{"data":{"b":["x"]}}}]}`
	for _, text := range []string{
		one,
		`{"UUID":"u","BatchSize":100,"FilterCriteria":` + one + `,"State":"Enabled"}`,
	} {
		patterns, err := filter.ParseCriteria([]byte(text))
		require.NoError(t, err)
		require.Len(t, patterns, 2)
		set, err := filter.Compile(patterns)
		require.NoError(t, err)
		m := set.Matcher()
		require.Equal(t, filter.Matched, m.Match([]byte(`{"a":1}`), ""))
		require.Equal(t, filter.Matched, m.Match([]byte(`{"b":"x"}`), ""))
		require.Equal(t, filter.NotMatched, m.Match([]byte(`{"b":1}`), ""))
	}
	for _, text := range []string{
		`{}`, `{"Filters":[]}`, `{"Filters":null}`, `{"FilterCriteria":{}}`,
		`{"FilterCriteria":null,"UUID":"u"}`,
	} {
		patterns, err := filter.ParseCriteria([]byte(text))
		require.NoError(t, err, text)
		require.Empty(t, patterns, text)
	}
	for text, want := range map[string]string{
		``:                      "filter criteria: is empty",
		`{"Filters":[}`:         "filter criteria: is not valid JSON: ",
		`[{"Pattern":"{}"}]`:    "filter criteria: must be an object such as ",
		`{"FilterCriteria":[]}`: "filter criteria: FilterCriteria: must be an object with Filters",
		`{"UUID":"u"}`:          "filter criteria: UUID: unknown name; possible is Filters",
		`{"filters":[]}`:        "filter criteria: filters: unknown name; possible is Filters",
		`{"Filters":{}}`:        "filter criteria: Filters: must be a list of objects with Pattern",
		`{"Filters":[{}]}`:      "filter criteria: Filters[0]: must be an object with Pattern alone",
		`{"Filters":["x"]}`:     "filter criteria: Filters[0]: must be an object with Pattern alone",
		`{"Filters":[{"Pattern":"{}","Name":"x"}]}`: "filter criteria: Filters[0]: must be an object with " +
			"Pattern alone",
		`{"FilterCriteria":{"Filters":[{"Pattern":[5]}]}}`: "filter criteria: FilterCriteria.Filters[0].Pattern: " +
			"must be the pattern's JSON text as a string",
		`{"Filters":[{"Pattern":5},{"Pattern":null}],"x":1}`: "filter criteria: x: unknown name; possible is " +
			"Filters\nfilter criteria: Filters[0].Pattern: must be the pattern's JSON text as a string\nfilter " +
			"criteria: Filters[1].Pattern: ",
	} {
		_, err := filter.ParseCriteria([]byte(text))
		require.ErrorContains(t, err, want, text)
	}
}
