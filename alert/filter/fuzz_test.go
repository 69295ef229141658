package filter_test

import (
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/filter"
)

// FuzzCompile holds that no text is too much for the compiler, and that a pattern that it accepts is accepted again
// when it was written and read, in both forms.
func FuzzCompile(f *testing.F) {
	for _, v := range readVectors(f).Fields {
		f.Add([]byte(v.Pattern))
	}
	f.Add([]byte(`{"Filters":[{"Pattern":"{\"data\":{\"a\":[1]}}"}]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		_, _ = filter.ParseCriteria(text)
		var p filter.Pattern
		require.NoError(t, p.UnmarshalJSON(text))
		if _, err := filter.Compile([]filter.Pattern{p}); err != nil {
			return
		}
		again, err := json.Marshal(p)
		require.NoError(t, err)
		criteria, err := json.Marshal(map[string]any{"Filters": []any{map[string]any{"Pattern": string(again)}}})
		require.NoError(t, err)
		patterns, err := filter.ParseCriteria(criteria)
		require.NoError(t, err)
		require.Len(t, patterns, 1)
		_, err = filter.Compile(patterns)
		require.NoError(t, err)
	})
}

// FuzzMatch compares with the plain reference.
func FuzzMatch(f *testing.F) {
	for _, v := range readVectors(f).Fields {
		if v.Event != "" {
			f.Add([]byte(`{"data":`+v.Pattern+`}`), []byte(v.Event), "key")
		} else {
			f.Add([]byte(v.Pattern), []byte(v.Data), "key")
		}
	}
	// The reference makes fractions of numbers, and every choice of elements.
	huge := regexp.MustCompile(`[eE][+-]?[0-9]{4}`)
	const most = 400
	f.Fuzz(func(t *testing.T, text, payload []byte, key string) {
		var p filter.Pattern
		require.NoError(t, p.UnmarshalJSON(text))
		set, err := filter.Compile([]filter.Pattern{p})
		if err != nil {
			return
		}
		got := set.Matcher().Match(payload, key)
		explanation := set.Explain(payload, key)[0]
		require.Equal(t, got == filter.Matched, explanation.Matched, "%s", explanation)
		if len(text) > most || len(payload) > most || huge.Match(text) || huge.Match(payload) {
			return
		}
		require.Equal(t, reference([]string{string(text)}, payload, key).String(), got.String())
	})
}

// FuzzCriteria: whatever a filter_file holds, it is patterns or an error, and each pattern can be compiled or is
// refused.
func FuzzCriteria(f *testing.F) {
	f.Add([]byte(`{"Filters": [{"Pattern": "{\"data\": {\"a\": [1]}}"}, {"Pattern": {"partitionKey": ["x"]}}]}`))
	f.Add([]byte(`{"FilterCriteria": {"Filters": []}}`))
	f.Add([]byte(strings.Repeat("[", 200)))
	f.Fuzz(func(t *testing.T, text []byte) {
		if patterns, err := filter.ParseCriteria(text); err == nil {
			_, _ = filter.Compile(patterns)
		}
	})
}
