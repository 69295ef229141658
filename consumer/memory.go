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
	"kinesis-alerter/consumer/saved"
	"kinesis-alerter/internal/guard"
	"kinesis-alerter/internal/position"
)

const (
	// tickEvery is the least time between two ticks of a shard.
	tickEvery = 250 * time.Millisecond
	// stateEvery is how often a state that changes is saved. stateIdle is for one in which only time can have changed
	// something, such as the start of a silence: a thousand idle shards are not worth a thousand writes a minute.
	// stateAfterTick is how soon it is saved after a tick that made alerts, which a replay would make once more.
	// stateRetry is how soon after a save that failed.
	stateEvery     = time.Minute
	stateIdle      = 10 * time.Minute
	stateAfterTick = 2 * time.Second
	stateRetry     = 10 * time.Second
	// replayTips is how many pages in a row must be at the tip before a checkpoint that was not reached counts as
	// beyond it.
	replayTips = 2
	// saveLimit bounds a save in the background or at the end of a closed shard, lastSaveLimit one before a handoff or
	// a stop.
	saveLimit     = 30 * time.Second
	lastSaveLimit = 3 * time.Second
	// loadOwedLimit bounds how long a shard whose rules remember nothing waits for the alerts that earlier rules left
	// firing.
	loadOwedLimit = 10 * time.Second
	// endWithout is how long a closed shard tries to save its state for its children. A lease does not outlive an
	// outage of the table. So what fails for that long is a fault of the state itself or of the configuration, and the
	// alerts of the children cannot wait forever.
	endWithout = 10 * time.Minute
)

// Why a shard continues without its memory, or a part of it.
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

// memory keeps what the rules remember of a shard with its checkpoint. "Here" is the KCL's goroutine of the shard.
// While evaluation is not stateful only at and midPage are used.
type memory struct {
	*tools
	progress *progress
	kin      kin

	// Written and read here only.

	origin types.StartingPosition // where reading began when there was no checkpoint
	opened bool                   // the load is complete
	at     position.Position      // the state includes everything up to here
	// midPage says that evaluation is in the middle of a page or a tick, or stopped there. The state then includes what
	// the watermark does not know of, so it must not be saved.
	midPage bool
	// replays says that reading began at the snapshot, not at the checkpoint, and from is where that snapshot was
	// taken.
	replays bool
	from    position.Position
	tips    int       // pages in a row that reached the tip of the shard while the checkpoint was still ahead
	kept    bool      // what is stored may differ from what is known, whether or not evaluation is stateful
	dirty   bool      // records have changed the state since it was captured, or a tick made alerts
	ticked  bool      // time may have changed it
	next    time.Time // of capturing it
	// waiting is a captured state that includes what is not settled. It is saved when all of that is settled: alerts
	// that it counts as made would otherwise be lost. A newer one does not replace it: in a storm something always
	// waits, and none would ever be saved.
	waiting *capture
	writing chan error // of the save in the background, which writes it; nil when there is none
	failing time.Time  // since when saves fail; zero while they do not
	writers sync.WaitGroup

	mu sync.Mutex

	saved    savedState     // the current snapshot; written by saves, read by the status
	unsaved  time.Time      // failing, for the status
	tooLarge *tooLargeError // why it can never be saved as it is; written here, read by the status
}

// newMemory makes the memory of a shard that is not opened yet.
func newMemory(t *tools, p *progress) *memory {
	m := &memory{tools: t, progress: p}
	m.kin.tools, m.kin.writers = t, &m.writers
	return m
}

// capture is the evaluation's state at a position.
type capture struct {
	saved.Memory

	at      position.Position
	entries uint64 // how many entries of the watermark came before it
}

// savedState is the current snapshot.
type savedState struct {
	bytes int
	taken time.Time
}

