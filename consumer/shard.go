package consumer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
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
	// Read waits for the next page: records, or the end of the shard, or news that there is nothing. It deals with
	// every transient error itself. It returns an error only when ctx is done.
	Read(ctx context.Context) (read.Page, error)
}

// shard is one shard's life on this worker, from GetShardIterator to RemoveLeaseOwner. Reading and evaluation run on
// the KCL's goroutine for the shard, so records are evaluated in sequence order; publishing runs in the lanes.
type shard struct {
	id       string
	lease    Lease
	eval     evaluator
	pipeline *alert.Pipeline
	fleet    func() alert.Fleet
	reader   reader // nil before open
	read     func(from types.StartingPosition) reader
	lanes    *lanes.Lanes
	clock    *clock.Clock
	budget   *read.Credits
	metrics  *metrics
	log      *zap.Logger
	began    time.Time
	activity read.Activity

	// readCtx ends with the lease or when the process begins to stop; workCtx ends with the lease or when the budget
	// of that stop is over. Reading and waiting for room use the first, publishing and table writes the second.
	readCtx, workCtx context.Context //nolint:containedctx // ownership of the shard is this pair of contexts
	detach           func()          // lets go of the process's contexts

	// Used by the KCL's goroutine only.
	start    types.StartingPosition // behind startAt
	from     types.StartingPosition // where the lease begins
	stored   position.Position      // its checkpoint
	state    keeper
	record   alert.Record      // the one that is being taken in
	arrived  time.Time         // of the last record that had an arrival time
	unknown  time.Time         // by when the record arrived that is being taken in, where it has no arrival time
	startAt  position.Position // records up to here were resolved by an earlier owner, or here before
	passed   int               // how many of inherited reading has passed
	closed   bool              // the last page was taken in to its end
	refuted  bool              // the claim before was refuted, and told
	children []types.ChildShard

	mu         sync.Mutex
	recalled   map[string]dealtAlert // dealt with here, in an earlier life of the shard, and not made again yet
	dealt      []dealtAlert          // dealt with in this one, in entries that are resolved and that no offer names
	inherited  []position.Range      // resolved by an earlier owner, above startAt; changed by the KCL's goroutine only
	load       load
	holding    bool   // a key is held, so the watermark stays while the other keys continue
	heldBy     string // what SNS said of the last alert that it will never accept
	phase      phase
	current    *read.Page // read, not yet taken in
	claim      *endClaim  // changed by the KCL's goroutine only
	failed     error
	mark       watermark
	offered    position.Position
	inTaking   *takenPage // the page that is being taken in
	kept       int        // of the credits of settled pages, by records that are not resolved
	caughtUp   time.Time
	evaluates  bool           // statefully, so that eventTime is known
	eventTime  time.Time      // of the evaluator
	saved      savedState     // the snapshot in force
	unsaved    time.Time      // since when saving it fails; zero while it does not
	tooLarge   *tooLargeError // why, if it can never be saved as it is
	unheard    []string       // shards without whose memory inherited keys were decided, last at unheardAt
	unheardAt  time.Time
	keyless    bool           // a record without partition key has come
	firing     map[string]int // keys of which somebody was told, by rule
	leaving    map[string]int // of those, what rules leave behind that were edited
	givenUp    string         // the condition under which alerts are given up at the moment
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
func (s *shard) nextPage() (read.Page, error) {
	for {
		if err := s.checkLease(); err != nil {
			return read.Page{}, err
		}
		if s.readCtx.Err() != nil {
			return read.Page{}, context.Cause(s.readCtx)
		}
		if s.reader == nil {
			s.open()
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
		s.noteFetch(&p)
		s.noteEnd(&p)
		if len(p.Records) == 0 {
			s.budget.Settle(p.Credit, 0)
			s.tookIn(&p)
			s.offer(false)
			s.pageDone(&p)
			s.replayed(&p)
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
		s.Enter(leaseLost)
		return context.Cause(ctx)
	}
	return nil
}

// hold keeps a page until the KCL comes back with its carrier record.
func (s *shard) hold(p *read.Page) { s.swap(p) }

// held returns the page on hold, once.
func (s *shard) held() *read.Page { return s.swap(nil) }

func (s *shard) swap(p *read.Page) *read.Page {
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

// gap is told when the position that reading was to go on from has left the stream, and says where to go on. shown says
// that the oldest record is behind it: then what was resolved before still is. Without a record to show it the position may
// be none at all.
func (s *shard) gap(shown bool) types.StartingPosition {
	if s.state.replays && !s.startAt.IsZero() { // only what the state is missing is gone
		s.state.replays, s.state.at = false, s.startAt
		s.stateGap(gapTrimmed, nil)
		return s.start
	}
	// Whatever came within the least retention is still there, so nothing is missing that was read up to that.
	if s.lease.Lost(s.clock.Now().Add(-leastRetention)) {
		s.log.Error("the checkpoint has left the stream, records were lost before they were read; going on with the oldest record",
			zap.String("remedy", "raise the stream's retention, or the workers' number, so that the lag stays below it"))
	} else {
		s.log.Warn("the checkpoint has left the stream, but nothing was there; going on with the oldest record")
	}
	if !shown {
		s.startAt, s.passed, s.state.ticksFrom = position.Position{}, 0, position.Position{}
		s.mu.Lock()
		s.inherited = nil
		s.mu.Unlock()
	}
	return types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
}

// unusable is told when the checkpoint never was a position in the shard: all that the shard holds is taken in again.
func (s *shard) unusable() {
	s.lease.Unusable()
	if s.eval.Stateful() {
		s.stateGap(gapAhead, nil)
	}
	s.startAt, s.stored, s.passed = position.Position{}, position.Position{}, 0
	s.state.at, s.state.ticksFrom, s.state.replays = position.Position{}, position.Position{}, false
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inherited = nil
	s.mark.last, s.offered = position.Position{}, position.Position{}
}

// Freed implements lanes.Owner: the task's part of its page's credit is given back.
func (s *shard) Freed(t *lanes.Task) {
	s.mu.Lock()
	give, of := 0, t.Owner.(*part)
	switch p := of.page; {
	case p == nil:
	case p.settled:
		give = t.Bytes
		s.kept -= give
	default:
		p.kept -= t.Bytes
	}
	of.page = nil
	s.mu.Unlock()
	if give > 0 {
		s.budget.Give(give)
	}
}

// Settled implements lanes.Owner.
func (s *shard) Settled(t *lanes.Task) {
	s.mu.Lock()
	of := t.Owner.(*part)
	e := of.entry
	if of.decides {
		lanes.MergeOutcome(&e.decision, t.Result.Outcome, t.Result.Reason)
	}
	whole := s.mark.resolve(e)
	if whole {
		s.noteDealt(e)
	}
	holding := s.holding
	recovered := s.givenUp
	if t.Result.Outcome == alert.Alerted {
		s.givenUp = ""
	}
	s.mu.Unlock()
	if recovered != "" && t.Result.Outcome == alert.Alerted {
		s.log.Info("alerts are accepted again", zap.String("after", recovered))
	}
	if !whole {
		return
	}
	if !e.timed && !e.left {
		s.pipeline.Resolved(e.decision)
	}
	if !holding { // else the next page offers: what there is to name is too much to do it for each record
		s.offer(false)
	}
}

// Refused implements lanes.Owner: it accounts for an alert that was not accepted.
func (s *shard) Refused(r lanes.Refusal) {
	fields := []zap.Field{
		zap.String("alert_id", r.ID), zap.String("rule", r.Rule), zap.String("topic", r.Topic),
		zap.String("sequence_number", r.Sequence),
	}
	if r.Err != nil {
		fields = append(fields, zap.Error(r.Err))
	}
	if rejected, ok := errors.AsType[*alert.RejectedError](r.Err); ok {
		fields = append(fields, zap.String("reason", string(rejected.Reason)))
	}
	given, isGivenUp := errors.AsType[*alert.GivenUpError](r.Err)
	switch {
	case r.Disposition == lanes.Held:
		s.mu.Lock()
		s.holding, s.heldBy = true, alert.ErrorText(r.Err)
		s.mu.Unlock()
		s.metrics.heldAlerts.Inc()
		s.log.Error("alert can never be published, its partition key is held: mend the rule or the record's path, then restart", fields...)
	case r.Disposition == lanes.Skipped:
		s.metrics.skipped[alert.ReasonRejected].Inc()
		s.log.Error("alert can never be published, skipped as configured", fields...)
	case isGivenUp:
		if r.Disposition == lanes.Expired {
			s.metrics.skipped[lanes.GivenUpReason(given)].Inc()
		}
		s.mu.Lock()
		changed := s.givenUp != given.Condition
		s.givenUp = given.Condition
		s.mu.Unlock()
		if changed { // once, not for each alert of an outage
			s.log.Warn("alerts are given up, within the limits of the configuration", append(fields,
				zap.String("condition", given.Condition), zap.Bool("dead_lettered", r.Disposition == lanes.DeadLettered))...)
		}
	case r.Err != nil:
		s.log.Warn("alert can never be published, sent to the dead letters", fields...)
	}
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
	above := position.EncodeRanges(resolved)
	var caughtUp time.Time
	if s.mark.unresolved() == 0 {
		caughtUp = s.caughtUp
	}
	if mark == s.offered && above == "" {
		s.lease.Commit("", 0, "", caughtUp, s.load.rate(time.Now()))
		return
	}
	s.offered = mark
	s.lease.Commit(mark.Sequence, mark.Sub, above, caughtUp, s.load.rate(time.Now()))
}

// inheritedAbove lists the inherited stretches that reach above a mark.
func (s *shard) inheritedAbove(mark position.Position) []position.Range {
	n := 0
	for n < len(s.inherited) && s.inherited[n].UpTo.Compare(mark) <= 0 {
		n++
	}
	return s.inherited[n:]
}

// handOff drains the shard for another worker. It returns false when the shard stays here.
func (s *shard) handOff() bool {
	s.Enter(handoffAsked)
	s.log.Info("handoff asked for, draining")
	ctx, cancel := context.WithTimeout(s.workCtx, handoffLimit)
	defer cancel()
	err := s.lanes.Quiet(ctx)
	if err == nil {
		s.offer(true)
		_ = s.saveLast(lastSaveLimit)    // told and counted; the next owner reads from the snapshot before
		err = s.lease.HandOff(s.workCtx) // not what the drain left of its time: a write cut off may still take effect
	}
	if err == nil {
		s.Enter(quietNow)
		s.metrics.handoffs.WithLabelValues("done").Inc()
		s.log.Info("handed over")
		return true
	}
	if s.lease.Context().Err() == nil {
		s.Enter(drainLimit)
		s.callOff(err)
	}
	return false
}

// finish ends a closed shard: everything resolved, then rows for the children, then SHARD_END. When the lease is lost
// or the process has to go before that, the shard is left without an end and its next owner ends it.
func (s *shard) finish() {
	if !s.closed || s.state.torn {
		return // the KCL calls this after the last page, also when a panic or a stop has cut that short
	}
	s.Enter(shardClosed)
	s.log.Info("shard is closed, draining")
	for {
		err := s.drained()
		if err == nil {
			s.offer(false)
			if err = s.saveForChildren(); err == nil {
				if err = s.lease.Finish(s.workCtx, s.children); err != nil {
					s.log.Warn("shard end not written, trying again", zap.Error(err))
				}
			}
			if err != nil {
				_ = sleep.Until(s.workCtx, time.Now().Add(finishRetry))
			}
		}
		switch {
		case err == nil:
			s.Enter(quietNow)
			s.log.Info("shard ended", zap.Int("children", len(s.children)))
			return
		case s.checkLease() != nil:
			return
		case s.workCtx.Err() != nil || s.readCtx.Err() != nil && s.unresolved() > 0:
			s.Enter(stopAsked)
			return
		}
	}
}

// drained waits until all is resolved, as long as a handoff may wait: a closed shard is not handed over before its end.
func (s *shard) drained() error {
	ctx, cancel := context.WithTimeout(s.workCtx, handoffLimit)
	defer cancel()
	err := s.lanes.Quiet(ctx)
	if err == nil && s.unresolved() > 0 { // only held keys are left: the shard cannot end
		s.offer(false)
		_ = sleep.Until(s.readCtx, time.Now().Add(handoffLimit))
		err = lanes.ErrNoRoom
	}
	if err != nil {
		s.refuseHandoff(err)
	}
	return err
}

// drain waits, when the process stops, until everything is resolved or the budget is over.
func (s *shard) drain() {
	s.Enter(stopAsked)
	e := quietNow
	if err := s.lanes.Quiet(s.workCtx); err != nil {
		e = budgetSpent
	} else {
		s.offer(true)
		_ = s.saveLast(lastSaveLimit) // told and counted; the next owner reads from the snapshot before
	}
	s.Enter(e)
}

// windDown ends the lanes and offers what they achieved. Every exit of the KCL's consumer comes through here before the
// lease is let go. It may be called more than once.
func (s *shard) windDown(cause error) {
	s.lanes.Stop(cause)
	s.mu.Lock()
	s.metrics.recordsLeft.Add(float64(s.mark.leave()))
	over := s.phase == handedOver || s.phase == ended || s.phase == lost
	s.mu.Unlock()
	if !over && s.lease.Context().Err() == nil {
		s.offer(true)
	}
	s.giveBack()
	s.detach()
	s.state.writers.Wait()
}

// giveBack returns the credits of everything that will not be resolved here.
func (s *shard) giveBack() {
	s.mu.Lock()
	left := s.kept
	s.kept = 0
	p := s.current
	s.current = nil
	s.mu.Unlock()
	if left > 0 {
		s.budget.Give(left)
	}
	if p != nil {
		s.budget.Settle(p.Credit, 0)
	}
}

func (s *shard) Enter(e event) {
	s.mu.Lock()
	s.phase = s.phase.next(e)
	s.mu.Unlock()
}

func (s *shard) unresolved() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark.unresolved()
}

func (s *shard) noteFetch(p *read.Page) {
	bytes := 0
	for i := range p.Records {
		bytes += len(p.Records[i].Data)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.load.add(p.At, bytes)
	s.lastFetch, s.lastBehind = p.At, p.Behind
}

// report is the shard's part in Consumer.Report.
func (s *shard) report() (lastArrival, caughtUp time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.evaluates {
		return time.Time{}, time.Time{}
	}
	return s.eventTime, s.caughtUp
}

func (s *shard) status(now time.Time) ShardStatus {
	held, gathered, crowded := s.lanes.Waiting()
	s.mu.Lock()
	defer s.mu.Unlock()
	oldest, waiting := s.mark.oldest()
	heard := s.lastFetch
	if heard.IsZero() {
		heard = unheard(now, s.began, s.ago(s.lease.CaughtUp(), now))
	}
	unproven, children := s.unproven()
	code, failing := s.activity.Failing()
	heldBy := ""
	if held > 0 {
		heldBy = s.heldBy
	}
	return ShardStatus{
		EndUnproven: unproven, EndChildren: children,
		Shard: s.id, Phase: s.phase.String(), Lag: lagAt(now, s.ago(oldest, now), waiting, heard, s.lastBehind),
		Behind: s.lastBehind, LastFetch: s.lastFetch, Unresolved: s.mark.unresolved(), HeldKeys: held, Load: s.load.rate(now),
		Gathered: gathered, StateBytes: s.saved.bytes, StateTaken: s.saved.taken, StateFailing: s.unsaved,
		StateTooLarge: s.tooLarge.words(),
		Unheard:       s.unsure(now), Keyless: s.keyless, Firing: s.firing, Leaving: s.leaving,
		Began: s.began, WaitsFor: s.activity.WaitsFor(crowded), ReadError: code, ReadFailing: failing, HeldBy: heldBy,
		Throttled: s.activity.Throttled(), Evaluating: s.activity.Evaluating(),
	}
}

// ago is a moment of the service, by the machine's clock; zero stays zero.
func (s *shard) ago(at, now time.Time) time.Time {
	if at.IsZero() {
		return at
	}
	return now.Add(at.Sub(s.clock.At(now)))
}
