package envelope_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert/decode/envelope"
	"kinesis-alerter/alert/payload"
)

// A change as DynamoDB writes it to Kinesis, with its member "dynamodb" and others.
func change(inner, others string) string {
	return `{"awsRegion":"us-east-1","eventID":"e-1","eventName":"MODIFY","userIdentity":null,` +
		`"recordFormat":"application/json","tableName":"Orders","dynamodb":{` + inner +
		`,"SizeBytes":96},"eventSource":"aws:dynamodb"` + others + `}`
}

const (
	keys     = `"Keys":{"id":{"S":"o-1"}}`
	plainKey = `{"eventName":"MODIFY","table":"Orders","keys":{"id":"o-1"}`
	plainEnd = `,"eventID":"e-1","awsRegion":"us-east-1"`
	deep     = 2_400
)

func TestUnwrap(t *testing.T) {
	const (
		control = "control"
		asIs    = "as it is"
	)
	image := `"id":{"S":"o-1"},"total":{"N":"12.50"},"big":{"N":"12345678901234567890123456789012345678"},` +
		`"tiny":{"N":"1E-120"},"paid":{"BOOL":true},"note":{"NULL":true},"tags":{"SS":["a","\u00e9"]},` +
		`"sizes":{"NS":["1.0","2"]},"blob":{"B":"AP8Q"},"blobs":{"BS":["AQ==","Ag=="]},` +
		`"lines":{"L":[{"M":{"sku":{"S":"x"},"qty":{"N":"3"}}}, {"S":"y"}]},"empty":{"M":{}},"none":{"L":[ ]},` +
		`"deep":{"M":{"S":{"S":"a member named S"},"N":{"N":"1"}}},"fake":{"M":{"N":{"S":"12"}}},"S":{"\u004e":"1"}`
	plain := `"id":"o-1","total":12.50,"big":12345678901234567890123456789012345678,` +
		`"tiny":1E-120,"paid":true,"note":null,"tags":["a","\u00e9"],` +
		`"sizes":[1.0,2],"blob":"AP8Q","blobs":["AQ==","Ag=="],` +
		`"lines":[{"sku":"x","qty":3},"y"],"empty":{},"none":[],` +
		`"deep":{"S":"a member named S","N":1},"fake":{"N":"12"},"S":1`
	streams := func(at, arn string) string {
		return `{"eventID":"e-1","eventName":"INSERT","eventVersion":"1.1","eventSource":"aws:dynamodb",` +
			`"awsRegion":"us-east-1","dynamodb":{"ApproximateCreationDateTime":` + at + `,` + keys +
			`,"SequenceNumber":"1","StreamViewType":"KEYS_ONLY"},"eventSourceARN":"` + arn + `"}`
	}
	arn := "arn:aws:dynamodb:us-east-1:000000000000:table/Orders/stream/2026-11-30T00:00:00.000"
	attribute := func(typed string) string { return change(keys+`,"NewImage":{"a":`+typed+`}`, "") }
	debezium := `{"before":null,"after":{"id":1,"total":"MDk="},"source":{"name":"shop"},"op":"c","ts_ms":1,"transaction":null}`
	event := `{"version":"0","detail-type":"T","source":"aws.ec2","resources":[],"detail":{"instance-id":"i-1"}}`
	notification := func(message string) string {
		return `{"Type":"Notification","TopicArn":"arn:x","Message":` + message + `,"Signature":"AA=="}`
	}
	for _, c := range []struct {
		kind, src, want, fault string
	}{
		// DynamoDB
		{
			"dynamodb", change(keys+`,"NewImage":{`+image+`},"OldImage":{ "id" : { "S" : "o-1" } }`, ""),
			plainKey + `,"new":{` + plain + `},"old":{"id":"o-1"}` + plainEnd + `}`, "",
		},
		{"dynamodb", change(keys+`,"NewImage":null`, ""), plainKey + plainEnd + `}`, ""},
		{
			"dynamodb", strings.Replace(change(keys, ""), `"userIdentity":null`,
				`"userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}`, 1),
			plainKey + `,"userIdentity":{"type":"Service","principalId":"dynamodb.amazonaws.com"}` + plainEnd + `}`, "",
		},
		{"dynamodb", change(keys+`,"ApproximateCreationDateTime":1796000000123456,`+
			`"ApproximateCreationDateTimePrecision":"MICROSECOND"`,
			""), plainKey + plainEnd + `,"timestamp":1796000000123.456}`, ""},
		{"dynamodb", change(keys+`,"ApproximateCreationDateTime":1796000000123,`+
			`"ApproximateCreationDateTimePrecision":"MILLISECOND"`,
			""), plainKey + plainEnd + `,"timestamp":1796000000123}`, ""},
		{
			"dynamodb", change(keys+`,"ApproximateCreationDateTime":1796000000123`, ""),
			plainKey + plainEnd + `,"timestamp":1796000000123}`, "",
		},
		{
			"dynamodb", streams("1796000000", arn),
			strings.Replace(plainKey, "MODIFY", "INSERT", 1) + plainEnd + `,"timestamp":1796000000000}`, "",
		},
		{
			"dynamodb", streams("1.7960000001E9", arn),
			strings.Replace(plainKey, "MODIFY", "INSERT", 1) + plainEnd + `,"timestamp":1796000000100}`, "",
		},
		{"dynamodb", attribute(`{"N":".5"}`), "", `dynamodb: JSON has no such number: ".5" at new.a`},
		{"dynamodb", attribute(`{"N":"0x1"}`), "", `dynamodb: JSON has no such number: "0x1" at new.a`},
		{"dynamodb", attribute(`{"N":"Infinity"}`), "", `dynamodb: JSON has no such number: "Infinity" at new.a`},
		{"dynamodb", attribute(`{"N":""}`), "", `dynamodb: JSON has no such number: "" at new.a`},
		{"dynamodb", attribute(`{"N":12}`), "", `dynamodb: no number in a text but 12 at new.a`},
		{"dynamodb", attribute(`{"NS":["1",2]}`), "", `dynamodb: no number in a text but 2 at new.a`},
		{"dynamodb", attribute(`{"S":1}`), "", `dynamodb: no text but 1 at new.a`},
		{"dynamodb", attribute(`{"SS":"x"}`), "", `dynamodb: no list but "x" at new.a`},
		{"dynamodb", attribute(`{"BOOL":"true"}`), "", `dynamodb: no boolean but "true" at new.a`},
		{"dynamodb", attribute(`{"M":[]}`), "", `dynamodb: no map but [] at new.a`},
		{"dynamodb", attribute(`{"X":1}`), "", `dynamodb: unknown type around 1 at new.a`},
		{"dynamodb", attribute(`{}`), "", `dynamodb: no type but {} at new.a`},
		{"dynamodb", attribute(`7`), "", `dynamodb: no type but 7 at new.a`},
		{"dynamodb", attribute(`{"S":"x","N":"1"}`), "", `dynamodb: several types in {"S":"x","N":"1"} at new.a`},
		{
			"dynamodb", attribute(`{"M":{"b":{"L":[{"S":"` + strings.Repeat("x", 60) + `","N":"1"}]}}}`), "",
			`dynamodb: several types in {"S":"` + strings.Repeat("x", 34) + `... at new.a.b`,
		},
		{"dynamodb", strings.Replace(change(keys, ""), "eventName", "event", 1), "", "dynamodb: no eventName"},
		{
			"dynamodb", strings.Replace(change(keys, ""), "tableName", "t", 1), "",
			"dynamodb: no tableName, and no table's eventSourceARN",
		},
		{
			"dynamodb", streams("1", "arn:aws:sqs:us-east-1:000000000000:q"), "",
			"dynamodb: no tableName, and no table's eventSourceARN",
		},
		{"dynamodb", change(`"NewImage":{}`, ""), "", "dynamodb: no dynamodb.Keys"},
		{"dynamodb", `{"eventName":"INSERT","tableName":"t"}`, "", "dynamodb: no member dynamodb"},
		{
			"dynamodb", change(keys+`,"ApproximateCreationDateTime":"2026"`, ""), "",
			`dynamodb: ApproximateCreationDateTime is "2026"`,
		},
		{"dynamodb", change(keys+`,`+keys, ""), "", "dynamodb: a second Keys"},
		{"dynamodb", `[]`, "", "dynamodb: the record is no JSON object"},
		{"dynamodb", `{"eventName":`, "", "dynamodb: the JSON ends in the middle, at byte 13"},
		{"dynamodb", "\x1f\x8b", "", "dynamodb: no JSON from byte 0 of 2 on"},
		{"dynamodb", `{} x`, "", "dynamodb: there is more behind the JSON, from byte 3 on"},
		{"dynamodb", `{"a":` + strings.Repeat("[", 10_001), "", "dynamodb: more than 10000 levels"},
		// SNS
		{"sns", notification(`"{\"n\":9007199254740993}"`), `{"n":9007199254740993}`, ""},
		{"sns", notification(`"CPU is high"`), `CPU is high`, ""},
		{"sns", notification(`""`), ``, ""},
		{"sns", `{"EventSource":"aws:sns","EventVersion":"1.0","Sns":` + notification(`"x"`) + `}`, `x`, ""},
		{"sns", `{"Type":"SubscriptionConfirmation","Token":"t","Message":"You have chosen"}`, control, ""},
		{"sns", `{"Type":"UnsubscribeConfirmation","Token":"t","Message":"You have chosen"}`, control, ""},
		{"sns", `{"n":1}`, "", "sns: no Type: with raw message delivery there is no envelope"},
		{"sns", `{"Type":"Other"}`, "", `sns: the Type is "Other"`},
		{"sns", `{"Type":"Notification"}`, "", "sns: no Message that is a text"},
		{"sns", notification(`{"n":1}`), "", "sns: no Message that is a text"},
		{"sns", notification(`"a","Message":"b"`), "", "sns: a second Message"},
		// EventBridge
		{"eventbridge", event, asIs, ""},
		{"eventbridge", `{"source":"x","detail-type":"T"}`, "", "eventbridge: no detail"},
		{"eventbridge", `{"source":"x","detail":{}}`, "", "eventbridge: no detail-type"},
		{"eventbridge", `{"detail-type":"T","detail":{}}`, "", "eventbridge: no source"},
		// DMS
		{"dms", "{\n\t\"data\":\t{\"id\":1},\n\"metadata\": {\"record-type\": \"data\"}\n}", asIs, ""},
		{"dms", `{"metadata":{"record-type":"control","operation":"create-table"}}` + "\n", control, ""},
		{"dms", `{"data":{}}`, "", "dms: no metadata"},
		{"dms", `{"metadata":{}}`, "", "dms: no metadata.record-type"},
		{"dms", `{"metadata":{"record-type":"data"}}`, "", "dms: no data"},
		{"dms", `{"metadata":{"record-type":"x"}}`, "", `dms: metadata.record-type is "x"`},
		// Debezium
		{"debezium", debezium, asIs, ""},
		{"debezium", `{"schema":{"type":"struct"},"payload":` + debezium + `}`, debezium, ""},
		{"debezium", `{"schema":null,"payload":null}`, ``, ""},
		{"debezium", "", asIs, ""},
		{
			"debezium", `{"schema":{"type":"struct"},"payload":{"id":1,"status":"END","a":2,"b":3,"ts_ms":5}}`,
			`{"id":1,"status":"END","a":2,"b":3,"ts_ms":5}`, "",
		}, // a row that was flattened
		{"debezium", `{"schema":{},"payload":{"ts_ms":5}}`, control, ""},
		{"debezium", `{"ts_ms":5}`, control, ""},
		{"debezium", `{"status":"BEGIN","id":"5:7","event_count":null,"data_collections":null,"ts_ms":5}`, control, ""},
		{"debezium", `{"source":{},"ts_ms":5,"databaseName":"shop","ddl":"ALTER","tableChanges":[]}`, control, ""},
		{"debezium", `{"id":1}`, "", "debezium: no op, and no schema with a payload"},
		{"debezium", `{"op":"c"}`, "", "debezium: no source"},
		{"debezium", `{"schema":{},"payload":7}`, "", "debezium: the payload is no object"},
	} {
		name := fmt.Sprintf("%s: %.200s", c.kind, c.src)
		out, isControl, fault := envelope.Append([]byte("x")[:0], c.kind, []byte(c.src))
		if c.fault != "" {
			require.NotNil(t, fault, name)
			require.Equal(t, c.fault, fault.Detail, name)
			require.Contains(
				t, []payload.Defect{payload.BadEnvelope, payload.DuplicateKey, payload.TooDeep}, fault.Defect,
			)
			continue
		}
		require.Nil(t, fault, name)
		require.Equal(t, c.want == control, isControl, name)
		switch c.want {
		case control:
		case asIs:
			require.Nil(t, out, name)
		default:
			require.NotNil(t, out, name)
			require.Equal(t, c.want, string(out), name)
		}
	}
}

