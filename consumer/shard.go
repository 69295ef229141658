package consumer

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/alert/decode"
	"kinesis-alerter/alert/output"
	"kinesis-alerter/consumer/lanes"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/clock"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"
)

const (
	// handoffLimit is how long a shard drains for a handoff before it is called off.
	handoffLimit = 5 * time.Second
	// finishRetry is the pause between attempts to write a shard's end.
	finishRetry = 500 * time.Millisecond
	// leastRetention is the shortest time for which a stream keeps its records.
	leastRetention = 24 * time.Hour
)

// reader brings the pages of one shard, in order, from a start position on. The polling reader is the only one today;
// one that is pushed to (enhanced fan-out) has the same shape.
type reader interface {
	// Read waits for the next page: records, or the end of the shard, or news that there is nothing. It handles every
	// transient error itself. It returns an error only when ctx is done.
	Read(ctx context.Context) (read.Page, error)
}

// tools are what all parts of a shard work with. They do not change while the shard lives.
type tools struct {
	id       string
	lease    Lease
	eval     evaluator // used by the KCL's goroutine of the shard only
	pipeline *alert.Pipeline
	plan     *decode.Plan   // takes Kinesis records apart
	budget   *decode.Budget // of the process
	lanes    *lanes.Lanes
	credits  *read.Credits
	clock    *clock.Clock
	activity *read.Activity // written by the KCL's goroutine, read by the status
	metrics  *metrics
	log      *zap.Logger

	// readCtx ends with the lease or when the process begins to stop; workCtx ends with the lease or when the budget
	// of that stop is over. Reading and waiting for room use the first, publishing and table writes the second.
	readCtx, workCtx context.Context //nolint:containedctx // ownership of the shard is this pair of contexts
}

// refuseHandoff calls off a requested handoff that the shard cannot be drained for.
func (t *tools) refuseHandoff(why error) {
	select {
	case <-t.lease.HandoffRequested():
		t.callOff(why)
	default:
	}
}

func (t *tools) callOff(why error) {
	t.lease.KeepLease()
	t.metrics.handoffs.WithLabelValues("called_off").Inc()
	t.log.Warn("handoff called off, shard kept", zap.Error(why))
}

// shard is one shard's life on this worker, from Begin to End: it reads pages, has them ingested, and ends in one of
// the ways of phase. Reading and evaluation run on the KCL's goroutine for the shard ("here"), so records are evaluated
// in sequence order; publishing runs in the lanes.
type shard struct {
	*tools
	progress *progress // what is settled, and offered to the lease
	outcomes *outcomes // alerts that SNS did not accept
	memory   *memory   // of the rules, kept with the checkpoint
	outputs  *outputs  // records for output streams
	intake   *intake   // pages and ticks, through the pipeline into the lanes and the outputs

	began  time.Time
	detach func() // detaches the shard from the process's contexts
	open   func(from types.StartingPosition) reader

	// Written and read here only.

	reader  reader // nil before the memory is opened
	refuted bool   // the claim before was refuted, and logged

	mu sync.Mutex

	phase      phase     // written here, and by the end of the process
	failed     error     // written here, where a panic was recovered
	claim      *endClaim // written here, read by the status
	lastFetch  time.Time // of the last answer of Kinesis; written here, read by the status
	lastBehind time.Duration
	// replaying says that the last page was below the checkpoint: read again for the memory of the rules.
	replaying bool
}

// newShard makes a shard. The lanes get the owner of their tasks, and their publisher, from cfg.
func newShard(readCtx, workCtx context.Context, t *tools, cfg lanes.Config, w *output.Writer) *shard {
	s := &shard{tools: t, began: time.Now(), outcomes: &outcomes{metrics: t.metrics, log: t.log}}
	s.attach(readCtx, workCtx)
	cfg.Owner = s
	t.lanes = lanes.New(t.workCtx, cfg) //nolint:contextcheck // of the lease and of workCtx, see attach
	s.progress = newProgress(t, s.outcomes)
	s.outputs = &outputs{tools: t, progress: s.progress, outcomes: s.outcomes}
	s.outputs.begin(t.workCtx, w) //nolint:contextcheck // as above
	s.memory = newMemory(t, s.progress)
	s.intake = &intake{
		tools: t, progress: s.progress, outputs: s.outputs, memory: s.memory,
		decoder: t.plan.Decoder(t.budget), apart: takenPage{settled: true},
	}
	return s
}

// attach ties the shard's contexts to its lease and to the process's.
func (s *shard) attach(readCtx, workCtx context.Context) {
	both := func(process context.Context) (context.Context, func()) {
		ctx, cancel := context.WithCancelCause(s.lease.Context())
		release := context.AfterFunc(process, func() { cancel(context.Cause(process)) })
		return ctx, func() { release(); cancel(ErrStopping) }
	}
	var dropRead, dropWork func()
	s.readCtx, dropRead = both(readCtx)
	s.workCtx, dropWork = both(workCtx)
	s.detach = func() { dropRead(); dropWork() }
}

