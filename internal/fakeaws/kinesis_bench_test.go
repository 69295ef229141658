package fakeaws

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"
)

// A page costs a few allocations, however many records it has: they are not copied on the way to the wire.
func TestKinesisPageAllocations(t *testing.T) {
	a := New(Options{Unthrottled: true})
	a.Kinesis.Create(testStream, 1)
	for range 10_000 {
		a.Kinesis.Put(testStream, "key", make([]byte, 200))
	}
	st := a.Kinesis.account.streams[testStream]
	it := a.Kinesis.iterators.at(st, st.shards[0], 1, st.created).String()
	allocations := testing.AllocsPerRun(5, func() {
		out, err := a.Kinesis.getRecords(&getRecordsInput{ShardIterator: it})
		require.NoError(t, err)
		require.NotEmpty(t, out)
	})
	require.Less(t, allocations, 50.0)
}

// BenchmarkKinesisGetRecords reads a page of 10,000 records of 200 bytes, without the SDK's share.
func BenchmarkKinesisGetRecords(b *testing.B) {
	a := New(Options{Unthrottled: true})
	a.Kinesis.Create(testStream, 1)
	for range 10_000 {
		a.Kinesis.Put(testStream, "key", make([]byte, 200))
	}
	a.History.CountOnly()
	st := a.Kinesis.account.streams[testStream]
	body := `{"ShardIterator":"` + a.Kinesis.iterators.at(st, st.shards[0], 1, st.created).String() + `"}`
	b.ReportAllocs()
	for b.Loop() {
		r, err := http.NewRequestWithContext(b.Context(), http.MethodPost, "http://fake.test", strings.NewReader(body))
		require.NoError(b, err)
		r.Header.Set("X-Amz-Target", "Kinesis_20131202.GetRecords")
		out, err := a.RoundTrip(r)
		require.NoError(b, err)
		n, err := io.Copy(io.Discard, out.Body)
		require.NoError(b, err)
		require.NoError(b, out.Body.Close())
		b.SetBytes(n)
	}
}

// BenchmarkKinesisPutRecords puts 500 records of 200 bytes through the SDK.
func BenchmarkKinesisPutRecords(b *testing.B) {
	a := New(Options{Unthrottled: true})
	a.Kinesis.Create(testStream, 4)
	a.History.CountOnly()
	c := kinesisClient("http://fake.test", a.HTTPClient(), "bench")
	in := &kinesis.PutRecordsInput{StreamName: aws.String(testStream), Records: entries(500, 200)}
	b.ReportAllocs()
	for b.Loop() {
		_, err := c.PutRecords(b.Context(), in)
		require.NoError(b, err)
	}
}
