package decode

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"kinesis-alerter/internal/fakeaws"
)

// gzipped and zlibbed are text, compressed.
func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

func zlibbed(text string) string {
	var b bytes.Buffer
	w := zlib.NewWriter(&b)
	_, _ = w.Write([]byte(text))
	_ = w.Close()
	return b.String()
}

// cloudWatch is a batch of CloudWatch Logs with those events.
func cloudWatch(events ...string) string {
	return `{"messageType":"DATA_MESSAGE","owner":"000000000000","logGroup":"/aws/lambda/pay","logStream":"s",` +
		`"subscriptionFilters":["f"],"logEvents":[` + strings.Join(events, ",") + `]}`
}

// aggregate is a KPL aggregate of texts.
func aggregate(texts ...string) string {
	var records []fakeaws.UserRecord
	for _, t := range texts {
		records = append(records, fakeaws.UserRecord{Data: []byte(t)})
	}
	return string(fakeaws.Aggregate([]string{"k"}, records))
}

const (
	hinted  = `{"n":1,"big":9007199254740993,"price":1.10}`
	event   = `{"id":"36","timestamp":1796000000000,"message":"START RequestId: 1\n"}`
	control = `{"messageType":"CONTROL_MESSAGE","owner":"CloudwatchLogs","logGroup":"","logStream":"",` +
		`"subscriptionFilters":[],"logEvents":[{"id":"","timestamp":1,"message":"CWL CONTROL MESSAGE: Checking"}]}`
)

