package checkpoint

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// leaseState is the phase of a lease on its way from the table to its consumer and back.
//
//	granted ──Take──▶ running ──Release──▶ releasing ──▶ forgotten
//	   │                 │ lost, handed off, ended
//	   ▼                 ▼
//	forgotten          over ──Release──▶ forgotten
//
// A shard whose lease is not forgotten is not taken again, so no second consumer of it starts before the first is gone.
type leaseState uint8

const (
	leaseGranted leaseState = iota
	leaseRunning
	leaseReleasing
	leaseOver
)

// Lease is the ownership of one shard. Its methods are safe for concurrent use.
type Lease struct {
	store *Store
	shard string
	first table.Row              // as it was when the lease began
	start types.StartingPosition // without a sub-sequence number
	since time.Time

	ctx    context.Context //nolint:containedctx // a lease is a lifetime, and its context is that lifetime
	cancel context.CancelCauseFunc
	// writing is held while the row is written, so that a commit cannot arrive after the release that follows it.
	writing token
	saver   saver

	// What follows is guarded by store.mu.

	worker *incarnation
	epoch  int64
	state  leaseState
	ledger ledger
	// snapshot is the current one in the table; saver writes it.
	snapshot table.Saved
	heard    bool // Commit was called: its consumer includes the shard in its report
	// The planner writes handoff and target, KeepLease clears them. target is the worker that is to have the shard;
	// noTarget for a shard that is paused.
	handoff chan struct{}
	target  string
	rest    time.Time // the planner does not move the shard before; KeepLease writes it
}

// ledger is the progress of one shard: what its consumer offered and what the row has. Guarded by Store.mu.
type ledger struct {
	offer  table.Progress // the last one; Commit writes it, and a row that turns out to be ahead
	stored table.Progress // acknowledgeLocked writes it
	number int64          // of the last offer that was read for a write
	// dirty says that offer and row differ; the committer reads it.
	dirty bool
	// suspect says that a scan saw another row: write, so that the fence decides. The watcher writes it.
	suspect bool
	// unstorable is why the last offer could not be stored, foreign why no offer can be stored over the row; both
	// are empty when they can.
	unstorable, foreign string
	replaces            string     // a checkpoint that any offer may be stored over
	written             time.Time  // when the committer last had it written
	need                need       // how soon the offer has to be written
	pace                commitPace // of the committer
	// when the stored checkpoint was last known to be current; a metric and the page read it
	confirmed time.Time
}

// Context is done when the lease is over; context.Cause returns why: ErrLeaseLost, ErrLeaseHandedOff, ErrLeaseReleased
// or ErrShardEnded.
func (l *Lease) Context() context.Context { return l.ctx }

// Start returns where to read from. With AT_SEQUENCE_NUMBER the records inside the aggregate up to and including sub
// are already settled. resolved has the settled ranges that the last owner gave to Commit, or is empty.
func (l *Lease) Start() (from types.StartingPosition, sub uint32, resolved string) {
	p := l.first.Position
	switch {
	case p.IsZero():
		return l.start, 0, l.first.Resolved
	case p.Sub == position.WholeRecord:
		return types.StartingPosition{
			Type:           types.ShardIteratorTypeAfterSequenceNumber,
			SequenceNumber: aws.String(p.Sequence),
		}, p.Sub, l.first.Resolved
	}
	return types.StartingPosition{
		Type:           types.ShardIteratorTypeAtSequenceNumber,
		SequenceNumber: aws.String(p.Sequence),
	}, p.Sub, l.first.Resolved
}

// Input is what counts the places inside records that Start returns, as the last owner gave it to Commit: the hash of
// its input. Another input has other records at these places.
func (l *Lease) Input() string { return l.first.Input }

// Generation is how often an operator has rewound the shard. The ids of alerts depend on it, so that an alert that is
// published again on purpose is not taken for a duplicate.
func (l *Lease) Generation() uint32 { return l.first.Rewinds }

// CaughtUp is the time up to which the last owner had read the shard, by its row; zero if that is not known. The row
// of an idle shard is written every few minutes, so it may have read further.
func (l *Lease) CaughtUp() time.Time { return l.first.CaughtUp }

// Commit offers progress. It does no I/O: the latest offer is written within the checkpoint interval where a crash
// would repeat something, within lazyInterval or lazyBytes where it would only read again, and with a snapshot, a
// release, a handoff or an end. An offer below an earlier one is ignored and counted. Ranges above the checkpoint that
// take more than position.MaxText are not stored, which repeats alerts but loses none.
func (l *Lease) Commit(p position.Progress) {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.state == leaseOver {
		return
	}
	l.heard = true
	l.ledger.need.add(p)
	offer := &l.ledger.offer
	offer.Load = max(p.Load, 0)
	if p.CaughtUp.After(offer.CaughtUp) {
		offer.CaughtUp = p.CaughtUp
	}
	at, above, input := p.At, p.Above, p.Input
	if at.IsZero() {
		if at = offer.Position; above == "" {
			above, input = offer.Resolved, offer.Input
		}
	} else if !l.storableLocked(at) {
		return
	} else if at.Compare(offer.Position) < 0 && l.ledger.replaces == "" {
		s.m.committed(resultIgnored)
		return
	}
	if len(above) > position.MaxText {
		above = ""
	}
	if at == offer.Position && above == offer.Resolved && (input == offer.Input || above == "" && !at.Inside()) {
		if !l.ledger.dirty {
			l.ledger.confirm(p.CaughtUp)
		}
		return
	}
	offer.Position, offer.Resolved, offer.Input, l.ledger.dirty = at, above, input, true
	if s.cfg.CheckpointInterval == AtOnce && !l.ledger.pace.busy && l.ledger.need.soon() {
		ask(s.committer.wake)
	}
}

// HandoffRequested is closed when the planner wants the shard on another worker. After KeepLease a new request has a
// new channel, so ask each time.
func (l *Lease) HandoffRequested() <-chan struct{} {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.handoff
}

// KeepLease calls off a requested handoff. The shard is not requested again for a minute.
func (l *Lease) KeepLease() {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.target == "" || l.state == leaseOver {
		return
	}
	l.target, l.handoff = "", make(chan struct{})
	l.rest = time.Now().Add(shardRest)
}

// Lost reports that the stream no longer holds the position that Start named. oldest is the age limit of what the
// stream still holds, or the arrival time of its oldest record. Lost returns whether records may have been missed:
// false when the shard was known to be read up to oldest or later, so that nothing was lost.
func (l *Lease) Lost(oldest time.Time) (caughtUp time.Time, missed bool) {
	l.store.mu.Lock()
	// of the row, or what was offered since: a shard may be held for longer than the retention
	caughtUp = l.ledger.offer.CaughtUp
	if p := l.ledger.offer.Position; !p.IsZero() && !position.ValidSequence(p.Sequence) {
		l.ledger.disown()
	}
	l.store.mu.Unlock()
	missed = caughtUp.IsZero() || caughtUp.Before(oldest)
	l.store.m.gaps.WithLabelValues(strconv.FormatBool(missed)).Inc()
	return caughtUp, missed
}

// callOffLocked withdraws a requested handoff.
func (l *Lease) callOffLocked() { l.target, l.handoff = "", make(chan struct{}) }

// token is a lock that is waited for until a context is done.
type token chan struct{}

func newToken() token { return make(token, 1) }

func (t token) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t token) free() { <-t }
