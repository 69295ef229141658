// Package stream makes the lease table's calls on Kinesis, each with a deadline.
//
// # What it guarantees
//
//   - [Client.List] returns the whole listing with the service's own time, or an error.
//   - A fault names the permission, the resource and what to do.
//   - [Client.Place] says of a checkpoint why Kinesis refuses it: past the retention, or beyond what the shard has.
//
// # What it does not promise
//
// It judges no answer. Whether a listing is complete, or a shard is gone, is for the packages above.
package stream
