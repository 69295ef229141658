package checkpoint

import (
	"fmt"
	"time"
	"unicode/utf8"

	"go.uber.org/zap"

	"kinesis-alerter/internal/position"
)

// unstorable says why a position cannot be stored over another one of the same shard; empty when it can. Positions are
// compared as numbers: by length, text and sub-sequence number. What a service calls them is not judged, but a number and
// what is none have no order.
func unstorable(p, over position.Position) string {
	switch {
	case p.Sequence == "":
		return "it is empty"
	case p.Sequence == position.ShardEnd:
		return "it is the mark of a shard's end"
	case len(p.Sequence) > position.MaxDigits:
		return fmt.Sprintf("it has %d characters, and the Kinesis API allows %d", len(p.Sequence), position.MaxDigits)
	case !utf8.ValidString(p.Sequence):
		return "it is not UTF-8"
	case !p.Comparable(over):
		return fmt.Sprintf("it cannot be compared with %s", quoted(over.Sequence))
	}
	return ""
}

// quoted shows what may be anything, cut to a length that a line can hold.
func quoted(s string) string {
	const most = 60
	if len(s) > most {
		return fmt.Sprintf("%.*q…", most, s)
	}
	return fmt.Sprintf("%q", s)
}

// storable reports whether an offer can be stored over what was offered before, and tells of each change of that. Call it
// with the Store's mu held.
func (s *Store) storable(l *Lease, p position.Position) bool {
	why := unstorable(p, l.offer.position)
	if why != "" {
		why = fmt.Sprintf("the position %s: %s", quoted(p.Sequence), why)
		s.m.committed(resultUnstorable)
	}
	s.tellUnstorable(l, why, l.foreign)
	return why == ""
}

// comparable reports whether an offer has an order with what the row has, and tells of each change of that. Call it with the
// Store's mu held.
func (s *Store) comparable(l *Lease, r *row) bool {
	foreign := ""
	if ok := r.ended() || r.position.Comparable(l.offer.position); !ok {
		foreign = fmt.Sprintf("the row has the checkpoint %s, which cannot be compared with %s", quoted(r.position.Sequence), quoted(l.offer.position.Sequence))
		s.m.committed(resultUnstorable)
	}
	s.tellUnstorable(l, l.unstorable, foreign)
	return foreign == ""
}

// tellUnstorable logs a change of why progress of a shard cannot be stored: the offer, or what the row has.
func (s *Store) tellUnstorable(l *Lease, offer, row string) {
	was := l.unstorable + l.foreign
	l.unstorable, l.foreign = offer, row
	switch now := offer + row; {
	case now == was:
	case now == "":
		s.log.Info("progress of a shard can be stored again", zap.String("shard", l.shard))
	case was == "":
		s.log.Error("progress of a shard cannot be stored", zap.String("shard", l.shard), zap.String("because", now))
	}
}

// disown lets progress be stored over a checkpoint that is no number and that the stream refused: nothing compares with it.
// Call it with the Store's mu held.
func (l *Lease) disown() {
	if p := l.offer.position; !p.IsZero() && !position.ValidSequence(p.Sequence) {
		l.replaces, l.offer.position, l.offer.resolved = p.Sequence, position.Position{}, ""
	}
}

// stillOurs reports whether a row still names the holder of a claim, so that something else refused its write: then what the
// row says is taken over.
func (s *Store) stillOurs(l *Lease, c claim, now item) bool {
	r, err := decodeRow(now, l.since)
	if err != nil || r.owner != c.worker || r.epoch != c.epoch {
		return false
	}
	s.raise(l, r)
	return true
}

// Unusable reports that the checkpoint is no position in the shard: Kinesis refuses it although the shard holds older
// records, or it is no sequence number. It is counted and told, and whatever is offered from now on is stored over it.
func (l *Lease) Unusable() {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	p := l.offer.position
	if l.state == leaseOver || p.IsZero() {
		return
	}
	l.replaces, l.offer.position, l.offer.resolved = p.Sequence, position.Position{}, ""
	s.befell(IncidentPosition, l.shard, quoted(p.Sequence))
	s.log.Error("the checkpoint is no position in the shard: it is read again from its oldest record, alerts are repeated",
		zap.String("shard", l.shard), zap.String("checkpoint", quoted(p.Sequence)))
}

// Retention is how long the stream keeps its records; 0 while that is not known.
func (l *Lease) Retention() time.Duration {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	return l.store.retention
}
