package daemon

import (
	"context"

	"kinesis-alerter/checkpoint"
	"kinesis-alerter/consumer"
)

// Leases makes the lease table fit the interface that the consumer declares: the two packages do not know each other,
// so their lease types meet here.
type Leases struct{ *checkpoint.Store }

// Lease implements consumer.Leases.
func (l Leases) Lease(shardID string) consumer.Lease {
	if lease := l.Store.Lease(shardID); lease != nil {
		return lease
	}
	return nil // an untyped nil: a nil *checkpoint.Lease in the interface would look like a lease
}

// context is that of the lease by which this process holds a shard, or nil.
func (l Leases) context(shardID string) context.Context {
	if lease := l.Store.Lease(shardID); lease != nil {
		return lease.Context()
	}
	return nil
}

var _ consumer.Leases = Leases{}
