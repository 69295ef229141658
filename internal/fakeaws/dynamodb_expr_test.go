package fakeaws

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// exprItem is the item that conditions, projections and updates in the tests look at.
const exprItem = `{
	"s": {"S": "hello"}, "n": {"N": "10"}, "b": {"B": "AQID"}, "t": {"BOOL": true}, "nil": {"NULL": true},
	"l": {"L": [{"N": "1"}, {"S": "two"}, {"L": [{"S": "deep"}]}]},
	"m": {"M": {"a": {"N": "1"}, "l": {"L": [{"M": {"x": {"S": "y"}}}]}, "a.b": {"S": "dotted"}}},
	"ss": {"SS": ["a", "b"]}, "ns": {"NS": ["1", "2.50"]}, "bs": {"BS": ["AQ==", "Ag=="]},
	"big": {"N": "12345678901234567890123456789012345678"}
}`

func readItem(t require.TestingT, doc string) attrMap {
	var w wireItem
	require.NoError(t, json.Unmarshal([]byte(doc), &w))
	item, err := w.item()
	require.NoError(t, err)
	return item
}

// exprNames and exprValues are all placeholders that the tests use.
func testParams(t require.TestingT) *exprParams {
	var values wireItem
	require.NoError(t, json.Unmarshal([]byte(`{
		":hello": {"S": "hello"}, ":he": {"S": "he"}, ":z": {"S": "z"}, ":a": {"S": "a"}, ":empty": {"S": ""},
		":one": {"N": "1"}, ":ten": {"N": "1e1"}, ":eleven": {"N": "11"}, ":half": {"N": "2.5"}, ":three": {"N": "3"},
		":five": {"N": "5"},
		":big": {"N": "12345678901234567890123456789012345678"},
		":bigger": {"N": "12345678901234567890123456789012345679"},
		":b": {"B": "AQID"}, ":b1": {"B": "AQ=="}, ":true": {"BOOL": true}, ":null": {"NULL": true},
		":l": {"L": [{"S": "deep"}]}, ":m": {"M": {"x": {"S": "y"}}}, ":ss": {"SS": ["b", "a"]},
		":sb": {"SS": ["b", "c"]},
		":ns": {"NS": ["2.5", "1"]},
		":bs": {"BS": ["Ag=="]}, ":N": {"S": "N"}, ":SS": {"S": "SS"}, ":what": {"S": "X"}
	}`), &values))
	p, err := newExprParams(
		map[string]string{"#s": "s", "#size": "size", "#dotted": "a.b", "#m": "m", "#gone": "gone"}, values, true,
	)
	require.NoError(t, err)
	return p
}

