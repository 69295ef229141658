package checkpoint

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/kinesis"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest"

	"kinesis-alerter/internal/fakeaws"
)

const (
	testStream = "orders"
	testTable  = "alerts"
)

// world is one emulated account in a bubble, with the processes that share a lease table in it.
type world struct {
	tester
	aws *fakeaws.AWS
	log *zap.Logger
	// work, if set, is what a consumer does every 100 ms with the lease that it runs on.
	work   func(p *process, l *Lease)
	report func() (lastArrival, caughtUp time.Time) // of the consumers of processes that start from now on
	// of the state of processes that start from now on, in bytes; 0: as large as ever
	chunk  int
	config func() []byte // of processes that start from now on
	pulse  func() Pulse  // of processes that start from now on
	// told before a handoff: the consumer has drained and does nothing until it is answered
	rest func(*Lease)
}

// tester is what testing.T and rapid.T share.
type tester interface {
	require.TestingT
	Helper()
	Logf(format string, args ...any)
	Context() context.Context
}

// bubble runs a test in virtual time with a stream of so many shards.
func bubble(t *testing.T, shards int, test func(w *world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			tester: t, aws: fakeaws.New(fakeaws.Options{}),
			log: zaptest.NewLogger(t, zaptest.Level(zap.WarnLevel)),
		}
		if shards > 0 {
			w.aws.Kinesis.Create(testStream, shards)
			time.Sleep(100 * time.Millisecond)
		}
		test(w)
	})
}

// process is one worker process with a stand-in for the consumer: it starts a consumer for each grant, hands over
// when asked, and ends every consumer with Release.
type process struct {
	w        *world
	name     string
	stubborn bool // never hands over by itself
	store    *Store
	reg      *prometheus.Registry
	cancel   context.CancelFunc
	drain    chan struct{}
	result   chan error
	wg       sync.WaitGroup

	mu      sync.Mutex
	running map[string]int
}

func (w *world) clients(name string) (*dynamodb.Client, *kinesis.Client) {
	creds := credentials.NewStaticCredentialsProvider(name, "x", "")
	retryer := func() aws.Retryer {
		return retry.NewStandard(func(o *retry.StandardOptions) {
			o.MaxAttempts, o.MaxBackoff = 2,
				50*time.Millisecond
		})
	}
	return dynamodb.New(dynamodb.Options{
			Region: "us-east-1", Credentials: creds, HTTPClient: w.aws.HTTPClient(),
			Retryer: retryer(),
		}),
		kinesis.New(kinesis.Options{
			Region: "us-east-1", Credentials: creds, HTTPClient: w.aws.HTTPClient(),
			Retryer: retryer(),
		})
}

func (w *world) newStore(name string, change ...func(*Config)) (*Store, *prometheus.Registry) {
	w.Helper()
	cfg := Config{Application: testTable, StreamName: testStream, Host: name}
	for _, c := range change {
		c(&cfg)
	}
	db, kin := w.clients(name)
	reg := prometheus.NewPedanticRegistry()
	s, err := New(cfg, Deps{
		DynamoDB: db, Stream: kin, Log: w.log.Named(name), Registerer: reg, Report: w.report,
		Configuration: w.config, Pulse: w.pulse,
	})
	require.NoError(w, err)
	if w.chunk > 0 {
		s.states.Size = w.chunk
	}
	return s, reg
}

// start starts a process. Its name is its access key, by which faults single it out.
func (w *world) start(name string, change ...func(*Config)) *process {
	w.Helper()
	return w.run(name, false, change...)
}

// startStubborn starts a process that hands over only when the test does it.
func (w *world) startStubborn(name string) *process {
	w.Helper()
	return w.run(name, true)
}

func (w *world) run(name string, stubborn bool, change ...func(*Config)) *process {
	w.Helper()
	s, reg := w.newStore(name, change...)
	ctx, cancel := context.WithCancel(w.Context())
	p := &process{
		w: w, name: name, store: s, reg: reg, cancel: cancel, drain: make(chan struct{}), result: make(chan error, 1),
		stubborn: stubborn,
		running:  map[string]int{},
	}
	go func() { p.result <- s.Run(ctx) }()
	p.wg.Go(func() { p.consumers(ctx) })
	return p
}

// consumers starts a consumer for each grant.
func (p *process) consumers(ctx context.Context) {
	for {
		id, _ := p.store.NextGrant(ctx)
		if ctx.Err() != nil {
			return
		}
		select {
		case <-p.drain:
			return
		default:
		}
		if l := p.store.Lease(id); l != nil && l.Take() {
			p.wg.Go(func() { p.consume(ctx, l) })
		}
	}
}

func (p *process) consume(ctx context.Context, l *Lease) {
	p.mu.Lock()
	p.running[l.shard]++
	if p.running[l.shard] > 1 {
		p.w.Errorf("%s runs two consumers of %s", p.name, l.shard)
	}
	p.mu.Unlock()
	var tick <-chan time.Time
	if p.w.work != nil {
		t := time.NewTicker(100 * time.Millisecond)
		defer t.Stop()
		tick = t.C
		p.w.work(p, l)
	}
	for over := false; !over; {
		requested := l.HandoffRequested()
		if p.stubborn {
			requested = nil
		}
		select {
		case <-tick:
			p.w.work(p, l)
		case <-l.Context().Done():
			over = true
		case <-p.drain:
			over = true
		case <-ctx.Done():
			over = true
		case <-requested:
			if p.w.rest != nil {
				p.w.rest(l)
			}
			if err := l.HandOff(ctx); err == nil {
				over = true
			} else {
				time.Sleep(100 * time.Millisecond)
			}
		}
	}
	p.mu.Lock()
	p.running[l.shard]--
	p.mu.Unlock()
	_ = p.store.Release(l.shard) //nolint:contextcheck // the KCL passes none
}

// stop ends a process in the order of the daemon.
func (p *process) stop() {
	p.w.Helper()
	p.store.Leave()
	close(p.drain)
	ctx, cancel := context.WithTimeout(p.w.Context(), 20*time.Second)
	defer cancel()
	require.NoError(p.w, p.store.Stop(ctx))
	p.cancel()
	require.NoError(p.w, <-p.result)
	p.wg.Wait()
}

// kill cuts a process off and ends it without a goodbye, as SIGKILL does.
func (p *process) kill() {
	p.w.aws.Faults.Add(fakeaws.Fault{Client: p.name, Kind: fakeaws.Partition})
	p.cancel()
	require.NoError(p.w, <-p.result)
	p.wg.Wait()
}

// held are the shards that a process runs a consumer of.
func (p *process) held() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	var out []string
	for _, id := range slices.Sorted(maps.Keys(p.running)) {
		if p.running[id] > 0 {
			out = append(out, id)
		}
	}
	return out
}

// await waits in virtual time until ok, and returns how long that took.
func (w *world) await(what string, limit time.Duration, ok func() bool) time.Duration {
	w.Helper()
	begin := time.Now()
	for !ok() {
		if time.Since(begin) > limit {
			require.FailNow(w, "not within "+limit.String(), what)
		}
		time.Sleep(10 * time.Millisecond)
	}
	return time.Since(begin)
}

func (w *world) awaitHeld(limit time.Duration, shards int, ps ...*process) time.Duration {
	w.Helper()
	return w.await(fmt.Sprintf("%d shards held", shards), limit, func() bool {
		n := 0
		for _, p := range ps {
			n += len(p.held())
		}
		return n == shards
	})
}

// row is a shard's row as it is stored.
func (w *world) row(id string) map[string]any { return w.aws.DynamoDB.Item(testTable, id) }