// A record that cannot be read is looked at layer by layer. What the hint says to write reads the record: see run.
func TestHint(t *testing.T) {
	raw := func(digits string) string {
		b, err := hex.DecodeString(digits)
		require.NoError(t, err)
		return string(b)
	}
	for name, c := range map[string]struct {
		data  string
		looks string // part of the words; empty: no hint
		input string
	}{
		"JSON":            {data: hinted},
		"JSON, a newline": {data: hinted + "\n"},
		"pretty JSON":     {data: "{\n  \"n\": 1\n}\n"},
		"marked":          {data: "\xef\xbb\xbf" + hinted},
		"empty":           {data: ""},
		"white space":     {data: " \r\n\t \n"},
		"trailing comma":  {data: `{"n":1,}`},
		"cut off":         {data: `{"n":1,"s":"a`},
		"prose":           {data: "x^2 + y^2 = 4 is the circle of sensor 7"},
		"stack trace":     {data: "2026-11-30 00:00:00 ERROR Boom\njava.lang.X: y=1\n\tat a.b(C.java:1)\n"},
		"protobuf":        {data: raw("0a036f2d31109601190000000000002940")},
		"MessagePack":     {data: raw("83a16e01a173a161a3626967cf0020000000000001")},
		"random": {
			data: raw("19b25856e1c150ca834cffc8b59b23adbd0ec0389e58eb22b3b64768098d002b19b25856e1c150ca"),
		},
		"raw deflate": {data: raw("ab56ca53b232d4514aca4c57b2b234303037b4b4343235313731b0b434d6512a28ca4c4e05")},
		"block of snappy": {
			data: raw("36447b226c6f67223a2261222c226e223a317d0a111200620912003219122463222c226e223a337d0a"),
		},
		"aggregate":         {data: aggregate(hinted, hinted)},
		"aggregate of none": {data: aggregate()},
		"aggregate, some":   {data: aggregate(hinted, `{"n":`, "", hinted)},
		"an envelope":       {data: cloudWatch(event)},

		"lines":      {"{\"n\":1}\r\n\r\n{\"n\":2}", "joined by newlines", "[{split: lines}]"},
		"a bad line": {"{\"n\":1}\n{\"n\":\n{\"n\":3}\n", "joined by newlines", "[{split: lines}]"},
		"array":      {`[{"n":1},{"n":2},17,null,{"n":5}]`, "a JSON array", "[{split: array}]"},
		"no array":   {" [ ] ", "a JSON array", "[{split: array}]"},
		"lines in KPL": {
			aggregate("{\"n\":1}\n{\"n\":2}\n", `{"n":3}`), "a KPL aggregate that holds several", "[{split: lines}]",
		},

		"concatenated": {`{"n":1}{"n":2}{"s":"}{"}`, "concatenated JSON", "[{split: concatenated}]"},
		"gzip":         {gzipped(hinted), "gzip data", "[{decompress: auto}]"},
		"gzip, lines": {
			gzipped("{\"n\":1}\n{}\n"), "gzip data that holds several", "[{decompress: auto}, {split: lines}]",
		},
		"gzip in KPL": {
			aggregate(gzipped("{}"), "{}"), "a KPL aggregate that holds gzip data", "[{decompress: auto}]",
		},
		"gzip of text": {gzipped("all is well"), "holds plain text", "[{decompress: auto}, {parse: {as: text}}]"},
		"gzip, cut":    {gzipped(hinted)[:30], "gzip data", ""},
		"gzip, broken": {gzipped(`{"n":1,"s":"a[Truncated...]`), "gzip data that holds JSON that was cut off", ""},
		"gzip, large":  {gzipped(strings.Repeat("{} ", 1<<20)), "gzip data", ""},
		"zlib":         {zlibbed(hinted), "zlib data", "[{decompress: auto}]"},
		"zstd": {
			raw("28b52ffd202b5901007b226e223a312c2262" +
				"6967223a393030373139393235343734303939332c227072696365223a312e31307d"),
			"zstd data", "[{decompress: auto}]",
		},
		"base64 of gzip": {
			base64.StdEncoding.EncodeToString([]byte(gzipped(hinted))), "base64 text that holds gzip data",
			"[{decode: base64}, {decompress: auto}]",
		},
		"UTF-16":          {"{\x00\"\x00n\x00\"\x00:\x001\x00}\x00", "UTF-16 text", "[{decode: utf-16le}]"},
		"half a pair":     {"\xff\xfe\"\x00\x00\xd8\"\x00", "UTF-16 text", ""},
		"CloudWatch":      {gzipped(cloudWatch(event)), "holds a batch of CloudWatch Logs", "cloudwatch_logs"},
		"a bad event":     {gzipped(cloudWatch(event, "17")), "holds a batch of CloudWatch Logs", "cloudwatch_logs"},
		"control message": {gzipped(control), "holds a batch of CloudWatch Logs", "cloudwatch_logs"},
		"packed twice": {
			gzipped(gzipped(cloudWatch(event))), "gzip data that holds gzip data that holds a batch", "cloudwatch_logs",
		},
		"batches": {
			gzipped(cloudWatch(event) + cloudWatch(event)), "holds concatenated JSON records that holds a batch",
			"[{decompress: auto}, {split: concatenated}, {unwrap: cloudwatch_logs}]",
		},

		"twice":        {`"{\"n\":1,\"s\":\"a\"}"`, "JSON inside a JSON text", "[{decode: json_string}]"},
		"log_key":      {`{\"level\":\"error\",\"ms\":1250}` + "\n", "Fluent Bit's log_key", "[{decode: json_string}]"},
		"NaN":          {`{"n": NaN, "m": -Infinity}`, "NaN or Infinity", "[{tolerate: [non_finite]}]"},
		"a name twice": {`{"n":1,"n":2}`, "a name twice", "[{tolerate: [duplicate_names]}]"},
		"logfmt":       {`ts=1 level=error msg="disk full"`, "logfmt text", "[{parse: {as: logfmt}}]"},
		"lines of logfmt": {
			"a=1 b=2\nb=\"open\nc=3\n", "logfmt text", "[{split: lines}, {parse: {as: logfmt}}]",
		},
		"logfmt and a trace": {"level=error at=web msg=x\n\tat a.b(C.java:1)\n", "logfmt text", ""},

		"bzip2": {raw("425a6839314159265359bf7cb4df"), "bzip2 data", ""},
		"xz":    {raw("fd377a585a0000"), "xz data", ""},
		"Glue": {
			raw("0300b7b4a7f09c964e4aa687fb5de9ef0c63066f2d31"),
			"AWS Glue Schema Registry, not compressed", "",
		},
		"Glue, zlib": {
			raw("0305b7b4a7f09c964e4aa687fb5de9ef0c63789c63cb"),
			"AWS Glue Schema Registry, compressed with zlib", "",
		},
		"Confluent": {raw("000000002a066f2d31828080"), "Confluent Schema Registry, with schema id 42", ""},
		"KPL, changed": {
			raw("f3899ac20a026b311a0b08001a077b226e223a317d74bd695b765a29c7760666416d113e9a"),
			"a KPL aggregate whose checksum does not hold", "",
		},
		"Python":  {"{'n': 1, 'ok': True, 'none': None}", "a Python dict", ""},
		"CSV":     {"1796000000.123\t192.0.2.7\t0.001\t200\n", "CSV text", ""},
		"Latin-1": {"{\"n\":1,\"city\":\"Z\xfcrich\"}", "another encoding than UTF-8", ""},
	} {
		t.Run(name, func(t *testing.T) {
			h := (*Plan)(nil).Hint(t.Context(), []byte(c.data))
			if c.looks == "" {
				require.Nil(t, h)
				return
			}
			require.NotNil(t, h)
			require.Contains(t, h.Words(), c.looks)
			require.Equal(t, c.input, h.Input, "%+v", h)
			require.NotEmpty(t, h.Advice())
		})
	}
}

