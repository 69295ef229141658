package filter_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/filter"
	"kinesis-alerter/internal/testkit"
)

func TestNoPatternsMatchEverything(t *testing.T) {
	m := compile(t).Matcher()
	for _, data := range []string{`{"a":1}`, `hello`, ``, "\xff"} {
		require.Equal(t, filter.Matched, m.Match([]byte(data), ""))
	}
	require.False(t, compile(t).ReadsData())
}

func TestPayloadThatIsNotJSON(t *testing.T) {
	data, key := `{"data":{"a":[{"exists":false}]}}`, `{"partitionKey":["k"]}`
	for _, c := range []struct {
		patterns []string
		key      string
		want     filter.Result
	}{
		{[]string{data}, "k", filter.NotJSON},
		{[]string{key}, "k", filter.Matched},
		{[]string{key}, "x", filter.NotMatched},
		{[]string{data, key}, "k", filter.Matched},
		{[]string{data, key}, "x", filter.NotJSON},
		{[]string{`{"data":{"a":[1]},"partitionKey":["k"]}`}, "x", filter.NotJSON},
		{[]string{`{"$or":[{"data":{"a":[1]}},{"partitionKey":["k"]}]}`}, "k", filter.Matched},
		{[]string{`{"$or":[{"data":{"a":[1]}},{"partitionKey":["k"]}]}`}, "x", filter.NotJSON},
	} {
		m := compile(t, c.patterns...).Matcher()
		for _, payload := range []string{
			"", " ", "hello", "{", `{"b":1`, `{"b":1}}`, `{"b":1} x`, `{"b":01}`, `{"b":NaN}`, `{'b':1}`, `{"b":1,}`,
			"\ufeff{}",
			"{\"b\":\"\xff\"}", "{\"b\xff\":1}", `{"b":"\ud800"}`, `{"b":"\q"}`, "{\"b\":\"\n\"}", `[1,2`, `[{]}`,
			`{"a":` + strings.Repeat("[", 10001) + strings.Repeat("]", 10001) + `}`,
		} {
			require.Equal(t, c.want, m.Match([]byte(payload), c.key), "%s\n%.40s", c.patterns, payload)
		}
		require.NotEqual(t, filter.NotJSON, m.Match([]byte(`{"b":1}`), c.key))
	}
}

func TestMatch(t *testing.T) {
	deep := strings.Repeat("[", 9000) + `{"b":"x"}` + strings.Repeat("]", 9000)
	for _, c := range []struct{ pattern, payload string }{
		{`{"data":{"äö":["\u00e9\ud83d\ude00"]}}`, `{"\u00e4ö":"\u00e9\ud83d\ude00"}`},
		{`{"data":{"a\"b":["\\\/\b\u0000"]}}`, `{"a\u0022b":"\u005c/\u0008\u0000"}`},
		{`{"data":{"a\u002eb":["x"]}}`, `{"a":{"b":"x"}}`},
		{`{"data":{"a":{"b":["x"]}}}`, `{"a":` + deep + `}`},
		{`{"data":{"a":["x"]}}`, `{"a":[[[["y",["x"]]]]]}`},
		{`{"data":{"a":["y"]}}`, `{"a":"x","a":"y"}`},
		{`{"data":{"a":{"c":[1]},"b":[1]}}`, `{"a":{"c":2},"b":1,"a":{"c":1}}`},
		{`{"data":{"a":{"b":["y"]}}}`, `{"a.b":"x","c":1,"a.b":"y"}`},
		{`{"data":{"a":[{"exists":false}]}}`, `{"a":1,"a":{}}`},
		{`{"data":{"a":{"b":[1],"c":[{"exists":false}]}}}`, `{"a":[{"c":1,"b":2},{"b":1,"c":3,"c":[]}]}`},
		{`{"data":{"a":{"b":["x"],"c":["y"]}}}`, `{"a":[{"b":"x","c":["z","y"]}]}`},
		{`"{\"data\":{\"a\":[1]}}"`, `{"a":1}`},
		{`{"Pattern":"{\"data\":{\"a\":[1]}}"}`, `{"a":1}`},
		{`{"Pattern":{"data":{"a":[1]}}}`, `{"a":1}`},
		{`{"data":{"a":[1]}}`, " \t\r\n{ \"a\" : 1 }\n"},
	} {
		require.Equal(t, filter.Matched, compile(t, c.pattern).Matcher().Match([]byte(c.payload), ""), "%s\n%.80s",
			c.pattern, c.payload)
	}
	for _, c := range []struct{ pattern, payload string }{
		{`{"data":{"a":["x"]}}`, `{"a":"x","a":"y"}`},
		{`{"data":{"a":{"c":[1]},"b":[1]}}`, `{"a":{"c":1},"b":1,"a":{"c":2}}`},
		{`{"data":{"a":{"c":[1]},"b":[1]}}`, `{"a":{"c":1},"b":1,"a":null}`},
		{`{"data":{"a":{"b":["x"]}}}`, `{"a.b":"x","c":1,"a\u002eb":"y"}`},
		{`{"data":{"a":["x"]}}`, `{"A":"x"}`},
		{`{"data":{"a":["é"]}}`, `{"a":"e\u0301"}`},
		{`{"data":{"a":{"b":[1],"c":[{"exists":false}]}}}`, `{"a":[{"b":1,"c":3},{"b":2}]}`},
	} {
		require.Equal(t, filter.NotMatched, compile(t, c.pattern).Matcher().Match([]byte(c.payload), ""), "%s\n%.80s",
			c.pattern, c.payload)
	}
}

