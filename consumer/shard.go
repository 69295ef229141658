package consumer

import (
	"context"
	"errors"
	"slices"
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
	// loadHalfLife is how fast the measured load of a shard forgets.
	loadHalfLife = 30 * time.Second
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

// takenPage sums up what the unresolved records of a page keep of its credit. Until the page is settled the credit
// is the page's; after that each record gives its own part back.
type takenPage struct {
	kept    int
	settled bool
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

// takeIn runs a page through the pipeline and queues its alerts. It stops early when the lease is lost or the process
// stops; what was not taken in is read again by the shard's next owner.
func (s *shard) takeIn(p *page) {
	taken := &takenPage{}
	s.mu.Lock()
	s.inTaking = taken
	s.mu.Unlock()
	defer s.settle(p, taken) // also when a record panics
	for i := range p.records {
		if err := s.takeInRecord(&p.records[i]); err != nil {
			return
		}
	}
	s.tookIn(p)
	if p.end {
		s.closed, s.children = true, p.children
	}
}

// tookIn notes that everything of a page is in the watermark.
func (s *shard) tookIn(p *page) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.caughtUp = p.at.Add(-p.behind)
}

// settle gives back what a page's unresolved records do not keep, and offers the progress that the page made.
func (s *shard) settle(p *page, taken *takenPage) {
	s.mu.Lock()
	taken.settled = true
	s.inTaking = nil
	kept := taken.kept
	s.mu.Unlock()
	s.budget.settle(p.credit, kept)
	s.offer(false)
}

// takeInRecord takes in one Kinesis record, with all that is inside it.
func (s *shard) takeInRecord(r *types.Record) error {
	rec := alert.Record{
		Shard: s.id, PartitionKey: *r.PartitionKey, SequenceNumber: *r.SequenceNumber, Data: r.Data,
	}
	if r.ApproximateArrivalTimestamp != nil {
		rec.Arrival = *r.ApproximateArrivalTimestamp
	}
	whole := position{rec.SequenceNumber, WholeRecord}
	if !isAggregate(r.Data) {
		return s.takeInUserRecord(&rec, whole)
	}
	users, err := deaggregate(r.Data)
	if err != nil {
		s.log.Warn("aggregated record cannot be read, one record is invalid, going on",
			zap.String("sequence_number", rec.SequenceNumber), zap.Error(err))
		return s.settleNow(whole, alert.Poison(alert.ReasonBadAggregate))
	}
	s.metrics.aggregates.Inc()
	for i, u := range users {
		at := position{rec.SequenceNumber, uint32(i)}
		if i == len(users)-1 {
			at = whole
		}
		if u.err != nil {
			if err := s.settleNow(at, alert.Poison(alert.ReasonBadAggregate)); err != nil {
				return err
			}
			continue
		}
		sub := rec
		sub.PartitionKey, sub.SubSequence, sub.Data = u.partitionKey, uint32(i), u.data
		if err := s.takeInUserRecord(&sub, at); err != nil {
			return err
		}
	}
	if len(users) == 0 {
		s.pass(whole)
	}
	return nil
}

func (s *shard) takeInUserRecord(rec *alert.Record, at position) error {
	if s.resolvedBefore(at) {
		s.pass(at)
		s.metrics.recordsSkip.Inc()
		return nil
	}
	d := s.eval.Evaluate(rec)
	if len(d.Alerts) == 0 {
		return s.settleNow(at, d)
	}
	d.Alerts = slices.Clone(d.Alerts) // the evaluator reuses its slice
	bytes := len(rec.Data) + len(rec.PartitionKey) + recordOverhead
	if err := s.room(bytes); err != nil {
		return err // it is not in the watermark: what a stop leaves behind there counts as not drained
	}
	s.mu.Lock()
	t := &task{entry: s.mark.wait(at, rec.Arrival, bytes), decision: d}
	t.page = s.inTaking
	t.page.kept += bytes
	s.mu.Unlock()
	s.metrics.recordsRead.Inc()
	s.lanes.submit(rec.PartitionKey, t)
	return nil
}

// room waits until one more record may wait for SNS. A handoff that is asked for meanwhile is called off, or the planner
// would count on it for as long as SNS stands still.
func (s *shard) room(bytes int) error {
	for {
		err := s.lanes.reserve(s.readCtx, bytes, handoffLimit)
		if !errors.Is(err, errNoRoom) {
			return err
		}
		s.offer(false)
		s.refuseHandoff(err)
	}
}

// refuseHandoff calls a handoff off, if there is one asked for, that cannot be drained for.
func (s *shard) refuseHandoff(why error) {
	select {
	case <-s.lease.HandoffRequested():
		s.callOff(why)
	default:
	}
}

func (s *shard) callOff(why error) {
	s.lease.KeepLease()
	s.metrics.handoffs.WithLabelValues("called_off").Inc()
	s.log.Warn("handoff called off, shard kept", zap.Error(why))
}

// settleNow takes in a record that needs nothing more.
func (s *shard) settleNow(at position, d alert.Decision) error {
	if s.resolvedBefore(at) {
		s.pass(at)
		s.metrics.recordsSkip.Inc()
		return nil
	}
	s.pass(at)
	s.metrics.recordsRead.Inc()
	s.pipeline.Resolved(d)
	return nil
}

func (s *shard) pass(at position) {
	s.mu.Lock()
	s.mark.pass(at)
	s.mu.Unlock()
}

// resolvedBefore says whether an earlier owner has dealt with a position.
func (s *shard) resolvedBefore(at position) bool {
	if s.startAt.sequence != "" {
		if at.compare(s.startAt) <= 0 {
			return true
		}
		s.startAt = position{}
	}
	for s.passed < len(s.inherited) && s.inherited[s.passed].upTo.compare(at) < 0 {
		s.passed++ // it stays named in offers until the watermark has passed it, too
	}
	return covers(s.inherited[s.passed:], at)
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

// staleRead is how long a shard may go without an answer before that counts as lag: an idle shard is asked every poll
// interval, so silence of Kinesis is not the same as nothing to read.
const staleRead = 5 * time.Second

// lagAt computes a shard's lag: the age of the oldest unresolved record if one waits here; else how old the next
// record in the stream must be, by what the last answer said. It grows when nothing moves, and an idle shard has none.
func lagAt(now, oldest time.Time, waiting bool, lastFetch time.Time, behind time.Duration) time.Duration {
	switch {
	case waiting:
		return max(0, now.Sub(oldest))
	case lastFetch.IsZero():
		return 0
	case behind > 0:
		return behind + now.Sub(lastFetch)
	case now.Sub(lastFetch) > staleRead:
		return now.Sub(lastFetch)
	}
	return 0
}

// load is an exponentially decaying rate in bytes per second.
type load struct {
	perSecond float64
	last      time.Time
}

func (l *load) add(now time.Time, bytes int) {
	if l.last.IsZero() {
		l.last = now
		return
	}
	dt := now.Sub(l.last).Seconds()
	if dt <= 0 {
		return
	}
	keep := loadHalfLife.Seconds() / (loadHalfLife.Seconds() + dt)
	l.perSecond = keep*l.perSecond + (1-keep)*float64(bytes)/dt
	l.last = now
}

func (l *load) rate() float64 { return l.perSecond }
