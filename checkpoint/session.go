package checkpoint

import (
	"context"
	"errors"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/zap"

	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"
)

// unsureKept is how many ids under which joining had no answer are remembered. An outage of hours has thousands; what still
// appears is of the last attempts.
const unsureKept = 16

// incarnation is this process under one worker id. When it ends, its id is never used again.
type incarnation struct {
	id   string
	over chan struct{} // closed when it ends
	// joined is when its row was there for certain.
	joined time.Time

	// Guarded by Store.mu.
	counter int64
	window  trustWindow
	told    bool // the row says that this worker leaves, and the peers were told to look
}

// heartbeats joins the fleet, keeps the heartbeat, and joins under a new id whenever the old one is over.
func (s *Store) heartbeats(ctx context.Context) error {
	for attempt := 0; ; attempt++ {
		inc, err := s.join(ctx)
		if err == nil {
			s.retire(ctx)
			s.beat(ctx, inc) // until this id is over
			attempt = -1
			if !sleep.For(ctx, 0) {
				return nil
			}
			continue
		}
		s.noteTable(err)
		s.noteFailure(err)
		s.waitForCall(err)
		if attempt == 1 { // the first may be a passing fault
			s.log.Warn("cannot write the worker's row, going on trying", zap.Error(err))
		}
		if !sleep.For(ctx, backoff(attempt)) {
			return nil
		}
	}
}

// join writes a worker row under a new id. Leases are taken only after it is there, so that a lease whose owner has no
// row is free for certain.
func (s *Store) join(ctx context.Context) (*incarnation, error) {
	inc := &incarnation{id: s.cfg.Host + "/" + randomHex(4), over: make(chan struct{}), counter: 1}
	s.mu.Lock()
	leaving := s.leaving
	lease := s.duration
	s.mu.Unlock()
	begin := time.Now()
	row := item{attrKey: str(keyWorker + inc.id), attrCounter: num(inc.counter), attrVersion: str(s.cfg.Version)}
	row[attrBeat] = num(s.now().UnixMilli())
	if s.cfg.Reads > firstFormat {
		row[attrReads] = num(int64(s.cfg.Reads))
	}
	if hash := s.configHash(); hash != "" {
		row[attrConfig] = str(hash)
	}
	if leaving {
		row[attrLeaving] = &ddb.AttributeValueMemberBOOL{Value: true}
	}
	mine, _, unknown := s.table.settle(ctx, keyWorker+inc.id, s.table.putNew(ctx, row), func(it item) bool {
		w := decodeWorker(it, s.now())
		return !w.fenced && w.counter == inc.counter
	})
	if unknown != nil {
		// The row may still appear, under an id that nobody will beat. Left alone it would count as a live worker for a lease
		// duration, and have its share of the shards.
		s.mu.Lock()
		s.unsure = append(s.unsure, inc.id)
		s.unsure = s.unsure[max(0, len(s.unsure)-unsureKept):]
		s.mu.Unlock()
		return nil, unknown
	}
	if !mine {
		return nil, errors.New("worker id " + inc.id + " is taken")
	}
	inc.window, inc.joined = newTrustWindow(begin, lease), time.Now()
	s.mu.Lock()
	s.me, s.begun, s.opening, s.failure = inc, true, opening{}, ""
	for _, id := range s.unsure {
		s.retired[id] = true
	}
	s.unsure = nil
	delete(s.peers, inc.id) // a scan saw the row before its answer came here, and took it for another's
	s.notify()
	s.mu.Unlock()
	s.log.Info("joined the fleet", zap.String("worker", inc.id))
	s.bump()
	s.rescan()
	return inc, nil
}

// retire fences the former ids of this process, so that their shards need not wait until a peer finds them silent.
// Their leases have ended here before.
func (s *Store) retire(ctx context.Context) {
	s.mu.Lock()
	old := sortedKeys(s.retired)
	s.mu.Unlock()
	for _, id := range old {
		e := &expr{}
		e.setAttr(attrFenced, &ddb.AttributeValueMemberBOOL{Value: true})
		e.ifPresent(attrKey)
		_, err := s.table.update(ctx, keyWorker+id, e)
		if _, gone := refused(err); err != nil && !gone {
			continue // a peer does it when the lease duration is over
		}
		s.mu.Lock()
		delete(s.retired, id)
		s.orphans[id] = time.Now()
		s.mu.Unlock()
		s.bump()
		s.rescan()
	}
}

// beat keeps the heartbeat of one incarnation until that is over.
func (s *Store) beat(ctx context.Context, inc *incarnation) {
	s.mu.Lock()
	interval := s.duration / 3
	s.mu.Unlock()
	var first time.Time // start of the first attempt at the next count
	next := time.Now().Add(interval)
	for {
		t := time.NewTimer(time.Until(next))
		select {
		case <-t.C:
		case <-s.beatC:
		case <-inc.over:
			t.Stop()
			return
		case <-ctx.Done():
			t.Stop()
			return
		}
		t.Stop()
		begin := time.Now()
		if first.IsZero() {
			first = begin
		}
		confirmed, err := s.heartbeat(ctx, inc, first)
		switch {
		case ctx.Err() != nil:
			return // the answer does not matter any more
		case confirmed:
			s.m.renewal(resultOK)
			s.noteFailure(nil)
			next, first = first.Add(interval), time.Time{}
		case err != nil:
			s.m.renewal(resultError)
			s.noteFailure(err)
			s.noteTable(err)
			if first.Equal(begin) {
				s.log.Warn("heartbeat failed, trying again while the leases are trusted", zap.Error(err), zap.Duration("trust_left", s.trustLeft(inc)))
			}
			next = time.Now().Add(sleep.Jitter(interval / 10))
		default:
			s.m.renewal(resultFenced)
			s.endIncarnation(inc, "the worker's row is fenced or gone")
			return
		}
	}
}

