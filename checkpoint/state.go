package checkpoint

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/saved"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"
)

// saver saves what the rules of a shard remember. All fields but lease belong to the holder of the token.
type saver struct {
	lease   *Lease
	token   token
	number  int64        // of the last save
	tops    [2]int       // how many rows each slot may have
	pending *table.Saved // a flip without an answer: it may be stored, or may still be
	swept   bool         // the rows of leases before this one are deleted
}

// SaveState stores a snapshot of at most MaxState bytes that includes everything up to and including (sequence, sub);
// an empty sequence is before the first record. First its chunks are written, within the write budget of the process.
// Then one write makes the row point to them. It is fenced as a commit is and carries the last offer, so the stored
// state never includes more than the stored checkpoint. A position above the last offer is refused with ErrStateAhead.
// After an error, or a crash, the snapshot before is current, unless the row was written all the same. It waits for a
// save of the same lease that is under way, and ends with the lease.
func (l *Lease) SaveState(ctx context.Context, sequence string, sub uint32, data []byte) error {
	at := position.Position{Sequence: sequence, Sub: sub}
	switch {
	case sequence == "":
		at = position.Position{}
	case table.Unstorable(at, position.Position{}) != "":
		return fmt.Errorf("save state of shard %s: %q is no position: %s", l.shard, sequence,
			table.Unstorable(at, position.Position{}))
	}
	if len(data) > saved.MaxState {
		return fmt.Errorf("save state of shard %s: %w: %d bytes, at most %d", l.shard, ErrStateTooLarge, len(data),
			saved.MaxState)
	}
	ctx, cancel := l.within(ctx)
	defer cancel()
	if err := l.saver.token.take(ctx); err != nil {
		return err
	}
	defer l.saver.token.free()
	if err := l.saver.save(ctx, at, data); err != nil {
		return fmt.Errorf("save state of shard %s: %w", l.shard, err)
	}
	return nil
}

// within returns a context that ends with the lease too, and with its cause.
func (l *Lease) within(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(l.ctx, func() { cancel(context.Cause(l.ctx)) })
	return ctx, func() {
		stop()
		cancel(nil)
	}
}

func (sv *saver) save(ctx context.Context, at position.Position, data []byte) error {
	l := sv.lease
	if c, err := l.claim(); err != nil {
		return err
	} else if c.offer.Position.Compare(at) < 0 {
		return ErrStateAhead // before anything is written; the flip checks again
	}
	// Until the flip before has an answer either slot may be the current one. It is repeated as it was, its chunks are
	// all there.
	if p := sv.pending; p != nil {
		if err := l.saver.flip(ctx, *p); err != nil {
			return err
		}
	}
	for attempt := 0; ; attempt++ {
		p, err := l.saver.write(ctx, at, data)
		if later, ok := errors.AsType[*saved.InTheWayError](err); ok && attempt == 0 {
			sv.number = max(sv.number, later.Number)
			continue
		}
		if err != nil {
			return err
		}
		if err := l.saver.flip(ctx, p); err != nil {
			return err
		}
		l.saver.sweep(ctx)
		return nil
	}
}

// writeState stores the chunks in the slot that is not current.
func (sv *saver) write(ctx context.Context, at position.Position, data []byte) (table.Saved, error) {
	l := sv.lease
	s := l.store
	// The epoch with which the lease began, not the present one: no other lease ever had it.
	v := saved.Version{Epoch: l.first.Epoch, Number: sv.number + 1}
	if old, err := saved.ParseVersion(l.saved().Version); err == nil && old.Epoch == v.Epoch {
		v.Slot = 1 - old.Slot
	}
	sv.number = v.Number
	p := saved.NewSaved(v, at, l.first.Rewinds, data, s.states.Chunks(len(data)))
	top := max(sv.tops[v.Slot], p.Chunks)
	sv.tops[v.Slot] = top
	return p, s.states.Write(ctx, l.shard, v, p, data, top)
}

// state is the current snapshot.
func (l *Lease) saved() table.Saved {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	return l.snapshot
}

func (l *Lease) noteSaved(p table.Saved) {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	l.snapshot = p
	if r := s.view.rows[l.shard]; r != nil {
		now := *r
		now.State, now.At = p, time.Now()
		s.view.rows[l.shard] = &now
	}
}

// flipAttempts is how often a flip is repeated after the row was repaired or had a later checkpoint.
const flipAttempts = 3

// flip makes a snapshot the current one, together with the last offer. Without an answer it stays pending.
func (sv *saver) flip(ctx context.Context, p table.Saved) error {
	l := sv.lease
	s := l.store
	if err := l.writing.take(ctx); err != nil {
		return err
	}
	defer l.writing.free()
	var err error
	for range flipAttempts {
		var c claim
		if c, err = l.claim(); err != nil {
			return err
		}
		if c.offer.Position.Compare(p.At) < 0 {
			return ErrStateAhead
		}
		was := l.saved()
		e := &table.Write{Blind: true}
		e.Fence(c.worker, c.epoch)
		e.Progress(c.offer, c.number, c.replaces)
		e.Point(p, was.Version)
		_, err = s.table.Update(ctx, l.shard, e)
		landed, now, unknown := s.table.Settle(ctx, l.shard, err, func(it table.Item) bool {
			r, err := table.DecodeRow(it, time.Now())
			return err == nil && r.Owner == c.worker && r.Epoch == c.epoch && r.State == p
		})
		switch {
		case landed:
			sv.pending = nil
			l.noteSaved(p)
			if now == nil {
				l.acknowledge(c)
			} else if r, err := table.DecodeRow(now, time.Now()); err == nil {
				l.raise(r) // an earlier attempt may have carried an earlier offer
			}
			return nil
		case unknown != nil:
			sv.pending = &p
			s.opener.noteTable(unknown)
			return fmt.Errorf("point to it: %w", unknown)
		case now == nil:
			if err := l.rewriteRow(ctx, c); err != nil {
				return err
			}
			continue
		}
		r, bad := table.DecodeRow(now, time.Now())
		if bad != nil {
			return bad
		}
		if r.Owner != c.worker || r.Epoch != c.epoch {
			s.noteRow(r)
			l.end(ErrLeaseLost, eventLost)
			return ErrLeaseLost
		}
		l.noteSaved(r.State)
		l.raise(r)
	}
	return fmt.Errorf("point to it: %w", err)
}

