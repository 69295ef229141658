package alert

import (
	"maps"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert/template"
)

func TestAttributes(t *testing.T) {
	t.Parallel()
	r := newRenderer(t, TopicConfig{}, RuleConfig{
		Name:   "heart",
		Labels: map[string]string{"team": "cardio", "a.b": " x "},
		Attributes: map[string]AttributeConfig{
			"rate":  {Type: "Number", Value: "{{ .Fields.rate }}"},
			"tags":  {Type: "String.Array", Value: "{{ json .Fields.tags }}"},
			"empty": {Value: " {{ if false }}x{{ end }} "},
			"key":   {Value: "{{ .Key }} {{ .Labels.team }}"},
		},
	})
	m := message(t, r, someAlert(KindResolved, `{"rate":180.1234567,"tags":["a",1,true,null,"😀"]}`))
	require.Equal(t, []Attribute{
		{Name: "alert_id", Type: "String", Value: "8cf6"},
		{Name: "rule", Type: "String", Value: "heart"},
		{Name: "severity", Type: "String", Value: "critical"},
		{Name: "kind", Type: "String", Value: "resolved"},
		{Name: "a.b", Type: "String", Value: "x"},
		{Name: "team", Type: "String", Value: "cardio"},
		{Name: "key", Type: "String", Value: "p 17 cardio"},
		{Name: "rate", Type: "Number", Value: "180.12346"},
		{Name: "tags", Type: "String.Array", Value: `["a",1,true,null,"\ud83d\ude00"]`},
	}, m.Attributes)
	require.Empty(t, m.Structure, "only the mode without rules is to the letter of the sample")
	require.Empty(t, failures(r))
}

