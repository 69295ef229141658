package consumer

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/alert"
	"kinesis-alerter/consumer/read"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/position"
)

const (
	// tickEvery is the least time between two ticks of a shard.
	tickEvery = 250 * time.Millisecond
	// stateEvery is how often a state that changes is saved, and stateIdle one in which only time can have changed something,
	// such as since when a silence is waited for: a thousand idle shards are not worth a thousand writes a minute.
	// stateAfterTick is how soon it is saved after a tick that made alerts, which a replay would make once more, and
	// stateRetry how soon after a save that failed.
	stateEvery     = time.Minute
	stateIdle      = 10 * time.Minute
	stateAfterTick = 2 * time.Second
	stateRetry     = 10 * time.Second
	// replayTips is how many pages in a row must be at the tip for a checkpoint that was not met to be beyond it.
	replayTips = 2
	// saveLimit bounds a save in the background or at the end of a closed shard, lastSaveLimit one before a handoff or a
	// stop.
	saveLimit     = 30 * time.Second
	lastSaveLimit = 3 * time.Second
	// loadOwedLimit bounds how long a shard whose rules remember nothing waits for what those before them have told.
	loadOwedLimit = 10 * time.Second
	// endWithout is how long a closed shard tries to save its state for its children. A lease does not outlive an outage
	// of the table, so what fails for so long is a fault of the state itself or of the configuration, and the alerts of
	// the children cannot wait for ever.
	endWithout = 10 * time.Minute
)

// Why a shard goes on without what it should remember.
const (
	gapLost    = "lost"    // the table says that it has lost the snapshot
	gapDamaged = "damaged" // it cannot be read
	gapTrimmed = "trimmed" // the records from the snapshot to the checkpoint have left the stream
	gapAhead   = "ahead"   // it includes records beyond the checkpoint, which would count twice
	gapFuture  = "future"  // its time was ahead of the clock, and was brought back
	gapUnsaved = "unsaved" // it could not be saved for a closed shard's children
)

func gapReasons() []string {
	return []string{gapLost, gapDamaged, gapTrimmed, gapAhead, gapFuture, gapUnsaved}
}

// keeper keeps a shard's state of evaluation with its checkpoint. All of it belongs to the shard's goroutine, and nothing
// of it is used while evaluation is not stateful, except at and torn.
type keeper struct {
	origin types.StartingPosition // where reading began when there was no checkpoint
	opened bool                   // loadState has come to its end
	at     position.Position      // the state includes everything up to here
	// torn says that evaluation is, or was left, in the middle of a page or a tick: the state includes what the watermark
	// does not know of, so it must not be saved.
	torn bool
	// replays says that reading began at the snapshot, not at the checkpoint.
	replays bool
	// from is where the snapshot was taken that is replayed.
	from position.Position
	// tips counts the pages in a row that reached the tip of the shard while the checkpoint was still ahead.
	tips int
	// ticksFrom is the end of what an earlier owner resolved. Before it time must not bring about what the records did:
	// those of the earlier owner would drop it if they made it, and else there is nobody to.
	ticksFrom position.Position
	nextTick  time.Time

	kept   bool      // what is stored may differ from what is known, if evaluation is stateful or not
	dirty  bool      // records have changed the state since it was captured, or a tick made alerts
	ticked bool      // time may have changed it
	next   time.Time // of capturing it
	// waiting is a captured state that includes what is not resolved. It is saved when all of that is: what it has done
	// would otherwise be lost. It is not replaced by a newer one, or a storm in which something always waits would
	// keep every one of them from being saved.
	waiting *capture
	writing chan error // of the save in the background; nil when there is none
	failing time.Time  // since when saves fail; zero while they do not
	writers sync.WaitGroup
	kin     kin
}

// capture is the state of evaluation at a position.
type capture struct {
	snapshot

	at      position.Position
	entries uint64 // those of the watermark that were taken in before it
}

// savedState is the snapshot in force.
type savedState struct {
	bytes int
	taken time.Time
}

// open finds out where to read from, and brings back what evaluation should remember. When a context ends it does
// nothing, and may be called again.
func (s *shard) open() {
	from := s.start
	s.state.at, s.state.ticksFrom = s.startAt, s.startAt
	if n := len(s.inherited); n > 0 {
		s.state.ticksFrom = s.inherited[n-1].UpTo
	}
	s.eval.Agree(s.lease.Agreement())
	s.state.origin = types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	if s.from.SequenceNumber == nil {
		s.state.origin = s.from
	}
	if s.eval.Stateful() {
		var ok bool
		if from, ok = s.loadState(); !ok {
			return
		}
		if s.state.failing.IsZero() { // the shards of a worker begin at once, and should not save at once
			s.state.next = time.Now().Add(rand.N(stateEvery)) //nolint:gosec // no secret
		}
	} else if s.loadOwed(); s.readCtx.Err() != nil {
		return
	}
	s.state.opened = true
	s.activity.StateLoaded()
	s.reader = s.read(from)
}

