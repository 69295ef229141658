package consumer

import "errors"

var (
	// ErrStopping is the cause of what ends because the process stops.
	ErrStopping = errors.New("consumer is stopping")
	// ErrNotDrained says that Stop ran out of its budget with alerts unresolved. They are published again by the
	// shards' next owners.
	ErrNotDrained = errors.New("not drained")

	// errHandedOver ends the KCL's consumer of a shard that went to another worker.
	errHandedOver = errors.New("shard handed over")
	// errNoLease ends a KCL consumer whose lease is not (or no longer) held.
	errNoLease = errors.New("lease is not held")
)
