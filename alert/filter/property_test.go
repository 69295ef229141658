package filter_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert/filter"
)

// The generators choose from few names and values, so that patterns and records meet.

func genName(t *rapid.T) string {
	return rapid.SampledFrom([]string{"a", "b", "c", "a.b", "b.c", "", "ä", "x-y"}).Draw(t, "name")
}

func genNumber(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"0", "-0", "0.0", "1", "1.0", "10e-1", "-1", "2", "1.5", "300", "3.0e2", "9007199254740992", "9007199254740993",
		"9007199254740993.0", "123456789012345678901234567890", "123456789012345678901234567891", "1e400", "-1e-400",
		"0.1",
		"1234567890123456789.01", "12345678901234567890.1e-1", "100000000000000000000.5",
		"0.00000000000000000000000000001",
	}).Draw(t, "number")
}

func genText(t *rapid.T) string {
	return rapid.SampledFrom([]string{
		"", "x", "X", "xy", "xyx", "yx", "x*y", `x\y`, "ab", "aB", "abab", "ä", "Ä", "ß", "SS", "k", "\u212a", "😀",
		"\n", "1", "300", "true",
		"10.0.0.1", "010.0.0.1", "10.0.0.2", "::1", "0:0::1", "::ffff:a00:1", "2001:DB8::1",
	}).Draw(t, "text")
}

func quote(text string) string {
	b, _ := json.Marshal(text)
	return string(b)
}

func genList(t *rapid.T, least int, item func(*rapid.T) string) string {
	n := rapid.IntRange(least, 3).Draw(t, "length")
	var items []string
	for range n {
		items = append(items, item(t))
	}
	return "[" + strings.Join(items, ",") + "]"
}

func genQuoted(t *rapid.T) string { return quote(genText(t)) }

func genWildcard(t *rapid.T) string {
	parts := rapid.SliceOfN(rapid.SampledFrom([]string{"", "x", "y", "ab", `\*`, `\\`, "ä"}), 1, 4).Draw(t, "parts")
	text := strings.Join(parts, "*")
	for strings.Contains(text, "**") {
		text = strings.ReplaceAll(text, "**", "*")
	}
	return quote(text)
}

func genAlternative(t *rapid.T) string {
	oneOrMore := func(item func(*rapid.T) string) string {
		if rapid.Bool().Draw(t, "list") {
			return genList(t, 1, item)
		}
		return item(t)
	}
	notEmpty := func(t *rapid.T) string { return quote(genText(t) + "x") }
	switch rapid.IntRange(0, 20).Draw(t, "operator") {
	case 0, 1:
		return genQuoted(t)
	case 2, 3:
		return genNumber(t)
	case 4:
		return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "literal")
	case 5:
		return `{"equals-ignore-case":` + genQuoted(t) + `}`
	case 6:
		return `{"prefix":` + genQuoted(t) + `}`
	case 7:
		return `{"suffix":` + genQuoted(t) + `}`
	case 8:
		return fmt.Sprintf(`{%q:{"equals-ignore-case":%s}}`,
			rapid.SampledFrom([]string{"prefix", "suffix"}).Draw(t, "side"), genQuoted(t))
	case 9, 10:
		sign := rapid.SampledFrom([]string{"=", "<", "<=", ">", ">="}).Draw(t, "sign")
		return fmt.Sprintf(`{"numeric":[%q,%s]}`, sign, genNumber(t))
	case 11:
		return fmt.Sprintf(`{"numeric":[%q,%s,%q,%s]}`, rapid.SampledFrom([]string{">", ">="}).Draw(t, "low"),
			rapid.SampledFrom([]string{"-1", "0", "1", "1.0"}).Draw(t, "from"),
			rapid.SampledFrom([]string{"<", "<="}).Draw(t, "high"),
			rapid.SampledFrom([]string{"1.5", "2", "300", "9007199254740993"}).Draw(t, "to"))
	case 12:
		return `{"exists":true}`
	case 13:
		return `{"exists":false}`
	case 14:
		return `{"wildcard":` + genWildcard(t) + `}`
	case 15:
		return fmt.Sprintf(`{"cidr":%q}`,
			rapid.SampledFrom([]string{"10.0.0.0/8", "10.0.0.3/30", "::/0", "0.0.0.0/0", "2001:db8::/32"}).Draw(t,
				"block"))
	case 16:
		return `{"exactly":` + genQuoted(t) + `}`
	case 17:
		return `{"anything-but":` + oneOrMore(genQuoted) + `}`
	case 18:
		return `{"anything-but":` + oneOrMore(genNumber) + `}`
	case 19:
		return `{"anything-but":{"wildcard":` + oneOrMore(genWildcard) + `}}`
	default:
		name := rapid.SampledFrom([]string{"prefix", "suffix", "equals-ignore-case"}).Draw(t, "but")
		return fmt.Sprintf(`{"anything-but":{%q:%s}}`, name, oneOrMore(notEmpty))
	}
}

