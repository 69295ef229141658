package filter_test

import (
	"cmp"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/filter"
)

// pattern is a Pattern with this text.
func pattern(tb testing.TB, text string) filter.Pattern {
	tb.Helper()
	var p filter.Pattern
	require.NoError(tb, p.UnmarshalJSON([]byte(text)))
	return p
}

// compile makes a Set of patterns that are valid.
func compile(tb testing.TB, texts ...string) *filter.Set {
	tb.Helper()
	var patterns []filter.Pattern
	for _, text := range texts {
		patterns = append(patterns, pattern(tb, text))
	}
	set, err := filter.Compile(patterns)
	require.NoError(tb, err, texts)
	return set
}

type vectors struct {
	Fields []struct {
		ID, Pattern, Data, Event, Result, Note string
	} `json:"field_vectors"`
	Records []struct {
		ID, Pattern, Result string
		Payload             string `json:"payload_utf8"`
	} `json:"record_vectors"`
}

func readVectors(tb testing.TB) vectors {
	tb.Helper()
	text, err := os.ReadFile("testdata/filter-vectors.json")
	require.NoError(tb, err)
	var v vectors
	require.NoError(tb, json.Unmarshal(text, &v))
	require.NotEmpty(tb, v.Fields)
	require.Len(tb, v.Records, 5)
	return v
}

func TestFieldVectors(t *testing.T) {
	for _, v := range readVectors(t).Fields {
		t.Run(v.ID, func(t *testing.T) {
			text, payload := v.Pattern, v.Data
			if v.Event != "" {
				// A whole event, of which each field can be a pattern's: it is the payload here.
				text, payload = `{"data":`+v.Pattern+`}`, v.Event
			}
			if v.Result == "INVALID_PATTERN" {
				_, err := filter.Compile([]filter.Pattern{pattern(t, text)})
				require.Error(t, err)
				if strings.HasPrefix(text, `{"`) {
					// Most have no data, which would be reason enough.
					_, err = filter.Compile([]filter.Pattern{pattern(t, `{"data":`+text+`}`)})
					require.Error(t, err)
				}
				return
			}
			want := map[string]filter.Result{"MATCH": filter.Matched, "NO_MATCH": filter.NotMatched}
			require.Contains(t, want, v.Result)
			set := compile(t, text)
			require.Equal(t, want[v.Result], set.Matcher().Match([]byte(payload), "key"), "%s\n%s", text, payload)
			require.Equal(t, want[v.Result] == filter.Matched, set.Explain([]byte(payload), "key")[0].Matched)
		})
	}
}

func TestRecordVectors(t *testing.T) {
	for _, v := range readVectors(t).Records {
		t.Run(v.ID, func(t *testing.T) {
			var patterns []filter.Pattern
			if v.Pattern != "(none)" {
				patterns = append(patterns, pattern(t, v.Pattern))
			}
			set, err := filter.Compile(patterns)
			if v.Result == "REJECT_AT_CREATE" {
				require.Error(t, err)
				return
			}
			require.NoError(t, err)
			want := map[string]filter.Result{"DELIVER": filter.Matched, "DROP": filter.NotJSON}
			require.Contains(t, want, v.Result)
			require.Equal(t, want[v.Result], set.Matcher().Match([]byte(v.Payload), "key"))
		})
	}
}

// TestRulerVectors holds the package to what event-ruler does, but where it decides otherwise on purpose.
func TestRulerVectors(t *testing.T) {
	text, err := os.ReadFile("testdata/ruler-vectors.jsonl")
	require.NoError(t, err)
	for i, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		var v struct{ Pattern, Data, Ruler, Ours string }
		require.NoError(t, json.Unmarshal([]byte(line), &v))
		want := cmp.Or(v.Ours, v.Ruler)
		got := "INVALID"
		if set, err := filter.Compile([]filter.Pattern{pattern(t, v.Pattern)}); err == nil {
			got = map[filter.Result]string{
				filter.Matched:    "MATCH",
				filter.NotMatched: "NO_MATCH",
			}[set.Matcher().Match([]byte(v.Data), "key")]
		}
		if want != got {
			t.Errorf("line %d: got %s\n%s", i+1, got, line)
		}
	}
}
