package consumer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/consumer/kcl"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/guard"
)

// Deps are what a Consumer works with. All fields but DeadLetters, Outputs and Clock are required.
type Deps struct {
	Leases    Leases
	Publisher lanes.Publisher
	// DeadLetters takes alerts that cannot be published, and records that the pipeline wants to be seen there. Without
	// it, Config.OnRejected decides about an alert that SNS will never accept, and one that is given up is dropped.
	DeadLetters lanes.DeadLetters
	// Outputs writes records to output streams; nil where there are none.
	Outputs  *output.Writer
	Pipeline *alert.Pipeline
	// Kinesis makes the real reads. Its client should make one attempt per call: the reader retries.
	Kinesis read.Kinesis
	// Clock is Kinesis' time, which the reader sets by arrival times. Defaults to one that no other answer sets.
	Clock      *clock.Clock
	Log        *zap.Logger
	Registerer prometheus.Registerer
}

// Consumer drives the KCL worker and owns every shard that this process reads. Make one with New and run it once.
type Consumer struct {
	cfg       Config
	leases    Leases
	lanes     lanes.Config // of every shard, without its owner
	outputs   *output.Writer
	pipeline  *alert.Pipeline
	evaluator func(shard string, generation uint32) evaluator
	source    *read.Source
	clock     *clock.Clock
	log       *zap.Logger
	metrics   *metrics
	credits   *read.Credits
	budget    *decode.Budget
	ledger    *ledger

	// readCtx ends when a stop begins, workCtx when its budget is over.
	readCtx    context.Context //nolint:containedctx // see shard.readCtx
	endReading context.CancelCauseFunc
	workCtx    context.Context //nolint:containedctx // see shard.workCtx
	endWork    context.CancelCauseFunc

	stopOnce sync.Once
	stopErr  error
	done     chan struct{}

	mu     sync.Mutex
	shards map[string]*shard
}

// New makes a consumer. The configuration must be valid.
func New(cfg Config, d Deps) (*Consumer, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	c := &Consumer{
		cfg: cfg, leases: d.Leases, outputs: d.Outputs, pipeline: d.Pipeline, clock: d.Clock,
		lanes: lanes.Config{
			// A shard whose alerts stall keeps at most a quarter of the byte budget, so that the others are still read.
			Parallelism: cfg.Parallelism, MaxBytes: cfg.Memory / 4,
			Publisher: d.Publisher, DeadLetters: d.DeadLetters, Instead: d.Pipeline.Redirect,
			HasTopic: d.Pipeline.HasTopic,
			Skip:     cfg.OnRejected == OnRejectedSkip,
		},
		evaluator: func(shard string, generation uint32) evaluator { return d.Pipeline.Rewound(shard, generation) },
		log:       d.Log.Named("consumer"), metrics: newMetrics(d.Registerer), credits: read.NewCredits(cfg.Memory),
		budget: decode.NewBudget(), done: make(chan struct{}), shards: map[string]*shard{},
	}
	if c.clock == nil {
		c.clock = clock.New(nil)
	}
	c.source = read.NewSource(cfg.StreamName, cfg.StreamARN, d.Kinesis, cfg.PollInterval, c.credits, c.metrics.read,
		c.clock)
	c.ledger = newLedger(func(n int) { c.metrics.forgotten.Add(float64(n)) })
	if err := d.Registerer.Register(newShardCollector(c.Status, c.credits, cfg.MergeShards)); err != nil {
		return nil, fmt.Errorf("register shard metrics: %w", err)
	}
	return c, nil
}

// Run reads the shards that the lease table grants until Stop has stopped everything, or ctx is done. Then it drops
// what it is doing, without a drain. It returns what Stop returned.
func (c *Consumer) Run(ctx context.Context) error {
	c.mu.Lock()
	c.workCtx, c.endWork = context.WithCancelCause(ctx)
	c.readCtx, c.endReading = context.WithCancelCause(c.workCtx)
	c.mu.Unlock()
	w := kcl.New(c.readCtx, table{c.leases}, shards{c}, c.log) //nolint:contextcheck // it is derived from ctx above
	if err := w.Start(); err != nil {
		return err
	}
	<-c.readCtx.Done()
	go func() {
		defer close(c.done)
		_ = guard.Run(ctx, "KCL", func() error { w.Shutdown(); return nil })
	}()
	<-c.done
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopErr
}

