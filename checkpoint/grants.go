package checkpoint

import (
	"context"
	"fmt"
	"time"

	"go.uber.org/zap"
)

// releaseBudget is how long Release tries to write before it leaves the row to the expiry.
const releaseBudget = 3 * time.Second

// NextGrant returns the id of the shard whose lease has waited longest for its consumer (Take), and the same one until
// that is taken or over. While none waits, it blocks; it returns false when ctx is done.
func (s *Store) NextGrant(ctx context.Context) (shard string, ok bool) {
	for {
		s.mu.Lock()
		v := &s.view
		for len(v.granted) > 0 && (v.granted[0].state != leaseGranted || v.granted[0].ctx.Err() != nil) {
			v.granted = v.granted[1:]
		}
		changed := s.changed
		if len(v.granted) > 0 {
			shard = v.granted[0].shard
		}
		s.mu.Unlock()
		if ctx.Err() != nil {
			return "", false
		}
		if shard != "" {
			return shard, true
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// Lease returns the lease of a shard from its grant until Release, or nil.
func (s *Store) Lease(shardID string) *Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.leases[shardID]
}

// Take starts the consumer of a granted shard. It is true once, for a lease that is not over. It does no I/O.
func (l *Lease) Take() bool {
	l.store.mu.Lock()
	defer l.store.mu.Unlock()
	if l.state != leaseGranted || l.ctx.Err() != nil {
		return false
	}
	l.state = leaseRunning
	return true
}

// Trusted is nil while the lease is held and this process may act on it. It does no I/O.
func (l *Lease) Trusted() error {
	s := l.store
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case l.state == leaseOver:
		return fmt.Errorf("shard %s: %w", l.shard, context.Cause(l.ctx))
	case l.worker != s.view.me || !s.view.me.window.open(time.Now()):
		return fmt.Errorf("shard %s: %w", l.shard, ErrLeaseLost)
	}
	return nil
}

// Release gives a shard back after its consumer was wound down. A lease that is over is forgotten; any other is
// released in one conditional write with its last offer. Only after it returned can the shard be granted to this
// process again. A release that could not be written within three seconds is returned as an error; the row then
// expires, or comes back to this process.
func (s *Store) Release(shardID string) error {
	s.mu.Lock()
	l := s.view.leases[shardID]
	held := l != nil && l.state != leaseOver
	if held {
		l.state = leaseReleasing
	}
	s.mu.Unlock()
	if l == nil {
		return nil
	}
	var err error
	if held {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), releaseBudget)
		err = l.release(ctx)
		cancel()
		l.end(ErrLeaseReleased, eventReleased)
		if err != nil && !isOver(err) {
			s.log.Warn("cannot release a shard, it expires instead", zap.String("shard", shardID), zap.Error(err))
			err = fmt.Errorf("release shard %s: %w", shardID, err)
		} else {
			err = nil
		}
		s.watcher.notifyPeers()
	}
	s.mu.Lock()
	if s.view.leases[shardID] == l {
		delete(s.view.leases, shardID)
	}
	if held {
		s.view.cooldownUntil[shardID] = time.Now().Add(coolDown)
	}
	s.notifyLocked()
	s.mu.Unlock()
	s.planner.replan()
	return err
}
