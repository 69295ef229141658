package checkpoint

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"maps"
	"slices"
	"time"

	ddb "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"go.uber.org/zap"

	"kinesis-alerter/checkpoint/table"
	"kinesis-alerter/internal/position"
	"kinesis-alerter/internal/sleep"
)

// unconfirmedKept is how many ids are remembered whose join got no answer. An outage of hours has thousands; only rows
// of the last attempts may still appear.
const unconfirmedKept = 16

// incarnation is this process under one worker id. An id is never used again.
type incarnation struct {
	id   string
	over chan struct{} // closed when it ends
	// joined is when its row was there for certain.
	joined time.Time

	// Guarded by Store.mu.
	counter   int64
	window    trustWindow
	announced bool // the row says that this worker leaves, and the peers were notified
}

// session keeps this worker in the table: one incarnation after the other, each with its heartbeat and trust window.
type session struct {
	store *Store
	wake  chan struct{} // Leave writes it: the next heartbeat at once

	// Guarded by Store.mu.

	unconfirmed []string // ids whose row may or may not be in the table; join writes and reads them
	begun       bool     // there was a heartbeat; join writes it, the opener reads it
	failure     string   // the code of the last heartbeat's error; empty when it was confirmed; Status reads it
}

// run joins the fleet, keeps the heartbeat, and joins under a new id when the old one is over.
func (n *session) run(ctx context.Context) error {
	s := n.store
	for attempt := 0; ; attempt++ {
		inc, err := n.join(ctx)
		if err == nil {
			n.retire(ctx)
			n.beat(ctx, inc) // until this id is over
			attempt = -1
			if !sleep.For(ctx, 0) {
				return nil
			}
			continue
		}
		s.opener.noteTable(err)
		n.noteFailure(err)
		s.opener.waitForCall(err)
		if attempt == 1 { // the first fault may pass
			s.log.Warn("cannot write the worker's row, trying again", zap.Error(err))
		}
		if !sleep.For(ctx, sleep.Backoff(attempt)) {
			return nil
		}
	}
}

// join writes a worker row under a new id. Leases are taken only after it is there: then a lease whose owner has no row
// is certainly free.
func (n *session) join(ctx context.Context) (*incarnation, error) {
	s := n.store
	inc := &incarnation{id: s.cfg.Host + "/" + randomHex(4), over: make(chan struct{}), counter: 1}
	s.mu.Lock()
	leaving := s.view.leaving
	lease := s.view.duration
	s.mu.Unlock()
	begin := time.Now()
	row := table.Item{
		table.AttrKey: table.Str(table.KeyWorker + inc.id), table.AttrCounter: table.Num(inc.counter),
		table.AttrVersion: table.Str(s.cfg.Version),
	}
	row[table.AttrBeat] = table.Num(s.now().UnixMilli())
	if s.cfg.Reads > table.FirstFormat {
		row[table.AttrReads] = table.Num(int64(s.cfg.Reads))
	}
	if s.cfg.MaxShards > 0 {
		row[table.AttrMost] = table.Num(int64(s.cfg.MaxShards))
	}
	if hash := s.agreement.configHash(); hash != "" {
		row[table.AttrConfig] = table.Str(hash)
	}
	if leaving {
		row[table.AttrLeaving] = &ddb.AttributeValueMemberBOOL{Value: true}
	}
	mine, _, unknown := s.table.Settle(ctx, table.KeyWorker+inc.id, s.table.PutNew(ctx, row), func(it table.Item) bool {
		w := table.DecodeWorker(it, s.now())
		return !w.Fenced && w.Counter == inc.counter
	})
	if unknown != nil {
		// The row may still appear, under an id without a heartbeat. It would count as a live worker for a lease
		// duration, with a share of the shards.
		s.mu.Lock()
		n.unconfirmed = append(n.unconfirmed, inc.id)
		n.unconfirmed = n.unconfirmed[max(0, len(n.unconfirmed)-unconfirmedKept):]
		s.mu.Unlock()
		return nil, unknown
	}
	if !mine {
		return nil, errors.New("worker id " + inc.id + " is taken")
	}
	inc.window, inc.joined = newTrustWindow(begin, lease), time.Now()
	s.mu.Lock()
	s.view.me, n.begun, s.opener.opening, n.failure = inc, true, opening{}, ""
	for _, id := range n.unconfirmed {
		s.view.retired[id] = true
	}
	n.unconfirmed = nil
	delete(s.view.peers, inc.id) // a scan saw the row before the answer came, and took it for a peer's
	s.notifyLocked()
	s.mu.Unlock()
	s.log.Info("joined the fleet", zap.String("worker", inc.id))
	s.watcher.notifyPeers()
	s.watcher.rescan()
	return inc, nil
}

