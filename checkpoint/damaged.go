package checkpoint

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/zap"

	"kinesis-alerter/internal/position"
)

// DamagedRow is a row of the lease table that no worker can read: somebody else wrote to it.
type DamagedRow struct {
	Key, Cause string
	// Mended says that it was written anew, so that it is read again.
	Mended bool
	At     time.Time // when it was last seen so
}

// damagedFor is how long a row that was mended is shown.
const damagedFor = 15 * time.Minute

// damage says what of a shard's row cannot be read; nil when all of it can.
func damage(it item, now time.Time) error {
	var errs []error
	want := func(attr, kind string, ok bool) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s is %s, and should be %s", attr, shown(it[attr]), kind))
		}
	}
	isNumber := func(attr string) bool { _, ok := count(it[attr]); return ok }
	want(attrEpoch, "a number", isNumber(attrEpoch))
	want(attrOwner, "a worker's id", it[attrOwner] == nil || isText(it[attrOwner], mostOwner))
	want(attrPosition, "a sequence number", it[attrPosition] == nil || isText(it[attrPosition], mostPosition))
	want(attrSub, "a number", it[attrSub] == nil || isNumber(attrSub))
	want(attrOffers, "a number", it[attrOffers] == nil || isNumber(attrOffers))
	want(attrStartAt, "a time or trim_horizon", it[attrStartAt] == nil || isStart(it[attrStartAt], now))
	return errors.Join(errs...)
}

// isText says that an attribute is a text of at most so many bytes.
func isText(av ddb.AttributeValue, most int) bool {
	s, ok := av.(*ddb.AttributeValueMemberS)
	return ok && len(s.Value) <= most
}

// isStart says that an attribute is a place to start at that is there already: Kinesis reads nothing from one that is to come.
func isStart(av ddb.AttributeValue, now time.Time) bool {
	var start Start
	return isText(av, mostWord) && start.UnmarshalText([]byte(text(av))) == nil && !start.Time.After(now.Add(mostAhead))
}

// mend is the write that makes a damaged row readable and keeps what of it can be read. It holds only while the row is as
// it was read, whatever its attributes are. The epoch is raised, so that nobody who held the shard can write any more; where
// it cannot be read, to one that nobody can have had. The owner stays: while it is alive, nobody else takes the shard. A
// shard whose checkpoint cannot be read goes on at what this process last saw of it, known, or at its first record.
func mend(it item, known *row, now time.Time) *expr {
	e := &expr{}
	for _, attr := range []string{attrEpoch, attrOwner, attrPosition, attrSub, attrOffers, attrStartAt} {
		if av := it[attr]; av == nil {
			e.ifAbsent(attr)
		} else {
			e.ifEqual(attr, av)
		}
	}
	epoch, ok := count(it[attrEpoch])
	if !ok {
		epoch = now.UnixMilli()
		if known != nil {
			epoch = max(epoch, known.epoch)
		}
	}
	e.setAttr(attrEpoch, num(epoch+1))
	if it[attrOwner] != nil && (text(it[attrOwner]) == "" || !isText(it[attrOwner], mostOwner)) {
		e.removeAttr(attrOwner)
	}
	if _, ok := count(it[attrOffers]); it[attrOffers] != nil && !ok {
		e.removeAttr(attrOffers)
	}
	readable := isText(it[attrPosition], mostPosition)
	placed := readable
	_, ok = count(it[attrSub])
	badSub := it[attrSub] != nil && !ok
	switch {
	case readable && badSub: // the first record inside an aggregate is resolved for certain
		e.setAttr(attrSub, num(0))
	case readable || it[attrPosition] == nil:
		if badSub {
			e.removeAttr(attrSub)
		}
	case known != nil && known.progressed():
		placed = true
		e.setAttr(attrPosition, str(known.position.Sequence))
		e.put(attrSub, num(int64(known.position.Sub)), !known.ended())
		e.put(attrResolved, str(known.resolved), known.resolved != "")
	default:
		for _, attr := range append([]string{attrPosition, attrSub, attrResolved}, stateAttributes()...) {
			e.removeAttr(attr)
		}
	}
	badStart := it[attrStartAt] != nil && (!isStart(it[attrStartAt], now) || text(it[attrStartAt]) == "")
	switch lost := it[attrPosition] != nil && !placed; {
	case lost, badStart && !placed:
		e.setAttr(attrStartAt, str(Start{Kind: StartTrimHorizon}.String()))
	case badStart:
		e.removeAttr(attrStartAt)
	}
	return e
}

