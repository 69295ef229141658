package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promauto"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/dispatch"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/consumer"
	"kinesis-alerter/internal/config"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/plain"
	"kinesis-alerter/internal/status"
)

// reloader activates a changed configuration file while the daemon runs: filters, rules, silences, the watchdog
// and topics. Everything else needs a restart, and is left as it was. A file that does not validate changes nothing.
type reloader struct {
	load      func(context.Context) (*config.LoadedConfig, error) // nil: the daemon was started without a file
	pipeline  *alert.Pipeline
	publisher *dispatch.Publisher
	outputs   *output.Writer
	roles     func(*config.Config)          // nil in tests that have none
	shards    func() []consumer.ShardStatus // nil where none is read
	log       *zap.Logger
	reloads   map[bool]prometheus.Counter
	good      prometheus.Gauge
	goodAt    prometheus.Gauge

	mu      sync.Mutex
	current config.Config
	turns   turns

	// For the status page, which must not wait for a reload.
	shown atomic.Pointer[config.ShownConfig]
	last  atomic.Pointer[status.Reload]
	began atomic.Pointer[time.Time] // of a reload that is under way
	// inForce is the active configuration.
	inForce atomic.Pointer[config.Config]
	// active is the configuration whose hash the heartbeat writes. A heartbeat must not wait for a reload either.
	active atomic.Pointer[[]byte]
	// doubts are the doubts about the active configuration.
	doubts atomic.Pointer[[]status.Doubt]
}

// NewReloader returns a reloader whose active configuration is c; load reads the next one.
func NewReloader(c config.Config, load func(context.Context) (*config.LoadedConfig, error), log *zap.Logger,
	reg prometheus.Registerer,
) *reloader {
	counter := promauto.With(reg).NewCounterVec(prometheus.CounterOpts{
		Name: "kinesis_alerter_config_reloads_total",
		Help: "Reloads of the configuration file, by result; a refused one changed nothing.",
	}, []string{"result"})
	good := promauto.With(reg).NewGauge(prometheus.GaugeOpts{
		Name: "kinesis_alerter_config_last_reload_successful",
		Help: "Whether the last reload of the configuration file succeeded. 1 before the first one.",
	})
	goodAt := promauto.With(reg).NewGauge(prometheus.GaugeOpts{
		Name: "kinesis_alerter_config_last_reload_success_timestamp_seconds",
		Help: "When the active configuration was read.",
	})
	good.Set(1)
	goodAt.SetToCurrentTime()
	r := &reloader{
		load: load, log: log, current: c, good: good, goodAt: goodAt, turns: turns{wake: make(chan struct{}, 1)},
		reloads: map[bool]prometheus.Counter{
			true: counter.WithLabelValues("ok"), false: counter.WithLabelValues("refused"),
		},
	}
	r.shown.Store(config.NewShownConfig(c, config.NewSubstitutions()))
	r.active.Store(new(c.Meaning()))
	r.inForce.Store(&c)
	return r
}

// show notes the result of a reload.
func (r *reloader) show(changes []string, err error) {
	last := &status.Reload{At: time.Now().UTC(), OK: err == nil, Changes: append([]string{}, changes...)}
	if err != nil {
		last.Error = places(err)
	}
	r.last.Store(last)
}

// places returns where a file is wrong, without the values, which may come from the environment.
func places(err error) string {
	const most = 5
	problems, ok := errors.AsType[config.FieldErrors](err)
	if !ok {
		return "the file is valid and could not be put into force; the log says why"
	}
	var out []string
	for i, p := range problems {
		if i == most {
			out = append(out, fmt.Sprintf("and %d more", len(problems)-most))
			break
		}
		switch {
		case p.Line > 0:
			out = append(out, strings.TrimSuffix(fmt.Sprintf("line %d: %s", p.Line, p.Field), ": "))
		case p.Field != "":
			out = append(out, p.Field)
		default:
			out = append(out, "the file cannot be read")
		}
	}
	return strings.Join(out, "; ")
}