// loadState brings the state back and says where to read on from. It answers false when a context has ended.
func (s *shard) loadState() (types.StartingPosition, bool) {
	own, sequence, sub, parents, err := s.lease.LoadState(s.readCtx)
	if s.readCtx.Err() != nil {
		return s.start, false
	}
	if err != nil {
		s.stateGap(gapLost, err) // of its own, or of a parent
	}
	at := position.Position{}
	if sequence != "" {
		at = position.Position{Sequence: sequence, Sub: sub}
	}
	if len(own) > 0 && s.restore(own, at) {
		return s.replayFrom(at), true
	}
	s.inherit(parents)
	s.state.at = s.stored
	s.saveFirst()
	return s.replayFrom(s.stored), true
}

// loadOwed restores what earlier rules have told and still owe the end of, where no rule of today remembers anything. Reading resumes at the
// checkpoint: no rule needs what came before.
func (s *shard) loadOwed() {
	ctx, cancel := context.WithTimeout(s.readCtx, loadOwedLimit)
	defer cancel()
	own, _, _, parents, err := s.lease.LoadState(ctx)
	if len(own) > 0 {
		parents = nil
		var snap snapshot
		if snap, err = decodeSnapshot(own); err == nil {
			err = s.eval.Restore(snap.state)
		}
	}
	if err != nil {
		s.log.Warn("the state that earlier rules stored cannot be read; alerts of theirs that still fire get no end", zap.Error(err))
	}
	s.inherit(parents)
}

// restore gives the evaluator its snapshot. It answers false when there is none to give, which is told.
func (s *shard) restore(own []byte, at position.Position) bool {
	snap, err := decodeSnapshot(own)
	switch {
	case err != nil:
	case at.Compare(s.stored) > 0:
		// The shard was sent back, or the table was changed by hand.
		s.stateGap(gapAhead, nil)
		return false
	default:
		err = s.eval.Restore(snap.state)
	}
	if err != nil {
		s.stateGap(gapDamaged, err)
		return false
	}
	s.bringBack()
	s.state.at = at
	if s.from.SequenceNumber != nil {
		s.state.origin = snap.origin
	}
	s.mu.Lock()
	s.saved = savedState{len(own), snap.taken}
	s.mu.Unlock()
	return true
}

// replayFrom is where reading goes on behind a snapshot.
func (s *shard) replayFrom(at position.Position) types.StartingPosition {
	if at == s.startAt {
		return s.start
	}
	s.state.replays, s.state.from = true, at
	s.log.Info("evaluating again from the last snapshot, up to the checkpoint", zap.Stringer("snapshot", at))
	if at.IsZero() {
		return s.state.origin
	}
	return startBehind(at)
}

// startBehind is where reading goes on behind a position.
func startBehind(at position.Position) types.StartingPosition {
	if at.Sub == position.WholeRecord {
		return types.StartingPosition{Type: types.ShardIteratorTypeAfterSequenceNumber, SequenceNumber: aws.String(at.Sequence)}
	}
	return types.StartingPosition{Type: types.ShardIteratorTypeAtSequenceNumber, SequenceNumber: aws.String(at.Sequence)}
}

// replayed looks whether the checkpoint is one that the shard can have: every record up to it is resolved, and replayed without
// an alert. If the tip is reached without it, it is beyond what the shard has, and what was replayed may be new.
func (s *shard) replayed(p *read.Page) {
	k := &s.state
	if !k.replays || !p.Tip || s.startAt.IsZero() || k.at.Compare(s.startAt) >= 0 {
		k.tips = 0
		return
	}
	if k.tips++; k.tips < replayTips {
		return
	}
	s.lease.Lost(s.clock.Now().Add(-leastRetention))
	s.log.Error("the checkpoint is beyond what the shard has; going on behind the last snapshot, alerts since then are repeated",
		zap.Stringer("checkpoint", s.startAt), zap.Stringer("snapshot", k.from))
	s.start, s.startAt, s.passed = k.origin, k.from, 0
	if !k.from.IsZero() {
		s.start = startBehind(k.from)
	}
	s.mu.Lock()
	s.inherited, s.stored, s.offered, s.mark.last = nil, s.startAt, s.startAt, s.startAt
	s.mu.Unlock()
	k.replays, k.opened, k.tips, s.reader = false, false, 0, nil // the snapshot is brought back once more
}

