package output_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/fakeaws"
)

// longEnough is how long a test waits for what is sure to come, in virtual time.
const longEnough = time.Hour

var errEnough = errors.New("the test ends")

// world is a Writer in front of an emulated Kinesis, inside a synctest bubble. Its output "scored" goes to the stream
// "scores".
type world struct {
	*fakeaws.AWS
	*output.Writer
	t       *testing.T
	cfg     output.Config
	wire    *wire
	client  *kinesis.Client
	reg     *prometheus.Registry
	logs    *observer.ObservedLogs
	letters *letters

	noClient atomic.Bool // none can be made
}

type option func(*world, *output.Deps)

// shards is how many shards the stream has; 0 leaves it out. Without this option there are four.
func shards(n int) option {
	return func(w *world, _ *output.Deps) {
		w.Kinesis.Delete("scores")
		time.Sleep(time.Second)
		if n > 0 {
			w.Kinesis.Create("scores", n)
		}
	}
}

func config(change func(*output.Config)) option {
	return func(w *world, _ *output.Deps) { change(&w.cfg) }
}

// unchecked gives the Writer a client that believes every answer.
func unchecked(w *world, _ *output.Deps) { w.client = newClient(w.wire) }

// deadLetters gives the Writer a destination for dead letters.
func deadLetters(w *world, d *output.Deps) { d.DeadLetters = w.letters }

// bubble runs a test in a bubble, with the Writer running.
func bubble(t *testing.T, test func(w *world), options ...option) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			AWS: fakeaws.New(fakeaws.Options{Unthrottled: true}), t: t, reg: prometheus.NewPedanticRegistry(),
			letters: &letters{},
			cfg:     output.Config{Outputs: map[string]output.StreamConfig{"scored": {Stream: "scores"}}},
		}
		w.wire = &wire{t: t, next: w.AWS, flying: map[string]bool{}}
		w.client = newClient(w.wire, checked)
		w.Kinesis.Create("scores", 4)
		time.Sleep(time.Second)
		core, logs := observer.New(zapcore.InfoLevel)
		w.logs = logs
		deps := output.Deps{
			Client: func(string, output.StreamConfig) (output.API, error) {
				if w.noClient.Load() {
					return nil, errEnough
				}
				return w.client, nil
			},
			Log:        zap.New(core),
			Registerer: w.reg,
		}
		for _, o := range options {
			o(w, &deps)
		}
		writer, err := output.New(w.cfg, deps)
		require.NoError(t, err)
		w.Writer = writer
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- writer.Run(ctx) }()
		test(w)
		cancel()
		require.NoError(t, <-ended)
	})
}

func checked(o *kinesis.Options) { o.APIOptions = append(o.APIOptions, answer.New(nil, nil).Install) }

func newClient(transport http.RoundTripper, options ...func(*kinesis.Options)) *kinesis.Client {
	return kinesis.New(kinesis.Options{
		Region: "us-east-1", Credentials: credentials.NewStaticCredentialsProvider("CLIENT", "secret", ""),
		HTTPClient: &http.Client{Transport: transport}, BaseEndpoint: aws.String("http://fakeaws"),
	}, options...)
}

// wire watches the calls: no key is twice in a call, nor in two calls at a time, and the API's limits are kept.
type wire struct {
	t      *testing.T
	next   http.RoundTripper
	mu     sync.Mutex
	flying map[string]bool
	calls  []callSeen
	most   int // calls at a time
	now    int
}

type callSeen struct {
	at   time.Time
	keys []string
}

func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	_ = r.Body.Close()
	var in struct {
		StreamName, StreamARN string
		Records               []struct {
			Data         []byte
			PartitionKey string
		}
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, err
	}
	seen, size := callSeen{at: time.Now()}, 0
	w.mu.Lock()
	for _, e := range in.Records {
		key := in.StreamName + in.StreamARN + " " + e.PartitionKey
		if w.flying[key] {
			w.t.Errorf("key %s is under way twice", e.PartitionKey)
		}
		w.flying[key] = true
		seen.keys = append(seen.keys, e.PartitionKey)
		size += len(e.Data) + len(e.PartitionKey)
	}
	if len(in.Records) > 500 || size > 10<<20 {
		w.t.Errorf("a call has %d records of %d bytes", len(in.Records), size)
	}
	w.calls = append(w.calls, seen)
	w.now++
	w.most = max(w.most, w.now)
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range in.Records {
			delete(w.flying, in.StreamName+in.StreamARN+" "+e.PartitionKey)
		}
		w.now--
	}()
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	return w.next.RoundTrip(r)
}

