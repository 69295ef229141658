package consumer

import (
	chk "github.com/vmware/vmware-go-kcl-v2/clientlibrary/checkpoint"
	par "github.com/vmware/vmware-go-kcl-v2/clientlibrary/partition"
)

// kclLeases is the KCL's view of the lease table: the table's own answers, with the end of each consumer passed
// through the consumer first.
type kclLeases struct {
	Leases
	consumer *Consumer
}

var _ chk.Checkpointer = kclLeases{}

// GetLease hands out a granted shard, unless the process stops.
func (l kclLeases) GetLease(status *par.ShardStatus, worker string) error {
	if l.consumer.readCtx.Err() != nil {
		return chk.ErrLeaseNotAcquired{}
	}
	return l.Leases.GetLease(status, worker)
}

// RemoveLeaseOwner is called by the KCL, synchronously, on every exit of a shard's consumer: lost, drained, ended or
// failed. The shard is wound down before the table lets the lease go, so that a second consumer of the shard never
// starts beside the rests of the first.
func (l kclLeases) RemoveLeaseOwner(shardID string) error {
	released := l.consumer.end(shardID)
	defer released()
	defer l.consumer.ledger.prune(l.Checkpoint) // a release stores what was dealt with
	return l.Leases.RemoveLeaseOwner(shardID)
}
