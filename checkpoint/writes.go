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

	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"
)

// shardRest is how long a shard stays where it is after it moved, or after a handoff was called off.
const shardRest = time.Minute

// fence adds the condition under which a holder may write: the row still names this worker and this epoch.
func (e *expr) fence(worker string, epoch int64) {
	e.ifEqual(attrOwner, str(worker))
	e.ifEqual(attrEpoch, num(epoch))
}

// progress adds an offer to a write, never below what is stored and never after a later one of the same owner.
func (e *expr) progress(c claim) {
	p := c.offer
	e.ifBefore(c.number)
	e.setAttr(attrOffers, num(c.number))
	if !p.position.IsZero() {
		e.ifNotBeyond(p.position, c.replaces)
		e.setAttr(attrPosition, str(p.position.Sequence))
		e.setAttr(attrSub, num(int64(p.position.Sub)))
	}
	// Also without a position: the first record of a shard may be the one that waits.
	if p.resolved == "" {
		e.removeAttr(attrResolved)
	} else {
		e.setAttr(attrResolved, str(p.resolved))
	}
	e.context(p)
}

// context adds what is known beside the position.
func (e *expr) context(p progress) {
	if !p.caughtUp.IsZero() {
		e.setAttr(attrCaughtUp, num(p.caughtUp.UnixMilli()))
	}
	e.setAttr(attrLoad, num(int64(p.load)))
}

// claim is what a holder needs for a write, read under the lock.
type claim struct {
	worker string
	epoch  int64
	offer  progress
	number int64 // of the offer in the row; no other content has it
	target string
	// replaces is a checkpoint that the offer may be stored over, whatever it is.
	replaces string
}

// heir is the owner that a requested handoff gives the shard: nobody, where it is paused.
func (c claim) heir() string {
	if c.target == noHeir {
		return ""
	}
	return c.target
}

func (s *Store) claim(l *Lease) (claim, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.state == leaseOver {
		return claim{}, cause(l.ctx)
	}
	l.number++
	return claim{worker: l.worker.id, epoch: l.epoch, offer: l.offer, number: l.number, target: l.target, replaces: l.replaces}, nil
}

