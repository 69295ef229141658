// Package checkpoint is the lease table: which worker reads which shard, and how far every shard is read.
//
// It is one DynamoDB table. It is written with single-item conditional writes only: no transactions, no index, no
// leader.
//
// # Rooms
//
// The [Store] reads, writes and grants. What it knows is a view, without lock or I/O, which makes the decisions. Each
// loop of Run is a part of the Store: opener, catalog, session, watcher, planner, committer. Below it are rooms:
//
//   - table: the rows, and single calls on them.
//   - stream: single calls on Kinesis.
//   - lineage: the family tree of the shards, and what listings prove.
//   - plan: who gets which shard.
//   - saved: the memory of rules, in a table of its own.
//   - admin: what an operator changes.
//
// # What it guarantees
//
//   - One owner. A shard row names one worker, and an epoch that grows with every change of owner. Every write of a
//     holder is conditional on both. So a worker that lost its lease can change nothing in the table.
//   - One consumer at a time. A holder may act only inside its trust window. The window closes before any peer may take
//     its shards, and the lease's context ends with it. In one process a shard is granted again only after Release of
//     the consumer before returned.
//   - A stored checkpoint never moves back. Nothing above the last offer is ever stored. Writes of progress are
//     numbered, over all owners, and each wants a lower number in the row. One that was sent first and arrives last
//     changes nothing, also where only the ranges above the checkpoint differ.
//   - A stored state is whole, or it is an error. It never includes more than the stored checkpoint.
//   - A child is granted when every parent is at SHARD_END, or Kinesis knows it no more.
//   - One listing or one summary is no reason for what cannot be undone. The open shards of a stream cover every hash
//     key. So a listing that lacks one, or shows one closed, is known to be incomplete and is repeated. A shard ends
//     when a complete listing agrees that began after the answer which said so. A shard is gone when listings a minute
//     apart lack it and Kinesis has no iterator for it. SHARD_END of an open shard is taken back, from the position
//     that the row keeps beside it.
//   - The table fixes every start position: the checkpoint, or what the #application row says of T0, when the
//     application began. Neither a slow start nor a crash before the first checkpoint skips a record.
//   - After a write without an answer the row is read back; nothing is assumed.
//
// # Life of a worker
//
//	        worker row written         heartbeat refused, row gone, or window closed
//	joining ─────────────────▶ joined ───────────────────────────────────────────────▶ over
//	   ▲                         │ every third of the lease duration:                    │
//	   │                         │   counter+1 IF counter = mine AND NOT fenced          │
//	   └─────────────────────────┼──────────── new id, at once ──────────────────────────┘
//	                             └─ Leave, Stop ─▶ releases its rows, deletes its worker row
//
// A worker id is used once. When it is over, all its leases are, for good.
//
// # Expiry is a fence
//
// A peer watches a worker's counter by its own monotonic clock. When the counter stalled for the lease duration,
// the peer writes "fenced IF counter = what it saw" on the worker's row. Only then are the shards of that worker
// free. A late heartbeat and a takeover cannot both succeed. No clock of one machine is ever compared with that of
// another.
//
// The trust window of the worker is
//
//	start of the first attempt of its last confirmed heartbeat + lease duration − a tenth
//
// by its own monotonic clock. It ends earlier if the wall clock ran ahead, because the machine was suspended. The
// heartbeat was stored no earlier than that start, and a peer saw it no earlier than it was stored. So the window
// closes a tenth of the lease duration before any peer may fence.
//
// # Order of a stop
//
// First Leave: the worker takes no more shards and notifies its peers. Then the consumers end, and Release releases
// each shard. Then Stop. The context of Run stays alive until Stop returned. Without heartbeats a drain has only what
// remains of one window.
//
// # What is known of the other workers
//
// With its heartbeat a worker writes three things: the latest arrival of a record in its shards, the time up to which
// all of them were evaluated, and which shards in which epochs that is about. A reader believes the time only where
// that agrees with the rows that it knows, and if every shard that is to be read has a live owner. So a shard that is
// far behind and changes hands never counts as read as far as the other shards of its new owner. The time that Fleet
// returns is certain but late: by a heartbeat, with more than three workers by up to ten seconds. For about as long
// after a shard changed hands there is none.
//
// Share divides what all workers may do together. Peers learn of a new worker by the change of #fleet, within half a
// second. The new one has a share after a second. A dead one keeps its share until it is fenced. While a worker cannot
// read the table it may miss one that joins, until its trust window closes.
//
// # Places inside records
//
// A checkpoint, and what is settled above it, may be inside a Kinesis record. What counts the records in there is the
// hash of the configuration's input, which is stored with them (attribute input; absent is no input, and what older
// versions wrote). Whoever takes the shard under another input does not use places inside records: Lease.Recounts.
//
// # What it costs at rest
//
// Per worker: two read units a second for #fleet, and two for its successors in the ring of worker ids. Half a unit
// per 4 KB of table every ten seconds. Three heartbeats per lease duration, and one caught-up time every two seconds
// at most. Reports about shards travel with these.
//
// Progress of a busy shard is written once per checkpoint interval where a crash would repeat what was accepted since
// then, and every 15 s, or after 4 MiB of records, where it would only read again. With AtOnce the former is written
// as soon as the last write was answered: at most a hundred writes a second for all shards of a worker, each a unit
// per KB of the row. After a failed one there is a pause of a quarter of a second, doubling to five.
//
// # What it does not promise
//
// A holder may have sent something to a third party inside its window. That may be carried out after the window, and no
// client can prevent it. A worker that loses the whole table starts the shards that it did not hold where the
// application did. A chunk that a fenced worker sent may arrive after the next owner's first save, and then stays in
// the state table, unused. A worker that joins right after an operator deleted a row does not know who held it: both
// may act until the holder's next scan.
package checkpoint
