package alert_test

import (
	"bytes"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
)

// pageRecord is a record whose payload and texts are parts of one buffer, as those of a page are.
func pageRecord(page []byte, data string) *alert.Record {
	n := copy(page, data)
	text := func(from int, s string) string {
		copy(page[from:], s)
		return unsafe.String(&page[from], len(s)) //nolint:gosec // as the texts of a page are
	}
	return &alert.Record{
		Shard: "shardId-000000000000", Arrival: time.Unix(1_700_000_000, 0), Data: page[:n:n],
		PartitionKey: text(n, "the-key"), SequenceNumber: text(n+7, "4959033827149"),
	}
}

// TestKeptKeepsNoPage: a small record that is kept is a copy, as its page would stay in memory with it. A large one,
// which has memory of its own, is none, unless it is only a part of a Kinesis record.
func TestKeptKeepsNoPage(t *testing.T) {
	t.Parallel()
	small, large := `{"a":1}`, `{"a":"`+strings.Repeat("x", 30<<10)+`"}`
	for _, c := range []struct {
		data                    string
		inner, borrowed, copied bool
	}{
		{small, false, false, true},
		{large, false, false, false},
		{large, true, false, true},
		{large, false, true, true},
	} {
		page := make([]byte, 64<<10)
		rec := pageRecord(page, c.data)
		rec.Inner, rec.Borrowed = c.inner, c.borrowed
		kept := rec.Kept()
		data := bytes.Clone(kept.Data)
		require.Equal(t, c.data, string(data))
		require.False(t, kept.Borrowed)
		clear(page)
		require.Equal(t, c.copied, bytes.Equal(data, kept.Data), "%d bytes", len(c.data))
		require.Equal(t, "the-key", kept.PartitionKey)
		require.Equal(t, "4959033827149", kept.SequenceNumber)
	}
}

// TestPageMayBeForgotten: neither alerts nor what rules remember use the page that a record came in.
func TestPageMayBeForgotten(t *testing.T) {
	t.Parallel()
	s := newStory(t, alert.RuleConfig{Name: "now", When: "a == 1"}, alert.RuleConfig{
		Name: "gone", When: "a == 1", Absence: alert.AbsenceConfig{After: time.Minute},
	})
	page := make([]byte, 100)
	rec := pageRecord(page, `{"a":1}`)
	rec.Arrival = noon()
	made := s.evaluator.Evaluate(rec).Alerts
	require.Len(t, made, 1)
	now := made[0] // the slice is used again
	clear(page)
	made = s.evaluator.Tick(alert.Tick{CaughtUp: noon().Add(2 * time.Minute)})
	require.Len(t, made, 1)
	require.Equal(t, `{"a":1}`, string(now.Record.Data))
	for _, a := range []*alert.Alert{now, made[0]} {
		require.Equal(t, "the-key", a.Record.PartitionKey)
		require.Equal(t, "4959033827149", a.Record.SequenceNumber)
	}
}
