package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"
)

// shardRest is how long a shard stays where it is after it moved, or after a handoff was called off.
const shardRest = time.Minute

// claim is a holder's permit for a write, read under the lock.
type claim struct {
	worker string
	epoch  int64
	offer  table.Progress
	number int64 // of the offer in the row; no other content has it
	target string
	// replaces is a checkpoint that the offer may be stored over, whatever it is.
	replaces string
	need     need // of the offer
}

// newOwner is the owner after the requested handoff; empty for a shard that is paused.
func (c claim) newOwner() string {
	if c.target == noTarget {
		return ""
	}
	return c.target
}

func (l *Lease) claim() (claim, error) {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.state == leaseOver {
		return claim{}, context.Cause(l.ctx)
	}
	l.ledger.number++
	return claim{
		worker: l.worker.id, epoch: l.epoch, offer: l.ledger.offer, number: l.ledger.number,
		target: l.target, replaces: l.ledger.replaces, need: l.ledger.need,
	}, nil
}

// acquire makes this worker the owner of a shard with the next epoch. was is the row from which the plan was made, or
// nil where there is none. Shards that a peer handed to us are acquired in the same way: the write confirms an
// eventually consistent read, and the new epoch shuts out late writes of an earlier lease of ours.
func (p *planner) acquire(ctx context.Context, inc *incarnation, shard string, was *table.Row) error {
	s := p.store
	s.mu.Lock()
	memory := s.view.memory[shard]
	info := s.view.lineage.Shards[shard]
	var parents []string
	if info != nil {
		parents = info.Parents
	}
	s.mu.Unlock()

	var (
		now table.Item
		err error
		to  = int64(1)
	)
	if was == nil {
		fresh := &table.Row{ID: shard, Owner: inc.id, Epoch: to, Parents: parents}
		if memory != nil {
			to = memory.Epoch + 1
			fresh.Epoch, fresh.Position, fresh.Resolved, fresh.CaughtUp = to, memory.Position, memory.Resolved,
				memory.CaughtUp
			fresh.Rewinds, fresh.StartAt, fresh.State, fresh.Last = memory.Rewinds, memory.StartAt, memory.State,
				memory.Last
			fresh.Input = memory.Input
			fresh.Offers = memory.Offers + 1
			if fresh.Ended() {
				fresh.Owner = ""
			}
		}
		now = fresh.Encode()
		err = s.table.PutNew(ctx, now)
	} else {
		to = was.Epoch + 1
		e := &table.Write{}
		e.Set(table.AttrOwner, table.Str(inc.id))
		e.Set(table.AttrEpoch, table.Num(to))
		e.IfEqual(table.AttrEpoch, table.Num(was.Epoch))
		e.IfAbsent(table.AttrPaused)
		if was.Owner == "" {
			e.IfAbsent(table.AttrOwner)
		} else {
			e.IfEqual(table.AttrOwner, table.Str(was.Owner))
		}
		now, err = s.table.Update(ctx, shard, e)
	}
	landed, seen, unknown := s.table.Settle(ctx, shard, err, func(it table.Item) bool {
		n, err := table.Integer(it[table.AttrEpoch])
		return err == nil && n == to && table.Text(it[table.AttrOwner]) == inc.id
	})
	if seen != nil {
		now = seen
	}
	if unknown != nil {
		return fmt.Errorf("take shard %s: %w", shard, unknown)
	}
	if !landed && seen == nil {
		s.dropRow(shard)
		return nil
	}
	r, err := table.DecodeRow(now, time.Now())
	if err != nil {
		return err
	}
	if landed && r.Ended() && was != nil && !was.Ended() { // no worker would look at the shard again
		if now, err = s.table.Get(ctx, shard, true); err != nil {
			return err
		}
		if r, err = table.DecodeRow(now, time.Now()); err != nil {
			return err
		}
	}
	s.noteRow(r)
	if landed {
		if was == nil && memory != nil {
			s.m.rewritten.Inc()
		}
		if !r.Ended() {
			p.grant(ctx, inc, r, was)
		}
	}
	return nil
}

// writeProgress writes the latest offer of a lease. A lost answer leaves it dirty: the same write again is harmless.
func (l *Lease) writeProgress(ctx context.Context) error {
	s := l.store
	if err := l.writing.take(ctx); err != nil {
		return err
	}
	defer l.writing.free()
	c, err := l.claim()
	if err != nil {
		return nil // the lease ended in between, and with it the need to write
	}
	begin := time.Now()
	e := &table.Write{Blind: true} // ranges of up to 64 KiB need not come back
	e.Fence(c.worker, c.epoch)
	e.Progress(c.offer, c.number, c.replaces)
	_, err = s.table.Update(ctx, l.shard, e)
	s.m.commitTime.Observe(time.Since(begin).Seconds())
	if err == nil {
		s.m.committed(resultOK)
		l.acknowledge(c)
		return nil
	}
	if _, ok := table.Refused(err); !ok {
		s.m.committed(resultError)
		s.opener.noteTable(err)
		return fmt.Errorf("commit shard %s: %w", l.shard, err)
	}
	return l.refusedWrite(ctx, c, err)
}

