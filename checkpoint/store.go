package checkpoint

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/sleep"
)

// partName names the package in the report of a panic.
const partName = "lease table"

// parallel is how many calls on the table one activity has under way at once.
const parallel = 16

// Store is the lease table of one process. Make it with New, run it with Run, end it with Stop. Its methods are safe for
// concurrent use. It is the KCL worker's Checkpointer.
type Store struct {
	cfg      Config
	table    *table
	states   *stateTable
	stream   Stream
	log      *zap.Logger
	m        *metrics
	consumer func() (lastArrival, caughtUp time.Time) // Deps.Report; may be nil
	now      func() time.Time                         // Deps.Now
	config   func() []byte                            // Deps.Configuration; may be nil

	// Requests to the goroutines of Run. Each holds one, because a second would ask for the same.
	planC, bumpC, scanC, listC, beatC, tableC, commitC chan struct{}
	stopC                                              chan struct{} // closed by Stop
	stopOnce                                           sync.Once

	mu           sync.Mutex // never held across I/O
	running      chan struct{}
	app          *application
	duration     time.Duration   // as the table says
	me           *incarnation    // nil while not joined
	retired      map[string]bool // former ids of this process, to be fenced
	unsure       []string        // ids whose row may or may not be in the table
	leases       map[string]*Lease
	rows         map[string]*row
	peers        map[string]*peer
	doubted      []string             // shards whose row a scan showed at a lower epoch than was known
	orphans      map[string]time.Time // owners that have no worker row, confirmed, and since when their leases count as over
	vanished     map[string]time.Time // shards whose row vanished while another worker held it, and until when they are its own
	lineage      *lineage
	memory       map[string]*row      // of shards that this process held
	cool         map[string]time.Time // shards that this process does not take before
	circles      map[string]bool      // rows whose parents lead back to them, as of the last scan
	damaged      map[string]*DamagedRow
	fleet        int64
	formats      formats
	configs      configs
	hashed       hashedConfig
	scanned      time.Time
	listing      listingHealth
	incidents    []Incident
	other        otherIdentity
	idled        time.Time // the last write that was for a caught-up time alone
	commitCredit credit
	arrival      time.Time // the latest that any worker reported
	view         fleetView
	leaving      bool
	ready        bool
	saw          bool // the table was there once
	doubt        bool // table or #application row may be gone
	lastLoop     time.Time
	opening      opening
	begun        bool          // there was a heartbeat
	failure      string        // the code of the last heartbeat's error; empty when it was confirmed
	retention    time.Duration // of the stream's records; 0 while it is not known
	met          time.Time     // Kinesis' time of the first answer about the stream
	tried        bool          // to write #application
	adopted      time.Time     // when #application, as it is, was first read
	changed      chan struct{} // closed and replaced with every change that Grants or a waiter may care for
}

// New makes a Store. It does no I/O.
func New(cfg Config, deps Deps) (*Store, error) {
	cfg = cfg.WithDefaults()
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	request := func() chan struct{} { return make(chan struct{}, 1) }
	m := newMetrics(deps.Registerer)
	states := &stateTable{db: deps.DynamoDB, name: cfg.Table + stateSuffix, size: chunkBytes, m: m, budget: pace{rate: float64(cfg.StateWriteUnits)}}
	if deps.Now == nil {
		deps.Now = time.Now
	}
	s := &Store{
		now: deps.Now, cfg: cfg, table: &table{db: deps.DynamoDB, name: cfg.Table}, states: states, stream: deps.Stream,
		log: deps.Log.With(zap.String("table", cfg.Table)), m: m, consumer: deps.Report, config: deps.Configuration,
		planC: request(), bumpC: request(), scanC: request(), listC: request(), beatC: request(), tableC: request(), commitC: request(),
		stopC: make(chan struct{}), duration: cfg.LeaseDuration,
		retired: map[string]bool{}, leases: map[string]*Lease{}, rows: map[string]*row{}, peers: map[string]*peer{},
		orphans: map[string]time.Time{}, vanished: map[string]time.Time{}, lineage: newLineage(), memory: map[string]*row{}, cool: map[string]time.Time{}, damaged: map[string]*DamagedRow{},
		changed: make(chan struct{}), lastLoop: time.Now(),
	}
	if err := deps.Registerer.Register(newShardCollector(s)); err != nil {
		return nil, fmt.Errorf("register shard metrics: %w", err)
	}
	return s, nil
}

func ask(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

func (s *Store) replan() { ask(s.planC) }
func (s *Store) bump()   { ask(s.bumpC) }
func (s *Store) rescan() { ask(s.scanC) }
func (s *Store) relist() { ask(s.listC) }

// Run keeps the table, this worker's heartbeat and its leases until ctx is done or Stop is called; then it returns nil.
// It waits out whatever ails AWS. It returns an error only for what waiting cannot mend (ErrOtherStream,
// ErrForeignTable, ErrFormat), and with FailFast for a missing permission or stream at the start. When it returns, every
// lease is over locally; Stop still releases the rows. So cancel ctx only after Stop.
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
	g.Go(func() error { // nothing here can panic
		select {
		case <-s.stopC:
			cancel(errStopped)
		case <-ctx.Done():
		}
		return nil
	})
	g.Go(func() error {
		defer cancel(errStopped)
		if err := guard.Run(ctx, partName, func() error { return s.open(ctx, s.cfg.FailFast) }); err != nil {
			return err
		}
		g, ctx := errgroup.WithContext(ctx)
		for _, part := range []func(context.Context) error{
			s.keepTable, s.keepListing, s.heartbeats, s.guard, s.watch, s.planner, s.commits, s.bumps,
		} {
			g.Go(func() error { return guard.Run(ctx, partName, func() error { return part(ctx) }) })
		}
		return g.Wait()
	})
	err := g.Wait()
	if isFatal(err) || (err != nil && parent.Err() == nil && !errors.Is(err, errStopped)) {
		return err
	}
	return nil
}

