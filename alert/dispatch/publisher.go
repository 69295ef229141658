package dispatch

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/delivery"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/sleep"
)

// Deps are what a Publisher works with.
type Deps struct {
	Service Service
	// Trust returns the end of the trust window of this process' leases, and whether it is open. It must neither block
	// nor call the publisher. Without it there is no window: for commands that hold no lease.
	Trust func() (until time.Time, ok bool)
	// Share returns the place of this process among the live workers, from 0, and their number. That is 0 while it has
	// not joined them: then nothing is sent to topics with a rate. It must neither block nor call the publisher.
	// Without it the process is alone.
	Share func() (index, workers int)
	// Lease returns the context of the lease by which this process holds a shard, or nil when it holds none. It must
	// neither block nor call the publisher. Alerts of a lease that has ended are taken out of digests that were not
	// sent yet. Without it alerts from Gather belong to no lease.
	Lease func(shard string) context.Context
	// At is the time by which records arrive, at a moment of this process. Without it that is the machine's clock. The
	// workers' turns at a topic go by it, and the ages of alerts.
	At func(moment time.Time) time.Time
	// Within is how far At may be wrong. Where workers take turns a topic waits until that is little. Without it At is
	// right.
	Within func() time.Duration
	// Log takes state changes. None when nil.
	Log *zap.Logger
	// Audit takes one line for each alert that was accepted, and for a digest one with its id and as many as it takes
	// to list the ids of all its alerts; it must not sample. None when nil.
	Audit *zap.Logger
	// Registerer takes the metrics. None when nil.
	Registerer prometheus.Registerer
}

// Publisher publishes alerts. Its methods are safe for concurrent use.
type Publisher struct {
	deps    Deps
	fleet   *fleet
	metrics *metrics
	started atomic.Bool
	stopped chan struct{} // closed when Run has returned
	recent  *recent
	tallies tallies

	// updating is held by Update from beginning to end.
	updating sync.Mutex

	mu       sync.RWMutex
	topics   map[string]*topic
	replaced map[*topic]bool // ending, and another topic has the name
	launch   func(*topic)    // nil before Run and when it ends
	launched bool            // Run has launched the topics that there were
	wg       sync.WaitGroup  // of the topics' goroutines
}

// New checks the configuration and makes a Publisher. It sends nothing until Run.
func New(cfg Config, deps Deps) (*Publisher, error) {
	if deps.Service == nil {
		return nil, errors.New("publisher needs a service")
	}
	if err := deps.Service.Validate(cfg); err != nil {
		return nil, err
	}
	cfg = cfg.WithDefaults()
	if deps.Log == nil {
		deps.Log = zap.NewNop()
	}
	if deps.Audit == nil {
		deps.Audit = zap.NewNop()
	}
	if deps.At == nil {
		deps.At = func(moment time.Time) time.Time { return moment }
	}
	if deps.Trust == nil {
		deps.Trust = func() (time.Time, bool) { return time.Now().Add(time.Hour), true }
	}
	p := &Publisher{
		deps:     deps,
		fleet:    &fleet{ask: deps.Share, at: deps.At, within: deps.Within},
		metrics:  newMetrics(deps.Registerer, cfg, deps.Service.Reasons().all()),
		stopped:  make(chan struct{}),
		recent:   &recent{},
		topics:   make(map[string]*topic, len(cfg.Topics)),
		replaced: map[*topic]bool{},
	}
	for name := range cfg.Topics {
		p.topics[name] = p.newTopic(name, cfg)
	}
	return p, nil
}

// newTopic makes a topic of the configuration.
func (p *Publisher) newTopic(name string, cfg Config) *topic {
	config, ages, metrics := cfg.Topics[name], delivery.NewAges(p.deps.At), p.metrics.topic(name)
	log := p.deps.Log.With(zap.String("topic", name), zap.String("topic_arn", config.ARN))
	h := &health{log: log, faults: metrics.faults, remedy: p.deps.Service.Remedy, ages: ages}
	t := &topic{
		name:        name,
		destination: p.deps.Service.Open(name, config.ARN, log),
		trust:       p.deps.Trust,
		log:         log,
		metrics:     metrics,
		receipts: &receipts{
			topic: name, ages: ages, audit: p.deps.Audit, metrics: metrics, recent: p.recent, tallies: &p.tallies,
		},
		ages:     ages,
		known:    make(chan struct{}),
		in:       make(chan *request),
		gone:     make(chan *request),
		done:     make(chan *call),
		asked:    make(chan asked),
		ended:    make(chan struct{}),
		schedule: newSchedule(h, p.fleet),
		health:   h,
	}
	t.settings.Store(&settings{Config: cfg, TopicConfig: config})
	t.quit = func() bool { return p.forget(t) }
	return t
}

// topic returns the topic of a name, or nil.
func (p *Publisher) topic(name string) *topic {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.topics[name]
}

// all returns all topics, those that end included.
func (p *Publisher) all() []*topic {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return slices.AppendSeq(slices.Collect(maps.Values(p.topics)), maps.Keys(p.replaced))
}

