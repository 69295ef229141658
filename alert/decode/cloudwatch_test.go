package decode_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/payload"
	"kinesis-alerter/internal/fakeaws"
)

// cloudWatch is an envelope of events.
func cloudWatch(events ...string) []byte {
	return []byte(`{"messageType":"DATA_MESSAGE","owner":"000000000000","logGroup":"/aws/lambda/pay","logStream":"s",` +
		`"subscriptionFilters":["f"],"logEvents":[` + strings.Join(events, ",") + `]}`)
}

func cloudWatchPlan(t *testing.T, limits decode.Limits) *decode.Plan {
	t.Helper()
	plan, faults := decode.Input{Preset: "cloudwatch_logs"}.Compile(limits)
	require.Empty(t, faults)
	return plan
}

// TestEventsOfCloudWatch: each event is a record with a place of its own, a broken one costs itself, and a record
// without events has one outcome.
func TestEventsOfCloudWatch(t *testing.T) {
	plan := cloudWatchPlan(t, decode.DefaultLimits())
	all := func(data []byte) []decode.UserRecord {
		return plan.All(t.Context(), &alert.Record{SequenceNumber: "1", PartitionKey: "k", Data: data})
	}
	got := all(cloudWatch(`{"id":"a","timestamp":1,"message":"one"}`, `17`, `{"timestamp":1}`,
		`{"id":"d","timestamp":4,"message":"{\"n\":2}"}`))
	require.Len(t, got, 4)
	for i, u := range got {
		require.Equal(t, uint32(i), u.SubSequence)
		require.True(t, u.Inner)
		require.False(t, u.Whole)
		require.Equal(t, i == 3, u.Last)
		require.Equal(t, "k", u.PartitionKey)
	}
	const shared = `"logGroup":"/aws/lambda/pay","logStream":"s","owner":"000000000000","subscriptionFilters":["f"]`
	require.JSONEq(t, `{"message":"one","timestamp":1,"id":"a",`+shared+`}`, string(got[0].Data))
	require.EqualError(t, got[1].Err, "cloudwatch_logs: logEvents[1] is no object")
	require.EqualError(t, got[2].Err, "cloudwatch_logs: logEvents[2] has no message")
	require.JSONEq(t, `{"message":"{\"n\":2}","timestamp":4,"id":"d",`+shared+`,"json":{"n":2}}`, string(got[3].Data))

	for _, c := range []struct {
		data    string
		dropped alert.Reason
	}{
		{
			`{"messageType":"CONTROL_MESSAGE","logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE"}]}`,
			alert.ReasonControlMessage,
		},
		{string(cloudWatch()), alert.ReasonEmpty},
		{" \n", alert.ReasonEmpty},
	} {
		got := all([]byte(c.data))
		require.Len(t, got, 1, c.data)
		require.Equal(t, c.dropped, got[0].Dropped, c.data)
		require.True(t, got[0].Whole && got[0].Last, c.data)
	}
	got = all([]byte("hello"))
	require.Len(t, got, 1)
	require.EqualError(t, got[0].Err, "cloudwatch_logs: it is not JSON, from byte 0 of 5 on")
}

// TestCloudWatchInsideAnAggregate: the places run through all events of all user records.
func TestCloudWatchInsideAnAggregate(t *testing.T) {
	one := `{"id":"a","timestamp":1,"message":"one"}`
	data := fakeaws.Aggregate([]string{"k1", "k2"}, []fakeaws.UserRecord{
		{Data: cloudWatch(one, one)}, {Key: 1, Data: []byte("broken")}, {Key: 1, Data: cloudWatch(one)},
	})
	var got []string
	for _, u := range cloudWatchPlan(t, decode.DefaultLimits()).All(
		t.Context(), &alert.Record{Data: data, PartitionKey: "outer"},
	) {
		got = append(got, fmt.Sprintln(u.SubSequence, u.PartitionKey, u.Err != nil, u.Last))
	}
	require.Equal(
		t, []string{"0 k1 false false\n", "1 k1 false false\n", "2 k2 true false\n", "3 k2 false true\n"}, got,
	)
}

// TestCloudWatchBounds: events count as pieces, and beyond the limit the whole record is one outcome.
func TestCloudWatchBounds(t *testing.T) {
	one := `{"id":"a","timestamp":1,"message":"one"}`
	limits := decode.DefaultLimits()
	limits.Pieces = 3
	for n, invalid := range map[int]bool{3: false, 4: true} {
		events := make([]string, n)
		for i := range events {
			events[i] = one
		}
		got := cloudWatchPlan(t, limits).All(t.Context(), &alert.Record{Data: cloudWatch(events...)})
		if !invalid {
			require.Len(t, got, n)
			continue
		}
		require.Len(t, got, 1)
		require.Equal(t, alert.Reason(payload.UnpackLimit), got[0].Decide(alert.Poison).Reason)
	}
}

// TestLargeCloudWatchRecord: one that needs more than the decoder's own memory gives the same as a small one, and the
// same again behind a visit that gave the memory back.
func TestLargeCloudWatchRecord(t *testing.T) {
	events := make([]string, 5000)
	for i := range events {
		events[i] = fmt.Sprintf(`{"id":"%d","timestamp":1,"message":"%s\n"}`, i, strings.Repeat("x", 100))
	}
	d := cloudWatchPlan(t, decode.DefaultLimits()).Decoder(decode.NewBudget())
	rec := alert.Record{Shard: "shard", SequenceNumber: "7", PartitionKey: "k", Data: cloudWatch(events...)}
	for range 2 {
		i := 0
		require.NoError(t, d.Each(t.Context(), &rec, func(u *decode.UserRecord) error {
			require.NoError(t, u.Err)
			require.EqualValues(t, i, u.SubSequence)
			require.Equal(t, "7", u.SequenceNumber)
			require.Contains(t, string(u.Row.AppendJSON(nil)), fmt.Sprintf(`"id":"%d"`, i))
			if i++; i%2000 == 0 {
				d.Yield()
			}
			return nil
		}))
		require.Len(t, events, i)
	}
}
