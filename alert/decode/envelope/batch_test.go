package envelope_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/decode/envelope"
	"kinesis-alerter/alert/payload"
)

const (
	head = `{"messageType":"DATA_MESSAGE","owner":"000000000000","logGroup":"/aws/lambda/pay",` +
		`"logStream":"2026/11/30/[$LATEST]a1b2","subscriptionFilters":["to-kinesis"],"logEvents":`
	id     = `"39254671230000000000000000000000000000000000000000000000"`
	shared = `"logGroup":"/aws/lambda/pay","logStream":"2026/11/30/[$LATEST]a1b2","owner":"000000000000",` +
		`"subscriptionFilters":["to-kinesis"]`
)

// events is an envelope of events, each with the JSON of its message.
func events(messages ...string) string {
	for i, m := range messages {
		messages[i] = fmt.Sprintf(`{"id":%s,"timestamp":%d,"message":%s}`, id, 1796000000000+i, m)
	}
	return head + "[" + strings.Join(messages, ",") + "]}"
}

// record is the record that an event should be: message, timestamp and id, what is shared, and what comes behind it.
func record(message string, at int, behind string) string {
	return fmt.Sprintf(`{"message":%s,"timestamp":%d,"id":%s,%s%s}`, message, 1796000000000+at, id, shared, behind)
}

// rows are the records of a batch, and the faults of the broken ones.
func rows(b *envelope.Batch) []string {
	var out []string
	for i := range b.Len() {
		var row payload.Row
		if fault := b.Row(i, &row); fault != nil {
			out = append(out, fmt.Sprint(fault.Defect, ": ", fault.Detail))
			continue
		}
		out = append(out, string(row.AppendJSON(nil)))
	}
	return out
}

func TestBatch(t *testing.T) {
	for _, c := range []struct {
		name, data string
		strict     bool // the short way leaves it to the strict reader
		want       []string
	}{
		{"texts", events(`"one"`, `"Task timed out\n\n"`, `""`, `"tab\tquote\" slash\/ \\ \b\f\r"`), false, []string{
			record(`"one"`, 0, ""), record(`"Task timed out\n\n"`, 1, ""), record(`""`, 2, ""),
			record(`"tab\tquote\" slash/ \\ \b\f\r"`, 3, ""),
		}},
		{"beyond ASCII", events(`"größer als 8 Bytes, viel größer"`, `"\u001b[31mred\u001B[0m 12345678"`,
			`"\u00e4\ud83d\ude00 and 😀"`, `"日本語のログ\n"`), false, []string{
			record(`"größer als 8 Bytes, viel größer"`, 0, ""), record(`"\u001b[31mred\u001b[0m 12345678"`, 1, ""),
			record(`"ä😀 and 😀"`, 2, ""), record(`"日本語のログ\n"`, 3, ""),
		}},
		{"objects", events(`"{\"n\":9007199254740993,\"price\":12.50}\n"`, `" {}"`, `"{\"n\":NaN}"`,
			`"{\"n\":1,\"n\":2}"`,
			`"[1]"`, `"{\"level\":\"INFO\""`, `"{} {}"`), false, []string{
			record(`"{\"n\":9007199254740993,\"price\":12.50}\n"`, 0, `,"json":{"n":9007199254740993,"price":12.50}`),
			record(`" {}"`, 1, `,"json":{}`), record(`"{\"n\":NaN}"`, 2, ""), record(`"{\"n\":1,\"n\":2}"`, 3, ""),
			record(`"[1]"`, 4, ""), record(`"{\"level\":\"INFO\""`, 5, ""), record(`"{} {}"`, 6, ""),
		}},
		{"no events", head + `[]}`, false, nil},
		{"extracted fields", head + `[{"id":` + id + `,"timestamp":1796000000000,"message":"2 x",` +
			`"extractedFields":{"version":"2","what":"\"x\" ü"}}]}`, false, []string{
			fmt.Sprintf(`{"message":"2 x","timestamp":1796000000000,"id":%s,%s,"extractedFields":%s}`, id, shared,
				`{"version":"2","what":"\"x\" ü"}`),
		}},
		{
			"policy level",
			strings.Replace(events(`"one"`), `"owner"`, `"policyLevel":"ACCOUNT_LEVEL_POLICY","owner"`, 1),
			false,
			[]string{record(`"one"`, 0, `,"policyLevel":"ACCOUNT_LEVEL_POLICY"`)},
		},
		{
			"events first, numeric ids, as an emulator writes them",
			`{"logEvents":[{"id":0,"timestamp":1,"message":"one\n"}],"logGroup":"g","messageType":"DATA_MESSAGE"}`,
			true,
			[]string{`{"message":"one\n","timestamp":1,"id":0,"logGroup":"g"}`},
		},
		{
			"white space, unknown members, another order, no kind", " {\n\"logEvents\" : [ {\"new\":{\"a\":[1]}," +
				"\"message\" : \"\\u00e4\", \"timestamp\": 0} ] , \"later\":[] } \n", true,
			[]string{`{"message":"ä","timestamp":0}`},
		},
		{"broken events keep their places", head + `[{"message":"one"},17,{"timestamp":1},{"message":5},` +
			`{"message":"a","message":"b"},{"message":"\ud83d cut"},{"message":"` + "\xff" + `"},` +
			`{"a":{"b":1,"b":2},"message":"x"},{"message":"four"}]}`, true, []string{
			`{"message":"one",` + shared + `}`,
			"bad_envelope: cloudwatch_logs: logEvents[1] is no object",
			"bad_envelope: cloudwatch_logs: logEvents[2] has no message",
			"bad_envelope: cloudwatch_logs: logEvents[3] has a message that is no text",
			"bad_envelope: cloudwatch_logs: logEvents[4] has a name twice",
			"bad_envelope: cloudwatch_logs: logEvents[5] is not strict JSON",
			"bad_envelope: cloudwatch_logs: logEvents[6] is not strict JSON",
			"bad_envelope: cloudwatch_logs: logEvents[7] has a name twice",
			`{"message":"four",` + shared + `}`,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b envelope.Batch
			require.Nil(t, b.Read([]byte(c.data), 100))
			require.Equal(t, c.want, rows(&b))
			require.False(t, b.Control)
			_, sure := b.ReadShort([]byte(c.data), 100)
			require.Equal(t, !c.strict, sure, "the short way takes it")
			require.Nil(t, b.ReadStrictly([]byte(c.data), 100))
			require.Equal(t, c.want, rows(&b), "by the strict reader")
		})
	}
}

