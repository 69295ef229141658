package consumer

import (
	"context"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
)

const (
	// handoffLimit is how long a shard drains for a handoff before it is called off.
	handoffLimit = 5 * time.Second
	// finishRetry is the pause between attempts to write a shard's end.
	finishRetry = 500 * time.Millisecond
	// leastRetention is the shortest time for which a stream keeps its records.
	leastRetention = 24 * time.Hour
)

// shard is one shard's life on this worker, from GetShardIterator to RemoveLeaseOwner. Reading and evaluation run on
// the KCL's goroutine for the shard, so records are evaluated in sequence order; publishing runs in the lanes.
type shard struct {
	id       string
	lease    Lease
	eval     *alert.Evaluator
	pipeline *alert.Pipeline
	reader   reader
	lanes    *lanes
	budget   *budget
	metrics  *metrics
	log      *zap.Logger
	began    time.Time

	// readCtx ends with the lease or when the process begins to stop; workCtx ends with the lease or when the budget
	// of that stop is over. Reading and waiting for room use the first, publishing and table writes the second.
	readCtx, workCtx context.Context //nolint:containedctx // ownership of the shard is this pair of contexts
	detach           func()          // lets go of the process's contexts

	// Used by the KCL's goroutine only.
	startAt  position // records up to here were resolved by an earlier owner
	passed   int      // how many of inherited reading has passed
	closed   bool     // the last page was taken in to its end
	children []types.ChildShard

	mu         sync.Mutex
	inherited  []stretch // resolved by an earlier owner, above startAt; changed by the KCL's goroutine only
	load       load
	holding    bool // a key is held, so the watermark stands while the others go on
	phase      phase
	current    *page // read, not yet taken in
	failed     error
	mark       watermark
	offered    position
	inTaking   *takenPage // the page that is being taken in
	caughtUp   time.Time
	lastFetch  time.Time
	lastBehind time.Duration
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
// the lease is lost or given away, or the process stops.
func (s *shard) nextPage() (page, error) {
	for {
		if err := s.checkLease(); err != nil {
			return page{}, err
		}
		if s.readCtx.Err() != nil {
			return page{}, context.Cause(s.readCtx)
		}
		select {
		case <-s.lease.HandoffRequested():
			if s.handOff() {
				return page{}, errHandedOver
			}
			continue
		default:
		}
		p, err := s.reader.read(s.readCtx)
		if err != nil {
			continue // the context has ended; which one it was is looked up above
		}
		s.noteFetch(&p)
		if len(p.records) == 0 && !p.end {
			s.budget.settle(p.credit, 0)
			s.tookIn(&p)
			s.offer(false)
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

// hold keeps a page until the KCL comes back with its carrier record.
func (s *shard) hold(p *page) { s.swap(p) }

// held returns the page on hold, once.
func (s *shard) held() *page { return s.swap(nil) }

func (s *shard) swap(p *page) *page {
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.current
	s.current = p
	return old
}

// fail makes the next call of nextPage end the KCL's consumer.
func (s *shard) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failed = err
}

// gap is told when Kinesis no longer knows the position that reading was to go on from.
func (s *shard) gap() {
	// Whatever came within the least retention is still there, so nothing is missing that was read up to that.
	if s.lease.Lost(time.Now().Add(-leastRetention)) {
		s.log.Error("the checkpoint has left the stream, records were lost before they were read; going on with the oldest record",
			zap.String("mend", "raise the stream's retention, or the workers' number, so that the lag stays below it"))
	} else {
		s.log.Warn("the checkpoint has left the stream, but nothing was there; going on with the oldest record")
	}
	s.startAt, s.passed = position{}, 0
	s.mu.Lock()
	s.inherited = nil
	s.mu.Unlock()
}

// taskResolved is called by the lanes when the alerts of a record are accepted.
func (s *shard) taskResolved(t *task) {
	s.mu.Lock()
	s.mark.resolve(t.entry)
	give := 0
	if t.page.settled {
		give = t.entry.bytes
	} else {
		t.page.kept -= t.entry.bytes
	}
	holding := s.holding
	s.mu.Unlock()
	if give > 0 {
		s.budget.give(give)
	}
	s.pipeline.Resolved(t.decision)
	if !holding { // else the next page offers: what there is to name is too much to do it for each record
		s.offer(false)
	}
}

// keyHeld is called by the lanes when SNS will never accept an alert.
func (s *shard) keyHeld(t *task, err *alert.RejectedError) {
	a := t.decision.Alerts[t.next]
	s.mu.Lock()
	s.holding = true
	s.mu.Unlock()
	s.metrics.heldAlerts.Inc()
	s.log.Error("alert can never be published, its partition key is held: mend the rule or the record's path, then restart",
		zap.String("alert_id", a.ID), zap.String("rule", a.Rule), zap.String("topic", a.Topic),
		zap.String("sequence_number", a.Record.SequenceNumber), zap.String("reason", string(err.Reason)), zap.Error(err))
}

// offer tells the lease how far everything is resolved. With all, and while a key is held, it names what is resolved
// above that as well: a held key may hold the mark for days, and a crash would repeat all that the others had since. Else
// it names only what an earlier owner resolved and what is still to come, so that a crash does not repeat that.
func (s *shard) offer(all bool) {
	s.mu.Lock()
	defer s.mu.Unlock() // offers must reach the lease in the order of their marks
	mark := s.mark.mark()
	resolved := s.inheritedAbove(mark)
	if all || s.holding {
		resolved = append(s.mark.resolvedAbove(), s.inheritedAbove(s.mark.last)...)
	}
	above := encodeStretches(resolved)
	var caughtUp time.Time
	if s.mark.unresolved() == 0 {
		caughtUp = s.caughtUp
	}
	if mark == s.offered && above == "" {
		s.lease.Commit("", 0, "", caughtUp, s.load.rate())
		return
	}
	s.offered = mark
	s.lease.Commit(mark.sequence, mark.sub, above, caughtUp, s.load.rate())
}

// inheritedAbove lists the inherited stretches that reach above a mark.
func (s *shard) inheritedAbove(mark position) []stretch {
	n := 0
	for n < len(s.inherited) && s.inherited[n].upTo.compare(mark) <= 0 {
		n++
	}
	return s.inherited[n:]
}

// handOff drains the shard for another worker. It returns false when the shard stays here.
func (s *shard) handOff() bool {
	s.enter(handoffAsked)
	s.log.Info("handoff asked for, draining")
	ctx, cancel := context.WithTimeout(s.workCtx, handoffLimit)
	defer cancel()
	err := s.lanes.quiet(ctx)
	if err == nil {
		s.offer(true)
		err = s.lease.HandOff(s.workCtx) // not what the drain left of its time: a write cut off may still take effect
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

// finish ends a closed shard: everything resolved, then rows for the children, then SHARD_END. When the lease is lost
// or the process has to go before that, the shard is left without an end and its next owner ends it.
func (s *shard) finish() {
	if !s.closed {
		return // the KCL calls this after the last page, also when a panic or a stop has cut that short
	}
	s.enter(shardClosed)
	s.log.Info("shard is closed, draining")
	for {
		err := s.drained()
		if err == nil {
			s.offer(false)
			if err = s.lease.Finish(s.workCtx, s.children); err != nil {
				s.log.Warn("shard end not written, trying again", zap.Error(err))
				_ = sleepUntil(s.workCtx, time.Now().Add(finishRetry))
			}
		}
		switch {
		case err == nil:
			s.enter(quietNow)
			s.log.Info("shard ended", zap.Int("children", len(s.children)))
			return
		case s.checkLease() != nil:
			return
		case s.workCtx.Err() != nil || s.readCtx.Err() != nil && s.unresolved() > 0:
			s.enter(stopAsked)
			return
		}
	}
}

// drained waits until all is resolved, as long as a handoff may wait: a closed shard is not handed over before its end.
func (s *shard) drained() error {
	ctx, cancel := context.WithTimeout(s.workCtx, handoffLimit)
	defer cancel()
	err := s.lanes.quiet(ctx)
	if err == nil && s.unresolved() > 0 { // only held keys are left: the shard cannot end
		s.offer(false)
		_ = sleepUntil(s.readCtx, time.Now().Add(handoffLimit))
		err = errNoRoom
	}
	if err != nil {
		s.refuseHandoff(err)
	}
	return err
}

// drain waits, when the process stops, until everything is resolved or the budget is over.
func (s *shard) drain() {
	s.enter(stopAsked)
	e := quietNow
	if err := s.lanes.quiet(s.workCtx); err != nil {
		e = budgetSpent
	}
	s.enter(e)
}

// windDown ends the lanes and offers what they achieved. Every exit of the KCL's consumer comes through here before the
// lease is let go. It may be called more than once.
func (s *shard) windDown(cause error) {
	s.lanes.stop(cause)
	s.mu.Lock()
	over := s.phase == handedOver || s.phase == ended || s.phase == lost
	s.mu.Unlock()
	if !over && s.lease.Context().Err() == nil {
		s.offer(true)
	}
	s.giveBack()
	s.detach()
}

// giveBack returns the credits of everything that will not be resolved here.
func (s *shard) giveBack() {
	s.mu.Lock()
	left := 0
	for _, e := range s.mark.waiting {
		left += e.bytes
		e.bytes = 0
	}
	p := s.current
	s.current = nil
	s.mu.Unlock()
	if left > 0 {
		s.budget.give(left)
	}
	if p != nil {
		s.budget.settle(p.credit, 0)
	}
}

func (s *shard) enter(e event) {
	s.mu.Lock()
	s.phase = s.phase.next(e)
	s.mu.Unlock()
}

func (s *shard) unresolved() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark.unresolved()
}

func (s *shard) noteFetch(p *page) {
	bytes := 0
	for i := range p.records {
		bytes += len(p.records[i].Data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load.add(p.at, bytes)
	s.lastFetch, s.lastBehind = p.at, p.behind
}

func (s *shard) status(now time.Time) ShardStatus {
	held := s.lanes.heldKeys()
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest, waiting := s.mark.oldest()
	heard := s.lastFetch
	if heard.IsZero() { // since the start nobody knows what is in the stream
		heard = s.began
	}
	return ShardStatus{
		Shard: s.id, Phase: s.phase.String(), Lag: lagAt(now, oldest, waiting, heard, s.lastBehind),
		Behind: s.lastBehind, LastFetch: s.lastFetch, Unresolved: s.mark.unresolved(), HeldKeys: held, Load: s.load.rate(),
	}
}
