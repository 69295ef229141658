package deadletter

import (
	"bytes"
	"encoding/json"
	"runtime"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/payload"
)

func testApplication(t require.TestingT) *application {
	app, err := newApplication(testStream, testApp)
	require.NoError(t, err)
	return app
}

func at(s string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		panic(err)
	}
	return t
}

// exhausted is an alert that SNS failed to take three times.
func exhausted() *alert.Letter {
	return &alert.Letter{
		Record: alert.Record{
			Shard: testShard, PartitionKey: "ANOMALY", Arrival: at("2018-12-17T22:10:50.987654Z"),
			SequenceNumber: "49590338271490256608559692538361571095921575989136588898",
			Data:           []byte(`{"ANOMALY_SCORE":3.5}`),
		},
		Condition: alert.ConditionRetries, Reason: "service_error", Detail: "https response error StatusCode: 500",
		Attempts: 3, AlertID: "0f", Rule: "high-heart-rate", Topic: "oncall",
	}
}

// tooOld is the second record of an aggregate, which was not published in time.
func tooOld() *alert.Letter {
	return &alert.Letter{
		Record: alert.Record{
			Shard: testShard, PartitionKey: "größe\n", SequenceNumber: "4959", SubSequence: 1,
			Arrival: at("2018-12-17T22:10:50Z"), Data: []byte{0, 0xff},
		},
		Condition: alert.ConditionAge, Reason: "max_record_age",
	}
}