// nextPage brings the next page with something in it. An error ends the KCL's consumer of the shard; it says whether
// the lease was lost or given away, or the process stops.
func (s *shard) nextPage() (read.Page, error) {
	for {
		if err := s.checkLease(); err != nil {
			return read.Page{}, err
		}
		if s.readCtx.Err() != nil {
			return read.Page{}, context.Cause(s.readCtx)
		}
		if s.reader == nil {
			s.startReading()
			continue // not before another look at the contexts
		}
		select {
		case <-s.lease.HandoffRequested():
			if s.handOff() {
				return read.Page{}, errHandedOver
			}
			continue
		default:
		}
		if s.claim != nil {
			if p, proven := s.proveEnd(); proven {
				return p, nil
			}
			if s.readCtx.Err() != nil {
				continue
			}
		}
		p, err := s.reader.Read(s.readCtx)
		if err != nil {
			continue // a context has ended, or the shard is to be handed over; which one it was is looked up above
		}
		s.recordFetch(&p)
		s.recordEnd(&p)
		if len(p.Records) == 0 {
			s.credits.Settle(p.Credit, 0)
			s.progress.recordIngested(&p)
			s.progress.offer(false)
			s.afterPage(&p)
			continue
		}
		return p, nil
	}
}

// checkLease returns why the shard is no longer ours.
func (s *shard) checkLease() error {
	s.mu.Lock()
	err := s.failed
	s.mu.Unlock()
	if err != nil {
		return err
	}
	if ctx := s.lease.Context(); ctx.Err() != nil {
		s.enter(leaseLost)
		return context.Cause(ctx)
	}
	return nil
}

// fail makes the next call of nextPage end the KCL's consumer.
func (s *shard) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
}

// handOff drains the shard for another worker. It returns false when the shard stays here.
func (s *shard) handOff() bool {
	s.enter(handoffAsked)
	s.log.Info("handoff asked for, draining")
	ctx, cancel := context.WithTimeout(s.workCtx, handoffLimit)
	defer cancel()
	err := s.quiet(ctx)
	if err == nil {
		s.progress.offer(true)
		_ = s.memory.saveLast(lastSaveLimit) // logged and counted; the next owner reads from the snapshot before
		// a time of its own, not what the drain left: a write that is cut off may still take effect
		err = s.lease.HandOff(s.workCtx)
	}
	if err == nil {
		s.enter(quietNow)
		s.metrics.handoffs.WithLabelValues("done").Inc()
		s.log.Info("handed over")
		return true
	}
	if s.lease.Context().Err() == nil {
		s.enter(drainLimit)
		s.callOff(err)
	}
	return false
}

// finish ends a closed shard: everything settled, then rows for the children, then SHARD_END. If the lease is lost or
// the process stops before that, the shard keeps its row without an end, and its next owner ends it.
func (s *shard) finish() {
	if !s.intake.closed || s.memory.midPage {
		return // the KCL calls this after the last page, also when a panic or a stop has cut that short
	}
	s.enter(shardClosed)
	s.log.Info("shard is closed, draining")
	for {
		err := s.drained()
		if err == nil {
			s.progress.offer(false)
			if err = s.memory.saveForChildren(); err == nil {
				if err = s.lease.Finish(s.workCtx, s.intake.children); err != nil {
					s.log.Warn("shard end not written, trying again", zap.Error(err))
				}
			}
			if err != nil {
				_ = sleep.Until(s.workCtx, time.Now().Add(finishRetry))
			}
		}
		switch {
		case err == nil:
			s.enter(quietNow)
			s.log.Info("shard ended", zap.Int("children", len(s.intake.children)))
			return
		case s.checkLease() != nil:
			return
		case s.workCtx.Err() != nil || s.readCtx.Err() != nil && s.progress.unsettled() > 0:
			s.enter(stopAsked)
			return
		}
	}
}

// drained waits until all is settled, at most as long as a handoff may: a closed shard is not handed over before its
// end.
func (s *shard) drained() error {
	ctx, cancel := context.WithTimeout(s.workCtx, handoffLimit)
	defer cancel()
	err := s.quiet(ctx)
	if err != nil {
		s.outputs.relieve() // the children's alerts wait for it
	}
	if err == nil && s.progress.unsettled() > 0 { // only what is held is left: the shard cannot end
		s.outputs.relieve()
		s.progress.offer(false)
		_ = sleep.Until(s.readCtx, time.Now().Add(handoffLimit))
		err = lanes.ErrNoRoom
	}
	if err != nil {
		s.refuseHandoff(err)
	}
	return err
}

