package decode_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/decode/columns"
)

// stepOf is a step for a byte, so that random bytes are random inputs.
func stepOf(b byte) decode.Step {
	steps := []decode.Step{
		{Decompress: "auto"},
		{Decompress: "gzip"},
		{Decompress: "zstd"},
		{Decompress: "deflate"},
		{Decompress: "snappy"},
		{Decompress: "lz4"},
		{Decode: "base64"},
		{Decode: "json_string"},
		{Decode: "utf-16"},
		{Decode: "iso-8859-1"},
		{Split: "lines"},
		{Split: "concatenated"},
		{Split: "array"},
		{Split: "a.b"},
		{Unwrap: "cloudwatch_logs"},
		{Unwrap: "dynamodb"},
		{Unwrap: "sns"},
		{Unwrap: "eventbridge"},
		{Parse: &columns.Config{As: columns.AsCSV, Header: true}},
		{Parse: &columns.Config{As: columns.AsCSV, Columns: []string{"a", "b"}}},
		{Parse: &columns.Config{As: columns.AsCSV, From: "message", Separator: " ", Columns: []string{"a", "b"}}},
		{Parse: &columns.Config{As: columns.AsLogfmt}},
		{Parse: &columns.Config{As: columns.AsLogfmt, From: "message"}},
		{Parse: &columns.Config{As: columns.AsText}},
		{Parse: &columns.Config{As: columns.AsJSON}},
		{Nested: []string{"message", "a.b"}},
		{Tolerate: []string{"non_finite", "duplicate_names"}},
	}
	return steps[int(b)%len(steps)]
}

// FuzzStage: whatever the steps and the bytes are, places rise, the limits hold, and a record gives the same again: by
// another decoder, and behind visits that gave memory back.
func FuzzStage(f *testing.F) {
	files, err := filepath.Glob("testdata/payloads/*.json")
	require.NoError(f, err)
	for i, file := range files {
		content, err := os.ReadFile(file) //nolint:gosec // of this package
		require.NoError(f, err)
		var c payloadCase
		require.NoError(f, json.Unmarshal(content, &c))
		for _, steps := range [][]byte{
			{0, 0, 14}, {0, 10, 25}, {0, 11, 14, 20}, {6, 0, 10, 19}, {10, 18}, {byte(i), byte(i / 2)},
		} {
			f.Add(steps, c.Data, byte(i))
		}
	}
	f.Fuzz(func(t *testing.T, kinds, data []byte, yields byte) {
		var in decode.Input
		for _, b := range kinds[:min(len(kinds), 8)] {
			in.Steps = append(in.Steps, stepOf(b))
		}
		limits := decode.Limits{Bytes: 2 << 20, Ratio: 100, Pieces: 1000}
		plan, faults := in.Compile(limits)
		if len(faults) > 0 {
			return
		}
		rec := alert.Record{SequenceNumber: "1", PartitionKey: "k", Data: bytes.Clone(data)}
		all := plan.All(t.Context(), &rec)
		require.Equal(t, data, rec.Data, "the record is another")
		require.NotEmpty(t, all)
		require.LessOrEqual(t, len(all), max(limits.Pieces, len(data)))
		for i, u := range all {
			require.True(t, i == 0 || u.SubSequence > all[i-1].SubSequence)
			require.Equal(t, i == len(all)-1, u.Last)
			require.True(t, u.Whole == !u.Inner && (u.Inner || len(all) == 1))
			if u.Err != nil {
				require.NotEmpty(t, u.Err.Error())
				require.True(t, utf8.ValidString(u.Err.Error()))
			}
		}
		decoder, n := plan.Decoder(decode.NewBudget()), 0
		for range 2 {
			n = 0
			require.NoError(t, decoder.Each(t.Context(), &rec, func(u *decode.UserRecord) error {
				require.Equal(t, all[n], u.Keep())
				if n++; n%(1+int(yields)) == 0 {
					decoder.Yield()
				}
				return nil
			}))
			require.Len(t, all, n)
		}
	})
}
