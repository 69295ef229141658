package consumer

import (
	"errors"
	"fmt"

	"kinesis-alerter/alert"
)

var (
	// ErrStopping is the cause of what ends because the process stops.
	ErrStopping = errors.New("consumer is stopping")
	// ErrNotDrained says that Stop ran out of its budget with alerts unsettled. The shards' next owners publish them
	// again.
	ErrNotDrained = errors.New("not drained")

	// errHandedOver ends the KCL's consumer of a shard that went to another worker.
	errHandedOver = errors.New("shard handed over")
	// errNoLease ends a KCL consumer whose lease is not (or no longer) held.
	errNoLease = errors.New("lease is not held")
)

// tooLargeError says that a snapshot is larger than the table stores for a shard, and what most of it is about.
type tooLargeError struct {
	bytes, most int
	heaviest    string
}

// words names what most of the state is about; empty when no state is too large.
func (e *tooLargeError) words() string {
	if e == nil {
		return ""
	}
	return e.heaviest
}

func (e *tooLargeError) Error() string {
	return fmt.Sprintf("the state has %d MiB, %d MiB of it about %s; at most %d MiB can be stored of a shard: lower "+
		"score.memory or state.max_keys",
		e.bytes>>20, e.most>>20, e.heaviest, alert.MaxState>>20)
}
