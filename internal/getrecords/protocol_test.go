package getrecords

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"testing"
	"unsafe"

	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/schemas"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
	"github.com/aws/smithy-go/transport/http/protocol/awsjson"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// counted is a protocol that counts what it leaves to the SDK.
type counted struct {
	*Protocol

	mu sync.Mutex
	n  int
}

func newCounted() *counted {
	c := &counted{}
	c.Protocol = New(func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.n++
	})
	return c
}

var errPanic = errors.New("panic")

// ask has a protocol read a body.
func ask(p smithyhttp.ClientProtocol, body io.Reader, length int64) (o *kinesis.GetRecordsOutput, err error) {
	defer func() {
		if v := recover(); v != nil {
			err = errPanic
		}
	}()
	o = new(kinesis.GetRecordsOutput)
	operation := smithy.NewOperationSchema(schemas.GetRecords, schemas.GetRecordsInput, schemas.GetRecordsOutput)
	res := &http.Response{StatusCode: http.StatusOK, ContentLength: length, Body: io.NopCloser(body)}
	err = p.DeserializeResponse(context.Background(), operation, kinesis.TypeRegistry,
		&smithyhttp.Response{Response: res}, o)
	return o, err
}

// same holds a protocol to the SDK's: in every bit of the answer, and in the words and the class of an error.
func same(tb testing.TB, p smithyhttp.ClientProtocol, body []byte) {
	tb.Helper()
	want, wantErr := ask(awsjson.New11(schemas.Kinesis_20131202), bytes.NewReader(body), int64(len(body)))
	got, gotErr := ask(p, bytes.NewReader(body), int64(len(body)))
	require.Equal(tb, fmt.Sprint(wantErr), fmt.Sprint(gotErr), "%q", body)
	var unread *smithy.DeserializationError
	require.Equal(tb, errors.As(wantErr, &unread), errors.As(gotErr, &unread), "%q", body)
	if wantErr == nil {
		require.Equal(tb, want, got, "%q", body)
	}
}

func record(data, key, sequence, at, encryption string) string {
	return `{"ApproximateArrivalTimestamp":` + at + `,"Data":"` + data + `","EncryptionType":"` + encryption +
		`","PartitionKey":"` + key + `","SequenceNumber":"` + sequence + `"}`
}

// certain are answers that are read here, and others are the SDK's.
func certain() []string {
	return []string{
		`{}`, ` { } `, `{"Records":[]}`, `{"Records":null}`, `{"Records":[{}]}`,
		`{"Records":[],"NextShardIterator":"AAA","MillisBehindLatest":0}`,
		`{"NextShardIterator":null,"MillisBehindLatest":null,"Records":[]}`,
		`{"Records":[],"New":{"a":[1,"b\n",null,true,-1.5e-3,{}],"b":{"c":false}},"NextShardIterator":""}`,
		`{"Records":[` + record("aGVsbG8=", "k", "4950", "1.441215410867E9", "NONE") + `],"MillisBehindLatest":2100}`,
		`{"Records":[` + record("", "", "", "1720000000.123", "KMS") + `,` +
			record("AAAA", "k", "4", "1720000000", "NONE") + `]}`,
		`{"ChildShards":null,"MillisBehindLatest":5,"NextShardIterator":"AA","Records":[{"Data":"QQ==",` +
			`"EncryptionType":null,"PartitionKey":null}]}`,
		`{"ChildShards":[],"Records":[]}`,
		`{"Records":[` + record("QQ==", "é€😀", "4", "0", "NONE") + `]}`,
		`{"Records":[` + record("QQ==", `\"a\\\/\b\f\n\r\t\u00e9\ud83d\ude00\ud800x`, "4", "0", "NONE") + `]}`,
		"{\"Records\":[{\"PartitionKey\":\"a\xff\"},{\"PartitionKey\":\"\\n\xff\"}]}",
		" {\"Records\" : [ {\"Data\" : \"QQ==\"} , {\"Data\":\"QUE=\"}\n]\t}\r\n",
		`{"records":[{}]}`, `{"Records":null,"Records":[{}]}`, `{"Records":[{}],"Records":null}`,
	}
}