// inherit adds the parents' states.
func (s *shard) inherit(parents [][]byte) {
	if len(parents) == 0 {
		return
	}
	var states [][]byte
	for _, parent := range parents {
		snap, err := decodeSnapshot(parent)
		if err != nil {
			s.stateGap(gapDamaged, err)
			continue
		}
		states = append(states, snap.state)
	}
	heir := alert.Heir{Owns: s.lease.Inherits}
	heir.Parents, heir.Siblings = s.lease.Family()
	if err := s.eval.Inherit(states, heir); err != nil {
		s.stateGap(gapDamaged, err)
	}
	s.bringBack()
}

// bringBack moves a state back whose time is ahead of the services' clock, or rules with memory would be silent until then.
func (s *shard) bringBack() {
	ahead := s.eval.BringBack(s.clock.Now())
	if ahead == 0 {
		return
	}
	s.metrics.stateGaps.WithLabelValues(gapFuture).Inc()
	s.log.Error("the time of the stored state was ahead of the clock; it was brought back, so that rules with memory speak again",
		zap.Duration("ahead", ahead))
}

// saveFirst saves what a shard begins with before anything is read, so that a crash in its first minute finds where the
// state began. If that fails, it is tried again soon, and reading begins all the same.
func (s *shard) saveFirst() {
	s.state.opened, s.state.dirty = true, true
	_ = s.saveLast(lastSaveLimit) // told and counted
}

// stateGap accounts for a loss of memory.
func (s *shard) stateGap(reason string, err error) {
	s.metrics.stateGaps.WithLabelValues(reason).Inc()
	s.log.Error("evaluation goes on at the checkpoint without what it should remember: windows, counts and suppressions may be off",
		zap.String("reason", reason), zap.Error(err))
}

// pageDone does what is due between two pages, when evaluation depends on what came before: it lets time bring about
// what is due, and keeps the state.
func (s *shard) pageDone(p *read.Page) {
	if !s.keepsState() {
		return
	}
	if p.Null {
		return // perhaps its children's time; the state is saved with the end
	}
	if now := time.Now(); s.eval.Stateful() && s.mayTick(p, now) {
		s.tick(p, now)
	}
	s.keepState(time.Now())
}

// keepsState says whether there is a state to save: that evaluation depends on what came before, or did until now, so that what is stored is not
// what it was.
func (s *shard) keepsState() bool {
	k := &s.state
	k.kept = k.kept || s.eval.Stateful()
	return k.kept || k.waiting != nil || k.writing != nil
}

// mayTick says whether time may bring about alerts: not too often, and not within what an earlier owner resolved.
func (s *shard) mayTick(p *read.Page, now time.Time) bool {
	k := &s.state
	if !k.ticksFrom.IsZero() && (p.Behind == 0 || k.at.Compare(k.ticksFrom) >= 0) {
		k.ticksFrom = position.Position{}
	}
	return k.ticksFrom.IsZero() && !now.Before(k.nextTick)
}

// tick takes in the alerts that are due because time has passed: one time entry, with tasks by partition key.
func (s *shard) tick(p *read.Page, now time.Time) {
	k := &s.state
	k.nextTick, k.ticked = now.Add(tickEvery), true
	at := p.CaughtUp()
	without := s.lookAtKin(now)
	k.torn = true
	s.activity.StartEvaluating()
	defer s.activity.StopEvaluating()
	alerts, dealt := s.dealtBefore(s.eval.Tick(alert.Tick{CaughtUp: at, Fleet: s.fleet(), Without: without, Settled: s.lease.Settled()}))
	if len(alerts) == 0 && len(dealt) > 0 {
		s.dealtByTime(dealt)
		k.dirty = true
	}
	s.saveForKin(now)
	firing, leaving := s.eval.Told()
	s.mu.Lock()
	s.firing, s.leaving = firing, leaving
	s.mu.Unlock()
	if len(alerts) > 0 {
		tasks := partsOf(alerts)
		s.mu.Lock()
		e := s.mark.waitTimed(at, len(tasks))
		e.dealt = dealt
		s.mu.Unlock()
		if err := s.room(tasks[0].Bytes); err != nil {
			return
		}
		if err := s.Submit(e, tasks); err != nil {
			return
		}
		k.dirty = true
		if soon := now.Add(stateAfterTick); soon.Before(k.next) {
			k.next = soon
		}
	}
	k.torn = false
}