func TestConditions(t *testing.T) {
	item := readItem(t, exprItem)
	for src, want := range map[string]bool{
		"s = :hello":    true,
		"s = :z":        false,
		":hello = s":    true,
		"s <> :z":       true,
		"#s = :hello":   true,
		"n = :ten":      true, // 1e1 is 10
		"n < :eleven":   true,
		"n < :ten":      false,
		"n <= :ten":     true,
		"n > :one":      true,
		"n >= :eleven":  false,
		"big = :big":    true,
		"big = :bigger": false, // as floats they would be equal
		"big < :bigger": true,
		"b = :b":        true,
		"b > :b1":       true,
		"t = :true":     true,
		"t = nil":       false,
		"m.l[0] = :m":   true,
		"l[2] = :l":     true,
		"ss = :ss":      true, // sets have no order
		"ns = :ns":      true,
		"n = :hello":    false, // another type is never equal
		"n <> :hello":   true,
		"n < :hello":    false, // and has no order
		"n > :hello":    false,

		"gone = :z":       false,
		"gone <> :z":      true,
		"NOT gone = :z":   true,
		"gone = alsogone": false,
		"gone < :z":       false,

		"n BETWEEN :one AND :eleven": true,
		"n between :ten and :ten":    true,
		"n BETWEEN :eleven AND big":  false,
		"s BETWEEN :he AND :z":       true,

		"n BETWEEN :one AND :eleven AND s = :z": false,

		"s IN (:z, :hello)": true,
		"s IN (:z)":         false,
		"gone IN (:z)":      false,
		"n in(:ten)":        true,

		"attribute_exists(m.l[0].x)": true,
		"attribute_exists(m.l[1].x)": false,
		"attribute_exists(s.x)":      false,
		"attribute_exists(m[0])":     false,
		"attribute_exists(l.a)":      false,
		"attribute_exists(nil)":      true,
		"attribute_not_exists(gone)": true,
		"attribute_not_exists(s)":    false,
		"attribute_type(n, :N)":      true,
		"attribute_type(ss, :SS)":    true,
		"attribute_type(s, :N)":      false,
		"attribute_type(gone, :N)":   false,

		"begins_with(s, :he)":    true,
		"begins_with(s, :empty)": true,
		"begins_with(s, :z)":     false,
		"begins_with(b, :b1)":    true,
		"begins_with(n, :he)":    false,
		"begins_with(b, :he)":    false,

		"contains(s, :he)":    true,
		"contains(s, :z)":     false,
		"contains(b, :b1)":    true,
		"contains(ss, :a)":    true,
		"contains(ss, :one)":  false,
		"contains(ns, :half)": true,
		"contains(bs, :b1)":   true,
		"contains(l, :one)":   true,
		"contains(l, :l)":     true,
		"contains(l, :z)":     false,
		"contains(m, :a)":     false,
		"contains(gone, :a)":  false,
		"contains(s, gone)":   false,

		"size(s) = :five":             true,
		"size(b) = :three":            true,
		"size(l) = :three":            true,
		"size(m) = :three":            true,
		"size(ss) > :one":             true,
		"size(ns) > :one":             true,
		"size(bs) > :one":             true,
		"size(n) > :one":              false, // a number has no size
		"size(gone) < :one":           false,
		"size(:hello) = :five":        true,
		"m.#dotted = :z":              false,
		"attribute_exists(m.#dotted)": true,
		"attribute_exists(#m.l[0])":   true,

		"s = :z OR s = :hello AND n = :ten":        true,
		"s = :hello OR n = :one AND n = :eleven":   true, // AND binds tighter
		"(s = :hello OR n = :one) AND n = :eleven": false,
		"NOT s = :z AND n = :ten":                  true, // NOT binds tightest
		"NOT (s = :hello AND n = :ten)":            false,
		"not not s = :hello":                       true,
		"(s) = (:hello)":                           true,
		"(s = :hello)":                             true,
		"(attribute_exists(s)) and (attribute_not_exists(gone) or (s = :z))":                  true,
		"attribute_exists ( s )\n\tAND\rn=:ten":                                               true,
		"attribute_not_exists(gone) OR (n = :one AND (s = :z OR (t = :true AND n <> :ten)))":  true,
		"attribute_not_exists(s) OR n < :ten OR n > :ten OR size(s) < size(b) OR m.a <> l[0]": false,
	} {
		t.Run(src, func(t *testing.T) {
			n, err := parseCondition("ConditionExpression", src, testParams(t))
			require.NoError(t, err)
			require.Equal(t, want, holds(n, item))
		})
	}
}