// TestAttributeThatFailsIsLeftOut: one bad attribute must not cost the others, or the alert.
func TestAttributeThatFailsIsLeftOut(t *testing.T) {
	t.Parallel()
	cases := []struct{ name, typ, value string }{
		{"absent field", "", "{{ .Fields.nosuch }}"},
		{"number in words", "Number", "{{ .Fields.s }}"},
		{"number out of range", "Number", "{{ .Fields.big }}"},
		{"number below range", "Number", "-{{ .Fields.big }}"},
		{"number beyond float64", "Number", "{{ .Fields.wide }}e400"},
		{"array that is none", "String.Array", "{{ json .Fields.s }}"},
		{"array in an array", "String.Array", "{{ json .Fields.nested }}"},
		{"array and more", "String.Array", "{{ json .Fields.list }} {{ .Fields.s }}"},
		{"array without an end", "String.Array", "[{{ .Fields.big }}"},
		{"control character", "", "{{ .Fields.bell }}"},
		{"emoji", "", "{{ .Fields.emoji }}"},
		{"too long", "", `x{{ printf "%5000s" .Fields.s }}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := newRenderer(t, TopicConfig{}, RuleConfig{Name: "heart", Attributes: map[string]AttributeConfig{
				"bad": {Type: c.typ, Value: c.value}, "good": {Value: "x"},
			}})
			m := message(t, r, someAlert(KindFiring,
				`{"s":"x","big":1000000000.1,"wide":9007199254740993,"list":[1],"nested":[[1]],"bell":"a\u0007b",`+
					`"emoji":"😀"}`))
			require.Len(t, m.Attributes, 5)
			require.Equal(t, "good", m.Attributes[4].Name)
			require.Equal(t, map[string]int{partAttribute: 1}, failures(r))
		})
	}
}

// TestNumberAttribute: SNS gets a number that it can compare, the nearest to the intended one.
func TestNumberAttribute(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"1": "1", "-0": "0", "1.50": "1.5", "1e3": "1000", "1e-9": "0", "-1e-9": "0", "0.000005": "0.00001",
		"1000000000": "1000000000", "-1e9": "-1000000000",
	} {
		got, err := numberAttribute(in)
		require.NoError(t, err, in)
		require.Equal(t, want, got, in)
	}
	for _, in := range []string{
		"", "+1", "01", ".5", "0x10", "1_000", "NaN", "Infinity", "1e9999", "1000000001", "1 2",
		"1,5",
	} {
		_, err := numberAttribute(in)
		require.Error(t, err, in)
	}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Float64Range(-maxNumber, maxNumber).Draw(t, "n")
		got, err := numberAttribute(strconv.FormatFloat(n, 'g', -1, 64))
		require.NoError(t, err)
		back, err := strconv.ParseFloat(got, 64)
		require.NoError(t, err)
		require.InDelta(t, n, back, 0.000_005_1)
		require.LessOrEqual(t, decimals(got), maxDecimals)
		require.NotContains(t, got, "e")
	})
}

// TestArrayAttributeKeepsItsValues: escaping changes no text.
func TestArrayAttributeKeepsItsValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		texts := rapid.SliceOf(rapid.String()).Draw(t, "texts")
		source, err := template.JSON(texts)
		require.NoError(t, err)
		got, err := attributeValue(typeArray, source)
		if len(source) > maxAttributeValue/3 && err != nil {
			return
		}
		require.NoError(t, err)
		require.False(t, strings.ContainsFunc(got, unsupportedInAttribute), got)
		a, b := jsontext.Value(source), jsontext.Value(got)
		require.NoError(t, a.Canonicalize())
		require.NoError(t, b.Canonicalize())
		require.Equal(t, string(a), string(b))
	})
}

func TestAttributeConfigErrors(t *testing.T) {
	t.Parallel()
	many := make(map[string]string)
	for i := range 7 {
		many["l"+strconv.Itoa(i)] = "x"
	}
	cases := []struct {
		name string
		rule RuleConfig
		want string
	}{
		{
			"reserved label",
			RuleConfig{Labels: map[string]string{"kind": "x"}},
			`rules[0].labels.kind: "kind": is the name of an attribute that every alert has`,
		},
		{
			"reserved attribute",
			RuleConfig{Attributes: map[string]AttributeConfig{"alert_id": {Value: "x"}}},
			`rules[0].attributes.alert_id: "alert_id": is the name of an attribute that every alert has`,
		},
		{
			"both",
			RuleConfig{Labels: map[string]string{"a": "x"}, Attributes: map[string]AttributeConfig{"a": {Value: "x"}}},
			`rules[0].attributes.a: "a": is also the name of a label`,
		},
		{
			"signs",
			RuleConfig{Labels: map[string]string{"a b": "x"}},
			`rules[0].labels.a b: "a b": must be 1 to 256 letters, digits or any of _-.`,
		},
		{
			"letters",
			RuleConfig{Labels: map[string]string{"ä": "x"}},
			`rules[0].labels.ä: "ä": must be 1 to 256 letters, digits or any of _-.`,
		},
		{
			"dots",
			RuleConfig{Labels: map[string]string{"a..b": "x"}},
			`rules[0].labels.a..b: "a..b": must not have a dot at its ends or two in a row`,
		},
		{
			"dot",
			RuleConfig{Labels: map[string]string{".a": "x"}},
			`rules[0].labels..a: ".a": must not have a dot at its ends or two in a row`,
		},
		{
			"Amazon",
			RuleConfig{Labels: map[string]string{"aMazon.x": "x"}},
			`rules[0].labels.aMazon.x: "aMazon.x": must not begin with AWS. or Amazon., which are reserved`,
		},
		{"no label", RuleConfig{Labels: map[string]string{"a": " "}}, `rules[0].labels.a: " ": must not be empty`},
		{
			"odd label",
			RuleConfig{Labels: map[string]string{"a": "😀"}},
			`rules[0].labels.a: "😀": must be valid UTF-8 without control characters and characters above U+FFFF, ` +
				`which SNS refuses`,
		},
		{
			"label as a template",
			RuleConfig{Labels: map[string]string{"a": "{{ .Key }}"}},
			`rules[0].labels.a: "{{ .Key }}": is not a template: only attributes are`,
		},
		{
			"type",
			RuleConfig{Attributes: map[string]AttributeConfig{"a": {Type: "Binary", Value: "x"}}},
			`rules[0].attributes.a.type: "Binary": must be String, Number or String.Array`,
		},
		{
			"no value",
			RuleConfig{Attributes: map[string]AttributeConfig{"a": {}}},
			`rules[0].attributes.a.value: "": must not be empty`,
		},
		{
			"template",
			RuleConfig{Attributes: map[string]AttributeConfig{"a": {Value: "{{ .Nosuch }}"}}},
			`rules[0].attributes.a.value: "{{ .Nosuch }}": can't evaluate field Nosuch: there is no such thing in a ` +
				`message (line 1, column 4 of the value)`,
		},
		{
			"constant range",
			RuleConfig{Attributes: map[string]AttributeConfig{"a": {Type: "Number", Value: "1e10"}}},
			`rules[0].attributes.a.value: "1e10": must be from -1000000000 to 1000000000`,
		},
		{
			"constant decimals",
			RuleConfig{Attributes: map[string]AttributeConfig{"a": {Type: "Number", Value: "3.141592"}}},
			`rules[0].attributes.a.value: "3.141592": has 6 decimals, SNS compares 5`,
		},
		{
			"constant number",
			RuleConfig{Attributes: map[string]AttributeConfig{"a": {Type: "Number", Value: "three"}}},
			`rules[0].attributes.a.value: "three": must be a decimal number`,
		},
		{
			"constant array",
			RuleConfig{Attributes: map[string]AttributeConfig{"a": {Type: "String.Array", Value: `{"a":1}`}}},
			`rules[0].attributes.a.value: "{\"a\":1}": must be a JSON array of texts, numbers, true, false and null`,
		},
		{
			"eleven",
			RuleConfig{Labels: many},
			`rules[0].attributes: "l0, l1, l2, l3, l4, l5, l6": with alert_id, rule, severity, kind these are 11, ` +
				`and SQS discards what comes with more than 10 where delivery is raw`,
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			c.rule.Name, c.rule.When = "r", "true"
			config := Config{Topics: map[string]TopicConfig{"a": {}, "b": {}}, Rules: []RuleConfig{c.rule}}
			config.Rules[0].Topics = []string{"a", "b"}
			require.EqualError(t, config.Validate(), c.want)
		})
	}
	many = maps.Clone(many)
	delete(many, "l0")
	require.NoError(t, Config{
		Topics: map[string]TopicConfig{"a": {}}, Rules: []RuleConfig{{Name: "r", When: "true", Labels: many}},
	}.Validate(), "ten")
}
