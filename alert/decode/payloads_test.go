package decode_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/payload"
)

// payloadCase is a payload as a producer puts it, and what has to come out of it.
type payloadCase struct {
	Kind, Writer string
	Data         []byte
	Input        json.RawMessage // the name of a preset, or steps as in a configuration; none is no input
	Whole        *struct{ Invalid, Dropped string }
	Pieces       []struct {
		Sub     uint32
		Key     string
		Record  map[string]any
		More    bool // there may be members beyond those of Record
		Text    *string
		Invalid string // why, in any words
	}
	Hint, HintWelcome string // words of the hint without input
}

// stepsOf are steps as JSON has them: the names are those of YAML.
func stepsOf(t *testing.T, raw json.RawMessage) (in decode.Input) {
	t.Helper()
	if len(raw) == 0 {
		return in
	}
	if raw[0] == '"' {
		require.NoError(t, json.Unmarshal(raw, &in.Preset))
		return in
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.DisallowUnknownFields()
	require.NoError(t, decoder.Decode(&in.Steps))
	return in
}

func payloadCases(t *testing.T) (cases []payloadCase) {
	t.Helper()
	files, err := filepath.Glob("testdata/payloads/*.json")
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(files), 117)
	for _, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // of this package
		require.NoError(t, err)
		var c payloadCase
		decoder := json.NewDecoder(bytes.NewReader(content))
		decoder.UseNumber()
		decoder.DisallowUnknownFields()
		require.NoError(t, decoder.Decode(&c), file)
		cases = append(cases, c)
	}
	return cases
}

// TestPayloads: what real writers put comes out right with the input that it needs.
func TestPayloads(t *testing.T) {
	for _, c := range payloadCases(t) {
		t.Run(c.Kind, func(t *testing.T) { c.check(t) })
	}
}

// TestPayloadsAreHinted: without input, a payload that cannot be read is called what it is, layer by layer. What can be
// read, or gives no sign, is called nothing: no hint is better than a wrong one.
func TestPayloadsAreHinted(t *testing.T) {
	// What a case calls it, and what the hint does; "" where it may say nothing.
	words := map[string]string{
		"JSON lines": "joined by newlines", "text": "", "CBOR": "", "a UTF-8 byte order mark": "",
		"bytes that are no UTF-8":          "another encoding than UTF-8",
		"Fluent Bit log_key: escaped JSON": "Fluent Bit's log_key",
		"zlib":                             "zlib", "Avro": "Avro file", "Parquet": "Parquet file",
		"snappy (xerial)": "(xerial)",
	}
	for _, c := range payloadCases(t) {
		hint := (*decode.Plan)(nil).Hint(t.Context(), c.Data)
		if c.Hint == "" {
			require.Nil(t, hint, "%s: %+v", c.Kind, hint)
			continue
		}
		said := ""
		if hint != nil {
			said = strings.ToLower(hint.Words())
		}
		for word := range strings.SplitSeq(c.Hint, ", ") {
			want, renamed := words[word]
			if !renamed {
				want = word
			}
			require.Contains(t, said, strings.ToLower(want), c.Kind)
		}
		if c.Hint == "text" {
			require.Contains(t, []string{"", "plain text", "csv text", "logfmt text"}, said, c.Kind)
		}
		if hint != nil && strings.Contains(c.Hint, "CloudWatch Logs") {
			require.Equal(t, "cloudwatch_logs", hint.Input, c.Kind)
		}
	}
}

func (c *payloadCase) check(t *testing.T) {
	t.Helper()
	plan, faults := stepsOf(t, c.Input).Compile(decode.DefaultLimits())
	require.Empty(t, faults)
	got := plan.All(t.Context(), &alert.Record{PartitionKey: "outer", SequenceNumber: "1", Data: c.Data})
	if c.Whole != nil {
		require.Len(t, got, 1)
		if c.Input == nil && c.Whole.Dropped == "empty" && !got[0].Inner && payload.IsBlank(got[0].Data) {
			return // the evaluator knows whether texts may be empty
		}
		require.Equal(t, c.Whole.Dropped, string(got[0].Dropped))
		if c.Whole.Invalid != "" {
			require.True(t, invalid(&got[0], false), c.Whole.Invalid)
		}
		return
	}
	require.Len(t, got, len(c.Pieces))
	for i, want := range c.Pieces {
		u := &got[i]
		require.Equal(t, want.Sub, u.SubSequence)
		if want.Key != "" {
			require.Equal(t, want.Key, u.PartitionKey)
		}
		require.Empty(t, u.Dropped)
		if want.Invalid != "" {
			require.True(t, invalid(u, plan.Text()), "%s: %s", want.Invalid, u.Data)
			continue
		}
		require.NoError(t, u.Err)
		if want.Text != nil {
			require.True(t, plan.Text())
			require.Equal(t, *want.Text, string(u.Data))
			continue
		}
		require.True(t, payload.IsObject(u.Data), "%s", u.Data)
		var record map[string]any
		decoder := json.NewDecoder(bytes.NewReader(u.Data))
		decoder.UseNumber() // the digits count
		require.NoError(t, decoder.Decode(&record))
		if want.More {
			maps.DeleteFunc(record, func(name string, _ any) bool { _, named := want.Record[name]; return !named })
		}
		require.Equal(t, want.Record, record)
	}
}

// invalid reports whether a user record is: the stage says so, or the evaluator will.
func invalid(u *decode.UserRecord, text bool) bool {
	return u.Err != nil || !text && !payload.IsObject(u.Data)
}