// noteDamage notes a row that cannot be read, once in the log for each change of what is wrong.
func (w *watcher) noteDamage(key string, why error) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	cause := faultOf(why)
	d := s.view.damaged[key]
	if d == nil || d.Cause != cause || d.Mended {
		s.m.damagedRows.Inc()
		s.log.Error("row of the lease table cannot be read, somebody else writes to it", zap.String("row", key), zap.String("because", cause))
	}
	s.view.damaged[key] = &DamagedRow{Key: key, Cause: cause, At: time.Now()}
}

// damagedIn takes in which rows a whole scan found damaged: the others are whole again, or gone.
func (v *view) damagedIn(found map[string]bool) {
	for key, d := range v.damaged {
		if !found[key] && !d.Mended {
			delete(v.damaged, key)
		}
	}
}

// keepKnown puts what is known of a row that cannot be read among the rows of a scan: it has not vanished.
func (w *watcher) keepKnown(rows map[string]*row, key string) {
	s := w.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if known := s.view.rows[key]; known != nil {
		rows[key] = known
	}
}

// mendRows writes rows that cannot be read anew, so that their shards are read.
func (w *watcher) mendRows(ctx context.Context) {
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
			s.log.Warn("cannot write a damaged row of the lease table anew yet", zap.String("row", key), zap.Error(err))
			return // the next one would only wait for the same table
		}
	}
	w.mendCircles(ctx)
}

func (w *watcher) mendRow(ctx context.Context, key string) error {
	s := w.store
	it, err := s.table.get(ctx, key, true)
	if err != nil || it == nil {
		return err
	}
	var wrote error
	switch {
	case key == keyFleet:
		e := &expr{}
		e.ifEqual(attrCounter, it[attrCounter])
		if _, ok := count(it[attrCounter]); ok {
			return nil
		}
		wrote = s.table.remove(ctx, key, e)
	case key == keyApplication:
		s.mu.Lock()
		app := s.view.app
		s.mu.Unlock()
		if app == nil || app.origin.t0.IsZero() || !moment(it[attrT0], time.Now()).IsZero() {
			return nil // nobody here knows better
		}
		e := &expr{}
		e.ifEqual(attrT0, it[attrT0])
		e.setAttr(attrT0, num(app.origin.t0.UnixMilli()))
		_, wrote = s.table.update(ctx, key, e)
	case !isShardKey(key) || damage(it, time.Now()) == nil:
		return nil // a worker is fenced when it is silent, or the row is whole again
	default:
		s.mu.Lock()
		e := mend(it, s.view.rows[key], time.Now())
		s.mu.Unlock()
		_, wrote = s.table.update(ctx, key, e)
	}
	if _, overtaken := refused(wrote); overtaken {
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
	s.log.Warn("row of the lease table that could not be read was written anew", zap.String("row", key))
	w.bump()
	w.rescan()
	return nil
}

// damagedRows are those to show, sorted by key.
func (v *view) damagedRows(now time.Time) []DamagedRow {
	var out []DamagedRow
	for _, key := range sortedKeys(v.damaged) {
		if d := v.damaged[key]; !d.Mended || now.Sub(d.At) < damagedFor {
			out = append(out, *d)
		}
	}
	return out
}

// Check finds, in a table that was just read, checkpoints that are none: what is no sequence number, an end of a shard that
// the stream shows open, and, of shards that nobody reads, what Kinesis refuses.
func (a *Admin) Check(ctx context.Context, t *LeaseTable) {
	for i := range t.Shards {
		r := &t.Shards[i]
		switch p := r.Position; {
		case r.Fault != "" || p.IsZero():
		case !r.Listed:
			r.Fault = "the stream has no such shard"
		case p.Sequence == position.ShardEnd && !a.closed(r.Shard):
			r.Fault = "the checkpoint is SHARD_END, and the stream shows the shard open; a running worker reads it on"
		case p.Sequence == position.ShardEnd, r.Owner != "" && !r.Silent:
		case !position.ValidSequence(p.Sequence):
			r.Fault = fmt.Sprintf("the checkpoint %s is no sequence number; a running worker replaces it when Kinesis refuses it", quoted(p.Sequence))
		default:
			refused, note := a.store.stream.place(ctx, r.Shard, p.Sequence)
			r.Fault = cmp.Or(refused, note)
		}
	}
}
