// Package output writes records to output streams: Kinesis streams beside the one that is read. It has one [Writer] in
// a process, with one part for each output. A shard uses it through a [Feed].
//
// # What it guarantees
//
// An item is settled only after the stream has named the record that it accepted, or the dead letter of it was
// accepted, or a limit or Config.Skip ends it. Until then it is tried for as long as its Feed lives.
//
// Items of one key of an output are accepted in the order of Submit, whichever shards they come from. PutRecords
// promises no order inside a call and none between calls. So at most one item of a key is in any call, and the next one
// follows its end. Failed entries go again in a later call, alone of their key; what was accepted is never sent again.
//
// A call starts only while the leases are trusted (Deps.Trust), and its deadline is the end of that window. A client
// cannot prevent that Kinesis accepts a call that was cut off, so an item may be written twice, the second time after
// later ones of its key. Its source position tells.
//
// An entry that fails alone holds its key alone: other keys are still written. A call that is refused as a whole
// because of a record is split until that record is alone; it is rejected, and the others are written.
//
// What waits is bounded by Config.MaxBytes for each output. When that is full and the oldest items have failed for five
// seconds, the oldest go to the dead letters until there is room. Where there are no dead letters, or where the stream
// is only slow, the shards wait. One item always fits.
//
// # States of an output
//
//	healthy ──call fails, may pass──▶ backing off ──any answer──▶ healthy
//	   │                                  │
//	   └─────────configuration fault──────┴──▶ held ──probe is answered──▶ healthy
//
// Healthy, several calls are under way. Backing off, one call at a time goes after full jitter of 100 ms doubling up to
// 5 s. Held, one item at a time probes the stream after 1 s doubling up to 30 s.
//
// # States of a key
//
//	idle ──item──▶ ready ──▶ in a call ──accepted──▶ ready or idle
//	                 ▲            ├──entry failed──▶ backing off ──▶ ready
//	                 │            └──rejected──▶ dead letter ──▶ ready or idle
//	                 │                      └──▶ held, where there are no dead letters and nothing is skipped
//	                 └── what fails may also go to the dead letters, see above
//
// # What it does not promise
//
// Order between keys, and exactly once. It does not look at records: an [Item] has its bytes already.
package output
