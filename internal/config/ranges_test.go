package config

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/testkit"
)

// Figures that no machine has are refused, with the range, and with the place of the value. The ends of a range are in
// it.
func TestFiguresThatNoMachineHas(t *testing.T) {
	t.Parallel()
	parse := func(text string) error {
		_, err := ParseConfig(t.Context(), "c.yaml", []byte(
			testkit.LimitsHead+text+"\n",
		), testkit.Environment(map[string]string{
			"HUGE": "8000000GiB",
		}))
		return err
	}
	const rule = "rules: [{name: r, when: x > 1, "
	for _, of := range []struct{ text, want string }{
		{
			"processing: {memory: 8000000GiB}",
			"c.yaml:3:22: processing.memory: 8000000GiB: must be between 1MiB and 1024GiB",
		},
		{"processing: {memory: \"${HUGE}\"}", "processing.memory: ${HUGE}: must be between 1MiB and 1024GiB"},
		{"processing: {memory: 1025GiB}", "must be between 1MiB and 1024GiB"},
		{"processing: {memory: 1024GiB}", ""},
		{"processing: {memory: 1MiB}", ""},
		{"processing: {max_record_age: 10000h}", "must be 0s (no limit) to 168h"},
		{"state: {max_keys: 10000001}", "state.max_keys: 10000001: must be 1 to 10000000"},
		{
			"score: {fields: [x], memory: 68719476737}",
			"score[0].memory: 68719476737: must be between 1048576 and 68719476736",
		},
		{"score: {fields: [x], memory: 68719476736}", ""},
		{"score: {fields: [x], trees: 1001}", "score[0].trees: 1001: must be between 1 and 1000"},
		{"score: {fields: [x], decay: 2147483648}", "score[0].decay: 2147483648: must be between 1 and 2147483647"},
		{
			"score: {fields: [x], threshold: auto, auto: {floor: 11}}",
			"score[0].auto.floor: 11: must be between 0 and 10.25",
		},
		{
			rule + "window: {length: 1m, is: '> 1', min_records: 1000000001}}]",
			"min_records: 1000000001: must be between 0 and 1000000000",
		},
		{rule + "window: {length: 1m, is: '> 1', min_records: 1000000000}}]", ""},
		{rule + "rate_limit: 100000001/1s}]", "want a rate of at most 100000000 in at most 8760h"},
		{rule + "rate_limit: 1/8761h}]", "want a rate of at most 100000000 in at most 8760h"},
		{rule + "rate_limit: 100000000/8760h}]", ""},
	} {
		err := parse(of.text)
		if of.want == "" {
			require.NoError(t, err, of.text)
			continue
		}
		require.ErrorContains(t, err, of.want, of.text)
		require.Equal(t, 1, strings.Count(err.Error(), "\n")+1, "one fault, said once: %v", err)
	}
}

// check and a reload refuse a stream that is to be read from the future on; a start does not, since it may have
// checkpoints.
func TestStartInTheFuture(t *testing.T) {
	t.Parallel()
	c, err := ParseConfig(t.Context(), "c.yaml", []byte("stream: {name: s, start: 2026-11-22T09:00:00Z}\n"+
		"topics: {t: {arn: \"arn:aws:sns:us-east-1:000000000000:t\"}}\n"), testkit.Environment(nil))
	require.NoError(t, err)
	at := time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)
	require.NoError(t, c.Current(at))
	require.ErrorContains(t, c.Current(at.Add(-time.Second)),
		"c.yaml:1:26: stream.start: 2026-11-22T09:00:00Z: is in the future")
}