// Run sends what Publish and Gather are given until ctx is done; then it cancels the calls under way, waits for them
// and returns nil. Callers of Publish that still wait get ErrStopped, and so does what was gathered, so stop the
// callers first. Run may be called once.
func (p *Publisher) Run(ctx context.Context) error {
	if p.started.Swap(true) {
		return errors.New("publisher runs already, or has run")
	}
	defer close(p.stopped)
	p.mu.Lock()
	p.launch = func(t *topic) {
		p.showShare(t, time.Now())
		life, end := context.WithCancel(ctx)
		guarded := func(f func(context.Context)) {
			// A panic was reported, and Run is ended.
			_ = guard.Run(life, "publisher", func() error { f(life); return nil })
		}
		p.wg.Go(func() { guarded(t.ask) })
		p.wg.Go(func() {
			defer end()
			guarded(t.run)
		})
	}
	for _, t := range p.topics {
		p.launch(t)
	}
	p.launched = true
	p.mu.Unlock()
	p.watch(ctx)
	p.mu.Lock()
	p.launch = nil
	p.mu.Unlock()
	p.wg.Wait()
	return nil
}

// watch looks at the fleet until ctx is done.
func (p *Publisher) watch(ctx context.Context) {
	for p.deps.Share != nil && sleep.For(ctx, lookEvery) {
		now := time.Now()
		p.fleet.look(now)
		for _, t := range p.all() {
			p.showShare(t, now)
		}
	}
	<-ctx.Done()
}

// Publish returns nil when the service accepted the alert, or the digest that stands for it. It waits for as long as
// it takes, through throttling, outages and faults of the topic's configuration, until ctx is done. Then it returns
// the context's cause, at once, even while a call carries the alert: if the service still accepts it, it counts as
// published. It returns *alert.RejectedError when the service will never accept the message, *alert.GivenUpError when
// Config.MaxAttempts or Config.MaxRecordAge ends the attempts, and ErrStopped when Run ended first. Before Run has
// started it waits.
//
// When the topic gathers a digest, or begins to, it returns alert.ErrGathering: the caller hands the alert over by
// Gather, and with it all that waits behind it.
func (p *Publisher) Publish(ctx context.Context, a *alert.Alert) error {
	m, err := p.render(a)
	if err != nil {
		return err
	}
	_, err = p.deliver(ctx, a, m, true)
	return err
}

// PublishNow is Publish that returns the id which the service gave to the message. In digest mode it waits for the
// digest, whose id that is then.
func (p *Publisher) PublishNow(ctx context.Context, a *alert.Alert) (messageID string, err error) {
	m, err := p.render(a)
	if err != nil {
		return "", err
	}
	return p.deliver(ctx, a, m, false)
}

func (p *Publisher) render(a *alert.Alert) (alert.Message, error) {
	m, err := a.Render()
	if err == nil {
		return m, nil
	}
	if t := p.topic(a.Topic); t != nil {
		t.metrics.failure(reasonRender)
	}
	return alert.Message{}, rejected(reasonRender, err)
}

// deliver sends a rendered alert and returns the service's id of the message.
func (p *Publisher) deliver(ctx context.Context, a *alert.Alert, m alert.Message, gathers bool) (string, error) {
	for {
		t := p.topic(a.Topic)
		if t == nil {
			return "", unknownTopic(a.Topic)
		}
		out := p.offer(ctx, t, a, m, gathers)
		if !errors.Is(out.err, errTopicEnded) {
			return out.messageID, out.err
		}
	}
}

// offer hands a message to a topic and waits for its end. The error is errTopicEnded when another topic, or none, has
// the name by now.
func (p *Publisher) offer(ctx context.Context, t *topic, a *alert.Alert, m alert.Message, gathers bool) outcome {
	select {
	case <-t.known:
	case <-ctx.Done():
		return outcome{err: context.Cause(ctx)}
	case <-p.stopped:
		return outcome{err: ErrStopped}
	case <-t.ended:
		return t.closedOutcome()
	}
	msg, err := t.destination.Prepare(a, m)
	if err != nil {
		if refusal, ok := errors.AsType[*alert.RejectedError](err); ok {
			t.metrics.failure(refusal.Reason)
		}
		return outcome{err: err}
	}
	r := &request{
		ctx:     ctx,
		msg:     msg,
		alert:   *a,
		queued:  time.Now(),
		answer:  make(chan outcome, 1),
		gathers: gathers,
	}
	select {
	case t.in <- r:
	case <-ctx.Done():
		return outcome{err: context.Cause(ctx)}
	case <-p.stopped:
		return outcome{err: ErrStopped}
	case <-t.ended:
		return t.closedOutcome()
	}
	select {
	case end := <-r.answer:
		return end
	case <-p.stopped:
		return r.answerOr(ErrStopped)
	case <-ctx.Done():
	}
	select {
	case t.gone <- r:
	case <-t.ended:
	}
	return r.answerOr(context.Cause(ctx))
}

// answerOr returns the answer if there is one: an accepted alert must not be reported as unpublished only because its
// caller's context ended in the same moment.
func (r *request) answerOr(otherwise error) outcome {
	select {
	case end := <-r.answer:
		return end
	default:
		return outcome{err: otherwise}
	}
}