func others() []string {
	return []string{
		``, `null`, `[]`, `{`, `{"Records"`, `{"Records":`, `{"Records":[null]}`, `{"Records":[{}],"Records":[]}`,
		`{"Records":[{}`, `{"Records":[],"NextShardIterator":"AAA","MillisBehindLatest":0}x`,
		`{"Records":[` + record(`aGVs\nbG8=`, "k", "4", "0", "NONE") + `]}`,
		`{"Records":[` + record(`a\/b=`, "k", "4", "0", "NONE") + `]}`,
		`{"Records":[` + record("a-_=", "é", "4", "0", "?") + `]}`,
		`{"Records":[` + record("QR=", "k", "4", "9e9", "NONE") + `]}`,
		`{"Records":[` + record("QQ=", "k", "4", "-1.5", "NONE") + `]}`,
		`{"Records":[` + record("QQ==QQ==", "k", "4", "1e23", "NONE") + `]}`,
		`{"Records":[` + record("QUFB====", "k", "4", "1E-3", "NONE") + `]}`,
		`{"Records":[{"Data":"QQ==","Data":"QUE="}]}`, `{"Records":[{"Data":12}]}`, `{"Records":[{"Data":"QQ==",}]}`,
		`{"Records":[{"Data":"QQ=="}`, `{"Records":[{"PartitionKey":"\u12g4"}]}`, `{"Records":[{"PartitionKey":"\x"}]}`,
		`{"MillisBehindLatest":01}`, `{"MillisBehindLatest":1.0}`, `{"MillisBehindLatest":-1}`,
		`{"MillisBehindLatest":9223372036854775808}`, `{"MillisBehindLatest":"1"}`,
		`{"ChildShards":[{"ShardId":"s","ParentShards":["a"],"HashKeyRange":{"StartingHashKey":"0",` +
			`"EndingHashKey":"1"}}],"Records":[]}`,
		`{"Records":[{"ApproximateArrivalTimestamp":"NaN"}]}`,
		`{"Records":[{"ApproximateArrivalTimestamp":1720000000.0000000000000000000001}]}`,
		`{"ChildShards":nul,"Records":[]}`, "{\"Records\":[{\"PartitionKey\":\"a\x01\"}]}",
		`{"\u0052ecords":[{}]}`, `{"a":[1}`, `{"a":{"b":01}}`, `{"a":1.}`, `{"a":1e}`, `{"a":-}`, `{"a":tru}`,
		`{"a":` + strings.Repeat("[", 20) + strings.Repeat("]", 20) + `}`,
		strings.Repeat(`{"a":`, 20_000),
	}
}

// TestAnswerIsThatOfTheSDK for answers that are read here, for those that are not, and where they stop early.
func TestAnswerIsThatOfTheSDK(t *testing.T) {
	t.Parallel()
	p := newCounted()
	for _, body := range certain() {
		same(t, p, []byte(body))
		require.Zero(t, p.n, body)
	}
	for n, body := range others() {
		same(t, p, []byte(body))
		require.Equal(t, n+1, p.n, body)
	}
	for _, body := range certain() {
		for n := range body {
			same(t, p, []byte(body[:n]))
			same(t, p, []byte(body[:n]+"\x00"+body[n+1:]))
		}
	}
}