// reload reads the file again. It returns what has changed, a line each. Once ctx is done it changes nothing.
func (r *reloader) reload(ctx context.Context) (changes []string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// This is not a failure: a wrong request must not raise an alert that lasts until the next restart.
	if r.load == nil {
		err := config.UsageError("the daemon was started without a configuration file, so there is none to reload; " +
			"restart it")
		r.log.Warn("nothing to reload", zap.Error(err))
		return nil, err
	}
	defer debug.SetGCPercent(debug.SetGCPercent(frugalGCPercent))
	began := time.Now().UTC()
	r.began.Store(&began)
	defer r.began.Store(nil)
	defer func() { r.show(changes, err) }()
	err = errNoEnd // should it panic
	defer func() {
		r.reloads[err == nil].Inc()
		r.good.Set(0)
		if err == nil {
			r.good.Set(1)
			r.goodAt.SetToCurrentTime()
		}
	}()
	loaded, err := r.load(ctx)
	if err == nil {
		err = loaded.Current(time.Now())
	}
	if ctx.Err() != nil {
		return nil, errStopping
	}
	if err != nil {
		r.log.Error("configuration file is refused, the old one stays active", zap.Error(err))
		return nil, err
	}
	next := loaded.Config
	changes = config.Changes(r.current, next)
	next = r.current.WithRulesOf(next)
	p := next.Parts()
	if is, was := loaded.Parts().Alert.Format, p.Alert.Format; is != was { // as a text, no record matches them
		err := config.FieldErrors{{
			Field: "input", Rule: fmt.Sprintf("differs, which needs a restart: the rules are for records in %s, and "+
				"the active input gives %s; the old rules stay active", is, was),
		}}
		r.log.Error("configuration file is refused, the old one stays active", zap.Error(err))
		return nil, err
	}
	rules, err := loaded.TakeRules()
	if err != nil { // unreachable: the file was validated as a whole
		return nil, err
	}
	// The topics first, including those that are removed: a rule may name a new one, and alerts that wait for a removed
	// one go to the rule's topics of then.
	both := p.SNS
	both.Topics = r.current.Parts().SNS.Topics
	maps.Copy(both.Topics, p.SNS.Topics)
	if r.roles != nil {
		r.roles(&next)
	}
	outputs := p.Output
	outputs.Outputs = r.current.Parts().Output.Outputs
	maps.Copy(outputs.Outputs, p.Output.Outputs)
	if err := errors.Join(r.publisher.Update(both), r.updateOutputs(outputs)); err != nil {
		r.log.Error("topics or outputs could not be put into force", zap.Error(err))
		return nil, err
	}
	fire := r.firing()
	before := r.active.Load()
	// First: workers that agree do so about the active rules, or about those that follow now.
	r.active.Store(new(next.Meaning()))
	if err := r.pipeline.Update(rules); err != nil { // unreachable: they were compiled for it
		r.active.Store(before)
		r.log.Error("rules could not be put into force", zap.Error(err))
		return nil, err
	}
	err = r.publisher.Update(p.SNS) // unreachable: it took these, and more
	if err == nil {
		err = r.updateOutputs(p.Output)
	}
	if err != nil {
		r.log.Error("topics could not be put into force", zap.Error(err))
		return nil, err
	}
	for _, rule := range slices.Sorted(maps.Keys(r.pipeline.Edits())) {
		if n := fire[rule]; n > 0 {
			changes = append(changes,
				fmt.Sprintf("rule %s was %s with %s firing on this worker: the topics that were notified get the "+
					"end once all workers have had the same configuration for a minute",
					rule, r.pipeline.Edits()[rule], status.Number(n, "key")))
		}
	}
	r.current = next
	r.inForce.Store(&next)
	r.publisher.Hurry() // a topic or an output may have another role
	if r.outputs != nil {
		r.outputs.Hurry()
	}
	r.shown.Store(r.shown.Load().Reloaded(loaded, next))
	r.doubt(loaded, next)
	r.log.Info("configuration reloaded", zap.Strings("changes", changes))
	return changes, nil
}

func (r *reloader) updateOutputs(c output.Config) error {
	if r.outputs == nil { // in tests that have none
		return nil
	}
	return r.outputs.Update(c)
}

// firing counts, by rule, the keys of this worker whose firing was notified.
func (r *reloader) firing() map[string]int {
	out := map[string]int{}
	if r.shards == nil {
		return out
	}
	for _, s := range r.shards() {
		for rule, n := range s.Firing {
			out[rule] += n
		}
	}
	return out
}

// configuration is the active configuration, as meaning. Safe for concurrent use.
func (r *reloader) configuration() []byte { return *r.active.Load() }

// errNoEnd is the error of a reload that did not finish.
var errNoEnd = errors.New("the reload has panicked")

