// Package position has the positions of a shard, ranges between them, and the progress that a reader offers.
//
// # What it guarantees
//
//   - Positions of one shard have one order, for the reader, the lease table and the operator's commands.
//   - Text that it wrote is read back unchanged. Text that it does not understand ends a list of ranges: the records
//     behind it are published again, which is always allowed.
//
// It is pure: no clock, no lock, no I/O.
//
// # What it does not promise
//
// That a position exists in a shard. Only Kinesis knows that.
package position
