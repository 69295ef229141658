package decode

import (
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode/columns"
	"kinesis-alerter/internal/fakeaws"
)

// planOf compiles an input that is good.
func planOf(t *testing.T, in Input) *Plan {
	t.Helper()
	plan, faults := in.Compile(DefaultLimits())
	require.Empty(t, faults)
	return plan
}

// shown is what a rule sees of a record, by place: its text, or why there is none.
func shown(t *testing.T, plan *Plan, data string) map[uint32]string {
	t.Helper()
	all := map[uint32]string{}
	for _, u := range plan.All(t.Context(), &alert.Record{Data: []byte(data)}) {
		switch {
		case u.Dropped != "":
			all[u.SubSequence] = "dropped: " + string(u.Dropped)
		case u.Err != nil:
			all[u.SubSequence] = string(u.Decide(alert.Poison).Reason) + ": " + u.Err.Error()
		case u.Row != nil:
			all[u.SubSequence] = string(u.Row.AppendJSON(nil))
		default:
			all[u.SubSequence] = string(u.Data)
		}
	}
	return all
}

func TestEnvelopes(t *testing.T) {
	const subscription = `{"Type":"SubscriptionConfirmation"}`
	const notification = `{"Type":"Notification","Message":"{\"n\":1}"}`
	for _, c := range []struct {
		name string
		in   Input
		data string
		want map[uint32]string
	}{
		{"the message", Input{Preset: "sns"}, notification, map[uint32]string{0: `{"n":1}`}},
		{"no record", Input{Preset: "sns"}, subscription, map[uint32]string{0: "dropped: control_message"}},
		{
			"no record of migration",
			Input{Preset: "dms"},
			`{"metadata":{"record-type":"control"}}`,
			map[uint32]string{0: "dropped: control_message"},
		},
		{
			"a message of nothing",
			Input{Preset: "sns"},
			`{"Type":"Notification","Message":""}`,
			map[uint32]string{0: "dropped: empty"},
		},
		{"a tombstone", Input{Preset: "debezium"}, "", map[uint32]string{0: "dropped: empty"}},
		{
			"a tombstone with a schema",
			Input{Preset: "debezium"},
			`{"schema":null,"payload":null}`,
			map[uint32]string{0: "dropped: empty"},
		},
		{
			"no envelope",
			Input{Preset: "eventbridge"},
			`{"n":1}`,
			map[uint32]string{0: "bad_envelope: eventbridge: no source"},
		},
		{
			"not the messages of the service among others",
			Input{Steps: []Step{{Split: "lines"}, {Unwrap: "sns"}}},
			subscription + "\n" + notification + "\nx\n" + subscription + "\n",
			map[uint32]string{
				1: `{"n":1}`,
				2: "bad_envelope: sns: no JSON from byte 0 of 1 on",
			},
		},
		{
			"nor after what comes next",
			Input{Steps: []Step{{Unwrap: "sns"}, {Split: "lines"}}},
			subscription,
			map[uint32]string{0: "dropped: control_message"},
		},
		{"nor in an aggregate", Input{Preset: "sns"}, string(fakeaws.Aggregate([]string{"a"}, []fakeaws.UserRecord{
			{Data: []byte(subscription)}, {Data: []byte(notification)}, {Data: []byte(subscription)},
		})), map[uint32]string{1: `{"n":1}`}},
		{
			"lines",
			Input{Preset: "fluent_bit"},
			"{\"n\":1}\r\n\r\n{\"n\":2}\n",
			map[uint32]string{0: `{"n":1}`, 2: `{"n":2}`},
		},
		{"no lines", Input{Preset: "fluent_bit"}, "\n\n\n", map[uint32]string{0: "dropped: empty"}},
		{
			"elements",
			Input{Steps: []Step{{Split: "items"}}},
			`{"items":[{"n":1},7]}`,
			map[uint32]string{0: `{"n":1}`, 1: "7"},
		},
		{"no elements", Input{Steps: []Step{{Split: "array"}}}, ` [ ] `, map[uint32]string{0: "dropped: empty"}},
		{
			"a wrong path",
			Input{Steps: []Step{{Split: "items"}}},
			`{"batch":"b1"}`,
			map[uint32]string{0: "bad_envelope: split: no array at items"},
		},
	} {
		require.Equal(t, c.want, shown(t, planOf(t, c.in), c.data), c.name)
	}
}

// A position passes the record although its last piece is dropped.
func TestLastSeenIsLast(t *testing.T) {
	plan := planOf(t, Input{Steps: []Step{{Split: "lines"}, {Unwrap: "dms"}}})
	data := `{"metadata":{"record-type":"data"},"data":{}}` + "\n" + `{"metadata":{"record-type":"control"}}` + "\n"
	all := plan.All(t.Context(), &alert.Record{Data: []byte(data)})
	require.Len(t, all, 1)
	require.True(t, all[0].Last)
	require.NoError(t, all[0].Err)
}

// CSV frames itself: a newline inside its quotes splits nothing.
func TestLinesOfCSV(t *testing.T) {
	for _, c := range []struct{ separator, between string }{{"", ","}, {";", ";"}, {"tab", "\t"}} {
		plan := planOf(t, Input{Steps: []Step{
			{Split: "lines"},
			{Parse: &columns.Config{As: columns.AsCSV, Separator: c.separator, Columns: []string{"a", "b"}}},
		}})
		plan.then = nil // the columns are no affair of this test
		got := shown(t, plan, "a"+c.between+"\"b\nc\"\nd")
		require.Equal(t, map[uint32]string{0: "a" + c.between + "\"b\nc\"", 1: "d"}, got)
	}
}
