package output_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/stretchr/testify/require"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/internal/answer"
)

// acceptAll answers PutRecords as Kinesis does, as cheaply as can be: it does not read the records but for their
// number.
func acceptAll(w http.ResponseWriter, r *http.Request) {
	body := bodies.Get().(*bytes.Buffer)
	defer bodies.Put(body)
	body.Reset()
	_, _ = io.Copy(body, r.Body)
	n := bytes.Count(body.Bytes(), []byte(`"PartitionKey"`))
	out := bytes.NewBuffer(make([]byte, 0, 64+120*n))
	out.WriteString(`{"FailedRecordCount":0,"Records":[`)
	for i := range n {
		if i > 0 {
			out.WriteByte(',')
		}
		out.WriteString(`{"SequenceNumber":"49543463076548007577105092703039560359975228518395012686",` +
			`"ShardId":"shardId-000000000000"}`)
	}
	out.WriteString("]}")
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("Date", time.Now().UTC().Format(http.TimeFormat))
	_, _ = w.Write(out.Bytes())
}

var bodies = sync.Pool{New: func() any { return &bytes.Buffer{} }}

type countOwner struct {
	mu   sync.Mutex
	n    int
	want int
	done chan struct{}
}

func (o *countOwner) Written(items []*output.Item) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.n += len(items); o.n == o.want {
		close(o.done)
	}
}

// BenchmarkWriter measures the Writer with the SDK over HTTP on loopback: 16 shards, records of 200 bytes, 10,000 keys.
// cpu-ns/record is all of the process; server-ns/record is what the server costs alone, which is measured apart by
// sending it the same bodies.
func BenchmarkWriter(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(acceptAll))
	defer server.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: 16, WriteBufferSize: 64 << 10}
	defer transport.CloseIdleConnections()
	client := kinesis.New(kinesis.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("CLIENT", "secret", ""),
		HTTPClient: &http.Client{Transport: transport}, BaseEndpoint: aws.String(server.URL),
	}, func(o *kinesis.Options) { o.APIOptions = append(o.APIOptions, answer.New(nil, nil).Install) })
	w, err := output.New(output.Config{Outputs: map[string]output.StreamConfig{"scored": {Stream: "scores"}}},
		output.Deps{Client: func(string, output.StreamConfig) (output.API, error) { return client, nil }})
	require.NoError(b, err)
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	keys := make([]string, 10_000)
	for i := range keys {
		keys[i] = "key-" + strconv.Itoa(i)
	}
	data := bytes.Repeat([]byte("x"), 200)
	o := &countOwner{want: b.N, done: make(chan struct{})}
	b.ReportAllocs()
	before := cpu()
	b.ResetTimer()
	var wg sync.WaitGroup
	for shard := range 16 {
		wg.Go(func() {
			f := w.Feed(ctx, o)
			defer f.Stop(errEnough)
			var page []output.Item
			for i := range (b.N - shard + 15) / 16 {
				if i%500 == 0 {
					page = make([]output.Item, 500)
				}
				it := &page[i%500]
				it.Output = alert.Output{Name: "scored", Key: keys[(i*16+shard)%len(keys)], Data: data}
				if err := f.Reserve(ctx, it, time.Hour, func() {}); err != nil {
					b.Error(err)
				}
				f.Submit(it)
			}
			<-o.done
		})
	}
	wg.Wait()
	b.StopTimer()
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/record")
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "records/s")
	cancel()
	require.NoError(b, <-ended)
}

// BenchmarkServer is the part of BenchmarkWriter that is the server and the connection.
func BenchmarkServer(b *testing.B) {
	server := httptest.NewServer(http.HandlerFunc(acceptAll))
	defer server.Close()
	transport := &http.Transport{MaxIdleConnsPerHost: 16, WriteBufferSize: 64 << 10}
	defer transport.CloseIdleConnections()
	one := `{"Data":"` + string(bytes.Repeat([]byte("eHh4"), 67)) + `","PartitionKey":"key-1234"},`
	body := []byte(fmt.Sprintf(`{"Records":[%s]}`, bytes.Repeat([]byte(one), 500)))
	before := cpu()
	b.ResetTimer()
	for range (b.N + 499) / 500 {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, server.URL, bytes.NewReader(body))
		require.NoError(b, err)
		res, err := transport.RoundTrip(req)
		require.NoError(b, err)
		_, _ = io.Copy(io.Discard, res.Body)
		_ = res.Body.Close()
	}
	b.ReportMetric(float64(cpu()-before)/float64(b.N), "cpu-ns/record")
}

// cpu is the time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	runtime.KeepAlive(&u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