// refusedWrite finds out why a write of a held lease was refused. It ends the lease, or corrects the row or the offer,
// or returns an error when the cause is unknown.
func (l *Lease) refusedWrite(ctx context.Context, c claim, err error) error {
	s := l.store
	mine, now, unknown := s.table.Settle(ctx, l.shard, err, func(it table.Item) bool {
		n, err := table.Integer(it[table.AttrEpoch])
		return err == nil && n == c.epoch && table.Text(it[table.AttrOwner]) == c.worker
	})
	switch {
	case unknown != nil:
		s.m.committed(resultError)
		return unknown
	case now == nil:
		return l.rewriteRow(ctx, c)
	case mine:
		r, err := table.DecodeRow(now, time.Now())
		if err != nil {
			return err
		}
		if r.Offers == c.number { // the client sent it twice, and the answer to the first was lost
			s.m.committed(resultOK)
			l.acknowledge(c)
			return nil
		}
		s.m.committed(resultIgnored)
		l.raise(r)
		return nil
	}
	s.m.committed(resultFenced)
	if r, err := table.DecodeRow(now, time.Now()); err == nil {
		s.noteRow(r)
	}
	l.end(ErrLeaseLost, eventLost)
	return nil
}

// rewriteRow puts the row of a held shard back after it vanished, one epoch on.
func (l *Lease) rewriteRow(ctx context.Context, c claim) error {
	s := l.store
	r := &table.Row{
		ID: l.shard, Owner: c.worker, Epoch: c.epoch + 1, Position: c.offer.Position, Resolved: c.offer.Resolved,
		Input: c.offer.Input, CaughtUp: c.offer.CaughtUp, Parents: l.first.Parents, Rewinds: l.first.Rewinds,
		StartAt: l.first.StartAt,
		Paused:  c.target == noTarget,
		State:   l.saved(), Offers: c.number, At: time.Now(),
	}
	mine, _, unknown := s.table.Settle(ctx, l.shard, s.table.PutNew(ctx, r.Encode()), func(it table.Item) bool {
		n, err := table.Integer(it[table.AttrEpoch])
		return err == nil && n == r.Epoch && table.Text(it[table.AttrOwner]) == c.worker
	})
	if unknown != nil {
		return fmt.Errorf("rewrite row of shard %s: %w", l.shard, unknown)
	}
	if !mine {
		l.end(ErrLeaseLost, eventLost)
		return nil
	}
	s.log.Warn("the row of a held shard had vanished from the table and was written again from memory",
		zap.String("shard", l.shard), zap.Int64("epoch", r.Epoch))
	s.m.rewritten.Inc()
	s.mu.Lock()
	l.epoch, l.ledger.suspect = r.Epoch, false
	s.view.rows[l.shard] = r
	s.mu.Unlock()
	l.acknowledge(c)
	return nil
}

// leave makes one write that ends this worker's ownership, with the last offer. done reports from the row whether it
// took effect. ErrLeaseLost means that the row is another's.
func (l *Lease) leave(ctx context.Context, c claim, e *table.Write, done func(*table.Row) bool) error {
	s := l.store
	var decoded *table.Row
	_, err := s.table.Update(ctx, l.shard, e)
	landed, it, unknown := s.table.Settle(ctx, l.shard, err, func(it table.Item) bool {
		r, err := table.DecodeRow(it, time.Now())
		if err != nil {
			return false
		}
		decoded = r
		return done(r)
	})
	switch {
	case landed:
		return nil
	case unknown != nil:
		s.opener.noteTable(unknown)
		return unknown
	case it == nil:
		return errRowVanished
	case decoded != nil && decoded.Owner == c.worker && decoded.Epoch == c.epoch:
		// The fence holds, so what is stored is later than the offer.
		l.raise(decoded)
		return fmt.Errorf("shard %s: the stored checkpoint %s, offer %d, is later than %s, offer %d",
			l.shard, decoded.Position.Sequence, decoded.Offers, c.offer.Position.Sequence, c.number)
	}
	return ErrLeaseLost
}