// TestMatcherForgets uses one Matcher for records that leave all kinds of things behind.
func TestMatcherForgets(t *testing.T) {
	m := compile(t, `{"data":{"a":{"b":[1],"c":[2]}},"partitionKey":["k"]}`).Matcher()
	for range 3 {
		require.Equal(t, filter.Matched, m.Match([]byte(`{"a":[{"b":1,"c":3},{"c":2,"b":1}]}`), "k"))
		require.Equal(t, filter.NotMatched, m.Match([]byte(`{"a":{"b":1}}`), "k"))
		require.Equal(t, filter.NotJSON, m.Match([]byte(`{"a":[{"b":1,"c":2},{"a.b":`), "k"))
		require.Equal(t, filter.NotMatched, m.Match([]byte(`{"a":{"c":2}}`), "k"))
		require.Equal(t, filter.NotMatched, m.Match([]byte(`{"a":{"b":1,"c":2}}`), "x"))
		require.Equal(t, filter.NotMatched,
			m.Match([]byte(`{"a":{"b":1,"c":[`+strings.Repeat("1,", 50_000)+`1]}}`), "k"))
	}
}

// TestLongArrays would not end if the elements of the arrays were multiplied: 4 x 10^8 choices for each of the
// patterns, and 10^12 for the third.
func TestLongArrays(t *testing.T) {
	testkit.Long(t)
	const n = 20_000
	rows := func(text string) string { return `[` + strings.Repeat(text+",", n) + text + `]` }
	payload := []byte(fmt.Sprintf(`{"l":%s,"m":%s,"r":%s}`, rows(`{"a":1,"b":1}`), rows(`{"a":1,"b":1}`),
		rows(`{"c":1},{"d":1}`)))
	for _, text := range []string{
		`{"data":{"l":{"a":[1]},"r":{"c":[1],"d":[1]}}}`,
		`{"data":{"l":{"a":[1],"b":[1]},"r":{"c":[1],"d":[1]}}}`,
		`{"data":{"l":{"a":[1],"b":[1]},"m":{"a":[1],"b":[1]},"r":{"c":[1],"d":[1]}}}`,
		`{"data":{"l":{"a":[1],"b":[1]},"r":{"c":[1],"d":[{"exists":false},1],"e":[1]}}}`,
		`{"data":{"l":{"a":[1],"b":[1]},"r":{"c":[1],"x":[{"exists":false}],"d":[{"exists":true}]}}}`,
	} {
		require.Equal(t, filter.NotMatched, compile(t, text).Matcher().Match(payload, ""), text)
	}
	m := compile(t, `{"data":{"l":{"a":[1],"b":[1]},"r":{"c":[1],"d":[{"exists":false}]}}}`).Matcher()
	require.Equal(t, filter.Matched, m.Match(payload, ""))
}