// Leave makes this worker take no more shards, and tells its peers so that they take what it releases. Call it first
// when the process is to end: a shard that Release releases is otherwise free for this worker too.
func (s *Store) Leave() {
	s.mu.Lock()
	already := s.leaving
	s.leaving = true
	s.mu.Unlock()
	if !already {
		ask(s.beatC)
	}
}

// Stop ends Run, releases what is still held with the last offers, deletes the worker's row and tells the peers with one
// change of #fleet. It returns what it could not do before ctx was done; peers then take those shards when the lease
// duration is over. After Stop every method is harmless.
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
		return fmt.Errorf("stop of the lease table: %w", cause(ctx))
	}
	s.mu.Lock()
	me := s.me
	s.me = nil
	var held []*Lease
	for _, l := range s.leases {
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
			err := guard.Do(partName, func() error { return s.release(ctx, l) })
			if err != nil && !isOver(err) {
				errs[i] = fmt.Errorf("release shard %s: %w", l.shard, err)
			}
			s.endLease(l, ErrLeaseReleased, eventReleased)
			return nil
		})
	}
	_ = g.Wait() // the errors are in errs
	// Rows that could not be released name a worker without a row from here on, and are free for that reason.
	e := &expr{}
	e.ifPresent(attrKey)
	if err := s.table.remove(ctx, keyWorker+me.id, e); err != nil {
		if _, gone := refused(err); !gone {
			errs = append(errs, fmt.Errorf("delete the row of worker %s: %w", me.id, err))
		}
	}
	if _, err := s.bumpFleet(ctx); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// bumps tells the peers of changes, one write for all that happen within a few milliseconds.
func (s *Store) bumps(ctx context.Context) error {
	for {
		select {
		case <-s.bumpC:
		case <-ctx.Done():
			return nil
		}
		if !sleep.For(ctx, 20*time.Millisecond) {
			return nil
		}
		select {
		case <-s.bumpC: // came while waiting, and is told with this one
		default:
		}
		n, err := s.bumpFleet(ctx)
		if err != nil {
			s.noteTable(err)
			s.bump()
			if !sleep.For(ctx, sleep.Jitter(250*time.Millisecond)) {
				return nil
			}
			continue
		}
		s.mu.Lock()
		if n == s.fleet+1 {
			s.fleet = n // nobody else changed anything since our last look
		}
		s.mu.Unlock()
	}
}

func (s *Store) bumpFleet(ctx context.Context) (int64, error) {
	e := &expr{}
	e.add = append(e.add, e.name(attrCounter)+" "+e.value(num(1)))
	it, err := s.table.update(ctx, keyFleet, e)
	if err != nil {
		return 0, fmt.Errorf("tell the peers: %w", err)
	}
	return integer(it[attrCounter])
}

// Ready reports whether the table was reached and its #application row read once.
func (s *Store) Ready() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ready
}

// LastLoop is when the watch loop last came round, which it does four times a second. A value older than ten seconds
// means that this process hangs, not that AWS does: every call has a deadline.
func (s *Store) LastLoop() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lastLoop
}

// Healthy reports whether the watch loop came round within the last ten seconds.
func (s *Store) Healthy() bool { return time.Since(s.LastLoop()) < 10*time.Second }

// Trust answers until when this process may act on its leases, on the monotonic clock. ok is false when it may not.
// Start an outside effect only before that time, and give it that deadline.
func (s *Store) Trust() (until time.Time, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.me == nil || !s.me.window.open(time.Now()) {
		return time.Time{}, false
	}
	return s.me.window.until(), true
}

// notify wakes whoever waits for a change. Call it with mu held.
func (s *Store) notify() {
	close(s.changed)
	s.changed = make(chan struct{})
}

func (s *Store) alive() {
	s.mu.Lock()
	s.lastLoop = time.Now()
	s.mu.Unlock()
}

// noteTable looks whether a failed call says that the table is gone.
func (s *Store) noteTable(err error) {
	if isNotFound(err) {
		s.doubtTable()
	}
}

// doubtTable has table and #application row looked after. No shard is taken before that is done: a table without the
// row that fixes where shards start is not one to start from.
func (s *Store) doubtTable() {
	s.mu.Lock()
	s.doubt = true
	s.mu.Unlock()
	ask(s.tableC)
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // crypto/rand never fails
	return hex.EncodeToString(b)
}

// backoff doubles from 250 ms to 5 s.
func backoff(attempt int) time.Duration {
	return sleep.Jitter(min(250*time.Millisecond<<min(attempt, 6), 5*time.Second))
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