// leaveTwice is leave, with one repetition after the row was repaired.
func (l *Lease) leaveTwice(ctx context.Context, build func(claim) (*table.Write, func(*table.Row) bool)) error {
	var err error
	for range 2 {
		var c claim
		if c, err = l.claim(); err != nil {
			return err
		}
		e, done := build(c)
		if err = l.leave(ctx, c, e, done); err == nil {
			l.noteLeft(c)
			return nil
		}
		switch {
		case errors.Is(err, ErrLeaseLost):
			l.end(ErrLeaseLost, eventLost)
			return ErrLeaseLost
		case errors.Is(err, errRowVanished):
			if err := l.rewriteRow(ctx, c); err != nil {
				return err
			}
		}
	}
	return err
}

// release gives a shard back: no owner, the last offer, the same epoch (the next owner raises it).
func (l *Lease) release(ctx context.Context) error {
	if err := l.writing.take(ctx); err != nil {
		return err
	}
	defer l.writing.free()
	return l.leaveTwice(ctx, func(c claim) (*table.Write, func(*table.Row) bool) {
		e := &table.Write{}
		e.Fence(c.worker, c.epoch)
		e.Progress(c.offer, c.number, c.replaces)
		e.Remove(table.AttrOwner)
		return e, func(r *table.Row) bool { return r.Owner == "" && r.Epoch == c.epoch }
	})
}

// HandOff writes the last offer and the new owner in one conditional write. Call it when all is settled. After nil the
// lease is over. After an error it is as it was, unless Context is done; ErrNoHandoff means that the target died
// meanwhile, so keep reading. If no answer arrives, HandOff outlasts ctx by at most the rest of the trust window: the
// holder must not continue while the write may still take effect.
func (l *Lease) HandOff(ctx context.Context) error {
	s := l.store
	if err := l.writing.take(ctx); err != nil {
		return err
	}
	defer l.writing.free()
	if c, err := l.claim(); err != nil {
		return err
	} else if c.target == "" {
		return ErrNoHandoff
	}
	var target string
	err := l.leaveTwice(ctx, func(c claim) (*table.Write, func(*table.Row) bool) {
		target = c.newOwner()
		e := &table.Write{}
		e.Fence(c.worker, c.epoch)
		e.Progress(c.offer, c.number, c.replaces)
		if target == "" {
			e.Remove(table.AttrOwner)
		} else {
			e.Set(table.AttrOwner, table.Str(target))
		}
		e.Set(table.AttrEpoch, table.Num(c.epoch+1))
		// The target may have taken it over already, with an epoch of its own.
		return e, func(r *table.Row) bool { return r.Epoch > c.epoch && r.Owner == target }
	})
	if err != nil && (l.ctx.Err() != nil || !l.settleHandoff(ctx, target)) {
		return fmt.Errorf("hand shard %s over to %s: %w", l.shard, target, err)
	}
	s.setOwner(l.shard, target)
	if target == "" {
		l.end(ErrLeaseReleased, eventReleased)
	} else {
		l.end(ErrLeaseHandedOff, eventHandedOff)
	}
	s.watcher.notifyPeers()
	return nil
}

// settleHandoff makes certain who owns a shard after a handoff that got no answer. After an error its holder would
// continue, while the write may still arrive and the target start. So one of three must happen: the write is found in
// the row, or the epoch is raised, which shuts it out, or the trust window closes. The epoch is raised together with
// the last offer: there was no commit while the handoff was under way, and a process that dies before the next one
// would repeat what it had drained. It does not stop when ctx is done.
func (l *Lease) settleHandoff(ctx context.Context, target string) bool {
	s := l.store
	ctx = context.WithoutCancel(ctx)
	for attempt := 0; ; attempt++ {
		c, err := l.claim()
		if err != nil {
			return false
		}
		e := &table.Write{}
		e.Fence(c.worker, c.epoch)
		e.Progress(c.offer, c.number, c.replaces)
		e.Set(table.AttrEpoch, table.Num(c.epoch+1))
		now, err := s.table.Update(ctx, l.shard, e)
		mine, seen, unknown := s.table.Settle(ctx, l.shard, err, func(it table.Item) bool {
			n, err := table.Integer(it[table.AttrEpoch])
			return err == nil && n == c.epoch+1 && table.Text(it[table.AttrOwner]) == c.worker
		})
		if seen != nil {
			now = seen
		}
		switch {
		case unknown != nil:
			if !sleep.For(l.ctx, //nolint:contextcheck // the lease, not the caller, bounds the wait
				sleep.Backoff(attempt)) {
				return false
			}
			continue
		case now == nil:
			return false // a late handoff finds no row either, and the next commit writes it again
		case table.Text(now[table.AttrOwner]) == target:
			return true
		case !mine && l.stillOurs(c, now):
			if !sleep.For(l.ctx, sleep.Backoff(attempt)) { //nolint:contextcheck // as above
				return false
			}
			continue // with the row as it is, and a number above its own
		case !mine:
			l.end(ErrLeaseLost, eventLost)
			return false
		}
		if r, err := table.DecodeRow(now, time.Now()); err == nil {
			s.noteRow(r)
		}
		s.mu.Lock()
		l.epoch = c.epoch + 1
		s.mu.Unlock()
		l.acknowledge(c)
		return false
	}
}

