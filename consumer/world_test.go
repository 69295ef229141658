package consumer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest"

	"kinesis-alerter/alert"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/fakeaws"
)

const (
	testStream = "stream"
	testARN    = "arn:aws:kinesis:us-east-1:000000000000:stream/stream"
	lease      = 10 * time.Second
)

// world is a stream on the emulator and the workers that read it, in a synctest bubble. Everything between the workers
// and the emulator is real: the SDK, the KCL worker, the lease table.
type world struct {
	t     *testing.T
	cloud *fakeaws.AWS
	// publish is SNS; it may be changed while no worker runs. The default accepts at once.
	publish func(context.Context, *node, *alert.Alert) error
	start   checkpoint.Start
	cfg     Config
	// gather is the digests; the default takes nothing.
	gather func(n *node, a *alert.Alert, done func(error)) bool
	// reads may put something between the workers and Kinesis, leases between them and the lease table.
	reads  func(read.Kinesis) read.Kinesis
	leases func(*node, Leases) Leases
	// evaluator replaces the pipeline's; the default is that.
	evaluator   func(shard string) evaluator
	deadLetters lanes.DeadLetters

	mu        sync.Mutex
	published []delivery
	nodes     []*node
}

// delivery is one alert that was accepted.
type delivery struct {
	node *node
	at   time.Time
	rec  alert.Record
	id   string
}

// node is one worker.
type node struct {
	name     string
	store    *checkpoint.Store
	consumer *Consumer
	registry *prometheus.Registry
	cancel   context.CancelFunc
	ran      sync.WaitGroup
	ended    bool
}

// inWorld runs a test in a bubble on a stream with some shards; at the end every worker is stopped, and the bubble
// itself fails the test when a goroutine is left.
func inWorld(t *testing.T, shards int, test func(*world)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := &world{
			t: t, cloud: fakeaws.New(fakeaws.Options{}), start: checkpoint.Start{Kind: checkpoint.StartTrimHorizon},
		}
		w.publish = func(context.Context, *node, *alert.Alert) error { return nil }
		w.gather = func(*node, *alert.Alert, func(error)) bool { return false }
		w.reads = func(k read.Kinesis) read.Kinesis { return k }
		w.leases = func(_ *node, l Leases) Leases { return l }
		w.cloud.Kinesis.Create(testStream, shards)
		test(w)
		w.cloud.Faults.Clear()
		for _, n := range w.nodes {
			if !n.ended {
				_ = n.Stop(w, 20*time.Second) // a test that cares for the drain stops its workers itself
			}
		}
	})
}

// storeLeases is the adapter that cmd has too.
type storeLeases struct{ *checkpoint.Store }

func (l storeLeases) Lease(id string) Lease {
	if held := l.Store.Lease(id); held != nil {
		return held
	}
	return nil
}

type publisherFunc func(context.Context, *alert.Alert) error

func (f publisherFunc) Publish(ctx context.Context, a *alert.Alert) error { return f(ctx, a) }
func (publisherFunc) Gather(*alert.Alert, func(error)) bool               { return false }

// worldPublisher is a worker's way to SNS.
type worldPublisher struct {
	*world
	node *node
}

func (p worldPublisher) Publish(ctx context.Context, a *alert.Alert) error {
	if err := p.publish(ctx, p.node, a); err != nil {
		return err
	}
	p.accept(p.node, a)
	return nil
}

func (p worldPublisher) Gather(a *alert.Alert, done func(error)) bool {
	return p.gather(p.node, a, done)
}

// accept notes that SNS has an alert.
func (w *world) accept(n *node, a *alert.Alert) {
	w.mu.Lock()
	defer w.mu.Unlock()
	rec := a.Record
	rec.Data = slices.Clone(rec.Data)
	w.published = append(w.published, delivery{n, time.Now(), rec, a.ID})
}

