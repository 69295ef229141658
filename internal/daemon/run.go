package daemon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"slices"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/deadletter"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/alert/sns"
	"kinesis-alerter/checkpoint"
	"kinesis-alerter/consumer"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/internal/answer"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/emf"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/sleep"
	"kinesis-alerter/internal/status"
)

// Options are what Run needs besides the configuration file.
type Options struct {
	// AWS says how to reach AWS; see LoadAWS.
	AWS aws.Config
	// Output gets the log lines.
	Output io.Writer
	// Registry gets the metrics. Defaults to a new one.
	Registry *prometheus.Registry
	// Listener is what the admin server serves on. Defaults to listening on server.listen.
	Listener net.Listener
	// FailFast makes a missing stream, table, topic or permission at start an error instead of something to wait for.
	// Output streams are not asked for: PutRecords cannot be tried without writing, looking takes a permission that
	// nothing else needs, and alerts do not depend on them.
	FailFast bool
	// CreateTable allows the daemon to create the lease table again if it vanishes.
	CreateTable bool
	// Reload reads the configuration again, for /-/reload and whenever Reloads is sent to. Without it they are refused.
	Reload  func(context.Context) (*config.LoadedConfig, error)
	Reloads <-chan os.Signal
	// Loaded is the configuration as it was read: it has the rules, compiled, and the status page shows ${VAR} where
	// the file has it. May be nil.
	Loaded *config.LoadedConfig
	// Host names this machine in the lease table and the log.
	Host string
	// Machine is the machine's wall clock. Defaults to time.Now.
	Machine func() time.Time
}

// lastLines is how long the end waits for an output that takes no lines, on top of the stop budget.
const lastLines = 500 * time.Millisecond

