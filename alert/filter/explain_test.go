package filter_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestExplain(t *testing.T) {
	for _, c := range []struct{ pattern, payload, want string }{
		{
			`{"data":{"ANOMALY_SCORE":[{"numeric":[">",3]}]}}`, `{"ANOMALY_SCORE":2.91}`,
			`data.ANOMALY_SCORE: 2.91 is not > 3`,
		},
		{`{"data":{"ANOMALY_SCORE":[{"numeric":[">",3]}]}}`, `{"ANOMALY_SCORE":3.5}`, `matches`},
		{
			`{"data":{"n":[{"numeric":[">=",3,"<",4.0]},7,null]}}`, `{"n":"3"}`,
			`data.n: "3" is not >= 3 and < 4.0 or 7 or null`,
		},
		{`{"data":{"s":["A","B"]}}`, `{"s":"a"}`, `data.s: "a" is not "A" or "B"`},
		{`{"data":{"s":["A"]}}`, `{"t":"A"}`, `data.s: has no value, wanted is "A"`},
		{`{"data":{"s":[{"exists":true}]}}`, `{"s":{"t":1}}`, `data.s: has no value, wanted is exists true`},
		{`{"data":{"s":[{"exists":false}]}}`, `{"s":null}`, `data.s: null exists`},
		{`{"data":{"s":[{"exists":false},"x"]}}`, `{"s":true}`, `data.s: true is not "x" or exists false`},
		{
			`{"data":{"s":[{"prefix":"us-"},{"suffix":{"equals-ignore-case":"x"}}]}}`, `{"s":"eu"}`,
			`data.s: "eu" does not match prefix "us-" or suffix equals-ignore-case "x"`,
		},
		{
			`{"data":{"s":[{"anything-but":{"prefix":["a"]}}]}}`, `{"s":"ab"}`,
			`data.s: "ab" does not match anything-but {"prefix":["a"]}`,
		},
		{
			`{"data":{"s":[{"anything-but":["a",  "b"]}]}}`, `{"s":"b"}`,
			`data.s: "b" does not match anything-but ["a",  "b"]`,
		},
		{
			`{"data":{"s":[{"wildcard":"a*"},{"cidr":"10.0.0.0/8"},{"equals-ignore-case":"q"}]}}`, `{"s":"b"}`,
			`data.s: "b" does not match wildcard "a*" or cidr 10.0.0.0/8 or equals-ignore-case "q"`,
		},
		{
			`{"data":{"s":[1,2,3,4,5,6,7]}}`, `{"s":[8,9,"x",null,10,11,12]}`,
			`data.s: each of 8, 9, "x", null, 10, 2 more is not 1 or 2 or 3 or 4 or 5 or 2 more`,
		},
		{`{"data":{"s":["x"]}}`, `{"s":"` + strings.Repeat("ä", 40) + `"}`, `data.s: "` + strings.Repeat("ä", 32) +
			`"… is not "x"`},
		{`{"data":{"a":[1],"b":[2]}}`, `{"b":3}`, `data.a: has no value, wanted is 1`},
		{`{"data":{"a":[1],"b":[2]}}`, `{"a":1,"b":3}`, `data.b: 3 is not 2`},
		{
			`{"data":{"l":{"a":[1],"b":[2]}}}`, `{"l":[{"a":1},{"b":2}]}`,
			`data.l.b: 2 matches 2 only in other elements of the array than the fields before it`,
		},
		{`{"data":{"l":{"a":[1],"b":[{"exists":false}]}}}`, `{"l":[{"a":1,"b":2}]}`, `data.l.b: 2 exists`},
		{`{"data":{"$or":[{"a":[1]},{"b":[2],"c":[3]}]}}`, `{"b":2,"c":4}`, `data.c: 4 is not 3`},
		{`{"data":{"a":[1]},"partitionKey":["x"]}`, `{"a":1}`, `partitionKey: "key" is not "x"`},
		{`{"data":{"a":[1]}}`, `hello`, `data: the payload is not valid JSON`},
		{`{"partitionKey":[{"prefix":"k"}]}`, `hello`, `matches`},
		{`{"data":{"a":[1]}}`, `{"a":2,"a":1}`, `matches`},
		{`{"data":{"a":[1]}}`, `{"a":1,"a":2}`, `data.a: 2 is not 1`},
	} {
		explanations := compile(t, `{"data":{"other":[{"exists":false}]}}`, c.pattern).Explain([]byte(c.payload), "key")
		require.Len(t, explanations, 2)
		require.Equal(t, 1, explanations[1].Index)
		require.Equal(t, c.want, explanations[1].String(), "%s\n%s", c.pattern, c.payload)
	}
	require.Empty(t, compile(t).Explain([]byte(`{}`), "key"))
}
