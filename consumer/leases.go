package consumer

import (
	"context"
	"time"

	"kinesis-alerter/internal/position"

	"github.com/aws/aws-sdk-go-v2/service/kinesis/types"
)

// Leases is what the consumer asks of the lease table (checkpoint.Store, wrapped by cmd).
type Leases interface {
	// NextGrant returns the shard whose lease has waited longest for its consumer, and the same one until Lease.Take
	// took it, or it is over. While none waits it blocks; it returns false when ctx is done.
	NextGrant(ctx context.Context) (shardID string, ok bool)

	// Lease returns the lease of a shard from its grant until Release, or nil when this process does not hold it. It is
	// the same value each time.
	Lease(shardID string) Lease

	// Release gives the lease of a shard back, with its last offer. Call it when the shard is wound down. Only after it
	// has returned can the shard be granted to this process again. A lease that is over is forgotten.
	Release(shardID string) error

	// Checkpoint returns what the table is known to have of a shard, whichever worker reads it: how often an operator
	// has sent it back, and its checkpoint. An empty sequence means none yet; one that is not a number means the end.
	// known is false for a shard without a row. It does no I/O.
	Checkpoint(shardID string) (generation uint32, sequence string, sub uint32, known bool)

	// Fleet returns what is known of all shards together: the shard whose evaluation decides about the whole stream
	// (empty if unknown), the latest arrival of a record in any shard (zero if unknown), and the time up to which every
	// open shard was read (zero while no worker reads one of them). It does no I/O.
	Fleet() (decider string, lastArrival, caughtUp time.Time)

	// AnyPaused reports whether an operator has paused a shard, as of the last answer of Fleet. It does no I/O.
	AnyPaused() bool
}

// Lease is the ownership of one shard, from its grant to Release.
type Lease interface {
	// Take starts the consumer of a granted shard. It is true once.
	Take() bool

	// Trusted is nil while the lease is held, and else why it is not. It does no I/O.
	Trusted() error

	// Context is done when the lease is lost or given away; context.Cause says which.
	Context() context.Context

	// Start says where to read from. With AT_SEQUENCE_NUMBER the records inside the aggregate up to and including sub
	// are already settled. resolved has the settled ranges that the last owner gave to Commit, or is empty.
	Start() (from types.StartingPosition, sub uint32, resolved string)

	// Input is what counts the places inside records that Start returns: the hash of the last owner's input.
	Input() string

	// Recounts reports that the record in which the last owner stopped is read again from its first piece, because its
	// places count for nothing under another input. The next offer, which may be below the checkpoint, is stored over
	// it.
	Recounts()

	// Generation is how often an operator has rewound the shard. The ids of its alerts depend on it.
	Generation() uint32

	// CaughtUp is a time up to which the shard was read before; zero if none is known.
	CaughtUp() time.Time

	// Commit offers progress. It does no I/O; the latest offer is written within the checkpoint interval, and with a
	// release, handoff or end.
	Commit(p position.Progress)

	// HandoffRequested is closed when the planner wants the shard on another worker. A new request after KeepLease has
	// a new channel, so ask each time.
	HandoffRequested() <-chan struct{}

	// HandOff writes the last offer and the new owner in one conditional write. Call it when all is settled. After nil
	// the lease is gone. After an error the lease is as it was, unless Context is done.
	HandOff(ctx context.Context) error

	// KeepLease calls off a requested handoff, because the drain took too long.
	KeepLease()

	// Ended reports whether the shard has ended, as an answer of GetRecords at that time said. It waits for a listing
	// of the stream that began after that answer, and returns false when the listing shows the shard open. An error
	// says that ctx ended first.
	Ended(ctx context.Context, answered time.Time) (bool, error)

	// Finish ends the shard: rows for its children first, then SHARD_END with the last offer. Call it when all is
	// settled. Children is what the last GetRecords answer said, or nil.
	Finish(ctx context.Context, children []types.ChildShard) error

	// Lost reports that the stream no longer holds the position to read on from, so that it is counted; the reader
	// continues at TRIM_HORIZON. oldest is a time from which the stream holds everything. Lost returns up to when the
	// shard was read, and whether records may have been missed. That is false when the caught-up time is not before
	// oldest: then all that has left the stream had been read.
	Lost(oldest time.Time) (caughtUp time.Time, missed bool)

	// Unusable reports that the checkpoint is no position in the shard. The next offer replaces it, whatever it is.
	Unusable()

	// Retention is how long the stream keeps its records; 0 while that is not known.
	Retention() time.Duration

	// LoadState returns the snapshot of evaluation that the shard begins with: its own, with the last record that it
	// includes, or, while it has none yet, those of its parents. An empty sequence says that the snapshot is from
	// before the first record. Without any snapshot everything is empty. It does I/O and retries what passes, until ctx
	// is done. An error before that says that the snapshot is lost or damaged.
	LoadState(ctx context.Context) (own []byte, sequence string, sub uint32, parents [][]byte, err error)

	// LoadRewound returns the last snapshot from before the shard was rewound, until there is one from after that; nil
	// where there is none. Otherwise it is as LoadState.
	LoadRewound(ctx context.Context) ([]byte, error)

	// SaveState stores a snapshot that includes everything up to and including (sequence, sub), which must not be above
	// the last offer of Commit. It replaces the one before in one conditional write. It does I/O. After an error the
	// one before is current, unless the write took effect all the same.
	SaveState(ctx context.Context, sequence string, sub uint32, data []byte) error

	// Agreement returns the key of the application under which its workers hash what producers write, and the latest
	// format of snapshots that all live workers read. It does no I/O.
	Agreement() (key [16]byte, format int)

	// Settled reports whether all live workers have had the current configuration here for a minute. It does no
	// I/O.
	Settled() bool

	// Inherits reports whether what the parents remember of a partition key falls to this shard, by its hash range:
	// each falls to one of their children. It does no I/O.
	Inherits(partitionKey string) bool

	// Family returns the parents of the shard, and the other shards that take over from them. It does no I/O.
	Family() (parents, siblings []string)

	// Relative reads the current snapshot of another shard, with its version, and, if that shard has ended, its
	// children. It returns the version that was given, and nothing else, while there is nothing new. It does I/O, and
	// does not retry.
	Relative(ctx context.Context, shard, version string) (now string, state []byte, children []string, err error)
}