// Run is the daemon. It runs until ctx is done and then stops in order, within the configuration's stop budget. It
// returns nil if everything that was read was resolved and committed. The configuration must be valid and have its
// defaults.
//
// It is deliberately one straight line: the order in which parts start is the reverse of the order in which they stop,
// and both can be seen at once.
func Run(ctx context.Context, c config.Config, o Options) (err error) {
	reg := o.Registry
	if reg == nil {
		reg = prometheus.NewRegistry()
	}
	logs, err := NewLoggers(c.Log, o.Output, reg)
	if err != nil {
		return err
	}
	defer func() { // last of all
		last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastLines)
		defer cancel()
		logs.Close(last)
	}()
	log, build := logs.Operational, CurrentBuild()
	build.Register(reg)
	// what a leak shows in
	liveHeap := collectors.GoRuntimeMetricsRule{Matcher: regexp.MustCompile(`^/gc/heap/live:bytes$`)}
	reg.MustRegister(collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(liveHeap)),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))

	listener, err := listen(ctx, c, o)
	if err != nil {
		return err
	}
	log.Info("starting", zap.String("version", build.Version), zap.String("revision", build.Revision),
		zap.String("stream", cmp.Or(c.Stream.ARN, c.Stream.Name)), zap.String("application", c.Stream.Application),
		zap.Stringer("admin", listener.Addr()))

	// The signal ends nothing by itself: the parts live in contexts of their own, and the stop list ends them in order.
	work, abandon := context.WithCancel(context.WithoutCancel(ctx))
	life := newLife(log)
	// After a panic that may have left shared state half changed nothing more is published: the table is the recovery.
	work = guard.Watched(work, func(p *guard.PanicError) { life.broke(p, abandon) })
	stop := &stopList{log: log}
	defer func() {
		began := time.Now()
		if errors.Is(err, errStopped) {
			err = nil
		}
		life.stopping.Store(true)
		log.Info("stopping", zap.Duration("budget", c.Processing.StopBudget), zap.NamedError("because", why(ctx, err)))
		err = errors.Join(err, stop.Run(work, c.Processing.StopBudget))
		abandon() // what the stop list has abandoned
		log.Info("stopped", zap.Duration("took", time.Since(began)), zap.Bool("clean", err == nil), zap.Error(err))
	}()

	state := &state{}
	reloads := NewReloader(c, o.Reload, log.Named("config"), reg)
	reloads.shown.Store(o.Loaded.Shown(c))
	reloads.doubt(o.Loaded, c)
	// Metrics about the stream name it: one Prometheus may watch many.
	series := prometheus.WrapRegistererWith(prometheus.Labels{"stream": c.StreamName()}, reg)
	watch, now := answer.NewWatch(log.Named("aws"), reg), clock.New(o.Machine)
	page := newStatusSource(c, build, state, reloads, logs)
	if o.Loaded != nil && o.Loaded.Doc != nil {
		page.file = o.Loaded.Doc.File
	}
	page.answers = watch
	page.clock = now
	status.RegisterProblems(series, page.snapshot)
	status.RegisterClock(series, now)
	server := newAdmin(work, listener, adminDeps{
		Gatherer: reg, LogLevel: logLevel{logs.Level}, Reload: state.reload, Healthy: state.healthy, Ready: state.ready,
		Log:    log.Named("admin"),
		Status: page.snapshot, Names: append([]string{o.Host}, c.Server.Names...),
	})
	life.start(work, "admin server", func(context.Context) error { return server.Run() })
	stop.Add("admin server", config.StopShareAdmin, server.Stop)
	sampling := life.keep(work, "status", page.Run)
	endSampling := sampling.stop
	if c.Metrics.EMF {
		lines := &metricLines{
			meter:  emf.NewMeter(c.StreamName(), c.Stream.Application),
			sample: page.metricSample, now: now.Now, write: logs.print,
		}
		printing := life.keep(work, "metric lines", lines.Run)
		endSampling = func(ctx context.Context) error {
			return errors.Join(sampling.stop(ctx), printing.stop(ctx)) // after all that the last line counts
		}
	}
	stop.Add("status", config.StopShareStatus, endSampling)

	p, clients := c.Parts(), newClientsBy(now, o.AWS, reg, watch).Of(c.Stream.ARN, c.StreamRole())
	page.credentials.Store(clients.Credentials)
	topicClients := NewTopicClients(clients, &c)
	outputClients := NewOutputClients(clients, &c)
	reloads.roles = func(next *config.Config) {
		topicClients.Set(next)
		outputClients.Set(next)
	}
	if plain := clients.plainEndpoints(); len(plain) > 0 {
		page.plain.Store(&plain)
		log.Warn("an endpoint of AWS is reached over plain HTTP: anyone on the way can read payloads and the "+
			"session token, and can answer",
			zap.Strings("hosts", plain))
	}
	asks := func(code string) { page.waitFor("the stream "+c.StreamName()+" in Kinesis", code) }
	asks("")
	clients.Credentials.Observe(log.Named("credentials"), reg)
	patience := time.Now().Add(failFastPatience)
	arn, err := streamARN(ctx, c, clients.Kinesis, log, o.FailFast, patience, asks)
	if err != nil {
		return err
	}
	if o.FailFast {
		if err := checkTopics(ctx, c, topicClients); err != nil {
			return err
		}
	}
	loaded := o.Loaded
	if loaded == nil {
		loaded = &config.LoadedConfig{Config: c}
	}
	pipeline, err := loaded.Pipeline(alert.Deps{Stream: arn, Log: log.Named("alert"), Registerer: series})
	if err != nil {
		return err
	}
	p.Checkpoint.FailFast, p.Checkpoint.Patience, p.Checkpoint.CreateTable = o.FailFast, time.Until(patience),
		o.CreateTable
	p.Checkpoint.Version, p.Checkpoint.Host = build.Version, o.Host
	var shards *consumer.Consumer // reports to the table, which it is made with
	store, err := checkpoint.New(p.Checkpoint, checkpoint.Deps{
		DynamoDB: clients.DynamoDB, Stream: clients.Kinesis, Log: log.Named("lease"), Registerer: series,
		Report: func() (lastArrival, caughtUp time.Time) {
			return shards.Report()
		}, Pulse: page.pulse, Configuration: reloads.configuration, Now: now.Now,
	})
	if err != nil {
		return err
	}
	publisher, err := dispatch.New(p.SNS, dispatch.Deps{
		Service: sns.NewOf(topicClients.Of, series), At: now.At, Within: now.Within, Trust: store.Trust,
		Share: store.Share, Lease: Leases{store}.context,
		Log: log.Named("sns"), Audit: logs.Audit, Registerer: series,
	})
	if err != nil {
		return err
	}
	letters, err := DeadLetters(p.DeadLetter, arn, c.Stream.Application, clients.As(c.DeadLetterRole(), ""), logs,
		series)
	if err != nil {
		return err
	}
	outputs, err := output.New(p.Output, output.Deps{
		Client: outputClients.Of, DeadLetters: letters, Trust: store.Trust, At: now.At, Log: log.Named("output"),
		Registerer: series,
	})
	if err != nil {
		return err
	}
	shards, err = consumer.New(p.Consumer, consumer.Deps{
		Leases: Leases{store}, Publisher: publisher, DeadLetters: letters, Outputs: outputs, Pipeline: pipeline,
		Kinesis: clients.Kinesis, Clock: now, Log: log, Registerer: series,
	})
	if err != nil {
		return err
	}
	clients.Credentials.OnChange(func() {
		publisher.Hurry()
		outputs.Hurry()
	})
	reloads.pipeline, reloads.publisher, reloads.outputs = pipeline, publisher, outputs
	reloads.shards = func() []consumer.ShardStatus { return shards.Status() }
	had := &subscriptionMemory{
		topics: func() []sns.TopicStatus {
			return sns.Topics(publisher.Status())
		}, load: store.Keepsake, save: store.SetKeepsake, log: log.Named("sns"),
	}
	page.attach(statusParts{
		store: store, shards: shards, pipeline: pipeline, publisher: publisher, outputs: outputs,
		letters: sender(letters), had: had,
	})

	publishing := life.start(work, "publisher", publisher.Run)
	writing := life.start(work, "outputs", outputs.Run)
	stop.Add("publisher", config.StopSharePublisher, func(ctx context.Context) error {
		return errors.Join(publishing.stop(ctx), writing.stop(ctx))
	})
	leasing := life.start(work, "lease table", store.Run)
	stop.Add("lease table", config.StopShareLeases, func(ctx context.Context) error {
		return errors.Join(store.Stop(ctx), leasing.stop(ctx))
	})
	consuming := life.start(work, "shards", shards.Run)
	stop.Add("shards", config.StopShareShards, func(ctx context.Context) error {
		store.Leave()           // or the table would hand the shards that are released right back
		publisher.Drain()       // digests are sent before their time
		err := shards.Stop(ctx) // Run returns it too
		if ended := consuming.stop(ctx); err == nil {
			err = ended
		}
		return err
	})
	remembering := life.keep(work, "subscriptions", had.Run)
	stop.Add("subscriptions", config.StopShareSubscriptions, remembering.stop)
	reloading := life.keep(work, "reloads", reloads.Run(o.Reloads))
	stop.Add("reloads", config.StopShareReloads, reloading.stop)
	state.watch(store, reloads)
	stop.Add("readiness", config.StopShareReadiness, func(context.Context) error {
		state.draining.Store(true)
		return nil
	})

	select {
	case <-ctx.Done():
		return nil
	case err := <-life.failed:
		return err
	}
}