func TestConditionsThatAreRefused(t *testing.T) {
	for src, message := range map[string]string{
		"":                       "The expression can not be empty;",
		" \n":                    "The expression can not be empty;",
		"s":                      `Syntax error; token: "<EOF>", near: "s"`,
		":hello":                 `Syntax error; token: "<EOF>"`,
		"s = ":                   `Syntax error; token: "<EOF>", near: "="`,
		"s == :hello":            `Syntax error; token: "=", near: "= = :hello"`,
		"s = :hello n":           `Syntax error; token: "n", near: ":hello n"`,
		"s = :hello AND":         `token: "<EOF>"`,
		"s ! :hello":             `Syntax error; token: "!", near: "s !"`,
		"s = :":                  `token: ":"`,
		"# = :z":                 `token: "#"`,
		"(s = :hello":            `token: "<EOF>"`,
		"s = :hello)":            `token: ")"`,
		"((s = :hello))":         "The expression has redundant parentheses;",
		"()":                     `token: ")"`,
		"l[x] = :z":              `token: "x"`,
		"l[-1] = :z":             `token: "-"`,
		"l[9999999999999999999]": `token: "9999999999999999999"`,
		"l[0 = :z":               `token: "="`,
		"m. = :z":                `token: "="`,
		"0s = :z":                `token: "0"`,
		"s = 'x'":                `token: "'"`,
		"s BETWEEN :a OR :z":     `token: "OR"`,
		"s IN :a":                `token: ":a"`,
		"s IN ()":                `token: ")"`,
		"s = :hello = :z":        `token: "="`,
		"(s = :hello) = :z":      "Syntax error",
		"size = :one":            "Attribute name is a reserved keyword; reserved keyword: size",
		"m.Name = :one":          "Attribute name is a reserved keyword; reserved keyword: Name",
		"s = :nope": "An expression attribute value used in expression is not defined; " +
			"attribute value: :nope",
		"#nope = :z": "An expression attribute name used in the document path is not defined; " +
			"attribute name: #nope",
		"sizeof(s) = :one": "Invalid function name; function: sizeof",
		"SIZE(s) = :one":   "Invalid function name; function: SIZE",
		"size(s)": "The function is not allowed to be used this way in an expression; " +
			"function: size",
		"attribute_exists(s) = :true": "The function is not allowed to be used this way in an expression; " +
			"function: attribute_exists",
		"size(contains(s, :a)) = :one": "The function is not allowed to be used this way in an expression; " +
			"function: contains",
		"if_not_exists(s, :a) = :a": "Invalid function name; function: if_not_exists",
		"attribute_exists(s, n)": "Incorrect number of operands for operator or function; operator or " +
			"function: attribute_exists, number of operands: 2",
		"begins_with(s)": "operator or function: begins_with, number of operands: 1",
		"attribute_exists(:a)": "Operator or function requires a document path; operator or function: " +
			"attribute_exists",
		"begins_with(s, :one)": "Incorrect operand type for operator or function; operator or function: " +
			"begins_with, operand type: N",
		"s < :true": "Incorrect operand type for operator or function; operator or function: <, " +
			"operand type: BOOL",
		"s >= :ss":               "operator or function: >=, operand type: SS",
		"s BETWEEN :null AND :z": "operator or function: BETWEEN, operand type: NULL",
		"n BETWEEN :ten AND :one": "The BETWEEN operator requires upper bound to be greater than or equal to " +
			"lower bound; lower bound operand: AttributeValue: {N:10}, upper bound operand: AttributeValue: {N:1}",
		"n BETWEEN :ten AND :z":    "The BETWEEN operator requires same data type for lower and upper bounds",
		"size(:one) = :one":        "operator or function: size, operand type: N",
		"attribute_type(s, :one)":  "operator or function: attribute_type, operand type: N",
		"attribute_type(s, :what)": "Invalid attribute type name found; type: X",
		"attribute_type(s, n)": "operator or function: attribute_type, operand type: " +
			"{NS,SS,L,BS,N,M,B,BOOL,NULL,S}",
		"s = s": "The first operand must be distinct from the remaining operands for this " +
			"operator or function; operator: =, first operand: [s]",
		"m.l[0] = #m.l[0]": "first operand: [m, l, [0]]",
		"contains(s, s)":   "operator: contains, first operand: [s]",
		"s = :a + :a":      `token: "+"`,
		"n IN (:one" + strings.Repeat(", :one", 100) + ")": "Too many operands for the IN operator; operand count: 101",
		strings.Repeat("m.", 32) + "m = :a": "The document path has too many nesting elements; " +
			"nesting elements: 33",
		strings.Repeat("s=:a OR ", 100) + "s = :a": "too many operators",
		"s = :a" + strings.Repeat(" ", 4096): "Expression size has exceeded the maximum allowed " +
			"size; expression size: 4102",
	} {
		t.Run(src[:min(len(src), 60)], func(t *testing.T) {
			_, err := parseCondition("ConditionExpression", src, testParams(t))
			require.ErrorContains(t, err, "ValidationException: Invalid ConditionExpression: ")
			require.ErrorContains(t, err, message)
		})
	}
}

func TestExpressionParams(t *testing.T) {
	values := func(doc string) wireItem {
		var w wireItem
		require.NoError(t, json.Unmarshal([]byte(doc), &w))
		return w
	}
	for _, test := range []struct {
		name    string
		names   map[string]string
		values  wireItem
		without bool
		message string
	}{
		{
			name: "names without expression", names: map[string]string{"#a": "a"}, without: true,
			message: "ExpressionAttributeNames can only be specified when using expressions",
		},
		{
			name: "values without expression", values: values(`{":a": {"S": "x"}}`), without: true,
			message: "ExpressionAttributeValues can only be specified when using expressions",
		},
		{name: "empty names", names: map[string]string{}, message: "ExpressionAttributeNames must not be empty"},
		{name: "empty values", values: wireItem{}, message: "ExpressionAttributeValues must not be empty"},
		{
			name: "name without mark", names: map[string]string{"a": "a"},
			message: `ExpressionAttributeNames contains invalid key: Syntax error; key: "a"`,
		},
		{name: "name of the mark", names: map[string]string{"#": "a"}, message: `invalid key: Syntax error; key: "#"`},
		{name: "value with a dash", values: values(
			`{":a-b": {"S": "x"}}`,
		), message: `ExpressionAttributeValues contains invalid key: Syntax error; key: ":a-b"`},
		{
			name: "bad value", values: values(`{":a": {"N": "x"}}`),
			message: "ExpressionAttributeValues contains invalid value: The parameter cannot be converted to a " +
				"numeric value: x for key :a",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := newExprParams(test.names, test.values, !test.without)
			require.ErrorContains(t, err, test.message)
		})
	}
	t.Run("unused", func(t *testing.T) {
		p, err := newExprParams(
			map[string]string{"#a": "a", "#c": "c", "#b": "b"}, values(`{":x": {"S": "x"}, ":y": {"S": "y"}}`), true,
		)
		require.NoError(t, err)
		_, err = parseCondition("FilterExpression", "#a = :x", p)
		require.NoError(t, err)
		require.ErrorContains(
			t, p.unused(), "Value provided in ExpressionAttributeNames unused in expressions: keys: {#b, #c}",
		)
		_, err = parseProjection("#b, #c", p)
		require.NoError(t, err)
		require.ErrorContains(
			t, p.unused(), "Value provided in ExpressionAttributeValues unused in expressions: keys: {:y}",
		)
	})
}