// Finish ends the shard: rows for its children first, then SHARD_END with the last offer, so that a crash in between
// repeats the end and never orphans a child. Call it when all is settled and Ended has proved the end. children is what
// the last GetRecords answer said, or nil: then they are those that are listed. After nil the lease is over; after an
// error it is as it was, unless Context is done, and Finish may be called again.
func (l *Lease) Finish(ctx context.Context, children []types.ChildShard) error {
	s := l.store
	if err := l.writing.take(ctx); err != nil {
		return err
	}
	defer l.writing.free()
	if _, err := l.claim(); err != nil {
		return err
	}
	named := len(children) > 0
	if len(children) == 0 {
		s.mu.Lock()
		children = s.view.knownChildren(l.shard) // from the listing that proved the end
		s.mu.Unlock()
	}
	if len(children) == 0 {
		children = s.catalog.findChildren(ctx, l.shard)
	}
	for i := range children {
		child := &table.Row{ID: aws.ToString(children[i].ShardId), Parents: children[i].ParentShards, At: time.Now()}
		err := s.table.PutNew(ctx, child.Encode())
		if _, exists := table.Refused(err); err != nil && !exists {
			return fmt.Errorf("write row of child %s of shard %s: %w", child.ID, l.shard, err)
		}
		s.mu.Lock()
		if named {
			s.view.lineage.Learn(child.ID, child.Parents)
		}
		s.view.lineage.Place(child.ID, children[i].HashKeyRange)
		if err == nil {
			s.view.rows[child.ID] = child
		}
		s.mu.Unlock()
	}
	err := l.leaveTwice(ctx, func(c claim) (*table.Write, func(*table.Row) bool) {
		e := &table.Write{}
		e.Fence(c.worker, c.epoch)
		e.Set(table.AttrPosition, table.Str(position.ShardEnd))
		if last := c.offer.Position; last.IsZero() {
			e.Remove(table.AttrLast)
			e.Remove(table.AttrLastSub)
		} else {
			e.Set(table.AttrLast, table.Str(last.Sequence))
			e.Set(table.AttrLastSub, table.Num(int64(last.Sub)))
		}
		e.Context(c.offer)
		e.Remove(table.AttrSub)
		e.Remove(table.AttrResolved)
		e.Remove(table.AttrOwner)
		return e, func(r *table.Row) bool { return r.Ended() && r.Epoch == c.epoch }
	})
	if err != nil {
		return fmt.Errorf("end shard %s: %w", l.shard, err)
	}
	s.setEnded(l.shard)
	l.end(ErrShardEnded, eventEnded)
	s.watcher.notifyPeers()
	if len(children) == 0 {
		s.catalog.relist()
	}
	return nil
}

// findChildren lists the stream for the children of a shard. Without an answer the shard ends all the same: children
// have no row before they start, so the next listing finds them.
func (c *catalog) findChildren(ctx context.Context, shard string) []types.ChildShard {
	s := c.store
	if _, _, err := c.List(ctx); err != nil {
		s.log.Warn("cannot list the children of a shard that ends, the next listing finds them",
			zap.String("shard", shard), zap.Error(err))
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.knownChildren(shard)
}

func (v *view) knownChildren(shard string) []types.ChildShard {
	var out []types.ChildShard
	for _, id := range v.lineage.Children(shard) {
		out = append(out, types.ChildShard{ShardId: aws.String(id), ParentShards: v.lineage.Shards[id].Parents})
	}
	return out
}

// fenceWorker shuts out a worker whose counter has stalled as observed. It returns the current row if the worker's
// counter moved, and nil when it is fenced or its row is gone.
func (w *watcher) fenceWorker(ctx context.Context, id string, observed table.Worker) (*table.Worker, error) {
	s := w.store
	e := &table.Write{}
	e.Set(table.AttrFenced, &ddb.AttributeValueMemberBOOL{Value: true})
	observed.Still(e)
	key := table.KeyWorker + id
	_, err := s.table.Update(ctx, key, e)
	fenced, it, unknown := s.table.Settle(ctx, key, err, func(it table.Item) bool {
		return table.DecodeWorker(it, s.now()).Fenced
	})
	switch {
	case unknown != nil:
		return nil, fmt.Errorf("fence worker %s: %w", id, unknown)
	case fenced || it == nil:
		return nil, nil //nolint:nilnil // no row that moved, as the comment says
	}
	worker := table.DecodeWorker(it, s.now())
	return &worker, nil
}