// Readers of Lambda's documents parse these: every byte is part of the contract.
func TestDocumentIsThatOfLambda(t *testing.T) {
	app := testApplication(t)
	for name, test := range map[string]struct {
		letter    *alert.Letter
		limit     int
		key, want string
	}{
		"retries are exhausted": {
			letter: exhausted(),
			key: "aws/lambda/6873b610-5495-5869-a0c3-2f806a1a1d1b/shardId-000000000006/2018/12/17/" +
				"2018-12-17T22.10.59-37f667a2-14d5-5bd1-a1d2-5087d6d03101",
			want: `{"requestContext":{"requestId":"37f667a2-14d5-5bd1-a1d2-5087d6d03101",` +
				`"functionArn":"arn:aws:lambda:us-east-1:000000000000:function:kinesis-alerter",` +
				`"condition":"RetryAttemptsExhausted","approximateInvokeCount":3},` +
				`"responseContext":{"statusCode":200,"executedVersion":"$LATEST","functionError":"Unhandled"},` +
				`"version":"1.0","timestamp":"2018-12-17T22:10:59.123Z",` +
				`"KinesisBatchInfo":{"shardId":"shardId-000000000006",` +
				`"startSequenceNumber":"49590338271490256608559692538361571095921575989136588898",` +
				`"endSequenceNumber":"49590338271490256608559692538361571095921575989136588898",` +
				`"approximateArrivalOfFirstRecord":"2018-12-17T22:10:50.987Z",` +
				`"approximateArrivalOfLastRecord":"2018-12-17T22:10:50.987Z",` +
				`"batchSize":1,"streamArn":"arn:aws:kinesis:us-east-1:000000000000:stream/ExampleInputStream"},` +
				`"payload":"{\"Records\":[{\"kinesis\":{\"kinesisSchemaVersion\":\"1.0\",` +
				`\"partitionKey\":\"ANOMALY\",` +
				`\"sequenceNumber\":\"49590338271490256608559692538361571095921575989136588898\",` +
				`\"data\":\"eyJBTk9NQUxZX1NDT1JFIjozLjV9\",\"approximateArrivalTimestamp\":1545084650.987},` +
				`\"eventSource\":\"aws:kinesis\",\"eventVersion\":\"1.0\",` +
				`\"eventID\":\"shardId-000000000006:49590338271490256608559692538361571095921575989136588898\",` +
				`\"eventName\":\"aws:kinesis:record\",` +
				`\"invokeIdentityArn\":\"arn:aws:iam::000000000000:role/kinesis-alerter\",` +
				`\"awsRegion\":\"us-east-1\",` +
				`\"eventSourceARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/ExampleInputStream\"}]}",` +
				`"kinesisAlerter":{"reason":"service_error","detail":"https response error StatusCode: 500",` +
				`"alertId":"0f","rule":"high-heart-rate","topic":"oncall"}}`,
		},
		"the record is too old": {
			letter: tooOld(),
			key: "aws/lambda/6873b610-5495-5869-a0c3-2f806a1a1d1b/shardId-000000000006/2018/12/17/" +
				"2018-12-17T22.10.59-d304c348-354f-5c66-b476-0526bfd1e9db",
			want: `{"requestContext":{"requestId":"d304c348-354f-5c66-b476-0526bfd1e9db",` +
				`"functionArn":"arn:aws:lambda:us-east-1:000000000000:function:kinesis-alerter",` +
				`"condition":"RecordAgeExceeded","approximateInvokeCount":1},` +
				`"version":"1.0","timestamp":"2018-12-17T22:10:59.123Z",` +
				`"KinesisBatchInfo":{"shardId":"shardId-000000000006","startSequenceNumber":"4959",` +
				`"endSequenceNumber":"4959",` +
				`"approximateArrivalOfFirstRecord":"2018-12-17T22:10:50.000Z",` +
				`"approximateArrivalOfLastRecord":"2018-12-17T22:10:50.000Z",` +
				`"batchSize":1,"streamArn":"arn:aws:kinesis:us-east-1:000000000000:stream/ExampleInputStream"},` +
				`"payload":"{\"Records\":[{\"kinesis\":{\"kinesisSchemaVersion\":\"1.0\",` +
				`\"partitionKey\":\"gr\\u00f6\\u00dfe\\n\",` +
				`\"sequenceNumber\":\"4959\",\"data\":\"AP8=\",\"approximateArrivalTimestamp\":1545084650.000},` +
				`\"eventSource\":\"aws:kinesis\",\"eventVersion\":\"1.0\",\"eventID\":\"shardId-000000000006:4959\",` +
				`\"eventName\":\"aws:kinesis:record\",` +
				`\"invokeIdentityArn\":\"arn:aws:iam::000000000000:role/kinesis-alerter\",` +
				`\"awsRegion\":\"us-east-1\",` +
				`\"eventSourceARN\":\"arn:aws:kinesis:us-east-1:000000000000:stream/ExampleInputStream\"}]}",` +
				`"kinesisAlerter":{"reason":"max_record_age","subSequenceNumber":1}}`,
		},
		"there is no room for the payload": {
			letter: tooOld(), limit: 900,
			key: "aws/lambda/6873b610-5495-5869-a0c3-2f806a1a1d1b/shardId-000000000006/2018/12/17/" +
				"2018-12-17T22.10.59-d304c348-354f-5c66-b476-0526bfd1e9db",
			want: `{"requestContext":{"requestId":"d304c348-354f-5c66-b476-0526bfd1e9db",` +
				`"functionArn":"arn:aws:lambda:us-east-1:000000000000:function:kinesis-alerter",` +
				`"condition":"RecordAgeExceeded","approximateInvokeCount":1},` +
				`"version":"1.0","timestamp":"2018-12-17T22:10:59.123Z",` +
				`"KinesisBatchInfo":{"shardId":"shardId-000000000006","startSequenceNumber":"4959",` +
				`"endSequenceNumber":"4959",` +
				`"approximateArrivalOfFirstRecord":"2018-12-17T22:10:50.000Z",` +
				`"approximateArrivalOfLastRecord":"2018-12-17T22:10:50.000Z",` +
				`"batchSize":1,"streamArn":"arn:aws:kinesis:us-east-1:000000000000:stream/ExampleInputStream"},` +
				`"kinesisAlerter":{"reason":"max_record_age","subSequenceNumber":1,` +
				`"payloadOmitted":"471 bytes, larger than the destination takes"}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			e := app.envelope(test.letter, at("2018-12-17T23:10:59.123456+01:00"))
			document, form := e.document(whole, test.limit)
			require.Equal(t, test.want, string(document))
			require.Equal(t, test.key, e.key())
			require.Equal(t, test.limit == 0, form == whole)
		})
	}
}

// A letter and its repeat are one, and no two letters are.
func TestIDIsOfTheLetterAlone(t *testing.T) {
	app := testApplication(t)
	seen := map[string]string{}
	for name, change := range map[string]func(*alert.Letter){
		"nothing":      func(*alert.Letter) {},
		"shard":        func(l *alert.Letter) { l.Record.Shard += "1" },
		"sequence":     func(l *alert.Letter) { l.Record.SequenceNumber += "1" },
		"sub-sequence": func(l *alert.Letter) { l.Record.SubSequence++ },
		"alert":        func(l *alert.Letter) { l.AlertID += "1" },
		"reason":       func(l *alert.Letter) { l.Reason += "1" },
		"output":       func(l *alert.Letter) { l.Output = "scored" },
		"other output": func(l *alert.Letter) { l.Output = "archive" },
		"border":       func(l *alert.Letter) { l.AlertID, l.Reason = l.AlertID+"s", l.Reason[1:] },
	} {
		l := exhausted()
		change(l)
		id := app.letterID(l)
		require.Empty(t, seen[id], name)
		seen[id] = name
	}
	l := exhausted()
	l.Attempts, l.Detail, l.Record.Data = 7, "other words", nil
	require.Equal(
		t, "nothing", seen[app.letterID(l)], "a repeat after a restart may have other attempts and other words",
	)

	other, err := newApplication(testStream+"2", testApp)
	require.NoError(t, err)
	require.Empty(t, seen[other.letterID(exhausted())])
	require.NotEqual(t, app.mapping, other.mapping)
	again, err := newApplication(testStream, testApp+"2")
	require.NoError(t, err)
	require.NotEqual(t, app.mapping, again.mapping)
	require.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, app.mapping)
}

// A letter of an output record says what to write, where and with which key; a key that no stream takes is left out.
func TestDocumentOfAnOutputRecord(t *testing.T) {
	app := testApplication(t)
	l := tooOld()
	l.Reason, l.Output, l.OutputKey = "output_failing", "scored", "größe"
	document, _ := app.envelope(l, time.Now()).document(whole, 0)
	require.Contains(t, string(document), `"kinesisAlerter":{"reason":"output_failing","output":"scored",`+
		`"outputKey":"gr\u00f6\u00dfe","subSequenceNumber":1}}`)
	require.Contains(t, string(document), `\"data\":\"AP8=\"`, "what would have been written")

	l.Reason, l.OutputKey = "output_key", strings.Repeat("ö", 257)
	document, _ = app.envelope(l, time.Now()).document(whole, 0)
	require.Contains(t, string(document), `{"reason":"output_key","output":"scored","subSequenceNumber":1}}`)
	l.OutputKey = l.OutputKey[2:]
	document, _ = app.envelope(l, time.Now()).document(whole, 0)
	require.Contains(t, string(document), `"outputKey":"`+strings.Repeat(`\u00f6`, 256)+`"`)
}

func TestPartitionsOfAWSAreKept(t *testing.T) {
	app, err := newApplication("arn:aws-cn:kinesis:cn-north-1:000000000000:stream/s", "app")
	require.NoError(t, err)
	document, _ := app.envelope(exhausted(), time.Now()).document(whole, 0)
	require.Equal(
		t, "arn:aws-cn:lambda:cn-north-1:000000000000:function:app",
		parse(t, string(document)).RequestContext.FunctionARN,
	)
}

// drawLetter draws any letter that a stream and a configuration can bring about, and worse ones.
func drawLetter(t *rapid.T) *alert.Letter {
	text := rapid.OneOf(rapid.String(), rapid.Map(
		rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) },
	),
		rapid.StringOfN(rapid.RuneFrom([]rune{'"', '\\', 0, '\n', 0x7f, 0x85, 0x2028, 0xfffe, '😀', 'a'}), 0, 3000, -1))
	return &alert.Letter{
		Record: alert.Record{
			Shard: testShard, PartitionKey: text.Draw(t, "partition key"),
			SequenceNumber: rapid.StringMatching(`[0-9]{1,129}`).Draw(t, "sequence"),
			SubSequence:    rapid.Uint32().Draw(t, "sub"),
			Arrival:        time.UnixMilli(rapid.Int64Range(0, 1<<41).Draw(t, "arrival")),
			Data:           rapid.SliceOf(rapid.Byte()).Draw(t, "data"),
		},
		Condition: rapid.SampledFrom([]string{alert.ConditionRetries, alert.ConditionAge}).Draw(t, "condition"),
		Reason:    alert.ReasonNotJSON, Detail: text.Draw(t, "detail"),
		Attempts: rapid.IntRange(0, 1000).Draw(t, "attempts"),
		AlertID:  strings.Repeat("0f", 32), Rule: rapid.StringMatching(`[A-Za-z0-9._-]{1,64}`).Draw(t, "rule"),
		Topic: "oncall",
	}
}