// quiet waits until nothing is under way to SNS, to dead letters or to an output stream.
func (s *shard) quiet(ctx context.Context) error {
	if err := s.lanes.Quiet(ctx); err != nil {
		return err
	}
	return s.outputs.quiet(ctx)
}

// drain waits, when the process stops, until everything is settled or the budget is spent. It returns whether nothing
// but what is held is left.
func (s *shard) drain() bool {
	s.enter(stopAsked)
	e := quietNow
	if err := s.quiet(s.workCtx); err != nil {
		e = budgetSpent
	} else {
		s.progress.offer(true)
		_ = s.memory.saveLast(lastSaveLimit) // logged and counted; the next owner reads from the snapshot before
	}
	s.enter(e)
	return e == quietNow
}

// windDown stops the lanes and offers what they have settled. Every exit of the KCL's consumer comes through here
// before the lease is released. It may be called more than once.
func (s *shard) windDown(cause error) {
	s.lanes.Stop(cause)
	s.outputs.stop(cause)
	s.progress.abandon()
	s.mu.Lock()
	over := s.phase == handedOver || s.phase == ended || s.phase == lost
	s.mu.Unlock()
	if !over && s.lease.Context().Err() == nil {
		s.progress.offer(true)
	}
	s.intake.giveBack()
	s.detach()
	s.memory.writers.Wait()
}

func (s *shard) enter(e event) {
	s.mu.Lock()
	s.phase = s.phase.next(e)
	s.mu.Unlock()
}

// startReading opens the memory, which decides where to read from.
func (s *shard) startReading() {
	from, ok := s.memory.open()
	if !ok {
		return
	}
	s.intake.noTicksBefore = s.progress.settledUpTo()
	s.reader = s.open(from)
}

// ingest runs a page through the pipeline.
func (s *shard) ingest(p *read.Page) {
	if s.intake.ingest(p) {
		s.afterPage(p)
	}
}

// afterPage does what is due between two pages, when evaluation depends on what came before: it runs timers that are
// due, and keeps the state. After a page without a next iterator it does nothing: time may already belong to the
// children, and the state is saved with the end.
func (s *shard) afterPage(p *read.Page) {
	if s.memory.keepsState() && !p.Null {
		if now := time.Now(); s.eval.Stateful() && s.intake.mayTick(p, now) {
			s.intake.tick(p, now)
		}
		s.memory.keepState(time.Now())
	}
	if s.memory.beyondTip(p) {
		s.reader = nil
	}
}

// gap is called when the position that reading was to resume at has left the stream, and returns where to continue.
// shown says that the oldest record is behind it; then everything that was settled stays settled. Without such a
// record, the position may not be one of the shard at all.
func (s *shard) gap(shown bool) types.StartingPosition {
	if s.memory.trimmed() {
		return s.progress.start
	}
	// Every stream keeps its records for the least retention. So nothing is missing if the shard was read up to a time
	// within that.
	oldest := s.clock.Now().Add(-leastRetention)
	caughtUp, missed := s.lease.Lost(oldest)
	where := []zap.Field{
		zap.Stringer("checkpoint", s.progress.stored), zap.Time("caught_up", caughtUp), zap.Time("oldest", oldest),
	}
	if missed {
		s.log.Error("the checkpoint has left the stream, records were deleted before they were read; reading from "+
			"the oldest record",
			append(where,
				zap.String("remedy",
					"raise the stream's retention or the number of workers, so that the lag stays below it"))...)
	} else {
		s.log.Warn("the checkpoint has left the stream, but nothing was there; reading from the oldest record",
			where...)
	}
	if !shown {
		s.intake.noTicksBefore = position.Position{}
		s.progress.forgetInherited()
	}
	return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
}

// unusable is called when the checkpoint never was a position in the shard: all that the shard holds is ingested again.
func (s *shard) unusable() {
	s.lease.Unusable()
	s.memory.restart()
	s.intake.noTicksBefore = position.Position{}
	s.progress.restart()
}

// Freed implements lanes.Owner.
func (s *shard) Freed(t *lanes.Task) { s.intake.freed(partOf(t)) }

// Settled implements lanes.Owner.
func (s *shard) Settled(t *lanes.Task) {
	p := partOf(t)
	whole := s.progress.settle(p)
	s.outcomes.settled(t.Result.Outcome)
	if !whole {
		return
	}
	if e := p.entry; !e.Timed && !e.Left {
		s.pipeline.Resolved(e.Decision)
	}
	// else the next page offers: naming everything that is settled costs too much for each record
	if !s.outcomes.holds() {
		s.progress.offer(false)
	}
}

// Refused implements lanes.Owner.
func (s *shard) Refused(r lanes.Refusal) { s.outcomes.refused(r) }

func (s *shard) recordFetch(p *read.Page) {
	s.progress.recordLoad(p)
	replaying := s.memory.replaysUntil(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lastFetch, s.lastBehind, s.replaying = p.At, p.Behind, replaying
}
