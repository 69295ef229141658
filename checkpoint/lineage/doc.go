// Package lineage knows the family tree of a stream's shards: from listings, and from the rows of the lease table.
//
// # What it guarantees
//
//   - A shard's gate is open when every parent is finished, or Kinesis no longer knows it.
//   - What the stream says of parents is believed before what a row says. A shard never waits for itself.
//   - One listing proves little. A [Sighting] counts as confirmed when two listings a minute apart say the same. A
//     listing that lacks an open shard is found incomplete, because open shards hold every hash key.
//
// # What it does not promise
//
// It makes no calls and has no lock. The caller asks Kinesis for [Tree.Missing] shards, and passes the answer to
// [Tree.Sought].
package lineage