func (w *wire) seen() []callSeen {
	w.mu.Lock()
	defer w.mu.Unlock()
	return append([]callSeen(nil), w.calls...)
}

// letters is a destination for dead letters.
type letters struct {
	mu   sync.Mutex
	all  []*alert.Letter
	wait <-chan struct{} // until when it does not answer; nil answers
	err  error
}

func (l *letters) Send(ctx context.Context, m *alert.Letter) error {
	l.mu.Lock()
	wait, err := l.wait, l.err
	l.mu.Unlock()
	if wait != nil {
		select {
		case <-wait:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all = append(l.all, m)
	return nil
}

func (l *letters) sent() []*alert.Letter {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]*alert.Letter(nil), l.all...)
}

// shard is the owner of a feed.
type shard struct {
	w    *world
	feed *output.Feed
	mu   sync.Mutex
	over map[string]*output.Item // by data
	from int
}

func (w *world) shard() *shard {
	s := &shard{w: w, over: map[string]*output.Item{}}
	s.feed = w.Feed(w.t.Context(), s)
	return s
}

// Written implements output.Owner.
func (s *shard) Written(items []*output.Item) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, it := range items {
		if s.over[string(it.Data)] != nil {
			s.w.t.Errorf("%s ends twice", it.Data)
		}
		s.over[string(it.Data)] = it
	}
}

func (s *shard) ended() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.over)
}

func (s *shard) result(data string) alert.Decision {
	s.mu.Lock()
	defer s.mu.Unlock()
	require.Contains(s.w.t, s.over, data)
	return s.over[data].Result
}

func newItem(key, data string) *output.Item {
	return &output.Item{
		Output: alert.Output{Name: "scored", Key: key, Data: []byte(data)},
		Record: alert.Record{Shard: "shardId-000000000000", SequenceNumber: "1", Arrival: time.Now()},
	}
}

// put submits items; it waits for room.
func (s *shard) put(items ...*output.Item) {
	s.w.t.Helper()
	for _, it := range items {
		require.NoError(s.w.t, s.feed.Reserve(s.w.t.Context(), it, longEnough, func() {}))
		s.feed.Submit(it)
	}
}

// putMany submits n items for each of some keys: their data is "key/number".
func (s *shard) putMany(keys, n int) {
	s.w.t.Helper()
	for i := range n {
		for k := range keys {
			key := "key" + strconv.Itoa(k)
			s.put(newItem(key, key+"/"+strconv.Itoa(s.from+i)))
		}
	}
	s.from += n
}

func (s *shard) quiet() {
	s.w.t.Helper()
	ctx, cancel := context.WithTimeout(s.w.t.Context(), longEnough)
	defer cancel()
	require.NoError(s.w.t, s.feed.Quiet(ctx))
}

// written are the records of the stream, by key, in order.
func (w *world) written() map[string][]string {
	out := map[string][]string{}
	for _, r := range w.Kinesis.Records("scores") {
		out[r.PartitionKey] = append(out[r.PartitionKey], string(r.Data))
	}
	return out
}

// inOrder asserts that each of some keys has n records, once and in order; with repeats, that the first of each are.
func (w *world) inOrder(keys, n int, repeats bool) {
	w.t.Helper()
	got := w.written()
	require.Len(w.t, got, keys)
	for key, records := range got {
		next := 0
		for _, r := range records {
			if r == key+"/"+strconv.Itoa(next) {
				next++
			} else if !repeats {
				require.Fail(w.t, "out of order, or twice", "%s: %v", key, records)
			}
		}
		require.Equal(w.t, n, next, "%s: %v", key, records)
	}
}

// metric is the value of a series of an output.
func (w *world) metric(name string, labels ...string) float64 {
	families, err := w.reg.Gather()
	require.NoError(w.t, err)
	sum := 0.0
	for _, f := range families {
		if f.GetName() != "kinesis_alerter_output_"+name {
			continue
		}
		for _, m := range f.GetMetric() {
			has := map[string]string{}
			for _, l := range m.GetLabel() {
				has[l.GetName()] = l.GetValue()
			}
			fits := true
			for want := range slices.Chunk(labels, 2) {
				fits = fits && has[want[0]] == want[1]
			}
			if fits {
				sum += m.GetCounter().GetValue() + m.GetGauge().GetValue()
			}
		}
	}
	return sum
}

func (w *world) status() output.Status { return w.Status()[0] }

// fault adds a fault of PutRecords.
func (w *world) fault(f fakeaws.Fault) (remove func()) {
	f.Service, f.Operation = fakeaws.ServiceKinesis, "PutRecords"
	return w.Faults.Add(f)
}