// Stop ends reading at once, drains the shards within ctx's deadline, commits and releases them. It may be called
// once Run has been called, from any goroutine, more than once. It returns an error that wraps ErrNotDrained and names
// the shards when alerts were left unsettled; the next owners publish these.
func (c *Consumer) Stop(ctx context.Context) error {
	c.mu.Lock()
	running := c.endReading != nil
	c.mu.Unlock()
	if !running {
		return nil
	}
	c.stopOnce.Do(func() {
		c.endReading(ErrStopping)
		// A tenth of the budget is kept for the last commits and releases, which follow the drain.
		drainCtx, cancel := context.WithCancel(ctx)
		if deadline, ok := ctx.Deadline(); ok {
			drainCtx, cancel = context.WithDeadline(ctx, deadline.Add(-time.Until(deadline)/10))
		}
		defer cancel()
		release := context.AfterFunc(drainCtx, func() { c.endWork(ErrStopping) })
		defer release()
		select {
		case <-c.done:
		case <-ctx.Done():
			c.mu.Lock()
			c.stopErr = errors.Join(c.stopErr, fmt.Errorf("the KCL worker did not end within the budget: %w",
				ErrNotDrained))
			c.mu.Unlock()
		}
	})
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stopErr
}

// begin starts a shard's life here, when the KCL asks for an iterator.
func (c *Consumer) begin(id string) error {
	lease := c.leases.Lease(id)
	if lease == nil {
		return errNoLease
	}
	t := &tools{
		id: id, lease: lease, eval: c.evaluator(id, lease.Generation()), pipeline: c.pipeline, plan: c.cfg.Plan,
		budget: c.budget, credits: c.credits, clock: c.clock,
		activity: &read.Activity{}, metrics: c.metrics, log: c.log.With(zap.String("shard", id)),
	}
	s := newShard(c.readCtx, c.workCtx, t, c.lanes, c.outputs)
	s.progress.recall(c.ledger.take(id, lease.Generation(), s.progress.startAt))
	s.intake.fleet = func() alert.Fleet {
		decider, lastArrival, caughtUp := c.leases.Fleet()
		return alert.Fleet{
			Decides: decider == id, LastArrival: lastArrival, CaughtUp: caughtUp, Paused: c.leases.AnyPaused(),
			Now: c.clock.Now(),
		}
	}
	s.open = func(from types.StartingPosition) reader {
		return c.source.Poll(read.Shard{
			ID: id, Log: t.log, Activity: t.activity, CaughtUp: lease.CaughtUp(),
			Wanted: lease.HandoffRequested, Retention: lease.Retention, OnGap: s.gap, OnUnusable: s.unusable,
		}, from)
	}
	where := zap.Skip()
	switch from := s.progress.from; {
	case from.SequenceNumber != nil:
		where = zap.Stringp("sequence_number", from.SequenceNumber)
	case from.Timestamp != nil:
		where = zap.Timep("timestamp", from.Timestamp)
	}
	t.log.Info("reading", zap.String("from", string(s.progress.from.Type)), where)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.shards[id] = s
	return nil
}

// end winds a shard down. It is called when the KCL's consumer of the shard exits. What it returns is called when the
// table has released the lease: until then a heartbeat covers the shard, and must not report a time up to which only
// the others were read.
func (c *Consumer) end(id string) (released func()) {
	s := c.shard(id)
	if s == nil {
		return func() {} // the consumer ended before it asked for an iterator
	}
	quiet := true
	if c.readCtx.Err() != nil && s.checkLease() == nil {
		quiet = s.drain()
	}
	leaves := quiet && (s.lanes.Leaves() || s.outputs.leaves())
	s.windDown(ErrStopping)
	c.keepAccount(s)
	c.mu.Lock()
	defer c.mu.Unlock()
	switch n := s.progress.unsettled(); {
	case n == 0 || c.readCtx.Err() == nil:
	case leaves:
		s.log.Info("records are left to the next worker, because their topic or output refuses them",
			zap.Int("records", n))
	default:
		c.stopErr = errors.Join(c.stopErr,
			fmt.Errorf("shard %s: %w: %d records wait for a topic or an output", id, ErrNotDrained, n))
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if c.shards[id] == s { // else it has begun again
			delete(c.shards, id)
		}
	}
}

func (c *Consumer) shard(id string) *shard {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.shards[id]
}

// Report says, for the worker's heartbeat, when the latest record arrived in any of its shards and up to which time all
// of them were read and evaluated. Either is zero while it is not known; the second, while it is unknown for one shard.
// Both are zero without shards, and while no rule needs them. Safe for concurrent use.
func (c *Consumer) Report() (lastArrival, caughtUp time.Time) {
	for i, s := range c.sorted() {
		arrival, caught := s.progress.report()
		if arrival.After(lastArrival) {
			lastArrival = arrival
		}
		if i == 0 || caught.Before(caughtUp) {
			caughtUp = caught
		}
	}
	return lastArrival, caughtUp
}

// sorted lists the shards by id.
func (c *Consumer) sorted() []*shard {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.SortedFunc(maps.Values(c.shards), func(a, b *shard) int { return strings.Compare(a.id, b.id) })
}

// Status lists the shards that this process reads, by id.
func (c *Consumer) Status() []ShardStatus {
	c.ledger.prune(c.leases.Checkpoint)
	shards := c.sorted()
	out := make([]ShardStatus, len(shards))
	now := time.Now()
	for i, s := range shards {
		out[i] = s.status(now)
	}
	return out
}