// lookAtKin merges what other shards remember, and asks for more. It returns the shards whose memory nothing waits for
// any longer.
func (m *memory) lookAtKin(now time.Time) (without []string) {
	without = m.kin.look(now)
	m.ticked, m.kin.news = m.ticked || m.kin.news, false
	return without
}

// open finds out where to read from, and restores what evaluation should remember. It returns false when a context has
// ended; then it may be called again.
func (m *memory) open() (from types.StartingPosition, ok bool) {
	from = m.progress.start
	m.at = m.progress.startAt
	m.eval.Agree(m.lease.Agreement())
	m.origin = types.StartingPosition{Type: types.ShardIteratorTypeTrimHorizon}
	if m.progress.from.SequenceNumber == nil {
		m.origin = m.progress.from
	}
	if m.eval.Stateful() {
		if from, ok = m.loadState(); !ok {
			return from, false
		}
		if m.failing.IsZero() && !m.between() { // the shards of a worker begin at once, and should not save at once
			m.next = time.Now().Add(rand.N(stateEvery)) //nolint:gosec // no secret
		}
	} else if m.loadOwed(); m.readCtx.Err() != nil {
		return from, false
	}
	m.opened = true
	m.activity.StateLoaded()
	return from, true
}

// loadState restores the state and decides where reading resumes. It returns false when a context has ended.
func (m *memory) loadState() (types.StartingPosition, bool) {
	own, sequence, sub, parents, err := m.lease.LoadState(m.readCtx)
	if m.readCtx.Err() != nil {
		return m.progress.start, false
	}
	if err != nil {
		m.stateGap(gapLost, err) // of its own, or of a parent
	}
	at := position.Position{}
	if sequence != "" {
		at = position.Position{Sequence: sequence, Sub: sub}
	}
	if b := m.progress.before; !b.IsZero() && at.Compare(b) > 0 &&
		sequence == aws.ToString(m.progress.from.SequenceNumber) {
		at = b // the record is evaluated again as a whole
	}
	if len(own) > 0 && m.restore(own, at) {
		return m.replayFrom(at), true
	}
	m.inherit(parents)
	if len(own) == 0 {
		m.endRewound(m.readCtx)
	}
	if m.readCtx.Err() != nil {
		return m.progress.start, false
	}
	m.at = m.progress.stored
	m.saveFirst()
	return m.replayFrom(m.progress.stored), true
}

// loadOwed restores the alerts of earlier rules that still fire and whose end is to be reported, when no current rule
// has a memory. Reading resumes at the checkpoint: no rule needs what came before.
func (m *memory) loadOwed() {
	ctx, cancel := context.WithTimeout(m.readCtx, loadOwedLimit)
	defer cancel()
	own, _, _, parents, err := m.lease.LoadState(ctx)
	if len(own) > 0 {
		parents = nil
		var snap saved.Memory
		if snap, err = saved.Decode(own); err == nil {
			err = m.eval.Restore(snap.State)
		}
	}
	if err != nil {
		m.log.Warn("the state that earlier rules stored cannot be read; alerts of theirs that still fire get no end",
			zap.Error(err))
	}
	m.inherit(parents)
	if len(own) == 0 {
		m.endRewound(ctx)
	}
}

// endRewound takes over the ends that the shard owed when it was rewound.
func (m *memory) endRewound(ctx context.Context) {
	if m.lease.Generation() == 0 {
		return
	}
	keys := 0
	data, err := m.lease.LoadRewound(ctx)
	if len(data) > 0 {
		var snap saved.Memory
		if snap, err = saved.Decode(data); err == nil {
			keys, err = m.eval.Rewound(snap.State)
		}
	}
	switch {
	case err != nil:
		m.log.Warn("the shard was rewound, and its state from before cannot be read: keys that were firing get no end, "+
			"unless they fire again", zap.Error(err))
	case keys > 0:
		m.log.Info("the shard was rewound, its rules start with an empty memory: keys that were firing get their end "+
			"once all workers agree on the rules, unless they fire again before", zap.Int("keys", keys))
	case m.progress.stored.IsZero():
		m.log.Info("the shard was rewound, its rules start with an empty memory: no key is known to be firing")
	}
}

