// Package consumer reads the shards that the lease table grants, runs their records through the alert pipeline and
// publishes what comes out. It drives the unmodified KCL worker (vmware-go-kcl-v2), which turns the life-cycle of each
// shard: begin, page after page, end.
//
// # What it guarantees
//
//   - A record counts as resolved when the pipeline wants nothing published for it, or when SNS has accepted all that
//     it wanted. The position offered to the lease is the highest one below which everything is resolved.
//   - Records of a shard are evaluated one after the other, in sequence order, on one goroutine. Alerts of one
//     partition key are published in the order of their records; the next one starts when the last was accepted.
//   - Bad input costs itself: a record, or one record of a KPL aggregate, becomes one outcome, and the shard goes on.
//   - Kinesis in trouble is waited out with the position held. Nothing of it reaches the KCL.
//   - Pages take their memory from one budget of the process.
//   - A shard that is lost, given away, ended or stopped leaves no goroutine behind before the table lets its lease go.
//   - Stop ends within its budget, whatever hangs.
//
// # The life of a shard
//
// See phase: reading, draining for a handoff, ending, stopping; then handed over, ended, released or lost. Every end
// passes through the KCL's call of RemoveLeaseOwner (kclleases.go).
//
// # Goroutines and locks
//
// The KCL runs one goroutine for each shard: nextPage, takeIn and finish run on it. Lanes run up to Parallelism more.
// A shard's mutex guards its watermark and phase; the lanes' and the budget's mutexes are leaves, and so is whatever
// Lease.Commit takes, which is called under the shard's mutex so that offers arrive in order. None is held across I/O.
//
// # What it does not promise
//
// Exactly once: what was accepted but not yet committed when the process dies is published again, with the same
// alert_id. Balance, expiry and start positions are the lease table's.
package consumer