func TestBatchControl(t *testing.T) {
	const control = `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"",` +
		`"subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1796000000000,` +
		`"message":"CWL CONTROL MESSAGE: Checking health of destination Kinesis stream."}]}`
	var b envelope.Batch
	for _, data := range []string{control, strings.ReplaceAll(control, ",", ", ")} {
		require.Nil(t, b.Read([]byte(data), 100))
		require.True(t, b.Control)
		require.Zero(t, b.Len())
	}
	require.Nil(t, b.Read([]byte(events(`"CWL CONTROL MESSAGE: no"`)), 100))
	require.False(t, b.Control, "the kind decides, not the words")
	require.Equal(t, 1, b.Len())
}

func TestBatchFaults(t *testing.T) {
	whole := events(`"one"`)
	for _, c := range []struct{ name, data, want string }{
		{"empty", "", "it ends early, after 0 bytes"},
		{"text", "hello", "it is not JSON, from byte 0 of 5 on"},
		{"a list", "[1]", "it is no object"},
		{"cut", whole[:len(whole)-20], "it ends early, after"},
		{"broken behind good events", whole[:len(whole)-2] + `,{"id":}]}`, "it is not JSON, from byte"},
		{"more behind it", whole + "{}", "there is more behind the object"},
		{"no events", `{"messageType":"DATA_MESSAGE"}`, "it has no logEvents"},
		{"events are no list", head + `{}}`, "logEvents is no list"},
		{"events twice", whole[:len(whole)-1] + `,"logEvents":[]}`, "logEvents occurs twice"},
		{"group twice", whole[:len(whole)-1] + `,"logGroup":"x"}`, "logGroup occurs twice"},
		{"owner is half a character", strings.Replace(whole, "000000000000", `\ud800`, 1), "owner is not strict JSON"},
		{
			"unknown kind", strings.Replace(whole, "DATA_MESSAGE", "NEWS", 1),
			`messageType is "NEWS", where it has to be DATA_MESSAGE or CONTROL_MESSAGE`,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b envelope.Batch
			fault := b.Read([]byte(c.data), 100)
			require.NotNil(t, fault)
			require.Equal(t, payload.BadEnvelope, fault.Defect)
			require.Contains(t, fault.Detail, "cloudwatch_logs: "+c.want)
			require.Zero(t, b.Len(), "nothing of it is a record")
		})
	}
}