// keepState captures the state when that is due, and saves what was captured when everything in it is resolved.
func (s *shard) keepState(now time.Time) {
	k := &s.state
	select {
	case err := <-k.writing:
		s.wrote(err)
	default:
	}
	idle := stateIdle
	if k.kin.any {
		idle = stateKinIdle
	}
	due := k.dirty && !now.Before(k.next) || k.ticked && !now.Before(k.next.Add(idle-stateEvery))
	if k.waiting == nil && due && !k.torn {
		k.waiting = s.capture(now)
	}
	if k.waiting == nil || k.writing != nil || !s.resolvedThrough(k.waiting) {
		return
	}
	c, done := k.waiting, make(chan error, 1)
	k.waiting, k.writing = nil, done
	k.writers.Go(func() {
		ctx, cancel := context.WithTimeout(s.workCtx, saveLimit)
		defer cancel()
		done <- guard.Do("state", func() error { return s.write(ctx, c) })
	})
}

// saveForChildren saves the state of a closed shard, as its children inherit it. It gives up, aloud, after endWithout.
func (s *shard) saveForChildren() error {
	err := s.saveLast(saveLimit)
	_, hopeless := errors.AsType[*tooLargeError](err)
	if err == nil || s.workCtx.Err() != nil || !hopeless && time.Since(s.state.failing) < endWithout {
		return err
	}
	s.stateGap(gapUnsaved, err)
	return nil
}

func (s *shard) capture(now time.Time) *capture {
	s.eval.Agree(s.lease.Agreement())
	c := &capture{
		snapshot: snapshot{origin: s.state.origin, taken: now, state: s.eval.State()},
		at:       s.state.at,
	}
	s.mu.Lock()
	c.entries = s.mark.count
	s.mu.Unlock()
	s.state.dirty, s.state.ticked, s.state.next = false, false, now.Add(stateEvery)
	s.state.kept = s.eval.Stateful()
	s.state.kin.captured, s.state.kin.parkedTo = now, s.eval.ParkedTo()
	return c
}

func (s *shard) resolvedThrough(c *capture) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mark.resolvedThrough(c.entries)
}

// wrote notes how a save ended: the next one is due soon after one that failed.
func (s *shard) wrote(err error) {
	k := &s.state
	k.writing = nil
	if err == nil {
		if !k.failing.IsZero() {
			s.log.Info("the state of evaluation is saved again")
		}
		s.failSaves(time.Time{})
		return
	}
	k.dirty, k.kept, k.next = true, true, time.Now().Add(stateRetry)
	large, isLarge := errors.AsType[*tooLargeError](err)
	if isLarge {
		k.next = time.Now().Add(stateEvery)
	}
	s.mu.Lock()
	s.tooLarge = large
	s.mu.Unlock()
	if k.failing.IsZero() && s.workCtx.Err() == nil {
		s.failSaves(time.Now())
		s.log.Warn("the state of evaluation cannot be saved, trying again; a restart would read from the last snapshot on", zap.Error(err))
	}
}

// failSaves notes since when saves fail; zero says that they do not.
func (s *shard) failSaves(since time.Time) {
	s.state.failing = since
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.unsaved = since; since.IsZero() {
		s.tooLarge = nil
	}
}

// write saves a captured state. It may run beside the shard's goroutine.
func (s *shard) write(ctx context.Context, c *capture) error {
	s.offer(false) // the table takes no snapshot beyond what it was offered
	start := time.Now()
	data := c.encode()
	var err error
	if len(c.state) > alert.MaxState {
		heaviest, most := alert.Heaviest(c.state)
		err = &tooLargeError{len(c.state), most, heaviest}
	} else {
		err = s.lease.SaveState(ctx, c.at.Sequence, c.at.Sub, data)
	}
	if err != nil {
		if s.workCtx.Err() == nil {
			s.metrics.stateSaves.WithLabelValues("failed").Inc()
		}
		return cmp.Or(context.Cause(ctx), err)
	}
	s.metrics.stateSaves.WithLabelValues("done").Inc()
	s.metrics.stateSaveDuration.Observe(time.Since(start).Seconds())
	s.mu.Lock()
	s.saved = savedState{len(data), c.taken}
	s.includes(c.entries)
	s.mu.Unlock()
	return nil
}

// saveLast saves the state as it is, or what waits to be saved if that is all that is resolved. Whoever drains a shard
// calls it before the shard goes; after an error nothing has changed.
func (s *shard) saveLast(limit time.Duration) error {
	k := &s.state
	if !k.opened || k.torn || !s.keepsState() {
		return nil
	}
	ctx, cancel := context.WithTimeout(s.workCtx, limit)
	defer cancel()
	if k.writing != nil {
		select {
		case err := <-k.writing:
			s.wrote(err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if (k.dirty || k.ticked || k.waiting != nil) && s.unresolved() == 0 {
		k.waiting = s.capture(time.Now())
	}
	if k.waiting == nil || !s.resolvedThrough(k.waiting) {
		return nil
	}
	err := s.write(ctx, k.waiting)
	if err == nil {
		k.waiting = nil
	}
	s.wrote(err)
	return err
}