// acquire makes this worker the owner of a shard with the next epoch. was is the row from which the plan was made, or
// nil where there is none. Shards that a peer handed to us are acquired in the same way: the write confirms what an
// eventually consistent read told, and the new epoch shuts out our own late writes of an earlier turn.
func (s *Store) acquire(ctx context.Context, inc *incarnation, shard string, was *row) error {
	s.mu.Lock()
	memory := s.memory[shard]
	info := s.lineage.shards[shard]
	var parents []string
	if info != nil {
		parents = info.parents
	}
	s.mu.Unlock()

	var (
		now item
		err error
		to  = int64(1)
	)
	if was == nil {
		fresh := &row{id: shard, owner: inc.id, epoch: to, parents: parents}
		if memory != nil {
			to = memory.epoch + 1
			fresh.epoch, fresh.position, fresh.resolved, fresh.caughtUp = to, memory.position, memory.resolved, memory.caughtUp
			fresh.rewinds, fresh.startAt, fresh.state, fresh.last = memory.rewinds, memory.startAt, memory.state, memory.last
			fresh.offers = memory.offers + 1
			if fresh.ended() {
				fresh.owner = ""
			}
		}
		now = fresh.encode()
		err = s.table.putNew(ctx, now)
	} else {
		to = was.epoch + 1
		e := &expr{}
		e.setAttr(attrOwner, str(inc.id))
		e.setAttr(attrEpoch, num(to))
		e.ifEqual(attrEpoch, num(was.epoch))
		e.ifAbsent(attrPaused)
		if was.owner == "" {
			e.ifAbsent(attrOwner)
		} else {
			e.ifEqual(attrOwner, str(was.owner))
		}
		now, err = s.table.update(ctx, shard, e)
	}
	landed, seen, unknown := s.table.settle(ctx, shard, err, func(it item) bool {
		n, err := integer(it[attrEpoch])
		return err == nil && n == to && text(it[attrOwner]) == inc.id
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
	r, err := decodeRow(now, time.Now())
	if err != nil {
		return err
	}
	if landed && r.ended() && was != nil && !was.ended() { // nobody would look at the shard again
		if now, err = s.table.get(ctx, shard, true); err != nil {
			return err
		}
		if r, err = decodeRow(now, time.Now()); err != nil {
			return err
		}
	}
	s.noteRow(r)
	if landed {
		if was == nil && memory != nil {
			s.m.rewritten.Inc()
		}
		if !r.ended() {
			s.grant(ctx, inc, r, was)
		}
	}
	return nil
}

// commit writes the latest offer of a lease. A lost answer leaves it dirty: the same write again is harmless.
func (s *Store) commit(ctx context.Context, l *Lease) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	c, err := s.claim(l)
	if err != nil {
		return nil // the lease ended in between, and with it the need to write
	}
	begin := time.Now()
	e := &expr{blind: true} // ranges of up to 64 KiB need not come back
	e.fence(c.worker, c.epoch)
	e.progress(c)
	_, err = s.table.update(ctx, l.shard, e)
	s.m.commitTime.Observe(time.Since(begin).Seconds())
	if err == nil {
		s.m.committed(resultOK)
		s.acknowledge(l, c.offer)
		return nil
	}
	if _, ok := refused(err); !ok {
		s.m.committed(resultError)
		s.noteTable(err)
		return fmt.Errorf("commit shard %s: %w", l.shard, err)
	}
	return s.refusedWrite(ctx, l, c, err)
}

// refusedWrite finds out why the fence of a held lease did not hold. It ends the lease, or mends row or offer, or
// returns an error when nothing could be found out.
func (s *Store) refusedWrite(ctx context.Context, l *Lease, c claim, err error) error {
	mine, now, unknown := s.table.settle(ctx, l.shard, err, func(it item) bool {
		n, err := integer(it[attrEpoch])
		return err == nil && n == c.epoch && text(it[attrOwner]) == c.worker
	})
	switch {
	case unknown != nil:
		s.m.committed(resultError)
		return unknown
	case now == nil:
		return s.rewrite(ctx, l, c)
	case mine:
		r, err := decodeRow(now, time.Now())
		if err != nil {
			return err
		}
		if r.offers == c.number { // the client sent it twice, and the answer to the first was lost
			s.m.committed(resultOK)
			s.acknowledge(l, c.offer)
			return nil
		}
		s.m.committed(resultIgnored)
		s.raise(l, r)
		return nil
	}
	s.m.committed(resultFenced)
	if r, err := decodeRow(now, time.Now()); err == nil {
		s.noteRow(r)
	}
	s.endLease(l, ErrLeaseLost, eventLost)
	return nil
}

// rewrite puts the row of a held shard back after it vanished, one epoch on.
func (s *Store) rewrite(ctx context.Context, l *Lease, c claim) error {
	r := &row{
		id: l.shard, owner: c.worker, epoch: c.epoch + 1, position: c.offer.position, resolved: c.offer.resolved,
		caughtUp: c.offer.caughtUp, parents: l.first.parents, rewinds: l.first.rewinds, startAt: l.first.startAt, paused: c.target == noHeir,
		state: s.state(l), offers: c.number, at: time.Now(),
	}
	mine, _, unknown := s.table.settle(ctx, l.shard, s.table.putNew(ctx, r.encode()), func(it item) bool {
		n, err := integer(it[attrEpoch])
		return err == nil && n == r.epoch && text(it[attrOwner]) == c.worker
	})
	if unknown != nil {
		return fmt.Errorf("rewrite row of shard %s: %w", l.shard, unknown)
	}
	if !mine {
		s.endLease(l, ErrLeaseLost, eventLost)
		return nil
	}
	s.log.Warn("the row of a held shard had vanished from the table and was written again from memory", zap.String("shard", l.shard), zap.Int64("epoch", r.epoch))
	s.m.rewritten.Inc()
	s.mu.Lock()
	l.epoch, l.suspect = r.epoch, false
	s.rows[l.shard] = r
	s.mu.Unlock()
	s.acknowledge(l, c.offer)
	return nil
}

// leave makes one write that ends this worker's ownership, with the last offer. done tells from the row whether it took
// effect. ErrLeaseLost means that the row is another's.
func (s *Store) leave(ctx context.Context, l *Lease, c claim, e *expr, done func(*row) bool) error {
	var decoded *row
	_, err := s.table.update(ctx, l.shard, e)
	landed, it, unknown := s.table.settle(ctx, l.shard, err, func(it item) bool {
		r, err := decodeRow(it, time.Now())
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
		s.noteTable(unknown)
		return unknown
	case it == nil:
		return errRowVanished
	case decoded != nil && decoded.owner == c.worker && decoded.epoch == c.epoch:
		// The fence holds, so what is stored is later than the offer.
		s.raise(l, decoded)
		return fmt.Errorf("shard %s: the stored checkpoint %s, offer %d, is later than %s, offer %d",
			l.shard, decoded.position.Sequence, decoded.offers, c.offer.position.Sequence, c.number)
	}
	return ErrLeaseLost
}

// leaveTwice is leave, with one repetition after the row was mended.
func (s *Store) leaveTwice(ctx context.Context, l *Lease, build func(claim) (*expr, func(*row) bool)) error {
	var err error
	for range 2 {
		var c claim
		if c, err = s.claim(l); err != nil {
			return err
		}
		e, done := build(c)
		if err = s.leave(ctx, l, c, e, done); err == nil {
			s.noteLeft(l, c)
			return nil
		}
		switch {
		case errors.Is(err, ErrLeaseLost):
			s.endLease(l, ErrLeaseLost, eventLost)
			return ErrLeaseLost
		case errors.Is(err, errRowVanished):
			if err := s.rewrite(ctx, l, c); err != nil {
				return err
			}
		}
	}
	return err
}

// release gives a shard back: no owner, the last offer, the same epoch (the next owner raises it).
func (s *Store) release(ctx context.Context, l *Lease) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	return s.leaveTwice(ctx, l, func(c claim) (*expr, func(*row) bool) {
		e := &expr{}
		e.fence(c.worker, c.epoch)
		e.progress(c)
		e.removeAttr(attrOwner)
		return e, func(r *row) bool { return r.owner == "" && r.epoch == c.epoch }
	})
}

func (s *Store) handOff(ctx context.Context, l *Lease) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	if c, err := s.claim(l); err != nil {
		return err
	} else if c.target == "" {
		return ErrNoHandoff
	}
	var target string
	err := s.leaveTwice(ctx, l, func(c claim) (*expr, func(*row) bool) {
		target = c.heir()
		e := &expr{}
		e.fence(c.worker, c.epoch)
		e.progress(c)
		if target == "" {
			e.removeAttr(attrOwner)
		} else {
			e.setAttr(attrOwner, str(target))
		}
		e.setAttr(attrEpoch, num(c.epoch+1))
		// The target may have taken it over already, with an epoch of its own.
		return e, func(r *row) bool { return r.epoch > c.epoch && r.owner == target }
	})
	if err != nil && (l.ctx.Err() != nil || !s.handedOff(ctx, l, target)) {
		return fmt.Errorf("hand shard %s over to %s: %w", l.shard, target, err)
	}
	s.setOwner(l.shard, target)
	if target == "" {
		s.endLease(l, ErrLeaseReleased, eventReleased)
	} else {
		s.endLease(l, ErrLeaseHandedOff, eventHandedOff)
	}
	s.bump()
	return nil
}

