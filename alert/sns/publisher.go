package sns

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sns"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
)

// Client is what the publisher asks of SNS; *sns.Client has it. Its retryer should be aws.NopRetryer, see the package
// documentation.
type Client interface {
	PublishBatch(context.Context, *sns.PublishBatchInput, ...func(*sns.Options)) (*sns.PublishBatchOutput, error)
	GetTopicAttributes(
		context.Context, *sns.GetTopicAttributesInput, ...func(*sns.Options),
	) (*sns.GetTopicAttributesOutput, error)
}

// Deps are what a Publisher works with.
type Deps struct {
	Client Client
	// Trust returns the end of the trust window of this process' leases, and whether it is open. It must neither block
	// nor call the publisher. Without it there is no window: for commands that hold no lease.
	Trust func() (until time.Time, ok bool)
	// Log takes state changes. None when nil.
	Log *zap.Logger
	// Audit takes one line for each alert that SNS accepted; it must not sample. None when nil.
	Audit *zap.Logger
	// Registerer takes the metrics. None when nil.
	Registerer prometheus.Registerer
}

// Publisher publishes alerts. Its methods are safe for concurrent use.
type Publisher struct {
	topics  map[string]*topic
	metrics *metrics
	started atomic.Bool
	stopped chan struct{} // closed when Run has returned
}

// New checks the configuration and makes a Publisher. It sends nothing until Run.
func New(cfg Config, deps Deps) (*Publisher, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if deps.Client == nil {
		return nil, errors.New("sns publisher needs a client")
	}
	cfg = cfg.WithDefaults()
	log, audit, trust := deps.Log, deps.Audit, deps.Trust
	if log == nil {
		log = zap.NewNop()
	}
	if audit == nil {
		audit = zap.NewNop()
	}
	if trust == nil {
		trust = func() (time.Time, bool) { return time.Now().Add(2 * cfg.AttemptTimeout), true }
	}
	p := &Publisher{
		topics: make(map[string]*topic, len(cfg.Topics)), metrics: newMetrics(deps.Registerer, cfg),
		stopped: make(chan struct{}),
	}
	for name, tc := range cfg.Topics {
		p.topics[name] = &topic{
			name: name, arn: tc.ARN, cfg: cfg, client: deps.Client, trust: trust, audit: audit,
			log:     log.With(zap.String("topic", name), zap.String("topic_arn", tc.ARN)),
			metrics: p.metrics.topic(name),
			known:   make(chan struct{}),
			in:      make(chan *request), gone: make(chan *request), done: make(chan *call), asked: make(chan asked),
			queue: queue{linger: cfg.Linger, inFlight: cfg.InFlight},
		}
		p.topics[name].limits.Store(new(assumedLimits(tc.ARN)))
	}
	return p, nil
}

// Run sends what Publish is given until ctx is done; then it cancels the calls under way, waits for them and returns
// nil. Callers of Publish that still wait get ErrStopped, so stop the callers first. Run may be called once.
func (p *Publisher) Run(ctx context.Context) error {
	if p.started.Swap(true) {
		return errors.New("sns publisher runs already, or has run")
	}
	defer close(p.stopped)
	var wg sync.WaitGroup
	for _, t := range p.topics {
		wg.Go(func() { t.learn(ctx) })
		wg.Go(func() { t.run(ctx) })
	}
	wg.Wait()
	return nil
}

// Publish returns nil when SNS accepted the alert. It waits for as long as it takes, through throttling, outages and
// faults of the topic's configuration, until ctx is done; then it returns the context's cause, at once, even while a
// call carries the alert (SNS may still accept it, which counts as published). It returns *alert.RejectedError when SNS
// will never accept the message, and ErrStopped when Run ended first. Before Run has started it waits.
func (p *Publisher) Publish(ctx context.Context, a *alert.Alert) error {
	m, err := a.Render()
	if err != nil {
		if t := p.topics[a.Topic]; t != nil {
			t.metrics.failure(reasonRender)
		}
		return rejected(reasonRender, err)
	}
	return p.publish(ctx, a, m)
}

// publish sends a rendered alert.
func (p *Publisher) publish(ctx context.Context, a *alert.Alert, m alert.Message) error {
	t := p.topics[a.Topic]
	if t == nil {
		return rejected(reasonUnknownTopic, fmt.Errorf("topic %q is not configured", a.Topic))
	}
	select {
	case <-t.known:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.stopped:
		return ErrStopped
	}
	msg, err := prepare(a, m, *t.limits.Load())
	if err != nil {
		if refusal, ok := errors.AsType[*alert.RejectedError](err); ok {
			t.metrics.failure(refusal.Reason)
		}
		return err
	}
	r := &request{ctx: ctx, msg: msg, alert: *a, queued: time.Now(), answer: make(chan error, 1)}
	select {
	case t.in <- r:
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.stopped:
		return ErrStopped
	}
	select {
	case err := <-r.answer:
		return err
	case <-p.stopped:
		return r.answerOr(ErrStopped)
	case <-ctx.Done():
	}
	select {
	case t.gone <- r:
	case <-p.stopped:
	}
	return r.answerOr(context.Cause(ctx))
}

// answerOr returns the answer if there is one: an accepted alert must not be reported as unpublished only because its
// caller's context ended in the same moment.
func (r *request) answerOr(otherwise error) error {
	select {
	case err := <-r.answer:
		return err
	default:
		return otherwise
	}
}

// Gather takes an alert into the digest that its topic gathers at the moment, if there is one.
func (*Publisher) Gather(*alert.Alert, func(error)) bool { return false }