// TestDottedArraysAreBounded has the one kind of record for which elements do multiply: 6,000^3 choices.
func TestDottedArraysAreBounded(t *testing.T) {
	testkit.Long(t)
	rows := func(text string) string { return `[` + strings.Repeat(text+",", 3000) + text + `]` }
	set := compile(t, `{"data":{"a":{"b":{"c":{"1":[1],"2":[1],"3":[1],"4":[1],"5":[1],"6":[1],"7":[1]}}}}}`)
	payload := fmt.Sprintf(`{"a":%s,"a.b":%s,"a.b.c":%s}`, rows(`{"b":{"c":{"1":1}}},{"b":{"c":{"4":1}}}`),
		rows(`{"c":{"2":1}},{"c":{"5":1}}`), rows(`{"3":1},{"6":1}`)+`,"a.b.c.7":1`)
	require.Equal(t, filter.NotMatched, set.Matcher().Match([]byte(payload), ""))
	payload = `{"a":[{"b":{"c":{"1":1,"4":1}}}],"a.b":[{"x":1},{"c":{"2":1,"5":1}}],"a.b.c":[{"3":1},{"3":1,"6":1}],` +
		`"a.b.c.7":1}`
	require.Equal(t, filter.Matched, set.Matcher().Match([]byte(payload), ""))
}

// TestManyPatterns has patterns of which each is found through another kind of index, and one that matches among them.
func TestManyPatterns(t *testing.T) {
	payload := []byte(`{"s":"target","n":123.5,"ip":"10.1.2.3","f":"dir/cat.png","b":true,"z":null}`)
	hits := []string{
		`{"s":["target"]}`, `{"s":["x","target"]}`, `{"n":[123.50]}`, `{"n":[{"numeric":[">",123.4,"<",123.6]}]}`,
		`{"n":[{"numeric":["<=",123.5]}]}`, `{"ip":["::ffff:a01:203"]}`, `{"ip":[{"cidr":"10.1.0.0/16"}]}`,
		`{"f":[{"prefix":"dir/"}]}`,
		`{"f":[{"suffix":".png"}]}`, `{"f":[{"wildcard":"dir/*.png"}]}`, `{"f":[{"wildcard":"*at*"}]}`,
		`{"f":[{"wildcard":"*.png"}]}`,
		`{"f":[{"wildcard":"dir/cat.png"}]}`, `{"b":[true]}`, `{"z":[null]}`, `{"x":[{"exists":false}]}`,
		`{"z":[{"exists":true}]}`,
		`{"s":[{"anything-but":"x"}]}`, `{"s":[{"equals-ignore-case":"TARGET"}]}`, `{"s":[{"prefix":""}]}`,
		`{"b":[true],"n":[{"numeric":[">",0]}]}`,
	}
	misses := func(n int) []string {
		var list []string
		for i := range n {
			list = append(list,
				fmt.Sprintf(`{"data":{"s":["t%d"]}}`, i), fmt.Sprintf(`{"data":{"n":[%d]}}`, i),
				fmt.Sprintf(`{"data":{"n":[{"numeric":[">",%d.6]}]}}`, 123+i),
				fmt.Sprintf(`{"data":{"n":[{"numeric":[">",%d,"<=",%d]}]}}`, i-200, i-199),
				fmt.Sprintf(`{"data":{"ip":["10.2.%d.%d"]}}`, i/250, i%250),
				fmt.Sprintf(`{"data":{"f":[{"prefix":"dir/x%d"},{"suffix":"%d.png"}]}}`, i, i),
				fmt.Sprintf(`{"data":{"s":["target"],"b":[null,"%d"]}}`, i),
				fmt.Sprintf(`{"data":{"x%d":[{"exists":true}]}}`, i),
				fmt.Sprintf(`{"data":{"s":[{"exists":false}],"x%d":[{"exists":false}]}}`, i),
			)
		}
		return list
	}
	require.Equal(t, filter.NotMatched, compile(t, misses(300)...).Matcher().Match(payload, ""))
	for _, hit := range hits {
		set := compile(t, append(misses(300), `{"data":`+hit+`}`)...)
		require.Equal(t, filter.Matched, set.Matcher().Match(payload, ""), hit)
	}
}

func TestSetIsSharedByGoroutines(t *testing.T) {
	set := compile(t, `{"data":{"l":{"a":[1],"b":["x"]}}}`, `{"partitionKey":["k"]}`)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			m := set.Matcher()
			for range 200 {
				if got := m.Match(fmt.Appendf(nil, `{"l":[{"a":%d,"b":"x"}]}`, i%2),
					"other"); (got == filter.Matched) != (i%2 == 1) {
					t.Errorf("goroutine %d: %s", i, got)
				}
				set.Explain([]byte(`{}`), "k")
			}
		})
	}
	wg.Wait()
}
