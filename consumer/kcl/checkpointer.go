package kcl

import (
	"fmt"

	chk "github.com/vmware/vmware-go-kcl-v2/clientlibrary/checkpoint"
	par "github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"
)

// Sentinel is the checkpoint that the library sees of every shard. It is no sequence number: the library asks for an
// iterator AFTER_SEQUENCE_NUMBER of it, and Begin knows where to read.
const Sentinel = "@"

var _ chk.Checkpointer = (*Worker)(nil)

// Init implements chk.Checkpointer without effect.
func (*Worker) Init() error { return nil }

// GetLease implements chk.Checkpointer. For a status that the library owns it is the renewal probe. Otherwise it is a
// request to start a consumer.
//
// A renewal that started before its consumer ended, but arrives later, finds no owner in the status and looks like such
// a request. If it got the lease, the shard would be owned without a consumer for good. Only the event loop calls
// FetchCheckpoint before, so a status that was not used for that call is refused.
func (w *Worker) GetLease(status *par.ShardStatus, me string) error {
	if status.GetLeaseOwner() == me {
		if lease := w.table.Lease(status.ID); lease != nil {
			return lease.Trusted()
		}
		return fmt.Errorf("shard %s: lease is not held", status.ID)
	}
	w.mu.Lock()
	a := w.asked[status.ID]
	w.mu.Unlock()
	if w.ctx.Err() != nil || a.status != status || !a.lease.Take() {
		return chk.ErrLeaseNotAcquired{}
	}
	status.SetLeaseOwner(me)
	return nil
}

// FetchCheckpoint implements chk.Checkpointer. It never touches the owner. It never reports that there is no
// checkpoint, because the library would take that for a finished parent.
func (w *Worker) FetchCheckpoint(status *par.ShardStatus) error {
	if lease := w.table.Lease(status.ID); lease != nil {
		w.mu.Lock()
		w.asked[status.ID] = asked{status, lease}
		w.mu.Unlock()
	}
	status.SetCheckpoint(Sentinel)
	return nil
}

// RemoveLeaseOwner implements chk.Checkpointer. The library calls it synchronously on every exit of its consumer.
func (w *Worker) RemoveLeaseOwner(shard string) error {
	// a panic here ends the process: other workers can take the shard, this one could not
	err := w.shards.End(shard)
	w.mu.Lock()
	delete(w.asked, shard)
	w.mu.Unlock()
	return err
}

// CheckpointSequence implements chk.Checkpointer without effect.
func (*Worker) CheckpointSequence(*par.ShardStatus) error { return nil }

// RemoveLeaseInfo implements chk.Checkpointer without effect: a listing that lacks a shard is no reason to delete
// progress.
func (*Worker) RemoveLeaseInfo(string) error { return nil }

// ClaimShard implements chk.Checkpointer without effect: the lease table moves shards.
func (*Worker) ClaimShard(*par.ShardStatus, string) error { return nil }

// GetLeaseOwner implements chk.Checkpointer. Only the library's own balancing, which is off, asks for it.
func (*Worker) GetLeaseOwner(string) (string, error) { return "", chk.ErrShardNotAssigned }

// ListActiveWorkers implements chk.Checkpointer. Only the library's own balancing, which is off, asks for it.
func (*Worker) ListActiveWorkers(map[string]*par.ShardStatus) (map[string][]*par.ShardStatus, error) {
	return nil, nil //nolint:nilnil // there is no worker to steal from
}