// TestBatchBounds: the events that are kept are bounded whichever way they are read, and the memory is known.
func TestBatchBounds(t *testing.T) {
	var b envelope.Batch
	for _, data := range []string{
		events(`"1"`, `"2"`, `"3"`), strings.ReplaceAll(events(`"1"`, `"2"`, `"3"`), ",", " ,"),
		head + "[" + strings.Repeat("{},", 100) + "{}]}",
	} {
		fault := b.Read([]byte(data), 2)
		require.NotNil(t, fault)
		require.Equal(t, payload.UnpackLimit, fault.Defect)
		require.Less(t, b.Size(), 300)
	}
	require.Nil(t, b.Read([]byte(events(`"1"`, `"2"`)), 2))
	require.Nil(t, b.Read([]byte(events(strings.Repeat(`"\n`, 1)+strings.Repeat("x", 1000)+`"`)), 2))
	require.Greater(t, b.Size(), 1000, "escaped messages are the Batch's own")
}

func TestBatchAllocatesNothing(t *testing.T) {
	data := []byte(events(`"START RequestId: 6f5b\n"`, `"{\"level\":\"ERROR\",\"ms\":1250}"`))
	var b envelope.Batch
	var row payload.Row
	require.Zero(t, testing.AllocsPerRun(10, func() {
		_ = b.Read(data, 100)
		for i := range b.Len() {
			_ = b.Row(i, &row)
		}
		b.Release()
	}))
}

// FuzzBatch: what the short way takes, the strict reader reads in the same way; and rows are strict JSON.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(events(`"one\n"`, `"{\"a\":1}"`, `"\u001b ü \ud83d\ude00"`)))
	f.Add([]byte(
		head + `[{"id":"","timestamp":1,"message":"2 x","extractedFields":{"a":"2","b":"\""}}],"policyLevel":"x"}`,
	))
	f.Add([]byte(head + `[{"id":"","timestamp":1,"message":"2","extractedFields":{"a":"2","a":"3"}}]}`))
	f.Add([]byte(events("\"\\n\xff is no UTF-8\"")))
	f.Add([]byte(head + `[{"id":"","timestamp":01,"message":"\ud800"},{}]}`))
	f.Add([]byte(`{"logEvents":[],"messageType":"CONTROL_MESSAGE","owner":["",""]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		var short, strict envelope.Batch
		fault, sure := short.ReadShort(data, 5)
		other := strict.ReadStrictly(data, 5)
		if sure {
			require.Equal(t, fault == nil, other == nil, "%v, %v", fault, other)
			require.Equal(t, short.Control, strict.Control)
			if fault == nil && !short.Control {
				require.Equal(t, rows(&strict), rows(&short))
			}
		}
		if other == nil {
			for i := range strict.Len() {
				var row payload.Row
				if strict.Row(i, &row) == nil {
					text := row.AppendJSON(nil)
					require.True(t, jsontext.Value(text).IsValid(), "%s", text)
				}
			}
		}
	})
}

func BenchmarkBatch(b *testing.B) {
	for _, c := range []struct{ name, message string }{
		{
			"text",
			`"2026-11-30T00:00:01.123Z\t6f5b1c2d-0000-0000-0000-000000000000\tINFO\tprocessed order 123456 in 12 ms\n"`,
		},
		{"json", `"{\"level\":\"INFO\",\"time\":\"2026-11-30T00:00:01.123Z\",\"requestId\":\"6f5b1c2d-0000\",` +
			`\"ms\":12,\"order\":123456,\"message\":\"processed order\",\"customer\":{\"id\":\"c-77\",\"tier\":\"gold\"}}\n"`},
	} {
		messages := make([]string, 200)
		for i := range messages {
			messages[i] = c.message
		}
		data := []byte(events(messages...))
		for _, way := range []string{"short", "strict"} {
			b.Run(c.name+"/"+way, func(b *testing.B) {
				var batch envelope.Batch
				b.SetBytes(int64(len(data)))
				b.ReportAllocs()
				for b.Loop() {
					if way == "strict" {
						_ = batch.ReadStrictly(data, 1000)
						continue
					}
					if fault := batch.Read(data, 1000); fault != nil || batch.Len() != 200 {
						b.Fatal(fault)
					}
				}
			})
		}
	}
}