// errStopping answers a request to a daemon that is stopping.
var errStopping = errors.New("the daemon is stopping, the old configuration stays active")

// turns are the requested reloads. One runs and one waits. All requests that come meanwhile share the one that waits:
// it begins after each of them, so it reads what they have written.
type turns struct {
	mu   sync.Mutex
	next *turn         // the one that waits; nil without a request
	wake chan struct{} // holds one token when there is a next one
	over bool          // turns no longer run
}

type turn struct {
	callers int // requests that still wait for the answer
	done    chan struct{}
	changes []string
	err     error
}

// join asks for a reload. It returns nil if reloads have ended.
func (t *turns) join() *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return nil
	}
	if t.next == nil {
		t.next = &turn{done: make(chan struct{})}
		select {
		case t.wake <- struct{}{}:
		default:
		}
	}
	t.next.callers++
	return t.next
}

// leave is for a caller that no longer waits.
func (t *turns) leave(n *turn) {
	t.mu.Lock()
	n.callers--
	t.mu.Unlock()
}

// take returns the turn that waits, if a caller still waits for it.
func (t *turns) take() *turn {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.next
	t.next = nil
	if n == nil || n.callers == 0 {
		return nil
	}
	return n
}

// open and shut set whether turns are taken.
func (t *turns) open() {
	t.mu.Lock()
	t.over = false
	t.mu.Unlock()
}

func (t *turns) shut() {
	t.mu.Lock()
	n := t.next
	t.next, t.over = nil, true
	t.mu.Unlock()
	if n != nil {
		n.err = errStopping
		close(n.done)
	}
}

// Run makes the reloads that are asked for, also whenever asked is sent to, until ctx is done. asked may be nil.
func (r *reloader) Run(asked <-chan os.Signal) func(context.Context) error {
	return func(ctx context.Context) error {
		r.turns.open()
		defer r.turns.shut()
		for {
			select {
			case <-asked:
				r.turns.join() // the log and the metrics have the result
			case <-r.turns.wake:
				if ctx.Err() != nil {
					return nil // those who wait get errStopping
				}
				if t := r.turns.take(); t != nil {
					r.make(ctx, t)
				}
			case <-ctx.Done():
				return nil
			}
		}
	}
}

// make reloads for a turn. Once ctx is done it no longer waits for the file: the reload is abandoned, and changes
// nothing.
func (r *reloader) make(ctx context.Context, t *turn) {
	type result struct {
		changes []string
		err     error
	}
	made := make(chan result, 1)
	go func() {
		var m result
		m.err = guard.Do("reload", func() (err error) {
			m.changes, err = r.reload(ctx)
			return err
		})
		if p, panicked := errors.AsType[*guard.PanicError](m.err); panicked {
			r.log.Error("a reload has panicked", zap.Any("panic", p.Value), zap.ByteString("stack", p.Stack))
		}
		made <- m
	}()
	select {
	case m := <-made:
		t.changes, t.err = m.changes, m.err
	case <-ctx.Done():
		t.err = errStopping
	}
	close(t.done)
}

// reloadPatience is how long the answer to a reload may take, in the queue and by itself.
const reloadPatience = time.Minute

// ServeHTTP reloads, for PUT and POST /-/reload. It returns what has changed, or 422 with every fault of the file.
func (r *reloader) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(reloadPatience))
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	t, err := r.turns.join(), errStopping
	if t != nil {
		select {
		case <-t.done:
			err = t.err
		case <-request.Context().Done():
			r.turns.leave(t)
			return
		}
	}
	if err != nil {
		w.WriteHeader(map[bool]int{
			true: http.StatusServiceUnavailable, false: http.StatusUnprocessableEntity,
		}[errors.Is(err, errStopping)])
		for _, line := range plain.Lines(err) {
			_, _ = plain.Fprintln(w, line)
		}
		return
	}
	changes := t.changes
	if len(changes) == 0 {
		changes = []string{"nothing changed"}
	}
	for _, change := range changes {
		_, _ = plain.Fprintln(w, change)
	}
	now := time.Now()
	for _, x := range r.pipeline.Status().Silences {
		_, _ = plain.Fprintf(w, "silence %s: %s; this process has silenced %s by it\n", x.Name,
			status.ActiveWhen(x.From, x.Until, now), status.Number(int(min(x.Muted, math.MaxInt32)), "alert"))
	}
}