// TestTimesAreThoseOfTheSDK, in the forms that services and emulators write.
func TestTimesAreThoseOfTheSDK(t *testing.T) {
	t.Parallel()
	p, r := newCounted(), rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable
	for range 2000 {
		ms := r.Int64N(4e12)
		for _, at := range []string{
			fmt.Sprintf("%d.%03d", ms/1000, ms%1000), fmt.Sprintf("%.*E", r.IntN(13), float64(ms)/1000),
			fmt.Sprintf("%g", float64(ms)/1000), fmt.Sprintf("%.*f", r.IntN(7), float64(ms)/1000),
			fmt.Sprintf("%de%d", r.IntN(1000), r.IntN(60)-30),
		} {
			same(t, p, []byte(`{"Records":[{"ApproximateArrivalTimestamp":`+at+`}]}`))
		}
	}
	before := p.n
	same(t, p, []byte(`{"Records":[{"ApproximateArrivalTimestamp":1.720000000123E9}]}`))
	require.Equal(t, before, p.n, "what Kinesis writes is read here")
}

// TestPayloadsAreThoseOfTheSDK, of all lengths, whole and with a wrong character.
func TestPayloadsAreThoseOfTheSDK(t *testing.T) {
	t.Parallel()
	p, r := newCounted(), rand.New(rand.NewPCG(3, 4)) //nolint:gosec // repeatable
	for n := range 300 {
		data := make([]byte, n)
		for i := range data {
			data[i] = byte(r.IntN(256)) //nolint:gosec // it is one
		}
		text := []byte(base64.StdEncoding.EncodeToString(data))
		same(t, p, []byte(`{"Records":[{"Data":"`+string(text)+`"},{"Data":"`+string(text)+`"}]}`))
		require.Zero(t, p.n)
		for _, wrong := range []byte("=-_ \n*") {
			if n > 0 {
				bad := bytes.Clone(text)
				bad[r.IntN(len(bad))] = wrong
				same(t, New(func() {}), []byte(`{"Records":[{"Data":"`+string(bad)+`"},{"Data":"QQ=="}]}`))
			}
		}
	}
}

// FuzzAnswer holds the protocol to the SDK's for any bytes.
func FuzzAnswer(f *testing.F) {
	for _, body := range append(certain(), others()...) {
		f.Add([]byte(body))
	}
	p := New(func() {})
	f.Fuzz(func(t *testing.T, body []byte) { same(t, p, body) })
}

// FuzzRecord does so for records whose parts are free.
func FuzzRecord(f *testing.F) {
	f.Add("aGVsbG8=", "k", "4950", "1.441215410867E9", "NONE", "Data")
	f.Add("QQ==", `\u00e9`, "é", "1720000000.123", "KMS", "Extra")
	p := New(func() {})
	f.Fuzz(func(t *testing.T, data, key, sequence, at, encryption, extra string) {
		same(t, p, []byte(`{"MillisBehindLatest":`+at+`,"Records":[`+record(data, key, sequence, at, encryption)+
			`,{"`+extra+`":"`+data+`","Data":"`+data+`"}]}`))
	})
}

// pageOf is an answer as Kinesis writes it.
func pageOf(records, size int) []byte {
	var b strings.Builder
	b.WriteString(`{"MillisBehindLatest":1234,"NextShardIterator":"` + strings.Repeat("A", 220) + `","Records":[`)
	for i := range records {
		if i > 0 {
			b.WriteByte(',')
		}
		data := bytes.Repeat([]byte(`{"host":"a1","cpu":93.5,"t":true},: `), size/36+1)[:size]
		b.WriteString(record(base64.StdEncoding.EncodeToString(data), fmt.Sprintf("key-%d", i%100),
			fmt.Sprintf("49%054d", i), fmt.Sprintf("%.12E", 1.72e9+float64(i)/1000), "NONE"))
	}
	b.WriteString(`]}`)
	return []byte(b.String())
}