// Names that a lease table would like to use: some of them are traps.
func TestReservedWords(t *testing.T) {
	for _, word := range []string{"owner", "counter", "shard", "state", "timestamp", "TTL", "Status", "ABORT", "zone"} {
		require.True(t, reservedWord(word), word)
	}
	for _, word := range []string{"leaseKey", "leaseOwner", "leaseEpoch", "checkpoint", "epoch", "id", "fenced", ""} {
		require.False(t, reservedWord(word), word)
	}
}

func TestProjection(t *testing.T) {
	for src, want := range map[string]string{
		"s":                       `{"s":{"S":"hello"}}`,
		"s, n":                    `{"n":{"N":"10"},"s":{"S":"hello"}}`,
		"gone":                    `null`,
		"gone, #s":                `{"s":{"S":"hello"}}`,
		"l[1]":                    `{"l":{"L":[{"S":"two"}]}}`,
		"l[2][0], l[0]":           `{"l":{"L":[{"N":"1"},{"L":[{"S":"deep"}]}]}}`,
		"l[7]":                    `null`,
		"m.l[0].x, m.#dotted":     `{"m":{"M":{"a.b":{"S":"dotted"},"l":{"L":[{"M":{"x":{"S":"y"}}}]}}}}`,
		"m.gone, m.a, s.x, n[0]":  `{"m":{"M":{"a":{"N":"1"}}}}`,
		"nil,m . l [ 0 ],#m.a,ss": `{"m":{"M":{"a":{"N":"1"},"l":{"L":[{"M":{"x":{"S":"y"}}}]}}},"nil":{"NULL":true},"ss":{"SS":["a","b"]}}`,
	} {
		t.Run(src, func(t *testing.T) {
			paths, err := parseProjection(src, testParams(t))
			require.NoError(t, err)
			got, err := json.Marshal(project(readItem(t, exprItem), paths))
			require.NoError(t, err)
			if want == "null" {
				require.Nil(t, project(readItem(t, exprItem), paths))
				return
			}
			require.JSONEq(t, want, string(got))
		})
	}
	for src, message := range map[string]string{
		"s,":      `token: "<EOF>"`,
		"s n":     `token: "n"`,
		"size(s)": "reserved keyword: size",
		":a":      `token: ":a"`,
		"s, #s": "Two document paths overlap with each other; must remove or rewrite one of these paths; " +
			"path one: [s], path two: [s]",
		"m.a, n, m":    "path one: [m, a], path two: [m]",
		"m.a, m[0]":    "Two document paths conflict with each other",
		"l[0], l[0].x": "path one: [l, [0]], path two: [l, [0], x]",
	} {
		t.Run(src, func(t *testing.T) {
			_, err := parseProjection(src, testParams(t))
			require.ErrorContains(t, err, "Invalid ProjectionExpression: ")
			require.ErrorContains(t, err, message)
		})
	}
}

// A parser gets anything. It must not panic, and what it accepts must evaluate: a condition holds or its negation does,
// an update gives an item that can be stored and answered.
func FuzzExpressions(f *testing.F) {
	for _, seed := range []string{
		"s = :hello AND (n <> :ten OR NOT begins_with(s, :he))", "n BETWEEN :one AND :ten", "s IN (:a, :z)",
		"size(l) > :one",
		"m.l[0].x, #m.a, l[2][0]", "SET n = n + :one, l[9] = :a REMOVE m.l[0] ADD ns :ns DELETE ss :ss",
		"SET l = list_append(if_not_exists(gone, :l), l), m.a = :one - m.a", "((s", "REMOVE l[0], l[1], m.l[0].x",
		"[(]:#.,0",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, src string) {
		item := readItem(t, exprItem)
		before := fmt.Sprint(item)
		if n, err := parseCondition("FilterExpression", src, testParams(t)); err == nil {
			require.NotEqual(t, holds(n, item), holds(exprNot{x: n}, item))
		}
		if paths, err := parseProjection(src, testParams(t)); err == nil {
			_ = project(item, paths)
		}
		if u, err := parseUpdate(src, testParams(t)); err == nil {
			if next, err := u.apply(item); err == nil {
				require.Equal(t, next, readItem(t, string(next.appendItem(nil))))
			}
		}
		require.Equal(t, before, fmt.Sprint(item), "an item was changed in place")
	})
}
