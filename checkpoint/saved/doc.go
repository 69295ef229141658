// Package saved stores the snapshots of what rules remember, in a table of their own.
//
// It is the table "<lease table>-state", which the first save creates, in rows of up to 380 KB. It is not the lease
// table, because every worker scans that every ten seconds. When the chunks of a snapshot are stored, one write of the
// shard's row makes the row point to them: version, number of chunks, checksum, position, generation. That write has
// the fence of a commit, and carries the last offer.
//
//	shard#7.a#0 … n   "7.a.12" ◀── the row of the shard, active
//	shard#7.b#0 … n   "7.b.11"     the one before; the next save writes "7.b.13" over it
//
// # What it guarantees
//
// A version is the epoch with which the writer's lease began, one of two slots, and a number that grows. Epoch and slot
// are the key. All of it is in every chunk.
//
//   - The epoch. A fenced worker that still writes finds only rows of its own epoch, which the next owner never uses.
//     What was active when it was fenced is in one of them, in the slot that it does not write. The next owner deletes
//     them after its own first save.
//   - The slots. A save never touches what is active. So one that fails or crashes half-way changes nothing, and the
//     next save writes over what it left. Nothing is deleted in the steady state, because a deletion costs as much as
//     the write did.
//   - The number. A chunk is written only where none of a later save is. So a request that was under way for long does
//     no harm. A reader takes chunks of one version only, whose checksum is the row's.
//   - The flip. It is conditional on the version that was active, so flips of one lease have an order. One without an
//     answer is repeated before the next save. Until it is certain which slot is active, neither may be written.
//
// The first chunk of a slot says how many there may be. It is written first and deleted last. So chunks that no row
// points to are found without a listing, in the last sixteen epochs, if the shard is saved again.
//
// Parents keep their pointer at SHARD_END, and children begin with their state. The state is deleted with the row. Any
// worker may read the state of any shard: children that inherited the same keys ask each other which of them hears of a
// key.
//
// # What it costs
//
// A snapshot costs a write unit per KB, and one for the row. Once per lease come up to 32 read units and the deletion
// of what the lease before left, a unit per KB of two snapshots. A process spends Config.StateWriteUnits a second at
// most on average. The pointer makes a row of the lease table about 150 bytes longer. Reading a snapshot back costs a
// read unit per 4 KB.
//
// # What it does not promise
//
// It does not know which snapshot is active: the row of the shard says so. Package checkpoint writes that row.
package saved
