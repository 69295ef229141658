package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"kinesis-alerter/checkpoint/saved"
	"kinesis-alerter/checkpoint/stream"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/sleep"
)

// partName names the package in the report of a panic.
const partName = "lease table"

// parallel is how many calls on the table one part of the Store has under way at once.
const parallel = 16

// Store is the lease table of one process. Make it with New, run it with Run, end it with Stop. Its methods are safe
// for concurrent use.
//
// The view makes the decisions. Each loop of Run is a part of the Store that owns what only it needs.
type Store struct {
	// Set by New, never changed.
	cfg    Config
	table  *table.Client
	maker  *table.Maker
	states *saved.Table
	stream stream.Client
	log    *zap.Logger
	m      *metrics
	now    func() time.Time   // Deps.Now
	pulse  func() table.Pulse // Deps.Pulse; may be nil

	mu      sync.Mutex    // guards view, and the fields of parts that say so; never held across I/O
	view    view          // written and read by all parts
	changed chan struct{} // closed and replaced by notifyLocked; NextGrant and Ended wait for it
	running chan struct{} // made by Run, closed when it returns; Stop waits for it

	stopC    chan struct{} // closed by Stop; Run waits for it
	stopOnce sync.Once

	lastLoop  time.Time   // guarded by mu; opener and watcher write it, LastLoop reads it
	incidents incidentLog // guarded by mu; catalog, watcher and leases add, Status reads
	agreement agreement   // guarded by mu
	reports   reports     // guarded by mu

	opener    opener
	catalog   catalog
	session   session
	watcher   watcher
	planner   planner
	committer committer
}

// New makes a Store. It does no I/O.
func New(cfg Config, deps Deps) (*Store, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	m := newMetrics(deps.Registerer)
	if deps.Now == nil {
		deps.Now = time.Now
	}
	log := deps.Log.With(zap.String("table", cfg.Table))
	maker := table.NewMaker(deps.DynamoDB, cfg.NewTables, deps.Log)
	s := &Store{
		cfg:      cfg,
		table:    &table.Client{DB: deps.DynamoDB, Name: cfg.Table},
		maker:    maker,
		states:   saved.New(deps.DynamoDB, maker, cfg.Table, cfg.StateWriteUnits, m.stateUnits),
		stream:   stream.Client{API: deps.Stream, Name: cfg.StreamName, ARN: cfg.StreamARN},
		log:      log,
		m:        m,
		now:      deps.Now,
		pulse:    deps.Pulse,
		view:     newView(cfg.Start, cfg.MaxShards, cfg.LeaseDuration),
		changed:  make(chan struct{}),
		stopC:    make(chan struct{}),
		lastLoop: time.Now(),
	}
	s.incidents.count = m.incidents
	s.agreement = agreement{store: s, config: deps.Configuration}
	s.reports = reports{store: s, ask: deps.Report}
	s.opener = opener{store: s, wake: newWake()}
	s.catalog = catalog{store: s, wake: newWake()}
	s.session = session{store: s, wake: newWake()}
	s.watcher = watcher{store: s, notices: newWake(), scans: newWake()}
	s.planner = planner{store: s, wake: newWake()}
	s.committer = committer{store: s, wake: newWake()}
	if err := deps.Registerer.Register(newShardCollector(s)); err != nil {
		return nil, fmt.Errorf("register shard metrics: %w", err)
	}
	return s, nil
}

// newWake makes the channel of requests to a goroutine of Run. It holds one: a second would request the same.
func newWake() chan struct{} { return make(chan struct{}, 1) }

func ask(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// Run keeps the table, this worker's heartbeat and its leases until ctx is done or Stop is called; then it returns
// nil. It retries every fault of AWS. It returns an error only for what waiting cannot fix (ErrOtherStream,
// ErrForeignTable, ErrFormat), and with FailFast for a missing permission or stream at the start. When it returns,
// every lease is over locally; Stop still releases the rows. So cancel ctx only after Stop.
func (s *Store) Run(ctx context.Context) error {
	parent := ctx
	ctx, cancel := context.WithCancelCause(ctx)
	done := make(chan struct{})
	s.mu.Lock()
	if s.running != nil {
		s.mu.Unlock()
		cancel(nil)
		return errors.New("checkpoint: Run was called twice")
	}
	s.running = done
	s.mu.Unlock()
	defer close(done)
	defer s.endAll()
	defer cancel(errStopped)

	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { // nothing here panics
		select {
		case <-s.stopC:
			cancel(errStopped)
		case <-ctx.Done():
		}
		return nil
	})
	g.Go(func() error {
		defer cancel(errStopped)
		if err := guard.Run(ctx, partName, func() error { return s.opener.open(ctx, s.cfg.FailFast) }); err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(ctx)
		for _, part := range []func(context.Context) error{
			s.opener.keepTable, s.catalog.run, s.session.run, s.session.guard, s.watcher.watch, s.planner.run,
			s.committer.run, s.watcher.sendNotices, s.maker.Run,
		} {
			g.Go(func() error { return guard.Run(ctx, partName, func() error { return part(ctx) }) })
		}
		return g.Wait()
	})
	err := g.Wait()
	if table.IsFatal(err) || (err != nil && parent.Err() == nil && !errors.Is(err, errStopped)) {
		return err
	}
	return nil
}