// valid is what JSON can say of a text: what is no UTF-8 is lost.
func valid(s string) string { return string([]rune(s)) }

func TestDocumentIsASCIIAndKeepsEverything(t *testing.T) {
	app := testApplication(t)
	rapid.Check(t, func(t *rapid.T) {
		l := drawLetter(t)
		document, form := app.envelope(l, time.Now()).document(whole, 0)
		require.Equal(t, whole, form)
		require.True(t, ascii(string(document)), "%s", document)
		require.True(t, json.Valid(document))
		p := parse(t, string(document))
		require.Equal(t, max(l.Attempts, 1), p.RequestContext.ApproximateInvokeCount)
		require.Equal(t, l.Condition == alert.ConditionRetries, p.ResponseContext != nil)
		require.Equal(t, l.Rule, p.KinesisAlerter.Rule)
		require.Equal(t, l.Record.SubSequence, p.KinesisAlerter.SubSequenceNumber)
		if len(l.Detail) <= maxDetail {
			require.Equal(t, valid(l.Detail), p.KinesisAlerter.Detail)
		} else {
			start, ok := strings.CutSuffix(p.KinesisAlerter.Detail, "…")
			require.True(t, ok)
			require.True(t, strings.HasPrefix(valid(l.Detail), start), "cut on a rune boundary")
			require.Greater(t, len(start), maxDetail-utf8.UTFMax)
		}
		r := p.event(t).Records[0]
		require.Equal(t, valid(l.Record.PartitionKey), r.Kinesis.PartitionKey)
		require.True(t, bytes.Equal(l.Record.Data, r.Kinesis.Data))
		require.Equal(t, l.Record.SequenceNumber, r.Kinesis.SequenceNumber)
		require.InDelta(t, float64(l.Record.Arrival.UnixMilli())/1000, r.Kinesis.ApproximateArrivalTimestamp, 0)
	})
}

