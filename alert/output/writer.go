package output

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"go.uber.org/zap"

	"kinesis-alerter/internal/guard"
)

// Writer writes to all outputs. Its methods are safe for concurrent use.
type Writer struct {
	deps      Deps
	metrics   *metrics
	moved     signal       // what Quiet waits for
	relieving atomic.Int64 // feeds that ask for room
	started   atomic.Bool

	updating sync.Mutex // held by Update from beginning to end

	mu      sync.Mutex
	byName  map[string]*stream
	former  []*stream // whose name another one has
	unknown *stream   // of what no output is known for
	launch  func(*stream)
	wg      sync.WaitGroup // of the streams' goroutines
}

// New makes a Writer, with the clients of all outputs. It writes nothing until Run.
func New(cfg Config, deps Deps) (*Writer, error) {
	w := &Writer{deps: deps.withDefaults(), byName: map[string]*stream{}}
	w.metrics = newMetrics(deps.Registerer, w.Status)
	cfg = cfg.withDefaults()
	w.unknown = w.newStream("", StreamConfig{}, &cfg, nil, newMetrics(nil, nil).of("")) // no series of its own
	if err := w.Update(cfg); err != nil {
		return nil, err
	}
	return w, nil
}

// Run writes what Submit is given until ctx is done; then it cancels the calls under way, waits for them and returns
// nil. Stop the feeds first. Run may be called once. Its goroutines report their panics to the Watched context of
// internal/guard.
func (w *Writer) Run(ctx context.Context) error {
	if w.started.Swap(true) {
		return errors.New("the writer of output streams runs already, or has run")
	}
	w.mu.Lock()
	w.launch = func(s *stream) {
		w.wg.Go(func() { _ = guard.Run(ctx, "output", func() error { s.run(ctx); return nil }) })
	}
	for _, s := range w.allLocked() {
		w.launch(s)
	}
	w.mu.Unlock()
	<-ctx.Done()
	w.mu.Lock()
	w.launch = nil
	w.mu.Unlock()
	w.wg.Wait()
	return nil
}

// Update puts another configuration into effect, while Run runs, before it or after it. It returns the error of a
// client that cannot be made, and then changes nothing.
//
// What waits for an output that left the configuration, or has another stream, is still written to its old stream.
// While a fault of the configuration holds that stream, it goes to the new one; where there is none, it is rejected.
func (w *Writer) Update(cfg Config) error {
	cfg = cfg.withDefaults()
	w.updating.Lock()
	defer w.updating.Unlock()
	w.mu.Lock()
	before, former := maps.Clone(w.byName), slices.Clone(w.former)
	w.mu.Unlock()
	var begin []*stream
	for name, c := range cfg.Outputs {
		if s := before[name]; s != nil && s.config == c && s.keep(&cfg) {
			delete(before, name)
			continue
		}
		// The order of each key holds only as long as a stream has one writer.
		back := func(s *stream) bool { return s.name == name && s.config == c && s.keep(&cfg) }
		if i := slices.IndexFunc(former, back); i >= 0 {
			begin = append(begin, former[i])
			continue
		}
		client, err := w.deps.Client(name, c)
		if err != nil {
			return fmt.Errorf("outputs.%s: %w", name, err)
		}
		begin = append(begin, w.newStream(name, c, &cfg, client, w.metrics.of(name)))
	}
	w.unknown.settings.Store(&cfg)
	w.mu.Lock()
	for _, s := range begin {
		if old := w.byName[s.name]; old != nil {
			w.former = append(w.former, old)
		}
		w.byName[s.name] = s
		back := slices.Contains(former, s)
		w.former = slices.DeleteFunc(w.former, func(other *stream) bool { return other == s })
		if w.launch != nil && !back {
			w.launch(s)
		}
	}
	w.mu.Unlock()
	for name, s := range before {
		c, replaced := cfg.Outputs[name]
		if replaced {
			s.log.Info("output has another stream, the old one ends when nothing waits for it",
				zap.String("new_stream", c.Stream))
		} else {
			s.log.Info("output has left the configuration, it ends when nothing has waited for it for a while")
		}
		s.leaveConfig(&cfg, replaced)
	}
	return nil
}

// Hurry lets every output that fails be tried at once: what its last call failed for may be corrected by now.
func (w *Writer) Hurry() {
	for _, s := range w.all() {
		s.mu.Lock()
		s.health.Hurry()
		s.mu.Unlock()
		s.stir()
	}
}

// stream returns the output of a name, or the one that refuses everything.
func (w *Writer) stream(name string) *stream {
	w.mu.Lock()
	defer w.mu.Unlock()
	if s := w.byName[name]; s != nil {
		return s
	}
	return w.unknown
}

// all returns all outputs, those that end included.
func (w *Writer) all() []*stream {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.allLocked()
}

func (w *Writer) allLocked() []*stream {
	return append(slices.AppendSeq(slices.Clone(w.former), maps.Values(w.byName)), w.unknown)
}

// forget takes an output out that has ended. Its stream calls it with its own lock held.
func (w *Writer) forget(s *stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.former = slices.DeleteFunc(w.former, func(other *stream) bool { return other == s })
	if w.byName[s.name] == s {
		delete(w.byName, s.name)
		w.metrics.forget(s.name)
	}
	s.log.Info("output has ended")
}

// Status returns all outputs, by name. It does no I/O.
func (w *Writer) Status() []Status {
	var out []Status
	for _, s := range w.all() {
		if s != w.unknown {
			out = append(out, s.status())
		}
	}
	slices.SortFunc(out, func(a, b Status) int {
		if c := strings.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return strings.Compare(a.Stream, b.Stream)
	})
	return out
}

// signal wakes those who watch.
type signal struct {
	watchers atomic.Int64
	mu       sync.Mutex
	ch       chan struct{}
}

// watch returns a channel that is closed at the next tell, and how to end watching.
func (s *signal) watch() (<-chan struct{}, func()) {
	s.watchers.Add(1)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch, func() { s.watchers.Add(-1) }
}

func (s *signal) tell() {
	if s.watchers.Load() == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}