// Leave makes this worker take no more shards, and notifies its peers so that they take what it releases. Call it first
// when the process is to end: otherwise this worker could take again what Release releases.
func (s *Store) Leave() {
	s.mu.Lock()
	already := s.view.leaving
	s.view.leaving = true
	s.mu.Unlock()
	if !already {
		ask(s.session.wake)
	}
}

// Stop ends Run, releases what is still held with the last offers, deletes the worker's row and notifies the peers with
// one change of #fleet. It returns what it could not do before ctx was done; peers then take those shards when the
// lease duration is over. After Stop every method is harmless.
func (s *Store) Stop(ctx context.Context) error {
	s.Leave()
	s.stopOnce.Do(func() { close(s.stopC) })
	s.mu.Lock()
	running := s.running
	s.mu.Unlock()
	if running == nil {
		return nil
	}
	select {
	case <-running:
	case <-ctx.Done():
		return fmt.Errorf("stop of the lease table: %w", context.Cause(ctx))
	}
	s.mu.Lock()
	me := s.view.me
	s.view.me = nil
	var held []*Lease
	for _, l := range s.view.leases {
		if l.state != leaseOver {
			held = append(held, l)
		}
	}
	s.mu.Unlock()
	if me == nil {
		return nil
	}
	errs := make([]error, len(held))
	var g errgroup.Group
	g.SetLimit(parallel)
	for i, l := range held {
		g.Go(func() error {
			err := guard.Do(partName, func() error { return l.release(ctx) })
			if err != nil && !isOver(err) {
				errs[i] = fmt.Errorf("release shard %s: %w", l.shard, err)
			}
			l.end(ErrLeaseReleased, eventReleased)
			return nil
		})
	}
	_ = g.Wait() // the errors are collected in errs
	// Rows that could not be released name a worker without a row from here on, and are free for that reason.
	e := &table.Write{}
	e.IfPresent(table.AttrKey)
	if err := s.table.Remove(ctx, table.KeyWorker+me.id, e); err != nil {
		if _, gone := table.Refused(err); !gone {
			errs = append(errs, fmt.Errorf("delete the row of worker %s: %w", me.id, err))
		}
	}
	if _, err := s.watcher.bumpFleet(ctx); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// sendNotices notifies the peers of changes: one write for all that happen within a few milliseconds.
func (w *watcher) sendNotices(ctx context.Context) error {
	s := w.store
	for {
		select {
		case <-w.notices:
		case <-ctx.Done():
			return nil
		}
		if !sleep.For(ctx, 20*time.Millisecond) {
			return nil
		}
		select {
		case <-w.notices: // came while waiting, and is covered by this one
		default:
		}
		n, err := w.bumpFleet(ctx)
		if err != nil {
			s.opener.noteTable(err)
			w.notifyPeers()
			if !sleep.For(ctx, sleep.Jitter(250*time.Millisecond)) {
				return nil
			}
			continue
		}
		s.mu.Lock()
		if n == w.counter+1 {
			w.counter = n // nobody else changed anything since our last look
		}
		s.mu.Unlock()
	}
}

func (w *watcher) bumpFleet(ctx context.Context) (int64, error) {
	e := &table.Write{}
	e.Increment(table.AttrCounter)
	it, err := w.store.table.Update(ctx, table.KeyFleet, e)
	if err != nil {
		return 0, fmt.Errorf("notify the peers: %w", err)
	}
	return table.Integer(it[table.AttrCounter])
}

// Ready reports whether the table was reached and its #application row read once.
func (s *Store) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.opener.ready
}

// LastLoop is when the watch loop last ran, which it does four times a second. A value older than ten seconds means
// that this process hangs, not AWS: every call has a deadline.
func (s *Store) LastLoop() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastLoop
}

// Healthy reports whether the watch loop ran within the last ten seconds.
func (s *Store) Healthy() bool { return time.Since(s.LastLoop()) < 10*time.Second }

// Trust returns until when this process may act on its leases, on the monotonic clock. ok is false when it may not.
// Start an outside effect only before that time, and give it that deadline.
func (s *Store) Trust() (until time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.view.me == nil || !s.view.me.window.open(time.Now()) {
		return time.Time{}, false
	}
	return s.view.me.window.until(), true
}

// notifyLocked wakes those that wait for a change.
func (s *Store) notifyLocked() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Store) alive() {
	s.mu.Lock()
	s.lastLoop = time.Now()
	s.mu.Unlock()
}

// noteTable checks whether a failed call says that the table is gone.
func (o *opener) noteTable(err error) {
	if table.IsNotFound(err) {
		o.suspectTable()
	}
}

// suspectTable has the table and its #application row checked. No shard is taken before that: the row decides where
// shards start.
func (o *opener) suspectTable() {
	s := o.store
	s.mu.Lock()
	o.suspect = true
	s.mu.Unlock()
	ask(o.wake)
}