// handedOff makes certain whose a shard is after a handoff that got no answer. Its holder would go on acting after an
// error while the write may still arrive and the target start: so either the write is found in the row, or the epoch is
// raised, which shuts it out, or the trust window closes. The epoch is raised together with the last offer: no commit went
// while the handoff was under way, and a process that dies before the next one would repeat what it had drained. It does
// not stop when ctx is done.
func (s *Store) handedOff(ctx context.Context, l *Lease, target string) bool {
	ctx = context.WithoutCancel(ctx)
	for attempt := 0; ; attempt++ {
		c, err := s.claim(l)
		if err != nil {
			return false
		}
		e := &expr{}
		e.fence(c.worker, c.epoch)
		e.progress(c)
		e.setAttr(attrEpoch, num(c.epoch+1))
		now, err := s.table.update(ctx, l.shard, e)
		mine, seen, unknown := s.table.settle(ctx, l.shard, err, func(it item) bool {
			n, err := integer(it[attrEpoch])
			return err == nil && n == c.epoch+1 && text(it[attrOwner]) == c.worker
		})
		if seen != nil {
			now = seen
		}
		switch {
		case unknown != nil:
			if !sleep.For(l.ctx, backoff(attempt)) { //nolint:contextcheck // the lease, not the caller, bounds the wait
				return false
			}
			continue
		case now == nil:
			return false // a late handoff finds no row either, and the next commit writes it again
		case text(now[attrOwner]) == target:
			return true
		case !mine && s.stillOurs(l, c, now):
			if !sleep.For(l.ctx, backoff(attempt)) { //nolint:contextcheck // as above
				return false
			}
			continue // with what the row says, and a number above its own
		case !mine:
			s.endLease(l, ErrLeaseLost, eventLost)
			return false
		}
		if r, err := decodeRow(now, time.Now()); err == nil {
			s.noteRow(r)
		}
		s.mu.Lock()
		l.epoch = c.epoch + 1
		s.mu.Unlock()
		s.acknowledge(l, c.offer)
		return false
	}
}