// Deep values cost what their size allows: nothing is read again for each of its levels.
func TestDeepAttributes(t *testing.T) {
	typed := `{"S":"` + strings.Repeat("x", 1<<20) + `"}`
	typed = strings.Repeat(`{"M":{"a":`, deep) + typed + strings.Repeat(`}}`, deep)
	out, _, fault := envelope.Append(nil, "dynamodb", []byte(change(keys+`,"NewImage":{"a":`+typed+`}`, "")))
	require.Nil(t, fault)
	require.Equal(t, deep+1, bytes.Count(out, []byte(`"a":`)))
}

// A message about a hostile name is short, and text.
func TestFaultsAreShort(t *testing.T) {
	name := `"` + strings.Repeat("\xff", 1<<10) + `":`
	_, _, fault := envelope.Append(nil, "dynamodb", []byte(change(keys+`,"NewImage":{`+name+`7}`, "")))
	require.NotNil(t, fault)
	require.True(t, utf8.ValidString(fault.Detail))
	require.Less(t, len(fault.Detail), 200)
}

// A change says the same as its plain form, as encoding/json reads both.
func FuzzDynamoDB(f *testing.F) {
	f.Add([]byte(
		`{"a":{"M":{"S":{"S":"x"},"N":{"N":"1E-120"}}},"l":{"L":[{"NS":["1.0"]},{"NULL":true},{"BOOL":false}]}}`,
	))
	f.Add([]byte(`{"a":{"B":"AA=="},"b":{"SS":["\u00e9"]},"c":{"BS":[]}}`))
	f.Fuzz(func(t *testing.T, image []byte) {
		src := change(keys+`,"NewImage":`+string(image), "")
		out, _, fault := envelope.Append(nil, "dynamodb", []byte(src))
		if fault != nil || !json.Valid([]byte(src)) {
			return
		}
		decode := func(data []byte) (v map[string]any) {
			d := json.NewDecoder(bytes.NewReader(data))
			d.UseNumber()
			require.NoError(t, d.Decode(&v), "%q", data)
			return v
		}
		in, is := decode([]byte(src)), decode(out)
		want := plainly(t, map[string]any{"M": in["dynamodb"].(map[string]any)["NewImage"]})
		if want == nil {
			require.NotContains(t, is, "new")
			return
		}
		require.Equal(t, want, is["new"])
	})
}

// plainly takes the types off a value.
func plainly(t *testing.T, typed any) any {
	t.Helper()
	for kind, v := range typed.(map[string]any) {
		switch v := v.(type) {
		case map[string]any:
			out := map[string]any{}
			for name, inner := range v {
				out[name] = plainly(t, inner)
			}
			return out
		case []any:
			out := []any{}
			for _, inner := range v {
				switch kind {
				case "L":
					inner = plainly(t, inner)
				case "NS":
					inner = json.Number(inner.(string))
				}
				out = append(out, inner)
			}
			return out
		case string:
			if kind == "N" {
				return json.Number(v)
			}
			return v
		default:
			if kind == "NULL" {
				return nil
			}
			return v
		}
	}
	return nil
}
