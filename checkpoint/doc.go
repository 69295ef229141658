// Package checkpoint is the lease table: which worker reads which shard, and how far every shard is resolved.
//
// It is one DynamoDB table, written with single-item conditional writes only: no transactions, no index, no leader.
//
// # What it guarantees
//
//   - One owner. A shard row names one worker and an epoch that grows with every change of owner. Every write of a holder
//     is conditional on both, so a worker that lost its lease can change nothing in the table.
//   - One consumer at a time. A holder may act only inside its trust window, which closes before any peer may take its
//     shards; the lease's context ends with it. In one process a shard is granted again only after RemoveLeaseOwner of
//     the consumer before returned.
//   - A stored checkpoint never moves back, and nothing above the last offer is ever stored.
//   - A child is granted when every parent that the stream still lists is at SHARD_END.
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
// Leave (takes no more shards, tells the peers), then the consumers end and RemoveLeaseOwner releases each shard, then
// Stop. The context of Run stays alive until Stop returned: without heartbeats a drain has only the rest of one window.
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
//     moves back, and Lease.Generation tells the holder, because alerts of each generation have ids of their own.
//
// # What it costs at rest
//
// Per worker: two read units a second for #fleet, two for its successors in the ring of worker ids, half a unit per 4 KB
// of table every ten seconds; three heartbeats per lease duration, and one caught-up time every two seconds at most.
//
// # What it does not promise
//
// That what a holder sent to a third party inside its window is not carried out after it: no client can. That positions
// of shards that it did not hold survive the loss of the whole table: those start where the application did. Nor that a
// worker that joins right after somebody deleted a row knows who held it: both may act until the holder's next scan.
package checkpoint
