package checkpoint

import (
	"context"
	"fmt"
	"time"

	chk "github.com/vmware/vmware-go-kcl-v2/clientlibrary/checkpoint"
	par "github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"
	"go.uber.org/zap"
)

// Sentinel is the checkpoint that FetchCheckpoint shows to the KCL for every shard. It is no sequence number, so the
// KCL asks for an iterator AFTER_SEQUENCE_NUMBER of it, which the consumer answers from Lease.Start.
const Sentinel = "@"

// releaseBudget is how long RemoveLeaseOwner tries to write the release before it leaves the row to the expiry.
const releaseBudget = 3 * time.Second

var _ chk.Checkpointer = (*Store)(nil)

// Init implements chk.Checkpointer. It does nothing: Run opens the table.
func (*Store) Init() error { return nil }

// Grants returns the ids of all shards that this process has a lease or a consumer of, sorted, as soon as at least one
// of them waits for its consumer; until then it blocks. It returns what there is when ctx is done.
func (s *Store) Grants(ctx context.Context) []string {
	for {
		s.mu.Lock()
		waiting := ctx.Err() != nil
		for _, l := range s.view.leases {
			waiting = waiting || l.state == leaseGranted
		}
		ids, changed := sortedKeys(s.view.leases), s.changed
		s.mu.Unlock()
		if waiting {
			return ids
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// Lease returns the lease of a shard from its grant until RemoveLeaseOwner, or nil.
func (s *Store) Lease(shardID string) *Lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.view.leases[shardID]
}

// GetLease implements chk.Checkpointer. The KCL calls it in two ways. For a status that it already owns it is the
// renewal probe: nil while the lease is held and trusted. Otherwise it asks to start a consumer: nil, once, for a
// granted shard. It does no I/O.
//
// A renewal that the KCL started before its consumer ended, but that comes after it, finds no owner in the status and
// looks like the second kind; if it were answered, the shard would be owned without a consumer for good. The event
// loop, and only it, calls FetchCheckpoint before: so a status that was not asked for in this lease is refused.
func (s *Store) GetLease(status *par.ShardStatus, me string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.view.leases[status.ID]
	if status.GetLeaseOwner() == me {
		switch {
		case l == nil:
			return fmt.Errorf("shard %s: %w", status.ID, errNotGranted)
		case l.state == leaseOver:
			return fmt.Errorf("shard %s: %w", status.ID, cause(l.ctx))
		case l.worker != s.view.me || !s.view.me.window.open(time.Now()):
			return fmt.Errorf("shard %s: %w", status.ID, ErrLeaseLost)
		}
		return nil
	}
	if l == nil || l.state != leaseGranted || l.asked != status || l.ctx.Err() != nil {
		return chk.ErrLeaseNotAcquired{}
	}
	l.state = leaseRunning
	status.SetLeaseOwner(me)
	return nil
}

// FetchCheckpoint implements chk.Checkpointer. It shows the Sentinel, never touches the owner, and never answers that
// there is no checkpoint, which the KCL would read as a finished parent.
func (s *Store) FetchCheckpoint(status *par.ShardStatus) error {
	s.mu.Lock()
	if l := s.view.leases[status.ID]; l != nil {
		l.asked = status
	}
	s.mu.Unlock()
	status.SetCheckpoint(Sentinel)
	return nil
}

// RemoveLeaseOwner implements chk.Checkpointer. Every exit of a KCL consumer ends here, after the consumer was wound
// down. A lease that is over is forgotten; any other is released in one conditional write with its last offer. Only
// after it returned can the shard be granted to this process again. A release that could not be written within three
// seconds is returned as an error; the row then frees itself by expiry, or comes back to this process.
func (s *Store) RemoveLeaseOwner(shardID string) error {
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
		s.watcher.bump()
	}
	s.mu.Lock()
	if s.view.leases[shardID] == l {
		delete(s.view.leases, shardID)
	}
	if held {
		s.view.cool[shardID] = time.Now().Add(coolDown)
	}
	s.notifyLocked()
	s.mu.Unlock()
	s.planner.replan()
	return err
}

// CheckpointSequence implements chk.Checkpointer without effect: progress goes through Lease.Commit, which is fenced.
func (*Store) CheckpointSequence(*par.ShardStatus) error { return nil }

// RemoveLeaseInfo implements chk.Checkpointer without effect: one listing that lacks a shard is no reason to delete
// progress. The Store deletes rows itself, by stricter rules.
func (*Store) RemoveLeaseInfo(string) error { return nil }

// ClaimShard implements chk.Checkpointer without effect: shards move by Lease.HandOff.
func (*Store) ClaimShard(*par.ShardStatus, string) error { return nil }

// GetLeaseOwner implements chk.Checkpointer from memory. The answer is a worker id of the table.
func (s *Store) GetLeaseOwner(shardID string) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if l := s.view.leases[shardID]; l != nil && l.state != leaseOver {
		return l.worker.id, nil
	}
	if r := s.view.rows[shardID]; r != nil && r.owner != "" {
		return r.owner, nil
	}
	return "", chk.ErrShardNotAssigned
}

// ListActiveWorkers implements chk.Checkpointer from memory.
func (s *Store) ListActiveWorkers(shards map[string]*par.ShardStatus) (map[string][]*par.ShardStatus, error) {
	out := map[string][]*par.ShardStatus{}
	for id, status := range shards {
		if owner, err := s.GetLeaseOwner(id); err == nil {
			out[owner] = append(out[owner], status)
		}
	}
	return out, nil
}
