// Package checkpoint is the lease table: which worker reads which shard, and how far every shard is resolved.
//
// It is one DynamoDB table, written with single-item conditional writes only: no transactions, no index, no leader. Where
// rules remember something there is a second one, with the chunks of what they remember.
//
// # What it guarantees
//
//   - One owner. A shard row names one worker and an epoch that grows with every change of owner. Every write of a holder
//     is conditional on both, so a worker that lost its lease can change nothing in the table.
//   - One consumer at a time. A holder may act only inside its trust window, which closes before any peer may take its
//     shards; the lease's context ends with it. In one process a shard is granted again only after Release of
//     the consumer before returned.
//   - A stored checkpoint never moves back, and nothing above the last offer is ever stored. Writes of progress are numbered,
//     over all owners, and each wants a lower number in the row: one that was sent first and arrives last changes nothing,
//     also where only the stretches above the checkpoint differ.
//   - A stored state is whole, or it is an error, and it never includes more than the stored checkpoint.
//   - A child is granted when every parent is at SHARD_END, or Kinesis knows it no more.
//   - Nothing that cannot be undone is done on the word of one listing or one summary. The open shards of a stream hold every
//     hash key, so a listing that lacks one, or shows one closed, is known to be incomplete and is asked for again. A shard
//     ends when a complete listing agrees that began after the answer which said so. A shard is gone when listings a minute
//     apart lack it and Kinesis has no iterator for it. SHARD_END of a shard that is open is taken back, from the position
//     that the row keeps beside it.
//   - Every start position is fixed by the table: the checkpoint, or what the #application row says of the moment T0 at
//     which the application began. Neither a slow start nor a crash before the first checkpoint skips a record.
//   - Answers that were lost are resolved by reading the row back, never by assuming.
//
// # Life of a worker
//
//	           worker row written                 heartbeat refused, row gone, or window closed
//	joining ─────────────────────▶ joined ───────────────────────────────────────────────────────▶ over
//	   ▲                             │ every third of the lease duration:                            │
//	   │                             │   counter+1 IF counter = mine AND NOT fenced                  │
//	   └─────────────────────────────┼──────────── new id, at once ──────────────────────────────────┘
//	                                 └─ Leave, Stop ─▶ releases its rows, deletes its worker row
//
// A worker id is used once. When it is over, all its leases are, for good.
//
// # Expiry is a fence
//
// A peer whose own monotonic clock saw a worker's counter stand still for the lease duration writes
// "fenced IF counter = what it saw" on the worker's row, and only then are the shards of that worker free. A late
// heartbeat and a takeover cannot both succeed. No clock of one machine is ever compared with that of another.
//
// The trust window of the worker is
//
//	start of the first attempt of its last confirmed heartbeat + lease duration − a tenth
//
// by its own monotonic clock, or earlier if its wall clock ran ahead of that (the machine was suspended). The heartbeat
// was stored no earlier than that start, and a peer saw it no earlier than it was stored, so the window is closed a
// tenth of the lease duration before any peer may fence.
//
// # Order of a stop
//
// Leave (takes no more shards, tells the peers), then the consumers end and Release releases each shard, then
// Stop. The context of Run stays alive until Stop returned: without heartbeats a drain has only the rest of one window.
//
// # State
//
// A snapshot of what the rules of a shard remember goes into the table "<lease table>-state", which the first save
// creates, in rows of up to 380 KB. It is not in the lease table because every worker scans that every ten seconds. Then
// one write of the shard's row, with the fence of a commit and with the last offer, makes the row point to it: version,
// number of chunks, checksum, position, generation.
//
//	shard#7.a#0 … n   "7.a.12" ◀── the row of the shard, in force
//	shard#7.b#0 … n   "7.b.11"     the one before; the next save writes "7.b.13" over it
//
// A version is the epoch with which the writer's lease began, one of two slots, and a number that grows. Epoch and slot
// are the key; all of it is in every chunk.
//
//   - The epoch: a fenced worker that still writes finds only rows of its own epoch, which the next owner never uses. What
//     was in force when it was fenced is in one of them, in the slot that it does not write. The next owner deletes them
//     after its own first save.
//   - The slots: a save never touches what is in force, so one that fails or crashes half-way changes nothing, and the
//     next save writes over what it left. Nothing is deleted in the steady state, because a deletion costs as much as the
//     write did.
//   - The number: a chunk is written only where none of a later save is, so a request that was under way for long does no
//     harm; and a reader takes chunks of one version only, whose checksum is the row's.
//   - The flip is conditional on the version that was in force. Flips of one lease so have an order. One without an answer
//     is repeated before the next save, because until it is certain which slot is in force neither may be written.
//
// The first chunk of a slot says how many there may be, is written first and deleted last: so what nobody points to is
// found without a listing, in the last sixteen epochs, as far as the shard is ever saved again.
//
// Parents keep their pointer at SHARD_END, and children begin with their state. The state goes with the row. Any worker may read the
// state of any shard (Lease.Relative): children that inherited the same keys ask each other which of them hears of a key.
//
// # What is known of the fleet
//
// With its heartbeat a worker writes the latest arrival of a record in its shards, the time up to which all of them were
// evaluated, and which shards in which epochs that is about. A reader believes the time only where that agrees with the
// rows that it knows, and if every shard that is to be read has a live owner: a shard that is far behind and changes hands
// is never taken for one that was read as far as its new owner's others. So a time that Fleet answers is certain, and
// late: by a heartbeat (a third of the lease duration), with more than three workers by up to ten seconds, and for about
// as long after a shard changed hands there is none.
//
// Share divides what the fleet may do together. Peers learn of a new worker by the change of #fleet, within half a
// second, and it has a share after a second; a dead one keeps its share until it is fenced. While a worker cannot read
// the table it may miss one that joins, until its trust window closes.
//
// # What an operator may do
//
// Admin changes rows beside the workers, each by one write on the condition that owner and epoch are as they were shown.
//
//   - A pause is an attribute that no worker writes. A shard that has it is granted to nobody; its holder drains it and
//     lets it go, which is a handoff to no one.
//   - What takes a shard away raises the epoch and removes the owner, so the holder's next write is refused like that of
//     any former owner.
//   - A rewind removes the checkpoint, names a start and raises the generation. It is the one way in which a checkpoint
//     moves back, and Lease.Generation tells the holder, because alerts of each generation have ids of their own. It
//     takes the state away too, and so does an import.
//
// # What it costs at rest
//
// Per worker: two read units a second for #fleet, two for its successors in the ring of worker ids, half a unit per 4 KB
// of table every ten seconds; three heartbeats per lease duration, and one caught-up time every two seconds at most. What
// is known of the fleet goes with the heartbeats and scans that there are.
//
// Progress of a busy shard is written once per checkpoint interval, or, with AtOnce, whenever the last write was answered: at
// most a hundred writes a second for all shards of a worker, each a unit per KB of the row, and after a failed one a pause
// of a quarter of a second, doubling to five.
//
// A snapshot costs a write unit per KB, one for the row, and, once per lease, up to 32 read units and the deletion of what
// the lease before left, a unit per KB of two snapshots. A process spends Config.StateWriteUnits a second at most on
// average. The pointer makes a row of the lease table about 150 bytes longer. Reading a snapshot back costs a read unit
// per 4 KB.
//
// # What it does not promise
//
// That what a holder sent to a third party inside its window is not carried out after it: no client can. That positions
// of shards that it did not hold survive the loss of the whole table: those start where the application did. That a chunk
// which a fenced worker sent arrives before the next owner's first save: it would stay in the state table, unused. Nor that a
// worker that joins right after somebody deleted a row knows who held it: both may act until the holder's next scan.
package checkpoint
