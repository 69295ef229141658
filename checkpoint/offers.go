package checkpoint

import (
	"fmt"
	"time"

	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
)

// storableLocked reports whether an offer can be stored over what was offered before, and logs each change of that.
func (l *Lease) storableLocked(p position.Position) bool {
	s := l.store
	why := table.Unstorable(p, l.ledger.offer.Position)
	if why != "" {
		why = fmt.Sprintf("the position %s: %s", table.Quoted(p.Sequence), why)
		s.m.committed(resultUnstorable)
	}
	l.reportUnstorableLocked(why, l.ledger.foreign)
	return why == ""
}

// comparableLocked reports whether an offer can be compared with what the row has, and logs each change of that.
func (l *Lease) comparableLocked(r *table.Row) bool {
	s := l.store
	foreign := ""
	if ok := r.Ended() || r.Position.Comparable(l.ledger.offer.Position); !ok {
		foreign = fmt.Sprintf("the row has the checkpoint %s, which cannot be compared with %s",
			table.Quoted(r.Position.Sequence), table.Quoted(l.ledger.offer.Position.Sequence))
		s.m.committed(resultUnstorable)
	}
	l.reportUnstorableLocked(l.ledger.unstorable, foreign)
	return foreign == ""
}

// reportUnstorableLocked logs a change of why progress of a shard cannot be stored: the offer, or what the row has.
func (l *Lease) reportUnstorableLocked(offer, row string) {
	s := l.store
	was := l.ledger.unstorable + l.ledger.foreign
	l.ledger.unstorable, l.ledger.foreign = offer, row
	switch now := offer + row; {
	case now == was:
	case now == "":
		s.log.Info("progress of a shard can be stored again", zap.String("shard", l.shard))
	case was == "":
		s.log.Error("progress of a shard cannot be stored", zap.String("shard", l.shard), zap.String("because", now))
	}
}

// disown lets the next offer, whatever it is, be stored over a checkpoint that the stream refused.
func (d *ledger) disown() {
	d.replaces, d.offer.Position, d.offer.Resolved = d.offer.Position.Sequence, position.Position{}, ""
}

// Recounts reports that the record in which the last owner stopped is read again from its first piece, because its
// places count for nothing under another input. The next offer, which may be below the checkpoint, is stored over it.
func (l *Lease) Recounts() {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	if p := l.ledger.offer.Position; l.state != leaseOver {
		l.ledger.replaces = p.Sequence
		s.log.Warn("input has changed: the record in which reading stopped is read again from its first piece, as the "+
			"new input takes it apart", zap.String("shard", l.shard), zap.String("sequence_number", p.Sequence))
	}
}

// stillOurs reports whether a row still names the holder of a claim, so that something else refused its write. Then it
// adopts what the row says.
func (l *Lease) stillOurs(c claim, now table.Item) bool {
	r, err := table.DecodeRow(now, l.since)
	if err != nil || r.Owner != c.worker || r.Epoch != c.epoch {
		return false
	}
	l.raise(r)
	return true
}

// Unusable reports that the checkpoint is no position in the shard: Kinesis refuses it although the shard holds older
// records, or it is no sequence number. It is counted and logged, and the next offer, whatever it is, is stored over
// it.
func (l *Lease) Unusable() {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	p := l.ledger.offer.Position
	if l.state == leaseOver || p.IsZero() {
		return
	}
	l.ledger.disown()
	s.incidents.add(IncidentPosition, l.shard, table.Quoted(p.Sequence))
	s.log.Error(
		"the checkpoint is no position in the shard: it is read again from its oldest record, alerts are repeated",
		zap.String("shard", l.shard), zap.String("checkpoint", table.Quoted(p.Sequence)))
}

// Retention is how long the stream keeps its records; 0 while that is not known.
func (l *Lease) Retention() time.Duration {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.store.catalog.retention
}