// DeadLetters makes the sender for the on-failure destination; nil if there is none.
func DeadLetters(
	c deadletter.Config, stream, application string, clients clients, logs Loggers, reg prometheus.Registerer,
) (lanes.DeadLetters, error) {
	if !c.Enabled() {
		return nil, nil //nolint:nilnil // an interface that holds nothing says that there is no destination
	}
	return deadletter.New(c, deadletter.Deps{
		Stream: stream, Application: application, SQS: clients.sqs, SNS: clients.SNS, S3: clients.s3,
		Reasons: slices.Concat([]alert.Reason{alert.ReasonOverBudget}, alert.InvalidReasons(), sns.RejectReasons(),
			lanes.LetterReasons(), output.LetterReasons()),
		Log: logs.Operational.Named("deadletter"), Audit: logs.Audit, Registerer: reg,
	})
}

// sender is what sends the dead letters, or nil.
func sender(letters lanes.DeadLetters) *deadletter.Sender {
	s, _ := letters.(*deadletter.Sender)
	return s
}

// why returns the reason of a stop.
func why(ctx context.Context, err error) error {
	return cmp.Or(err, context.Cause(ctx))
}

func listen(ctx context.Context, c config.Config, o Options) (net.Listener, error) {
	if o.Listener != nil {
		return o.Listener, nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Server.Listen)
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return nil, fmt.Errorf("admin server: another process listens at %s already, perhaps a demo or another "+
				"worker; give this one another address, by server.listen or --listen 127.0.0.1:9465: %w",
				c.Server.Listen, err)
		}
		return nil, fmt.Errorf("admin server: %w; choose another address, by server.listen or --listen", err)
	}
	return l, nil
}