// restore gives the evaluator its snapshot. It returns false, and logs why, when there is none.
func (m *memory) restore(own []byte, at position.Position) bool {
	snap, err := saved.Decode(own)
	switch {
	case err != nil:
	case at.Compare(m.progress.stored) > 0:
		// The shard was rewound, or the table was changed by hand.
		m.stateGap(gapAhead, nil)
		return false
	default:
		err = m.eval.Restore(snap.State)
	}
	if err != nil {
		m.stateGap(gapDamaged, err)
		return false
	}
	m.bringBack()
	m.at = at
	if m.progress.from.SequenceNumber != nil {
		m.origin = snap.Origin
	}
	m.mu.Lock()
	m.saved = savedState{len(own), snap.Taken}
	m.mu.Unlock()
	return true
}

// replayFrom is where reading continues behind a snapshot.
func (m *memory) replayFrom(at position.Position) types.StartingPosition {
	if at == m.progress.startAt {
		return m.progress.start
	}
	m.replays, m.from = true, at
	m.log.Info("evaluating again from the last snapshot, up to the checkpoint", zap.Stringer("snapshot", at))
	if at.IsZero() {
		return m.origin
	}
	return m.progress.behind(at)
}

// beyondTip reports whether the checkpoint is one that the shard cannot have. Every record up to the checkpoint counts
// as settled, and is replayed without an alert. If the tip comes first, the checkpoint is beyond what the shard has,
// and what was replayed may be new. Then the shard has to be opened again.
func (m *memory) beyondTip(p *read.Page) bool {
	if !m.replays || !p.Tip || m.progress.startAt.IsZero() || m.at.Compare(m.progress.startAt) >= 0 {
		m.tips = 0
		return false
	}
	if m.tips++; m.tips < replayTips {
		return false
	}
	m.lease.Lost(m.clock.Now().Add(-leastRetention))
	m.log.Error("the checkpoint is beyond what the shard has; continuing behind the last snapshot, alerts since then "+
		"are repeated",
		zap.Stringer("checkpoint", m.progress.startAt), zap.Stringer("snapshot", m.from))
	start := m.origin
	if !m.from.IsZero() {
		start = m.progress.behind(m.from)
	}
	m.progress.resume(m.from, start)
	m.replays, m.opened, m.tips = false, false, 0 // the snapshot is restored once more
	return true
}

// replaysUntil reports whether everything up to the end of a page is below the checkpoint, so that it is settled.
func (m *memory) replaysUntil(p *read.Page) bool {
	at := m.at
	if n := len(p.Records); n > 0 {
		at = position.Past(aws.ToString(p.Records[n-1].SequenceNumber))
	}
	return m.replays && at.Compare(m.progress.startAt) < 0
}

// trimmed reports whether only records below the checkpoint have left the stream, which the state still needs. Then
// evaluation continues at the checkpoint.
func (m *memory) trimmed() bool {
	if !m.replays || m.progress.startAt.IsZero() {
		return false
	}
	m.replays, m.at = false, m.progress.startAt
	m.stateGap(gapTrimmed, nil)
	return true
}

// restart begins again when the checkpoint never was a position in the shard.
func (m *memory) restart() {
	if m.eval.Stateful() {
		m.stateGap(gapAhead, nil)
	}
	m.at, m.replays = position.Position{}, false
}

// inherit adds the parents' states.
func (m *memory) inherit(parents [][]byte) {
	if len(parents) == 0 {
		return
	}
	var states [][]byte
	for _, parent := range parents {
		snap, err := saved.Decode(parent)
		if err != nil {
			m.stateGap(gapDamaged, err)
			continue
		}
		states = append(states, snap.State)
	}
	heir := alert.Heir{Owns: m.lease.Inherits}
	heir.Parents, heir.Siblings = m.lease.Family()
	if err := m.eval.Inherit(states, heir); err != nil {
		m.stateGap(gapDamaged, err)
	}
	m.bringBack()
}