// TestBodies: what is announced is not believed, and what stops early is the SDK's error.
func TestBodies(t *testing.T) {
	t.Parallel()
	p, sdk := newCounted(), awsjson.New11(schemas.Kinesis_20131202)
	body := pageOf(3000, 300)
	want, err := ask(sdk, bytes.NewReader(body), -1)
	require.NoError(t, err)
	for _, length := range []int64{-1, 0, 1, int64(len(body)) - 1, int64(len(body)) + 1, 1 << 50} {
		got, err := ask(p, io.MultiReader(bytes.NewReader(body[:1000]), bytes.NewReader(body[1000:])), length)
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	require.Zero(t, p.n)
	broken := errors.New("connection reset")
	for _, end := range []error{io.ErrUnexpectedEOF, broken, context.Canceled} {
		cut := func() io.Reader { return io.MultiReader(bytes.NewReader(body[:5000]), failing{end}) }
		_, wantErr := ask(sdk, cut(), int64(len(body)))
		_, err := ask(p, cut(), int64(len(body)))
		require.Equal(t, wantErr, err)
		require.ErrorIs(t, err, end)
	}
	require.Zero(t, p.n, "an answer that did not arrive is not the SDK's to read")
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// TestNothingIsUsedAgain: records stay as they are when the next answers are read, by several at a time.
func TestNothingIsUsedAgain(t *testing.T) {
	t.Parallel()
	p, body := newCounted(), pageOf(300, 100)
	want, err := ask(awsjson.New11(schemas.Kinesis_20131202), bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			first, err := ask(p, bytes.NewReader(body), int64(len(body)))
			for i := range 20 {
				other := []byte(others()[(i+n)%len(others())])
				_, _ = ask(p, bytes.NewReader(other), int64(len(other)))
				other = pageOf(10+i, 20*i)
				_, otherErr := ask(p, bytes.NewReader(other), int64(len(other)))
				if err != nil || otherErr != nil {
					t.Error(err, otherErr)
				}
			}
			if !equalRecords(first, want) {
				t.Error("records of an earlier answer have changed")
			}
		})
	}
	all.Wait()
}

func equalRecords(a, b *kinesis.GetRecordsOutput) bool {
	return fmt.Sprintf("%q", dump(a)) == fmt.Sprintf("%q", dump(b))
}

func dump(o *kinesis.GetRecordsOutput) (all []string) {
	for i := range o.Records {
		r := &o.Records[i]
		all = append(all, string(r.Data), *r.PartitionKey, *r.SequenceNumber, r.ApproximateArrivalTimestamp.String())
	}
	return all
}

// TestPiecesAreSmall: a record that is kept keeps no whole page, and a large one nothing but itself. No record can
// write into another.
func TestPiecesAreSmall(t *testing.T) {
	t.Parallel()
	p := New(func() {})
	for _, c := range []struct{ records, size, most int }{{10_000, 200, 256 << 10}, {30, 100_000, 100_000 + 3*slack}} {
		body := pageOf(c.records, c.size)
		o, err := ask(p, bytes.NewReader(body), int64(len(body)))
		require.NoError(t, err)
		run, last := 0, uintptr(0)
		for i := range o.Records {
			data := o.Records[i].Data
			require.Equal(t, len(data), cap(data))
			at := uintptr(unsafe.Pointer(unsafe.SliceData(data))) //nolint:gosec // to compare places
			if at != last {
				run = 0
			}
			run, last = run+len(data), at+uintptr(len(data))
			require.LessOrEqual(t, run, c.most)
		}
	}
}

// BenchmarkAnswer is what a page costs, here and in the SDK.
func BenchmarkAnswer(b *testing.B) {
	for _, c := range []struct{ records, size int }{{1, 200}, {1000, 200}, {1000, 1000}} {
		body := pageOf(c.records, c.size)
		for _, p := range []struct {
			name string
			p    smithyhttp.ClientProtocol
		}{{"sdk", awsjson.New11(schemas.Kinesis_20131202)}, {"own", New(func() {})}} {
			b.Run(fmt.Sprintf("%dx%d/%s", c.records, c.size, p.name), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					if o, err := ask(p.p, bytes.NewReader(body), int64(len(body))); err != nil || len(o.Records) == 0 {
						b.Fatal(err)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*c.records), "ns/record")
			})
		}
	}
}
