package checkpoint

import (
	"context"
	"maps"
	"strings"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

func compareIDs(a, b string) int { return strings.Compare(a, b) }

// undoEnds has open shards read again whose rows say SHARD_END.
func (c *catalog) undoEnds(ctx context.Context, rows []*table.Row) (undecided bool) {
	s := c.store
	for _, r := range rows {
		open, err := s.stream.GoesOn(ctx, r.ID)
		if err == nil && open {
			err = c.undoEnd(ctx, r)
		}
		if err != nil && ctx.Err() == nil {
			undecided = true
			s.log.Warn("cannot take back the end of an open shard yet", zap.String("shard", r.ID), zap.Error(err))
		}
	}
	return undecided
}

// undoEnd takes SHARD_END back, in the next epoch. The shard is read from the position that was stored with the end, or
// from its beginning where there is none: that repeats alerts and loses none.
func (c *catalog) undoEnd(ctx context.Context, r *table.Row) error {
	s := c.store
	e := &table.Write{}
	e.IfEqual(table.AttrEpoch, table.Num(r.Epoch))
	e.IfEqual(table.AttrPosition, table.Str(position.ShardEnd))
	e.IfAbsent(table.AttrOwner)
	e.Set(table.AttrEpoch, table.Num(r.Epoch+1))
	e.Remove(table.AttrLast)
	e.Remove(table.AttrLastSub)
	from := "trim_horizon"
	if r.Last.IsZero() {
		e.Remove(table.AttrPosition)
		e.Remove(table.AttrSub)
		e.Set(table.AttrStartAt, table.Str(table.Start{Kind: table.StartTrimHorizon}.String()))
	} else {
		from = r.Last.Sequence
		e.Set(table.AttrPosition, table.Str(r.Last.Sequence))
		e.Set(table.AttrSub, table.Num(int64(r.Last.Sub)))
	}
	it, err := s.table.Update(ctx, r.ID, e)
	undone, seen, unknown := s.table.Settle(ctx, r.ID, err, func(it table.Item) bool {
		now, err := table.DecodeRow(it, time.Now())
		return err == nil && now.Epoch > r.Epoch && !now.Ended()
	})
	if seen != nil {
		it = seen
	}
	if unknown != nil {
		return unknown
	}
	now, bad := table.DecodeRow(it, time.Now())
	if bad != nil {
		return bad
	}
	s.noteRow(now)
	if _, peer := table.Refused(err); peer || !undone {
		return nil // another worker changed it, and reports that
	}
	s.mu.Lock()
	delete(s.view.memory, r.ID)
	s.view.lineage.Shards[r.ID].Contradiction = lineage.Sighting{}
	s.incidents.add(IncidentEndUndone, r.ID, from)
	var running []string
	for _, child := range s.view.lineage.Children(r.ID) {
		young := s.view.rows[child]
		if s.view.leases[child] != nil || young != nil && (young.Progressed() || young.Owner != "") {
			running = append(running, child)
			s.incidents.add(IncidentOrderBreached, child, r.ID)
		}
	}
	s.mu.Unlock()
	s.log.Error("SHARD_END was stored of a shard that is open: it is taken back and the shard is read on",
		zap.String("shard", r.ID), zap.String("from", from), zap.Strings("children_running", running))
	s.watcher.notifyPeers()
	s.planner.replan()
	return nil
}

// wronglySkipped returns the shards that #application has as closed at T0, but that a listing shows open which began
// after the row was read. An earlier listing may have seen a shard before it was closed.
func (v *view) wronglySkipped() []string {
	if v.app == nil {
		return nil
	}
	var out []string
	for id := range v.app.Origin.Closed {
		if info := v.lineage.Shards[id]; info != nil && info.Open.To.After(v.adopted) {
			out = append(out, id)
		}
	}
	return out
}

// undoSkips corrects #application: what a listing shows open now was open at T0 as well.
func (c *catalog) undoSkips(ctx context.Context) (undecided bool) {
	s := c.store
	err := func() error {
		app, err := table.ReadApplication(ctx, s.table)
		if err != nil {
			return err
		}
		was := table.EncodeShards(app.Origin.Closed)
		s.mu.Lock()
		s.view.app.Origin = app.Origin
		wrong := s.view.wronglySkipped()
		s.mu.Unlock()
		if len(wrong) == 0 {
			s.planner.replan()
			return nil // a peer was faster
		}
		o := table.Origin{T0: app.Origin.T0, Open: maps.Clone(app.Origin.Open), Closed: maps.Clone(app.Origin.Closed)}
		for _, id := range wrong {
			delete(o.Closed, id)
			o.Open[id] = true
		}
		e := &table.Write{}
		e.IfEqual(table.AttrTable, table.Str(app.Generation))
		e.IfEqual(table.AttrClosed, table.Str(was))
		e.Set(table.AttrOpen, table.Str(table.EncodeShards(o.Open)))
		if closed := table.EncodeShards(o.Closed); closed == "" {
			e.Remove(table.AttrClosed)
		} else {
			e.Set(table.AttrClosed, table.Str(closed))
		}
		if _, err := s.table.Update(ctx, table.KeyApplication, e); err != nil {
			return err // refused: a peer was faster; the next listing finds out
		}
		s.mu.Lock()
		s.view.app.Origin = o
		for _, id := range wrong {
			if s.cfg.Start.Kind == table.StartLatest {
				s.incidents.add(IncidentSkipUndone, id, "")
			}
		}
		s.mu.Unlock()
		s.log.Error("shards were taken for closed when the application began, and are open: they are read from then on",
			zap.Strings("shards", wrong), zap.Time("t0", o.T0))
		s.planner.replan()
		return nil
	}()
	if err != nil && ctx.Err() == nil {
		s.log.Warn("cannot correct the row "+table.KeyApplication+" yet", zap.Error(err))
	}
	return err != nil
}
