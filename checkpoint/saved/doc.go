// Package saved stores the snapshots of what rules remember, in a table beside the lease table.
//
// # What it guarantees
//
//   - [Table.Read] answers a whole snapshot, or an error. A chunk that is missing, or of another save, is a [StateError].
//   - [Table.Write] never touches what is in force: the two slots of a lease take turns.
//   - A write that was under way for long changes nothing that is newer.
//   - Writes stay within a budget of write units a second on average.
//
// # What it does not promise
//
// It does not know which snapshot is in force: the row of the shard says so. package checkpoint tells how a save, a flip
// and a sweep follow each other.
package saved
