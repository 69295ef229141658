package checkpoint

import (
	"context"
	"maps"
	"strings"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/internal/position"
)

func compareIDs(a, b string) int { return strings.Compare(a, b) }

// undoEnds gives shards back to reading whose rows say SHARD_END while they are open.
func (c *catalog) undoEnds(ctx context.Context, rows []*row) (unsure bool) {
	s := c.store
	for _, r := range rows {
		open, err := s.stream.goesOn(ctx, r.id)
		if err == nil && open {
			err = c.undoEnd(ctx, r)
		}
		if err != nil && ctx.Err() == nil {
			unsure = true
			s.log.Warn("cannot take back the end of an open shard yet", zap.String("shard", r.id), zap.Error(err))
		}
	}
	return unsure
}

// undoEnd takes SHARD_END back, in the next epoch. The shard is read from the position that was stored with the end, or
// from its beginning where there is none: that repeats alerts and loses none.
func (c *catalog) undoEnd(ctx context.Context, r *row) error {
	s := c.store
	e := &expr{}
	e.ifEqual(attrEpoch, num(r.epoch))
	e.ifEqual(attrPosition, str(position.ShardEnd))
	e.ifAbsent(attrOwner)
	e.setAttr(attrEpoch, num(r.epoch+1))
	e.removeAttr(attrLast)
	e.removeAttr(attrLastSub)
	from := "trim_horizon"
	if r.last.IsZero() {
		e.removeAttr(attrPosition)
		e.removeAttr(attrSub)
		e.setAttr(attrStartAt, str(Start{Kind: StartTrimHorizon}.String()))
	} else {
		from = r.last.Sequence
		e.setAttr(attrPosition, str(r.last.Sequence))
		e.setAttr(attrSub, num(int64(r.last.Sub)))
	}
	it, err := s.table.update(ctx, r.id, e)
	undone, seen, unknown := s.table.settle(ctx, r.id, err, func(it item) bool {
		now, err := decodeRow(it, time.Now())
		return err == nil && now.epoch > r.epoch && !now.ended()
	})
	if seen != nil {
		it = seen
	}
	if unknown != nil {
		return unknown
	}
	now, bad := decodeRow(it, time.Now())
	if bad != nil {
		return bad
	}
	s.noteRow(now)
	if _, peer := refused(err); peer || !undone {
		return nil // somebody else changed it, and tells
	}
	s.mu.Lock()
	delete(s.view.memory, r.id)
	s.view.lineage.shards[r.id].contradiction = sighting{}
	s.incidents.add(IncidentEndUndone, r.id, from)
	var running []string
	for _, child := range s.view.lineage.children(r.id) {
		young := s.view.rows[child]
		if s.view.leases[child] != nil || young != nil && (young.progressed() || young.owner != "") {
			running = append(running, child)
			s.incidents.add(IncidentOrderBreached, child, r.id)
		}
	}
	s.mu.Unlock()
	s.log.Error("SHARD_END was stored of a shard that is open: it is taken back and the shard is read on",
		zap.String("shard", r.id), zap.String("from", from), zap.Strings("children_running", running))
	s.watcher.bump()
	s.planner.replan()
	return nil
}

// wronglySkipped are the shards that #application has as closed at T0 while a listing shows them open that began after the row was
// read: an earlier one may have seen a shard before it was closed.
func (v *view) wronglySkipped() []string {
	if v.app == nil {
		return nil
	}
	var out []string
	for id := range v.app.origin.closed {
		if info := v.lineage.shards[id]; info != nil && info.open.to.After(v.adopted) {
			out = append(out, id)
		}
	}
	return out
}

// undoSkips corrects #application: what a listing shows open now was open at T0 as well.
func (c *catalog) undoSkips(ctx context.Context) (unsure bool) {
	s := c.store
	err := func() error {
		app, err := readApplication(ctx, s.table)
		if err != nil {
			return err
		}
		was := encodeShards(app.origin.closed)
		s.mu.Lock()
		s.view.app.origin = app.origin
		wrong := s.view.wronglySkipped()
		s.mu.Unlock()
		if len(wrong) == 0 {
			s.planner.replan()
			return nil // a peer was quicker
		}
		o := origin{t0: app.origin.t0, open: maps.Clone(app.origin.open), closed: maps.Clone(app.origin.closed)}
		for _, id := range wrong {
			delete(o.closed, id)
			o.open[id] = true
		}
		e := &expr{}
		e.ifEqual(attrTable, str(app.generation))
		e.ifEqual(attrClosed, str(was))
		e.setAttr(attrOpen, str(encodeShards(o.open)))
		if closed := encodeShards(o.closed); closed == "" {
			e.removeAttr(attrClosed)
		} else {
			e.setAttr(attrClosed, str(closed))
		}
		if _, err := s.table.update(ctx, keyApplication, e); err != nil {
			return err // refused: a peer was quicker; the next look finds out
		}
		s.mu.Lock()
		s.view.app.origin = o
		for _, id := range wrong {
			if s.cfg.Start.Kind == StartLatest {
				s.incidents.add(IncidentSkipUndone, id, "")
			}
		}
		s.mu.Unlock()
		s.log.Error("shards were taken for closed when the application began, and are open: they are read from then on",
			zap.Strings("shards", wrong), zap.Time("t0", o.t0))
		s.planner.replan()
		return nil
	}()
	if err != nil && ctx.Err() == nil {
		s.log.Warn("cannot correct the row "+keyApplication+" yet", zap.Error(err))
	}
	return err != nil
}