// A queue and a topic never see more than they take, and lose the payload only where it has no room. Without it a
// letter always fits into 16 KiB.
func TestDocumentFits(t *testing.T) {
	const limit = 16 << 10
	app := testApplication(t)
	rapid.Check(t, func(t *rapid.T) {
		l := drawLetter(t)
		full, _ := app.envelope(l, at("2018-12-17T22:10:59Z")).document(whole, 0)
		missing := rapid.IntRange(-3, 3).Draw(t, "missing") // bytes of data up to the limit, about
		l.Record.Data = bytes.Repeat([]byte("x"), max(0, (limit-len(full))/4*3+missing))
		full, _ = app.envelope(l, at("2018-12-17T22:10:59Z")).document(whole, 0)
		document, form := app.envelope(l, at("2018-12-17T22:10:59Z")).document(whole, limit)
		require.LessOrEqual(t, len(document), limit)
		require.Equal(t, len(full) <= limit, form == whole)
		require.Equal(t, form == whole, bytes.Equal(full, document))
		p := parse(t, string(document))
		require.Equal(t, form == whole, p.Payload != "")
		require.Equal(t, form == whole, p.KinesisAlerter.PayloadOmitted == "")
	})
}

func TestDetailIsCutBetweenCharacters(t *testing.T) {
	app := testApplication(t)
	for i := range utf8.UTFMax {
		l := exhausted()
		l.Detail = strings.Repeat("x", i) + strings.Repeat("😀", 400)
		document, _ := app.envelope(l, time.Now()).document(whole, 0)
		got := parse(t, string(document)).KinesisAlerter.Detail
		require.Equal(t, strings.Repeat("x", i)+strings.Repeat("😀", (maxDetail-i)/4)+"…", got)
	}
}

// The largest record costs its document and little more: many may be under way. What cannot fit is not even encoded.
func TestDocumentOfTheLargestRecordIsMadeInOnePiece(t *testing.T) {
	l := exhausted()
	l.Record.Data = make([]byte, payload.MaxRecordBytes)
	e := testApplication(t).envelope(l, time.Now())
	allocated := func(limit int) (document []byte, bytes int) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		document, _ = e.document(whole, limit)
		runtime.ReadMemStats(&after)
		return document, int(after.TotalAlloc - before.TotalAlloc) //nolint:gosec // a few MiB
	}
	document, bytes := allocated(0)
	require.Less(t, bytes, len(document)+64<<10)
	document, bytes = allocated(maxMessage)
	require.Less(t, bytes, 64<<10)
	require.Contains(t, string(document), `"payloadOmitted":"13981`)
}