// bringBack corrects a state whose time is ahead of the services' clock. Rules with memory would be silent until then.
func (m *memory) bringBack() {
	ahead := m.eval.BringBack(m.clock.Now())
	if ahead == 0 {
		return
	}
	m.metrics.stateGaps.WithLabelValues(gapFuture).Inc()
	m.log.Error("the time of the stored state was ahead of the clock; it was brought back, so that rules with "+
		"memory speak again",
		zap.Duration("ahead", ahead))
}

// saveFirst saves what a shard begins with before anything is read, so that a restart after a crash in the first minute
// finds where the state began. A save that fails is retried soon, and reading begins all the same.
func (m *memory) saveFirst() {
	m.opened, m.dirty = true, true
	_ = m.saveLast(lastSaveLimit) // logged and counted
}

// stateGap logs and counts a loss of memory.
func (m *memory) stateGap(reason string, err error) {
	m.metrics.stateGaps.WithLabelValues(reason).Inc()
	m.log.Error("evaluation continues at the checkpoint without what it should remember: windows, counts and "+
		"suppressions may be off",
		zap.String("reason", reason), zap.Error(err))
}

// keepsState reports whether there is a state to save: evaluation depends on what came before, or did until now, so
// that the stored state is out of date.
func (m *memory) keepsState() bool {
	m.kept = m.kept || m.eval.Stateful()
	return m.kept || m.waiting != nil || m.writing != nil
}

// keepState captures the state when that is due, and saves it when everything in it is settled.
func (m *memory) keepState(now time.Time) {
	select {
	case err := <-m.writing:
		m.wrote(err)
	default:
	}
	idle := stateIdle
	if m.kin.any {
		idle = stateKinIdle
	}
	due := m.dirty && !now.Before(m.next) || m.ticked && !now.Before(m.next.Add(idle-stateEvery))
	if m.waiting == nil && due && !m.midPage && !m.between() {
		m.waiting = m.capture(now)
	}
	if m.waiting == nil || m.writing != nil || !m.progress.settledThrough(m.waiting.entries) {
		return
	}
	c, done := m.waiting, make(chan error, 1)
	m.waiting, m.writing = nil, done
	m.writers.Go(func() {
		ctx, cancel := context.WithTimeout(m.workCtx, saveLimit)
		defer cancel()
		done <- guard.Do("state", func() error { return m.write(ctx, c) })
	})
}

// saveForChildren saves the state of a closed shard, as its children inherit it. After endWithout it gives up, which is
// logged and counted.
func (m *memory) saveForChildren() error {
	err := m.saveLast(saveLimit)
	_, hopeless := errors.AsType[*tooLargeError](err)
	if err == nil || m.workCtx.Err() != nil || !hopeless && time.Since(m.failing) < endWithout {
		return err
	}
	m.stateGap(gapUnsaved, err)
	return nil
}

// between reports whether what is known ends inside a record, at a place that another input would count otherwise: the
// lease began there, and no page has come yet. A snapshot has no such place.
func (m *memory) between() bool {
	if m.at.IsZero() {
		return false
	}
	return m.at == m.progress.before || m.at.Inside() && m.plan.Hash() != ""
}

func (m *memory) capture(now time.Time) *capture {
	m.eval.Agree(m.lease.Agreement())
	c := &capture{
		Memory: saved.Memory{Origin: m.origin, Taken: now, State: m.eval.State()},
		at:     m.at, entries: m.progress.entries(),
	}
	m.dirty, m.ticked, m.next = false, false, now.Add(stateEvery)
	m.kept = m.eval.Stateful()
	m.kin.captured, m.kin.parkedTo = now, m.eval.ParkedTo()
	return c
}