// retire fences the former ids of this process, so that their shards need not wait until a peer finds them silent.
// Their leases have already ended here.
func (n *session) retire(ctx context.Context) {
	s := n.store
	s.mu.Lock()
	old := slices.Sorted(maps.Keys(s.view.retired))
	s.mu.Unlock()
	for _, id := range old {
		e := &table.Write{}
		e.Set(table.AttrFenced, &ddb.AttributeValueMemberBOOL{Value: true})
		e.IfPresent(table.AttrKey)
		_, err := s.table.Update(ctx, table.KeyWorker+id, e)
		if _, gone := table.Refused(err); err != nil && !gone {
			continue // a peer does it when the lease duration is over
		}
		s.mu.Lock()
		delete(s.view.retired, id)
		s.view.orphans[id] = time.Now()
		s.mu.Unlock()
		s.watcher.notifyPeers()
		s.watcher.rescan()
	}
}

// beat keeps the heartbeat of one incarnation until that is over.
func (n *session) beat(ctx context.Context, inc *incarnation) {
	s := n.store
	s.mu.Lock()
	interval := s.view.duration / 3
	s.mu.Unlock()
	var first time.Time // start of the first attempt at the next count
	next := time.Now().Add(interval)
	for {
		t := time.NewTimer(time.Until(next))
		select {
		case <-t.C:
		case <-n.wake:
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
		confirmed, err := n.heartbeat(ctx, inc, first)
		switch {
		case ctx.Err() != nil:
			return // the answer no longer matters
		case confirmed:
			s.m.renewal(resultOK)
			n.noteFailure(nil)
			next, first = first.Add(interval), time.Time{}
		case err != nil:
			s.m.renewal(resultError)
			n.noteFailure(err)
			s.opener.noteTable(err)
			if first.Equal(begin) {
				s.log.Warn("heartbeat failed, trying again while the leases are trusted", zap.Error(err),
					zap.Duration("trust_left", n.trustLeft(inc)))
			}
			next = time.Now().Add(sleep.Jitter(interval / 10))
		default:
			s.m.renewal(resultFenced)
			n.endIncarnation(inc, "the worker's row is fenced or gone")
			return
		}
	}
}

// noteFailure notes how the last heartbeat ended.
func (n *session) noteFailure(err error) {
	s := n.store
	s.mu.Lock()
	defer s.mu.Unlock()
	n.failure = ""
	if err != nil {
		n.failure = table.Code(err)
	}
}

// heartbeat makes one attempt at the next count. Without confirmation and without an error, the row refused it for
// good.
func (n *session) heartbeat(ctx context.Context, inc *incarnation, first time.Time) (confirmed bool, err error) {
	s := n.store
	s.mu.Lock()
	counter, leaving, lease := inc.counter, s.view.leaving, s.view.duration
	s.mu.Unlock()
	e := &table.Write{}
	e.Set(table.AttrCounter, table.Num(counter+1))
	e.Set(table.AttrBeat, table.Num(s.now().UnixMilli()))
	if hash := s.agreement.configHash(); hash != "" {
		e.Set(table.AttrConfig, table.Str(hash))
	}
	if s.reports.ask != nil {
		s.reports.own().Add(e)
	}
	if s.pulse != nil {
		s.pulse().Add(e)
	}
	if leaving {
		e.Set(table.AttrLeaving, &ddb.AttributeValueMemberBOOL{Value: true})
	}
	e.IfEqual(table.AttrCounter, table.Num(counter))
	e.IfAbsent(table.AttrFenced)
	ctx, cancel := context.WithTimeout(ctx, max(n.trustLeft(inc), time.Millisecond))
	defer cancel()
	key := table.KeyWorker + inc.id
	_, err = s.table.Update(ctx, key, e)
	confirmed, now, err := s.table.Settle(ctx, key, err, func(it table.Item) bool {
		w := table.DecodeWorker(it, s.now())
		return !w.Fenced && w.Counter == counter+1
	})
	if !confirmed {
		if now != nil && err != nil {
			if table.DecodeWorker(now, s.now()).Fenced {
				return false, nil
			}
		}
		return false, err
	}
	s.mu.Lock()
	inc.counter = counter + 1
	inc.window = newTrustWindow(first, lease)
	tell := leaving && !inc.announced
	inc.announced = inc.announced || leaving
	s.mu.Unlock()
	if tell {
		s.watcher.notifyPeers()
	}
	return true, nil
}

func (n *session) trustLeft(inc *incarnation) time.Duration {
	s := n.store
	s.mu.Lock()
	defer s.mu.Unlock()
	return inc.window.left(time.Now())
}

// guard ends an incarnation when its window closes. It also checks four times a second, because a timer does not run
// while the machine is suspended.
func (n *session) guard(ctx context.Context) error {
	s := n.store
	for {
		s.mu.Lock()
		inc, wait := s.view.me, 250*time.Millisecond
		if inc != nil {
			wait = min(wait, inc.window.left(time.Now()))
		}
		s.mu.Unlock()
		if inc != nil && wait <= 0 {
			n.endIncarnation(inc, "no heartbeat was confirmed in time")
			continue
		}
		if !sleep.For(ctx, wait) {
			return nil
		}
	}
}

// endIncarnation ends every lease of one worker id for good.
func (n *session) endIncarnation(inc *incarnation, why string) {
	s := n.store
	s.mu.Lock()
	if s.view.me != inc {
		s.mu.Unlock()
		return
	}
	s.view.me = nil
	s.view.retired[inc.id] = true
	close(inc.over)
	lost := 0
	for _, l := range s.view.leases {
		if l.worker == inc && l.state != leaseOver {
			l.endLocked(ErrLeaseLost, eventExpired)
			lost++
		}
	}
	s.notifyLocked()
	s.mu.Unlock()
	s.log.Error("leases lost, joining again under a new id", zap.String("worker", inc.id), zap.String("reason", why),
		zap.Int("leases", lost))
}

// endAll cancels the contexts of all leases when Run returns; Stop and Release still release their rows.
func (s *Store) endAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.view.leases {
		l.cancel(ErrLeaseReleased)
	}
	s.notifyLocked()
}

