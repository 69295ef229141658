package checkpoint

import (
	"context"
	"maps"
	"slices"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/table"
)

// damagedFor is how long a row that was repaired is shown.
const damagedFor = 15 * time.Minute

// noteDamage notes a row that cannot be read, and logs it once for each change of what is wrong.
func (w *watcher) noteDamage(key string, why error) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	cause := table.FaultOf(why)
	d := s.view.damaged[key]
	if d == nil || d.Cause != cause || d.Mended {
		s.m.damagedRows.Inc()
		s.log.Error("row of the lease table cannot be read, another program writes to it", zap.String("row", key),
			zap.String("because", cause))
	}
	s.view.damaged[key] = &table.DamagedRow{Key: key, Cause: cause, At: time.Now()}
}

// damagedIn records which rows a complete scan found damaged: the others are whole again, or gone.
func (v *view) damagedIn(found map[string]bool) {
	for key, d := range v.damaged {
		if !found[key] && !d.Mended {
			delete(v.damaged, key)
		}
	}
}

// keepKnown puts what is known of a row that cannot be read among the rows of a scan: it has not vanished.
func (w *watcher) keepKnown(rows map[string]*table.Row, key string) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.view.rows[key]; known != nil {
		rows[key] = known
	}
}

// repairRows rewrites rows that cannot be read, so that their shards are read.
func (w *watcher) repairRows(ctx context.Context) {
	s := w.store
	s.mu.Lock()
	var keys []string
	for key, d := range s.view.damaged {
		if !d.Mended {
			keys = append(keys, key)
		}
	}
	s.mu.Unlock()
	slices.Sort(keys)
	for _, key := range keys {
		if err := w.mendRow(ctx, key); err != nil && ctx.Err() == nil {
			s.log.Warn("cannot rewrite a damaged row of the lease table yet", zap.String("row", key), zap.Error(err))
			return // the next one would only wait for the same table
		}
	}
	w.repairParents(ctx)
}

func (w *watcher) mendRow(ctx context.Context, key string) error {
	s := w.store
	it, err := s.table.Get(ctx, key, true)
	if err != nil || it == nil {
		return err
	}
	var wrote error
	switch {
	case key == table.KeyFleet:
		e := &table.Write{}
		e.IfEqual(table.AttrCounter, it[table.AttrCounter])
		if _, ok := table.Count(it[table.AttrCounter]); ok {
			return nil
		}
		wrote = s.table.Remove(ctx, key, e)
	case key == table.KeyApplication:
		s.mu.Lock()
		app := s.view.app
		s.mu.Unlock()
		if app == nil || app.Origin.T0.IsZero() || !table.Moment(it[table.AttrT0], time.Now()).IsZero() {
			return nil // this process knows nothing better
		}
		e := &table.Write{}
		e.IfEqual(table.AttrT0, it[table.AttrT0])
		e.Set(table.AttrT0, table.Num(app.Origin.T0.UnixMilli()))
		_, wrote = s.table.Update(ctx, key, e)
	case !table.IsShardKey(key) || table.Damage(it, time.Now()) == nil:
		return nil // a worker is fenced when it is silent, or the row is whole again
	default:
		s.mu.Lock()
		e := table.Repair(it, s.view.rows[key], time.Now())
		s.mu.Unlock()
		_, wrote = s.table.Update(ctx, key, e)
	}
	if _, overtaken := table.Refused(wrote); overtaken {
		w.rescan()
		return nil
	}
	if wrote != nil {
		return wrote
	}
	s.mu.Lock()
	if d := s.view.damaged[key]; d != nil {
		d.Mended = true
	}
	s.mu.Unlock()
	s.log.Warn("row of the lease table that could not be read was rewritten", zap.String("row", key))
	w.notifyPeers()
	w.rescan()
	return nil
}

// damagedRows returns those to show, sorted by key.
func (v *view) damagedRows(now time.Time) []table.DamagedRow {
	var out []table.DamagedRow
	for _, key := range slices.Sorted(maps.Keys(v.damaged)) {
		if d := v.damaged[key]; !d.Mended || now.Sub(d.At) < damagedFor {
			out = append(out, *d)
		}
	}
	return out
}