// life holds the running parts of the daemon.
type life struct {
	log *zap.Logger
	// stopping is set when the stop begins: from then on parts are expected to end.
	stopping atomic.Bool
	// failed gets the error of the first part that ended without being asked.
	failed chan error
}

func newLife(log *zap.Logger) *life { return &life{log: log, failed: make(chan error, 1)} }

// broke ends the daemon for a panic. It says so before the other parts are abandoned: one of those would otherwise
// report first that it has ended, and the process could be gone before the cause is logged.
func (l *life) broke(p *guard.PanicError, abandon context.CancelFunc) {
	l.log.Error("a part has panicked, and what it shares may be half changed: nothing more is published, and the "+
		"process ends",
		zap.String("part", p.Part), zap.Any("panic", p.Value), zap.ByteString("stack", p.Stack))
	select {
	case l.failed <- p:
	default:
	}
	abandon()
}

// The pauses before a part that panicked begins again.
const (
	firstRestart   = time.Second
	longestRestart = time.Minute
)

// keep is start for a part that shares nothing that its panic could leave half changed: it begins again after a pause.
func (l *life) keep(ctx context.Context, name string, run func(context.Context) error) *part {
	return l.start(ctx, name, func(ctx context.Context) error {
		for wait := firstRestart; ; wait = min(2*wait, longestRestart) {
			err := guard.Do(name, func() error { return run(ctx) })
			p, panicked := errors.AsType[*guard.PanicError](err)
			if !panicked {
				return err
			}
			l.log.Error("a part has panicked, it begins again",
				zap.String("part", name), zap.Any("panic", p.Value), zap.ByteString("stack", p.Stack),
				zap.Duration("in", wait))
			if !sleep.For(ctx, wait) {
				return ctx.Err()
			}
		}
	})
}

// part is one running part.
type part struct {
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid after done
}

// start runs a part. A part that ends before it is stopped ends the daemon, even without an error.
func (l *life) start(ctx context.Context, name string, run func(context.Context) error) *part {
	ctx, cancel := context.WithCancel(ctx)
	p := &part{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(p.done)
		err := guard.Run(ctx, name, func() error { return run(ctx) })
		if ctx.Err() != nil && errors.Is(err, ctx.Err()) {
			err = nil
		}
		p.err = err
		if l.stopping.Load() {
			return
		}
		if err == nil {
			err = fmt.Errorf("%s ended by itself", name)
		}
		select {
		case l.failed <- err:
		default:
		}
	}()
	return p
}

// stop cancels the part and waits for it.
func (p *part) stop(ctx context.Context) error {
	p.cancel()
	select {
	case <-p.done:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("still running: %w", context.Cause(ctx))
	}
}

// state is what the probes ask.
type state struct {
	draining atomic.Bool
	store    atomic.Pointer[checkpoint.Store]
	reloads  atomic.Pointer[reloader]
}

// watch makes the lease table part of the probes, and opens the way to reload.
func (s *state) watch(store *checkpoint.Store, reloads *reloader) {
	s.store.Store(store)
	s.reloads.Store(reloads)
}

// reload answers /-/reload.
func (s *state) reload(w http.ResponseWriter, r *http.Request) {
	if reloads := s.reloads.Load(); reloads != nil {
		reloads.ServeHTTP(w, r)
		return
	}
	http.Error(w, "still starting", http.StatusServiceUnavailable)
}

// healthy is about this process alone: in an outage of AWS a restart would only lose what is in memory.
func (s *state) healthy() error {
	if store := s.store.Load(); store != nil && store.Ready() && !store.Healthy() {
		return errors.New("the lease loop has not run for ten seconds; restart this process")
	}
	return nil
}

// ready fails before the lease table was reached for the first time and from the start of a stop on, and never for an
// outage in between, because that would block the very rollout that fixes it.
func (s *state) ready() error {
	if s.draining.Load() {
		return errors.New("stopping")
	}
	if store := s.store.Load(); store == nil || !store.Ready() {
		return errors.New("the lease table was not reached yet")
	}
	return nil
}