// end ends the lease. Ending it twice is harmless.
func (l *Lease) end(why error, event leaseEvent) {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	l.endLocked(why, event)
	s.notifyLocked()
	s.planner.replan()
}

// endLocked is end.
func (l *Lease) endLocked(why error, event leaseEvent) {
	s := l.store
	if l.state == leaseOver {
		return
	}
	waiting := l.state == leaseGranted
	l.state = leaseOver
	l.cancel(why)
	l.rememberLocked(why)
	s.m.event(event)
	s.m.held.Dec()
	if waiting { // no consumer runs that would report its end
		delete(s.view.leases, l.shard)
	}
}

// rememberLocked keeps what this process knows of a shard that it held, if the row vanishes.
func (l *Lease) rememberLocked(why error) {
	s := l.store
	if errors.Is(why, ErrLeaseHandedOff) {
		delete(s.view.memory, l.shard) // from here on the peer remembers it
		return
	}
	r := &table.Row{
		ID: l.shard, Epoch: l.epoch, Position: l.ledger.offer.Position, Resolved: l.ledger.offer.Resolved,
		Input: l.ledger.offer.Input, CaughtUp: l.ledger.offer.CaughtUp,
		Parents: l.first.Parents, Rewinds: l.first.Rewinds, StartAt: l.first.StartAt, State: l.snapshot,
		Offers: l.ledger.number,
	}
	if errors.Is(why, ErrShardEnded) {
		r.Position, r.Last, r.Resolved = position.Position{Sequence: position.ShardEnd}, r.Position, ""
	}
	s.view.memory[l.shard] = r
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // crypto/rand never fails
	return hex.EncodeToString(b)
}
