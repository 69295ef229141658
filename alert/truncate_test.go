package alert_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

func TestTruncate(t *testing.T) {
	t.Parallel()
	about := &alert.Alert{Record: alert.Record{Shard: "shardId-000000000006", SequenceNumber: "4959", SubSequence: 2}}
	m := alert.Message{Subject: "s", Body: strings.Repeat("ä", 100), Attributes: []alert.Attribute{{Name: "n"}}}
	require.Equal(t, m, alert.Truncate(m, 200, about), "what fits is left alone")

	cut := alert.Truncate(m, 150, about)
	require.Equal(t, strings.Repeat("ä", 26)+
		" [cut, 200 bytes; whole record: shard shardId-000000000006, sequence number 4959, sub-sequence 2]", cut.Body)
	require.Equal(t, m.Subject, cut.Subject)
	require.Equal(t, m.Attributes, cut.Attributes)

	require.Equal(t, "ääää", alert.Truncate(m, 9, about).Body, "no room for the marker")
	require.Equal(t, strings.Repeat("ä", 42)+" [cut, 200 bytes]", alert.TruncateText(m.Body, 101, &alert.Alert{}),
		"an alert about a whole shard has no record")
	require.Empty(t, alert.Truncate(m, -1, about).Body)
}

// FuzzTruncate: what is cut is valid UTF-8, within the limit and a beginning of the whole.
func FuzzTruncate(f *testing.F) {
	f.Add("Anomaly detected ...  {}", "shardId-000000000000", 10)
	f.Add(strings.Repeat("😀", 300), "shard", 300)
	f.Add("\xff\xfe", "\xff", 1)
	f.Fuzz(func(t *testing.T, body, shard string, limit int) {
		about := &alert.Alert{Record: alert.Record{Shard: shard, SequenceNumber: "1"}}
		out := alert.Truncate(alert.Message{Body: body}, limit, about).Body
		whole := strings.ToValidUTF8(body, "\uFFFD")
		require.True(t, utf8.ValidString(out))
		require.LessOrEqual(t, len(out), max(limit, 0))
		if len(whole) <= limit {
			require.Equal(t, whole, out)
			return
		}
		kept := out
		if i := strings.LastIndex(out, " [cut, "); i >= 0 && strings.HasSuffix(out, "]") {
			kept = out[:i]
		}
		require.True(t, strings.HasPrefix(whole, kept), "%q is no beginning of %q", kept, whole)
		require.Equal(t, out, alert.Truncate(alert.Message{Body: body}, limit, about).Body)
	})
}