// sweepStates deletes what earlier leases left, once, after this lease's first snapshot is current. In the epoch of the
// lease nothing is deleted: the slots take turns, because deleting a chunk costs as much as writing it.
func (sv *saver) sweep(ctx context.Context) {
	l := sv.lease
	s := l.store
	if sv.swept {
		return
	}
	if err := s.states.Sweep(ctx, l.shard, l.first.State, l.first.Epoch); err != nil {
		if ctx.Err() == nil {
			s.log.Warn("cannot delete the earlier snapshots, trying again with the next save",
				zap.String("shard", l.shard), zap.Error(err))
		}
		return
	}
	sv.swept = true
}

// LoadState returns the snapshot that the shard begins with: its own, with the last record that it includes, or, while
// it has none, those with which its parents ended. An empty sequence says that the state is from before the first
// record; that of parents always is. Without any snapshot everything is empty. A snapshot from before a rewind of the
// shard does not count, and a shard that was rewound to a time does not begin with its parents' state. It retries every
// fault of AWS, a missing permission included, until ctx is done or the lease is over. A *StateError says that a
// snapshot is lost or damaged; what could be read of the parents is returned with it.
func (l *Lease) LoadState(ctx context.Context) (own []byte, sequence string, sub uint32, parents [][]byte, err error) {
	s := l.store
	ctx, cancel := l.within(ctx)
	defer cancel()
	if p := l.saved(); p.Version != "" && p.Generation == l.first.Rewinds {
		if p == l.first.State && p.At.Compare(l.first.Position) > 0 { // the row was changed by hand
			return nil, "", 0, nil, &saved.StateError{
				Shard: l.shard, Version: p.Version, Table: s.states.Name,
				What: "it is ahead of the checkpoint",
			}
		}
		own, err = s.readState(ctx, l.shard, p)
		if err != nil {
			return nil, "", 0, nil, err
		}
		return own, p.At.Sequence, p.At.Sub, nil, nil
	}
	if l.first.StartAt.Kind == table.StartTime {
		return nil, "", 0, nil, nil
	}
	parents, err = l.saver.parents(ctx)
	if len(parents) > 0 {
		s.catalog.learnRange(ctx, l.shard)
	}
	return nil, "", 0, parents, err
}

// LoadRewound returns the last snapshot from before the shard was rewound, until one from after that is saved; nil
// where there is none. What it says of alerts that fire is still owed to those who were notified of them. It retries as
// LoadState does; a *StateError says that the snapshot is lost or damaged.
func (l *Lease) LoadRewound(ctx context.Context) ([]byte, error) {
	ctx, cancel := l.within(ctx)
	defer cancel()
	p := l.saved()
	if p.Version == "" || p.Generation >= l.first.Rewinds {
		return nil, nil
	}
	return l.store.readState(ctx, l.shard, p)
}

// parentStates returns the snapshots with which the parents of a shard ended.
func (sv *saver) parents(ctx context.Context) (out [][]byte, err error) {
	l := sv.lease
	s := l.store
	s.mu.Lock()
	ids, _ := l.familyLocked()
	s.mu.Unlock()
	var errs []error
	for _, id := range ids {
		var it table.Item
		err := s.waitOut(ctx, id, func() (err error) {
			it, err = s.table.Get(ctx, id, true)
			return err
		})
		if err != nil {
			return out, err
		}
		if it == nil {
			continue // the row was deleted with its shard
		}
		r, err := table.DecodeRow(it, time.Now())
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if r.State.Version == "" || r.State.Generation != r.Rewinds {
			continue
		}
		data, err := s.readState(ctx, id, r.State)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		out = append(out, data)
	}
	return out, errors.Join(errs...)
}

func (s *Store) readState(ctx context.Context, shard string, p table.Saved) (data []byte, err error) {
	err = s.waitOut(ctx, shard, func() (err error) {
		data, err = s.states.Read(ctx, shard, p)
		return err
	})
	return data, err
}

// waitOut repeats a read until it is answered, or ctx is done. A *StateError is an answer.
func (s *Store) waitOut(ctx context.Context, shard string, read func() error) error {
	said := ""
	for attempt := 0; ; attempt++ {
		err := read()
		switch _, damaged := errors.AsType[*saved.StateError](err); {
		case err == nil, damaged:
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if text := table.FaultText(err); text != said {
			said = text
			s.log.Error("cannot read the state that a shard begins with, trying again", zap.String("shard", shard),
				zap.Error(err))
		}
		if !sleep.For(ctx, sleep.Backoff(attempt)) {
			return context.Cause(ctx)
		}
	}
}

// learnRange lists the stream for the hash range of a shard that is known from its row alone, before its parents' state
// is split by it.
func (c *catalog) learnRange(ctx context.Context, shard string) {
	s := c.store
	s.mu.Lock()
	info := s.view.lineage.Shards[shard]
	known := info != nil && info.Keys.Known
	s.mu.Unlock()
	if known {
		return
	}
	if _, _, err := c.List(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("cannot list the hash range of a shard, it inherits every key", zap.String("shard", shard),
			zap.Error(err))
	}
}