// wrote notes how a save ended: after one that failed, the next is due soon.
func (m *memory) wrote(err error) {
	m.writing = nil
	if err == nil {
		if !m.failing.IsZero() {
			m.log.Info("the state of evaluation is saved again")
		}
		m.failSaves(time.Time{})
		return
	}
	m.dirty, m.kept, m.next = true, true, time.Now().Add(stateRetry)
	large, isLarge := errors.AsType[*tooLargeError](err)
	if isLarge {
		m.next = time.Now().Add(stateEvery)
	}
	m.mu.Lock()
	m.tooLarge = large
	m.mu.Unlock()
	if m.failing.IsZero() && m.workCtx.Err() == nil {
		m.failSaves(time.Now())
		m.log.Warn("the state of evaluation cannot be saved, trying again; a restart would read from the last "+
			"snapshot on", zap.Error(err))
	}
}

// failSaves notes since when saves have failed; zero says that they work.
func (m *memory) failSaves(since time.Time) {
	m.failing = since
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.unsaved = since; since.IsZero() {
		m.tooLarge = nil
	}
}

// write saves a captured state. It may run alongside the shard's goroutine.
func (m *memory) write(ctx context.Context, c *capture) error {
	m.progress.offer(false) // the table accepts no snapshot beyond the last offer
	start := time.Now()
	data := c.Encode()
	var err error
	if len(c.State) > alert.MaxState {
		heaviest, most := alert.Heaviest(c.State)
		err = &tooLargeError{len(c.State), most, heaviest}
	} else {
		err = m.lease.SaveState(ctx, c.at.Sequence, c.at.Sub, data)
	}
	if err != nil {
		if m.workCtx.Err() == nil {
			m.metrics.stateSaves.WithLabelValues("failed").Inc()
		}
		return cmp.Or(context.Cause(ctx), err)
	}
	m.metrics.stateSaves.WithLabelValues("done").Inc()
	m.metrics.stateSaveDuration.Observe(time.Since(start).Seconds())
	m.mu.Lock()
	m.saved = savedState{len(data), c.Taken}
	m.mu.Unlock()
	m.progress.includes(c.entries)
	return nil
}

// saveLast saves the state as it is, or the capture that waits if no more than that is settled. A drain calls it before
// the shard goes. After an error nothing has changed.
func (m *memory) saveLast(limit time.Duration) error {
	if !m.opened || m.midPage || !m.keepsState() {
		return nil
	}
	ctx, cancel := context.WithTimeout(m.workCtx, limit)
	defer cancel()
	if m.writing != nil {
		select {
		case err := <-m.writing:
			m.wrote(err)
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	if (m.dirty || m.ticked || m.waiting != nil) && m.progress.unsettled() == 0 && !m.between() {
		m.waiting = m.capture(time.Now())
	}
	if m.waiting == nil || !m.progress.settledThrough(m.waiting.entries) {
		return nil
	}
	err := m.write(ctx, m.waiting)
	if err == nil {
		m.waiting = nil
	}
	m.wrote(err)
	return err
}

// saveForKin has the state saved soon when something came due for which the other shards will ask what this one has
// read.
func (m *memory) saveForKin(now time.Time) {
	if m.eval.ParkedTo() <= m.kin.parkedTo {
		return
	}
	m.dirty = true
	soon := now.Add(stateAfterTick)
	if least := m.kin.captured.Add(stateKinEvery); soon.Before(least) {
		soon = least
	}
	if soon.Before(m.next) {
		m.next = soon
	}
}

func (m *memory) status(now time.Time) MemoryStatus {
	unheard := m.kin.decidedWithout(now)
	m.mu.Lock()
	defer m.mu.Unlock()
	return MemoryStatus{
		StateBytes: m.saved.bytes, StateTaken: m.saved.taken, StateFailing: m.unsaved,
		StateTooLarge: m.tooLarge.words(), Unheard: unheard,
	}
}