func (s *Store) finish(ctx context.Context, l *Lease, children []types.ChildShard) error {
	if err := l.lock(ctx); err != nil {
		return err
	}
	defer l.unlock()
	if _, err := s.claim(l); err != nil {
		return err
	}
	told := len(children) > 0
	if len(children) == 0 {
		children = s.knownChildren(l.shard) // from the listing that proved the end
	}
	if len(children) == 0 {
		children = s.findChildren(ctx, l.shard)
	}
	for i := range children {
		child := &row{id: aws.ToString(children[i].ShardId), parents: children[i].ParentShards, at: time.Now()}
		err := s.table.putNew(ctx, child.encode())
		if _, exists := refused(err); err != nil && !exists {
			return fmt.Errorf("write row of child %s of shard %s: %w", child.id, l.shard, err)
		}
		s.mu.Lock()
		if told {
			s.lineage.learn(child.id, child.parents)
		}
		s.lineage.place(child.id, children[i].HashKeyRange)
		if err == nil {
			s.rows[child.id] = child
		}
		s.mu.Unlock()
	}
	err := s.leaveTwice(ctx, l, func(c claim) (*expr, func(*row) bool) {
		e := &expr{}
		e.fence(c.worker, c.epoch)
		e.setAttr(attrPosition, str(position.ShardEnd))
		if last := c.offer.position; last.IsZero() {
			e.removeAttr(attrLast)
			e.removeAttr(attrLastSub)
		} else {
			e.setAttr(attrLast, str(last.Sequence))
			e.setAttr(attrLastSub, num(int64(last.Sub)))
		}
		e.context(c.offer)
		e.removeAttr(attrSub)
		e.removeAttr(attrResolved)
		e.removeAttr(attrOwner)
		return e, func(r *row) bool { return r.ended() && r.epoch == c.epoch }
	})
	if err != nil {
		return fmt.Errorf("end shard %s: %w", l.shard, err)
	}
	s.setEnded(l.shard)
	s.endLease(l, ErrShardEnded, eventEnded)
	s.bump()
	if len(children) == 0 {
		s.relist()
	}
	return nil
}

// findChildren lists the stream for the children of a shard. Without an answer the shard ends all the same: children
// have no row before they start, so the next listing finds them.
func (s *Store) findChildren(ctx context.Context, shard string) []types.ChildShard {
	if _, _, err := s.listShards(ctx); err != nil {
		s.log.Warn("cannot list the children of a shard that ends, the next listing finds them", zap.String("shard", shard), zap.Error(err))
		return nil
	}
	return s.knownChildren(shard)
}

func (s *Store) knownChildren(shard string) []types.ChildShard {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []types.ChildShard
	for _, id := range s.lineage.children(shard) {
		out = append(out, types.ChildShard{ShardId: aws.String(id), ParentShards: s.lineage.shards[id].parents})
	}
	return out
}

// fenceWorker shuts a worker out whose counter stood still as it was observed. It answers the row as it is when the worker
// moved on, and nil when it is fenced or its row is gone.
func (s *Store) fenceWorker(ctx context.Context, id string, observed workerRow) (*workerRow, error) {
	e := &expr{}
	e.setAttr(attrFenced, &ddb.AttributeValueMemberBOOL{Value: true})
	observed.still(e)
	key := keyWorker + id
	_, err := s.table.update(ctx, key, e)
	fenced, it, unknown := s.table.settle(ctx, key, err, func(it item) bool {
		return decodeWorker(it, s.now()).fenced
	})
	switch {
	case unknown != nil:
		return nil, fmt.Errorf("fence worker %s: %w", id, unknown)
	case fenced || it == nil:
		return nil, nil //nolint:nilnil // no row that moved on, as the comment says
	}
	w := decodeWorker(it, s.now())
	return &w, nil
}
