package alert

import (
	"bytes"
	"compress/bzip2"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"encoding/base64"
	"encoding/hex"
	"io"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"kinesis-alerter/alert/payload"
)

// The bytes of a record that cannot be read say what it probably is. The payloads are what producers write.
func TestLikelyCause(t *testing.T) {
	packed := func(w func(io.Writer) io.WriteCloser, text string) string {
		var b bytes.Buffer
		z := w(&b)
		_, err := z.Write([]byte(text))
		require.NoError(t, err)
		require.NoError(t, z.Close())
		return b.String()
	}
	raw := func(s string) string {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		require.NoError(t, err)
		return string(b)
	}
	wide := func(s string, mark bool) string {
		var b bytes.Buffer
		if mark {
			b.WriteString("\xff\xfe")
		}
		for _, u := range utf16.Encode([]rune(s)) {
			b.Write([]byte{byte(u & 0xff), byte(u >> 8)})
		}
		return b.String()
	}
	bz := raw("425a6839314159265359")
	_, err := io.ReadAll(bzip2.NewReader(strings.NewReader(bz)))
	require.Error(t, err) // only its beginning
	const object = `{"id":7,"level":"error","text":"` + "the disk is full, the disk is full, the disk is full" + `"}`
	for name, c := range map[string]struct {
		data string
		want payload.Likely
	}{
		"gzip": {packed(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, object), payload.LikelyGzip},
		"zlib": {packed(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) }, object), payload.LikelyZlib},
		"deflate": {packed(func(w io.Writer) io.WriteCloser {
			z, err := flate.NewWriter(w, flate.BestCompression)
			require.NoError(t, err)
			return z
		}, object), payload.LikelyDeflate},
		"bzip2":                   {bz, payload.LikelyBzip2},
		"zstd":                    {raw("28b52ffd 0458 0900") + "abc", payload.LikelyZstd},
		"zstd behind a skippable": {raw("502a4d18 04000000 00000000"), payload.LikelyZstd},
		"lz4":                     {raw("04224d18 6040"), payload.LikelyLZ4},
		"xz":                      {raw("fd377a585a00 0004"), payload.LikelyXZ},
		"snappy framed":           {raw("ff060000 734e61507059 00"), payload.LikelySnappy},
		"snappy xerial":           {"\x82SNAPPY\x00\x00\x00\x00\x01", payload.LikelySnappy},
		"snappy block":            {"+\xa8" + `{"n":1,"big":9007199254740993,"price":1.10}`, payload.LikelySnappy},
		"aggregate, bad checksum": {"\xf3\x89\x9a\xc2\n\x02k1\x1a\x0b\x08\x00\x1a\x07" + `{"n":1}` +
			strings.Repeat("x", 16), payload.LikelyAggregate},
		"aggregate, cut": {"\xf3\x89\x9a\xc2\n\x02", payload.LikelyAggregate},
		"avro":           {"Obj\x01\x04\x16avro.schema", payload.LikelyAvro},
		"glue": {
			"\x03\x00" + raw("b7b4a7f09c964e4aa687fb5de9ef0c63") + "\x06o-1",
			payload.LikelyGlue,
		},
		"glue, zlib": {
			"\x03\x05" + raw("b7b4a7f09c964e4aa687fb5de9ef0c63") + "x\x9c",
			payload.LikelyGlue,
		},
		"confluent":             {"\x00\x00\x00\x00*\x06o-1\x82\x80", payload.LikelyConfluent},
		"utf-8 mark":            {"\xef\xbb\xbf" + object, payload.LikelyUTF8Mark},
		"utf-16":                {wide(object, true), payload.LikelyUTF16},
		"utf-16 without a mark": {wide(object, false), payload.LikelyUTF16},
		"utf-16, big":           {"\x00{\x00\"\x00a\x00\"", payload.LikelyUTF16},
		"lines":                 {object + "\n" + object + "\n", payload.LikelyJSONLines},
		"lines with CR, blank":  {object + "\r\n\r\n" + object, payload.LikelyJSONLines},
		"long lines":            {`{"a":"` + strings.Repeat("x", 9000) + "\"}\n{}", payload.LikelyJSONLines},
		"lines, a bad one":      {"{\"n\":1}\n{\"n\":\n{\"n\":3}\n", payload.LikelyJSONLines},
		"concatenated":          {`{"n":1}{"n":2}`, payload.LikelyConcatenated},
		"pretty, concatenated":  {"{\n \"n\": 1\n}\n{\n \"n\": 2\n}\n", payload.LikelyConcatenated},
		"array":                 {`[{"n":1},{"n":2}]`, payload.LikelyJSONArray},
		"empty array":           {" [ ]\n", payload.LikelyJSONArray},
		"encoded twice":         {`"{\"n\":1,\"s\":\"a\"}"`, payload.LikelyJSONText},
		"a text":                {`"hello"`, payload.Likely(payload.NotObject)},
		"a number":              {`17`, payload.Likely(payload.NotObject)},
		"escaped":               {`{\"level\":\"error\",\"ms\":1250}` + "\n", payload.LikelyEscapedJSON},
		"python":                {`{'n': 1, 'ok': True, 'none': None}`, payload.LikelyPython},
		"base64 of JSON":        {base64.StdEncoding.EncodeToString([]byte(object)), payload.LikelyBase64},
		"base64 of gzip": {
			base64.StdEncoding.EncodeToString(
				[]byte(packed(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }, object))),
			payload.LikelyBase64,
		},
		"base64 url": {
			base64.RawURLEncoding.EncodeToString([]byte(`{"a":"??>>??>>"}`)),
			payload.LikelyBase64,
		},
		"xml":          {`<event><id>7</id></event>`, payload.LikelyXML},
		"csv":          {"ts,level,msg\n1,INFO\n2,ERROR,x,y\n", payload.LikelyCSV},
		"csv, one row": {"1796000000,INFO,started,7", payload.LikelyCSV},
		"tabs":         {"1796000000.123\t192.0.2.7\t0.001\t200", payload.LikelyCSV},
		"logfmt": {
			`ts=2026-11-30T00:00:00Z level=error msg="disk \"sda\" full" dur=1.25s`,
			payload.LikelyLogfmt,
		},
		"logfmt lines": {"a=1\nb=\"open\nc=3\n", payload.LikelyLogfmt},
		"access log": {`127.0.0.1 - - [30/Nov/2026:00:00:00 +0000] "GET /index.html HTTP/1.1" 200 2326` +
			"\n", payload.LikelyText},
		"a log": {"2026-11-30 00:00:00 ERROR Boom\njava.lang.IllegalStateException: boom\n\tat " +
			"a.B.c(B.java:1)\n", payload.LikelyText},
		"a log in brackets":        {"[2026-11-30 00:00:00] ERROR Boom", payload.LikelyText},
		"prose that begins as inf": {"info: started, all is well", payload.LikelyText},
		"prose that begins as zlib": {
			"x^2 + y^2 = 4 is the circle of sensor 7", payload.LikelyText,
		},
		"latin-1":     {"{\"n\":1,\"city\":\"Z\xfcrich\"}", payload.LikelyOtherEncoding},
		"random":      {raw("19b25856e1c150ca834cffc8b59b23adbd0ec0389e58eb22b3b64768098d002b"), payload.LikelyBinary},
		"msgpack":     {"\x83\xa1n\x01\xa1s\xa1a\xa3big\xcf\x00 \x00\x00\x00\x00\x00\x01", payload.LikelyBinary},
		"protobuf":    {"\n\x03o-1\x10\x96\x01\x19\x00\x00\x00\x00\x00\x00)@", payload.LikelyBinary},
		"cut off":     {`{"n": 1, "s": "a`, payload.Likely(payload.Truncated)},
		"nothing":     {"", payload.Likely(payload.Empty)},
		"white space": {" \n\n", payload.Likely(payload.Empty)},
		"a name twice": {
			`{"n":1,"n":2}`, payload.Likely(payload.DuplicateKey),
		},
		"not finite":     {`{"n":NaN}`, payload.Likely(payload.NonFinite)},
		"trailing comma": {`{"n":1,}`, payload.Likely(payload.NotJSON)},
		"something more": {`{"n":1} and more`, payload.Likely(payload.TrailingData)},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := NewOf(Config{
				Rules:  []RuleConfig{{Name: "r", When: "n > 1"}},
				Topics: map[string]TopicConfig{"t": {ARN: "arn:aws:sns:us-east-1:000000000000:t"}},
			}, Deps{
				Stream: "arn:aws:kinesis:us-east-1:000000000000:stream/s", Log: zap.NewNop(),
				Registerer: prometheus.NewRegistry(),
			})
			require.NoError(t, err)
			d := p.Shard("shardId-000000000000").Evaluate(&Record{
				Data: []byte(c.data), Inner: true, // a blank record by itself is filtered
			})
			require.Equal(t, Invalid, d.Outcome)
			require.Equal(t, c.want, payload.LikelyCause([]byte(c.data), payload.Defect(d.Reason), true), "reason %s",
				d.Reason)
			require.Contains(t, payload.Likelies(), c.want)
			require.Equal(t, map[payload.Likely]uint64{c.want: 1}, p.Status().Unreadable)
		})
	}
	for _, l := range payload.Likelies() {
		require.NotEmpty(t, l.Words())
		require.NotEmpty(t, l.Remedy())
	}
	all := payload.Likelies()
	slices.Sort(all)
	require.Equal(t, all, slices.Compact(slices.Clone(all)))
}