// join starts a worker.
func (w *world) join(name string) *node {
	w.t.Helper()
	n := &node{name: name, registry: prometheus.NewPedanticRegistry()}
	log := zaptest.NewLogger(w.t, zaptest.Level(zapcore.WarnLevel)).With(zap.String("node", name))
	kc := kinesisClient(w.cloud, name)
	var err error
	n.store, err = checkpoint.New(checkpoint.Config{
		Application: "application", StreamName: testStream, Start: w.start, LeaseDuration: lease, Host: name,
	}, checkpoint.Deps{
		DynamoDB: dynamoClient(w.cloud, name), Stream: kc, Log: log, Registerer: n.registry,
		Report: func() (lastArrival, caughtUp time.Time) { return n.consumer.Report() },
	})
	require.NoError(w.t, err)
	rules, err := alert.Config{
		Topics: map[string]alert.TopicConfig{"topic": {ARN: "arn:aws:sns:us-east-1:000000000000:topic"}},
	}.Compile()
	require.NoError(w.t, err)
	pipeline, err := alert.New(rules, alert.Deps{
		Stream: testARN, Input: w.cfg.Plan.Hash(), Log: log, Registerer: n.registry,
	})
	require.NoError(w.t, err)
	cfg := w.cfg
	cfg.StreamName = testStream
	n.consumer, err = New(cfg, Deps{
		Leases: w.leases(n, storeLeases{n.store}), Pipeline: pipeline, Kinesis: w.reads(kc), Log: log,
		Registerer: n.registry,
		Publisher:  worldPublisher{w, n}, DeadLetters: w.deadLetters,
	})
	require.NoError(w.t, err)
	if w.evaluator != nil {
		n.consumer.evaluator = func(shard string, _ uint32) evaluator { return w.evaluator(shard) }
	}
	ctx, cancel := context.WithCancel(context.Background())
	n.cancel = cancel
	n.ran.Go(func() { _ = n.store.Run(ctx) })
	n.ran.Go(func() { _ = n.consumer.Run(ctx) })
	w.nodes = append(w.nodes, n)
	return n
}

func dynamoClient(cloud *fakeaws.AWS, name string) *dynamodb.Client {
	return dynamodb.New(dynamodb.Options{
		Region: "us-east-1", HTTPClient: cloud.HTTPClient(), RetryMaxAttempts: 2,
		Credentials: credentials.NewStaticCredentialsProvider(name, "secret", ""),
	})
}

// stop ends a worker as SIGTERM does, and returns what the drain said.
func (n *node) Stop(w *world, budget time.Duration) error {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), budget)
	defer cancel()
	n.store.Leave()
	err := n.consumer.Stop(ctx)
	_ = n.store.Stop(ctx)
	n.cancel()
	n.end(w)
	return err
}

// crash ends a worker as SIGKILL does: nothing that it still tries reaches AWS.
func (n *node) crash(w *world) {
	w.cloud.Faults.Add(fakeaws.Fault{Client: n.name, Kind: fakeaws.Partition})
	n.cancel()
	n.end(w)
}

// end waits until nothing of a worker is left: no goroutine, no shard, no credits.
func (n *node) end(w *world) {
	n.ran.Wait()
	n.ended = true
	require.Empty(w.t, n.consumer.Status())
	require.Zero(w.t, n.consumer.credits.InUse(), "credits are given back")
}

// put puts numbered records with some keys and returns how many.
func (w *world) put(from, to, keys int) {
	for i := from; i < to; i++ {
		w.cloud.Kinesis.Put(testStream, fmt.Sprintf("key-%d", i%keys), fmt.Appendf(nil, "%d", i))
	}
}

// eventually waits, in virtual time, for a condition.
func (w *world) eventually(limit time.Duration, what string, cond func() bool) time.Duration {
	w.t.Helper()
	start := time.Now()
	for !cond() {
		if time.Since(start) > limit {
			w.t.Fatalf("not within %s: %s (published %d)", limit, what, len(w.deliveries()))
		}
		time.Sleep(5 * time.Millisecond)
	}
	return time.Since(start)
}

func (w *world) deliveries() []delivery {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.published)
}

// distinct counts the records that were published at least once.
func (w *world) distinct() int {
	seen := map[string]bool{}
	for _, d := range w.deliveries() {
		seen[d.id] = true
	}
	return len(seen)
}

// checkOrder fails when the first deliveries of a key are not in the order of their numbers.
func (w *world) checkOrder() {
	w.t.Helper()
	last, seen := map[string]int{}, map[string]bool{}
	for _, d := range w.deliveries() {
		if seen[d.id] {
			continue
		}
		seen[d.id] = true
		var n int
		_, err := fmt.Sscan(string(d.rec.Data), &n)
		require.NoError(w.t, err)
		require.GreaterOrEqual(w.t, n, last[d.rec.PartitionKey], "key %s", d.rec.PartitionKey)
		last[d.rec.PartitionKey] = n
	}
}

// repeats counts the deliveries beyond the first of each record.
func (w *world) repeats() int { return len(w.deliveries()) - w.distinct() }

// reading counts the shards that a worker reads.
func (n *node) reading() int {
	count := 0
	for _, s := range n.consumer.Status() {
		if !s.LastFetch.IsZero() {
			count++
		}
	}
	return count
}
