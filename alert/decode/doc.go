// Package decode takes Kinesis records apart into user records: those of a KPL aggregate, or the record itself.
//
// # What it guarantees
//
//   - The daemon and every command that tries rules unpack a record here, so they see the same user records.
//   - A Kinesis record has at least one user record. A malformed record inside an aggregate costs only itself.
//   - Data is not copied: a user record shares memory with its Kinesis record.
//
// It is pure: no clock, no lock, no I/O.
//
// # What it does not promise
//
// That a record belongs to the hash range of its shard. A record that was aggregated for a range that has been split
// since is delivered once here, rather than dropped in the hope that its producer sends it again, as the Java KCL does.
package decode
