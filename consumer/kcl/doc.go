// Package kcl runs the unmodified KCL worker (vmware-go-kcl-v2) in a disguise: the library believes that it works as
// ever, and this package answers every call that it makes. No other package imports the library.
//
//	the library calls        it believes                  what is true
//	─────────────────        ───────────                  ────────────
//	ListShards               these shards are open        one shard of which this process has the lease and that
//	                                                      has no consumer; the call waits until there is one
//	FetchCheckpoint          the table has a checkpoint   Sentinel, for every shard
//	GetLease                 the table has a new owner    Lease.Take, or Lease.Trusted for a renewal; no I/O
//	GetShardIterator         Kinesis made an iterator     Shards.Begin; the iterator is the shard's id
//	GetRecords               a page of one record         Shards.Next; the page waits with the shard, and the record
//	                                                      is a placeholder for it
//	ProcessRecords           the record is processed      Shards.Ingest, with the page that waits
//	Shutdown(TERMINATE)      the shard has ended          Shards.Finish
//	RemoveLeaseOwner         the table has no owner       Shards.End, at every exit of the library's consumer
//	Checkpoint, Claim, ...   they are stored              nothing: progress takes another way
//
//	                     ┌──────────── the library's goroutine for the shard ────────────┐
//	event loop ──▶ GetLease ──▶ GetShardIterator ──▶ GetRecords ⇄ ProcessRecords ──▶ RemoveLeaseOwner
//	   ▲ ListShards    Take         Begin             Next       Ingest     │             End
//	   └── waits for grants                             └─ an error ends ───┴── no next iterator: Shutdown, Finish
//
// # What it guarantees
//
//   - No call of the library reaches the network. It never paces, decodes or unpacks anything, and every error that it
//     sees ends its consumer of the shard.
//   - A shard has one consumer at most. A lease is taken once, and only for a status that the event loop has just
//     asked about: a late renewal of an earlier consumer takes nothing.
//   - Every exit of a consumer calls End: lost, drained, ended or failed.
//   - A panic in Shards does not end the process.
//   - The library logs at debug level, and its Fatal and Panic end nothing.
//
// # What it does not promise
//
// That a shutdown ends: the library waits for its consumers, which end when Next does.
package kcl