// With an input that reads most of a record there is nothing better to write: the record is broken in part.
func TestHintIsOfAnotherInput(t *testing.T) {
	lines, faults := Input{Steps: []Step{{Split: splitLines}}}.Compile(DefaultLimits())
	require.Empty(t, faults)
	require.Nil(t, lines.Hint(t.Context(), []byte("{\"n\":1}\n{\"n\":\n{\"n\":3}\n")))
	h := lines.Hint(t.Context(), []byte(`[{"n":1},{"n":2}]`))
	require.NotNil(t, h)
	require.Equal(t, "[{split: array}]", h.Input)
}

// Envelopes that can be read as they are have a preset; it is named where it reads the record.
func TestEnvelope(t *testing.T) {
	const sns = `{"Type":"Notification","TopicArn":"arn:aws:sns:us-east-1:000000000000:t","Message":`
	for data, want := range map[string]string{
		cloudWatch(event): "cloudwatch_logs", control: "cloudwatch_logs", hinted: "", `{"eventName":"INSERT"}`: "",
		`{"eventName":"INSERT","tableName":"Orders","dynamodb":{"Keys":{"id":{"S":"o"}},` +
			`"NewImage":{"n":{"N":"1"}}},"eventSource":"aws:dynamodb"}`: "dynamodb",
		sns + `"{\"n\":1}"}`: "sns", sns + `"all is well"}`: "[{unwrap: sns}, {parse: {as: text}}]",
		`{"data":{"id":1},"metadata":{"record-type":"data","operation":"load"}}`: "",
	} {
		input, _ := Envelope(t.Context(), []byte(data))
		require.Equal(t, want, input, data)
	}
}

// Every bad record may be looked at, so a look is bounded.
func TestHintIsBounded(t *testing.T) {
	require.Nil(t, (*Plan)(nil).Hint(t.Context(), bytes.Repeat([]byte("{}\n"), hintRecord/3+1)))
	require.NotNil(t, (*Plan)(nil).Hint(t.Context(), bytes.Repeat([]byte("{}\n"), 9000)))
}

// A hint names what it has seen to work, whatever the bytes.
func FuzzHint(f *testing.F) {
	for _, data := range []string{
		hinted, gzipped(hinted), gzipped(gzipped(cloudWatch(event))), zlibbed("{}\n{}"), aggregate(gzipped("{}")),
		base64.StdEncoding.EncodeToString([]byte(gzipped(hinted))), "a=1 b=2\nc=3", `"{\"n\":1}"`, `{"n":NaN}`,
		cloudWatch(event), control,
	} {
		f.Add([]byte(data))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		if h := (*Plan)(nil).Hint(t.Context(), data); h != nil {
			require.NotEmpty(t, h.Words())
			require.LessOrEqual(t, len(fmt.Sprint(h.Looks)), 1000)
		}
		Envelope(t.Context(), data)
	})
}