// noteFailure notes how the last heartbeat ended.
func (s *Store) noteFailure(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failure = ""
	if err != nil {
		s.failure = errorCode(err)
	}
}

// heartbeat makes one attempt at the next count. Neither confirmed nor an error means that the row refused it for good.
func (s *Store) heartbeat(ctx context.Context, inc *incarnation, first time.Time) (confirmed bool, err error) {
	s.mu.Lock()
	counter, leaving, lease := inc.counter, s.leaving, s.duration
	s.mu.Unlock()
	e := &expr{}
	e.setAttr(attrCounter, num(counter+1))
	e.setAttr(attrBeat, num(s.now().UnixMilli()))
	if hash := s.configHash(); hash != "" {
		e.setAttr(attrConfig, str(hash))
	}
	if s.consumer != nil {
		s.own().add(e)
	}
	if leaving {
		e.setAttr(attrLeaving, &ddb.AttributeValueMemberBOOL{Value: true})
	}
	e.ifEqual(attrCounter, num(counter))
	e.ifAbsent(attrFenced)
	ctx, cancel := context.WithTimeout(ctx, max(s.trustLeft(inc), time.Millisecond))
	defer cancel()
	key := keyWorker + inc.id
	_, err = s.table.update(ctx, key, e)
	confirmed, now, err := s.table.settle(ctx, key, err, func(it item) bool {
		w := decodeWorker(it, s.now())
		return !w.fenced && w.counter == counter+1
	})
	if !confirmed {
		if now != nil && err != nil {
			if decodeWorker(now, s.now()).fenced {
				return false, nil
			}
		}
		return false, err
	}
	s.mu.Lock()
	inc.counter = counter + 1
	inc.window = newTrustWindow(first, lease)
	tell := leaving && !inc.told
	inc.told = inc.told || leaving
	s.mu.Unlock()
	if tell {
		s.bump()
	}
	return true, nil
}

func (s *Store) trustLeft(inc *incarnation) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return inc.window.left(time.Now())
}

// guard ends an incarnation when its window closes. It looks four times a second as well, because a timer does not run
// while the machine is suspended.
func (s *Store) guard(ctx context.Context) error {
	for {
		s.mu.Lock()
		inc, wait := s.me, 250*time.Millisecond
		if inc != nil {
			wait = min(wait, inc.window.left(time.Now()))
		}
		s.mu.Unlock()
		if inc != nil && wait <= 0 {
			s.endIncarnation(inc, "no heartbeat was confirmed in time")
			continue
		}
		if !sleep.For(ctx, wait) {
			return nil
		}
	}
}

// endIncarnation ends every lease of one worker id for good.
func (s *Store) endIncarnation(inc *incarnation, why string) {
	s.mu.Lock()
	if s.me != inc {
		s.mu.Unlock()
		return
	}
	s.me = nil
	s.retired[inc.id] = true
	close(inc.over)
	lost := 0
	for _, l := range s.leases {
		if l.worker == inc && l.state != leaseOver {
			s.end(l, ErrLeaseLost, eventExpired)
			lost++
		}
	}
	s.notify()
	s.mu.Unlock()
	s.log.Error("leases lost, joining again under a new id", zap.String("worker", inc.id), zap.String("reason", why), zap.Int("leases", lost))
}

// endAll cancels the contexts of all leases when Run returns; Stop and Release still release their rows.
func (s *Store) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.leases {
		l.cancel(ErrLeaseReleased)
	}
	s.notify()
}

// endLease ends one lease. Ending it twice is harmless.
func (s *Store) endLease(l *Lease, why error, event leaseEvent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.end(l, why, event)
	s.notify()
	s.replan()
}

// end is endLease with mu held.
func (s *Store) end(l *Lease, why error, event leaseEvent) {
	if l.state == leaseOver {
		return
	}
	waiting := l.state == leaseGranted
	l.state = leaseOver
	l.cancel(why)
	s.remember(l, why)
	s.m.event(event)
	s.m.held.Dec()
	if waiting { // no consumer runs, so none will report its end
		delete(s.leases, l.shard)
	}
}

// remember keeps what this process knows of a shard that it held, in case that the row vanishes.
func (s *Store) remember(l *Lease, why error) {
	if errors.Is(why, ErrLeaseHandedOff) {
		delete(s.memory, l.shard) // from here on it is the peer's to remember
		return
	}
	r := &row{
		id: l.shard, epoch: l.epoch, position: l.offer.position, resolved: l.offer.resolved, caughtUp: l.offer.caughtUp,
		parents: l.first.parents, rewinds: l.first.rewinds, startAt: l.first.startAt, state: l.snapshot, offers: l.number,
	}
	if errors.Is(why, ErrShardEnded) {
		r.position, r.last, r.resolved = position.Position{Sequence: position.ShardEnd}, r.position, ""
	}
	s.memory[l.shard] = r
}