func genFields(t *rapid.T, depth int) string {
	var members []string
	for range rapid.IntRange(1, 3).Draw(t, "members") {
		switch kind := rapid.IntRange(0, 5).Draw(t, "member"); {
		case kind == 0 && depth > 0:
			var forks []string
			for range rapid.IntRange(2, 3).Draw(t, "forks") {
				forks = append(forks, genFields(t, depth-1))
			}
			members = append(members, `"$or":[`+strings.Join(forks, ",")+`]`)
		case kind <= 2 && depth > 0:
			members = append(members, quote(genName(t))+":"+genFields(t, depth-1))
		default:
			members = append(members, quote(genName(t))+":"+genList(t, 1, genAlternative))
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func genPattern(t *rapid.T) string {
	key := `"partitionKey":` + genList(t, 1, genAlternative)
	switch rapid.IntRange(0, 6).Draw(t, "keys") {
	case 0:
		return "{" + key + "}"
	case 1:
		return `{"data":` + genFields(t, 2) + "," + key + "}"
	case 2:
		return `{"$or":[{` + key + `},{"data":` + genFields(t, 2) + "}]}"
	case 3:
		return `{"data":` + genList(t, 1, genAlternative) + "}"
	default:
		return `{"data":` + genFields(t, 2) + "}"
	}
}

func genValue(t *rapid.T, depth int) string {
	kind := rapid.IntRange(0, 9).Draw(t, "value")
	switch {
	case kind <= 2 && depth > 0:
		return genObject(t, depth)
	case kind <= 5 && depth > 0:
		return genList(t, 0, func(t *rapid.T) string { return genValue(t, depth-1) })
	case kind <= 7:
		return genQuoted(t)
	case kind == 8:
		return genNumber(t)
	default:
		return rapid.SampledFrom([]string{"null", "true", "false"}).Draw(t, "literal")
	}
}

func genObject(t *rapid.T, depth int) string {
	var members []string
	for range rapid.IntRange(0, 5).Draw(t, "members") {
		members = append(members, quote(genName(t))+":"+genValue(t, depth-1))
	}
	return "{" + strings.Join(members, ", ") + "}"
}

func genPayload(t *rapid.T) string {
	switch rapid.IntRange(0, 12).Draw(t, "payload") {
	case 0:
		return genValue(t, 4)
	case 1:
		return rapid.SampledFrom([]string{
			"", "x", "{", `{"a":1}x`, "{\"a\":\"\xff\"}", `{"a":"\ud800"}`,
			`{"a":01}`,
		}).Draw(t, "broken")
	default:
		return genObject(t, 5)
	}
}

// TestAgreesWithReference compares sets of patterns, with one Matcher for several records, with the plain reference.
func TestAgreesWithReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOfN(rapid.Custom(genPattern), 0, 4).Draw(t, "patterns")
		var patterns []filter.Pattern
		for _, text := range texts {
			var p filter.Pattern
			require.NoError(t, json.Unmarshal([]byte(text), &p))
			patterns = append(patterns, p)
		}
		set, err := filter.Compile(patterns)
		require.NoError(t, err)
		m := set.Matcher()
		for range 3 {
			payload, key := genPayload(t), genText(t)
			want := reference(texts, []byte(payload), key)
			require.Equal(t, want.String(), m.Match([]byte(payload), key).String(), "%s\n%s\n%s",
				strings.Join(texts, "\n"), payload, key)
			for i, e := range set.Explain([]byte(payload), key) {
				alone := reference(texts[i:i+1], []byte(payload), key)
				require.Equal(t, alone == filter.Matched, e.Matched, "%s\n%s\n%s", texts[i], payload, e)
				require.Equal(t, e.Matched, e.Field == "", "%s", e)
			}
		}
	})
}

// genElements are nested arrays of objects of few names and values.
func genElements(t *rapid.T, depth int) string {
	return genList(t, 1, func(t *rapid.T) string {
		if depth > 0 && rapid.IntRange(0, 5).Draw(t, "nested") == 0 {
			return genElements(t, depth-1)
		}
		var members []string
		for _, name := range []string{"a", "b", "c", "a.b", "b.c"} {
			switch kind := rapid.IntRange(0, 5).Draw(t, "kind"); {
			case kind <= 1:
				members = append(members, quote(name)+":"+
					rapid.SampledFrom([]string{"1", "2", "[1,2]"}).Draw(t, "value"))
			case kind == 2 && depth > 0:
				members = append(members, quote(name)+":"+genElements(t, depth-1))
			}
		}
		return "{" + strings.Join(members, ",") + "}"
	})
}

// TestArraysAgreeWithReference is the same for what fields in arrays have to do with each other.
func TestArraysAgreeWithReference(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var fields []string
		paths := rapid.Permutation([]string{"a", "b", "c", "a.b", "a.c", "b.c", "a.b.c", "b.a", "c.a", "c.b"}).Draw(t,
			"paths")
		for _, path := range paths[:rapid.IntRange(2, 4).Draw(t, "fields")] {
			fields = append(fields, quote(path)+":"+rapid.SampledFrom([]string{
				"[1]", "[2]", "[1,2]", `[{"exists":true}]`, `[{"exists":false}]`, `[{"exists":false},1]`,
				`[{"anything-but":1}]`,
			}).Draw(t, "alternatives"))
		}
		text := `{"data":{` + strings.Join(fields, ",") + `}}`
		var p filter.Pattern
		require.NoError(t, json.Unmarshal([]byte(text), &p))
		set, err := filter.Compile([]filter.Pattern{p})
		require.NoError(t, err)
		payload := genElements(t, 3)
		if rapid.Bool().Draw(t, "inside") {
			payload = `{"a":` + payload + `,"b":` + genElements(t, 2) + `}`
		}
		want := reference([]string{text}, []byte(payload), "")
		require.Equal(t, want.String(), set.Matcher().Match([]byte(payload), "").String(), "%s\n%s", text, payload)
		require.Equal(t, want == filter.Matched, set.Explain([]byte(payload), "")[0].Matched, "%s\n%s", text, payload)
	})
}
