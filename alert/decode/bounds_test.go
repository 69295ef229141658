package decode

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode/columns"
	"kinesis-alerter/alert/decode/envelope"
	"kinesis-alerter/internal/fakeaws"
)

func planFor(t *testing.T, limits Limits, steps ...Step) *Plan {
	t.Helper()
	p, faults := Input{Steps: steps}.Compile(limits)
	require.Empty(t, faults)
	return p
}

// What comes of a record does not depend on the records before it, whose memory is used again.
func TestRecordsDoNotDependOnThoseBefore(t *testing.T) {
	p := planFor(t, DefaultLimits(), Step{Decompress: "auto"}, Step{Unwrap: envelope.CloudWatchLogs})
	var events []string
	for i := range 2000 {
		var message strings.Builder // that does not shrink to nothing
		for j := range 1000 {
			fmt.Fprintf(&message, "%08x", uint32(i*7919+j)*2654435761)
		}
		events = append(events, fmt.Sprintf(`{"id":"1","timestamp":1,"message":"%s\n"}`, &message))
	}
	huge := gzipped(cloudWatch(events...))
	batch := gzipped(cloudWatch(events[:40]...))
	pair := fakeaws.Aggregate([]string{"k"}, []fakeaws.UserRecord{{Data: []byte(batch)}, {Data: []byte(batch)}})
	budget := NewBudget()
	d := p.Decoder(budget)
	places := func(data []byte) (all []string) {
		require.NoError(t, d.Each(t.Context(), &alert.Record{Data: data}, func(u *UserRecord) error {
			all = append(all, fmt.Sprint(u.SubSequence, u.Err))
			return nil
		}))
		return all
	}
	want := places(pair)
	require.Len(t, want, 80)
	require.Len(t, places([]byte(huge)), 2000)
	require.True(t, d.Large())
	require.Equal(t, want, places(pair))
}

// Envelopes and headers take memory although they give no piece: they count.
func TestWhatGivesNoPieceCounts(t *testing.T) {
	many := strings.Repeat(cloudWatch()+"\n", 100_000)
	p := planFor(t, DefaultLimits(), Step{Split: "lines"}, Step{Unwrap: envelope.CloudWatchLogs})
	all := p.All(t.Context(), &alert.Record{Data: []byte(many)})
	require.Len(t, all, 1)
	require.ErrorContains(t, all[0].Err, "input_limits")

	few := strings.Repeat(cloudWatch()+"\n", 100) + cloudWatch(event)
	all = p.All(t.Context(), &alert.Record{Data: []byte(few)})
	require.Len(t, all, 1)
	require.NoError(t, all[0].Err)

	message := fakeaws.SealAggregate(bytes.Repeat([]byte{0x1a, 0}, DefaultLimits().Pieces+1))
	all = (*Plan)(nil).All(t.Context(), &alert.Record{Data: message})
	require.Len(t, all, 1)
	require.ErrorContains(t, all[0].Err, "more than 1000000 records")
}

// What is broken has its bytes for its dead letter.
func TestBrokenPiecesHaveTheirBytes(t *testing.T) {
	logs := planFor(t, DefaultLimits(), Step{Unwrap: envelope.CloudWatchLogs})
	all := logs.All(t.Context(), &alert.Record{Data: []byte(cloudWatch(event, `{"id":"2","timestamp":1}`))})
	require.Len(t, all, 2)
	require.Error(t, all[1].Err)
	require.JSONEq(t, `{"id":"2","timestamp":1}`, string(all[1].Data))
}

// A separator of several bytes separates columns.
func TestLinesWithAWideSeparator(t *testing.T) {
	p := planFor(t, DefaultLimits(), Step{Split: "lines"}, Step{Parse: csvBy("│", "a", "b")})
	all := p.All(t.Context(), &alert.Record{Data: []byte("1│\"x\ny\"\n2│z\n")})
	require.Len(t, all, 2)
	require.JSONEq(t, `{"a":1,"b":"x\ny"}`, string(all[0].Data))
}

func csvBy(separator string, names ...string) *columns.Config {
	return &columns.Config{As: columns.AsCSV, Separator: separator, Columns: names}
}
