package checkpoint

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/lineage"
	"kinesis-alerter/checkpoint/table"
)

// A shard waits for its parents, so rows whose parents lead back to them would keep shards from being read forever.
// No stream has such shards: the rows are damaged. They are named, the parents that the stream lists are believed,
// and the rows are rewritten.

// newCircles looks for circles in the rows and returns those that were not there before.
func (v *view) newCircles() (fresh []string) {
	found := lineage.Circles(v.rows)
	for _, id := range slices.Sorted(maps.Keys(found)) {
		if !v.circles[id] {
			fresh = append(fresh, id)
		}
	}
	v.circles = found
	return fresh
}

// reportCirclesLocked counts and logs circles that a scan has just shown.
func (w *watcher) reportCirclesLocked(fresh []string) {
	s := w.store
	if len(fresh) == 0 {
		return
	}
	for _, id := range fresh {
		s.incidents.add(IncidentParents, id, "")
	}
	s.log.Error("rows of the lease table name shards as their own ancestors, another program writes to it; "+
		"the stream is believed, and the shards are read", zap.Strings("rows", fresh))
}

// believed is a row with the parents that the stream lists, where it has.
func (v *view) believed(r *table.Row) *table.Row {
	info := v.lineage.Shards[r.ID]
	if info == nil || !info.OfStream || slices.Equal(r.Parents, info.Parents) {
		return r
	}
	out := *r
	out.Parents = info.Parents
	return &out
}

// repairParents writes the stream's parents into rows that claim to descend from themselves.
func (w *watcher) repairParents(ctx context.Context) {
	s := w.store
	s.mu.Lock()
	ids := slices.Sorted(maps.Keys(s.view.circles))
	s.mu.Unlock()
	for _, id := range ids {
		if err := w.mendCircle(ctx, id); err != nil && ctx.Err() == nil {
			s.log.Warn("cannot rewrite the parents of a shard yet", zap.String("row", id), zap.Error(err))
			return // the next one would only wait for the same table
		}
	}
}

func (w *watcher) mendCircle(ctx context.Context, id string) error {
	s := w.store
	s.mu.Lock()
	var parents []string
	known := false
	if info := s.view.lineage.Shards[id]; info != nil {
		parents, known = info.Parents, info.OfStream
	}
	s.mu.Unlock()
	if !known {
		return nil
	}
	it, err := s.table.Get(ctx, id, true)
	if err != nil || it == nil || slices.Equal(table.DecodeParents(it[table.AttrParents]), parents) {
		return err
	}
	e := &table.Write{}
	e.IfEqual(table.AttrParents, it[table.AttrParents])
	e.Put(table.AttrParents, &ddb.AttributeValueMemberSS{Value: parents}, len(parents) > 0)
	_, err = s.table.Update(ctx, id, e)
	if _, overtaken := table.Refused(err); err != nil && !overtaken {
		return err
	}
	s.log.Warn("the parents of a shard were rewritten", zap.String("row", id),
		zap.String("parents", strings.Join(parents, ",")))
	s.changeRow(id, func(r *table.Row) { r.Claims, r.Parents, r.At = parents, parents, time.Now() })
	w.rescan()
	return nil
}
