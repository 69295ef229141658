// Package table has the rows of the lease table and the calls on it.
//
// # What it guarantees
//
//   - A row that was written is read back as it was: [Row], [Worker] and [Application] encode and decode.
//   - A table is untrusted data. A value that no worker can have written is read as missing. A shard's row that
//     cannot be read is an error, and [Repair] is the write that makes it readable again.
//   - A [Write] is conditional. [Write.Fence] lets only the holder of an epoch write, [Write.Progress] never moves a
//     checkpoint back.
//   - [Client] gives each call a deadline. [Client.Settle] finds out whether a write without an answer took effect. It
//     reads the row back and never assumes.
//
// # What it does not promise
//
// It decides nothing: who owns a shard, and what is read, is for the packages above. Attribute names are frozen,
// because tables hold them.
package table
