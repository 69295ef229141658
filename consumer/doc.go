// Package consumer reads the shards that the lease table grants. It runs their records through the alert pipeline and
// publishes what comes out. Its rooms are consumer/read (pages), consumer/lanes (publishing) and consumer/kcl, which
// drives the unmodified KCL worker.
//
// # What it guarantees
//
//   - A record is settled when the pipeline makes no alert for it, or when each of its alerts is done. An alert is done
//     when SNS accepted it, alone or in a digest, when the dead-letter destination accepted it, or when it was given up
//     as the configuration says. The position offered to the lease is the highest one below which everything is
//     settled.
//   - Records of a shard are evaluated one after the other, in sequence order, on one goroutine. Alerts of one
//     partition key are accepted in the order of their records, for each topic (consumer/lanes).
//   - Malformed input costs itself. A record, or one record of a KPL aggregate, becomes one outcome, and reading
//     continues.
//   - A shard has ended when Kinesis says so with the children's names, or twice, and the lease table proves it.
//     Otherwise it is read again.
//   - While Kinesis fails, the reader waits and keeps its position (consumer/read). The KCL sees nothing of it.
//   - Pages take their memory from one pool of the process. What waits in a digest has given its part back, unless
//     there are dead letters: it may become one, so its payload is kept. A shard has up to 100,000 records in digests,
//     at about half a kilobyte each. Beyond that it is not read.
//   - A shard that is lost, given away, ended or stopped leaves no goroutine behind before its lease is released. What
//     a digest reports after that is ignored: the records belong to the next owner.
//   - Stop ends within its budget, whatever hangs.
//
// # Parts of a shard
//
//	shard      the life-cycle: reads pages, hands the shard over, ends it (shard.go, phase.go, end.go)
//	progress   what is settled, and what is offered of that to the lease (progress.go, watermark.go)
//	intake     pages and ticks, through the pipeline into the watermark and the lanes (intake.go, part.go)
//	memory     what the rules remember, kept with the checkpoint (memory.go, kin.go)
//	outcomes   alerts that SNS did not accept (outcomes.go)
//
// Each part owns its fields and its mutex. The lock order is progress, then outcomes or the lease. All other mutexes
// are leaves. Lease.Commit is called with progress locked, so that offers arrive in order. No mutex is held across I/O.
//
// The KCL runs one goroutine for each shard. Reading, evaluation and the end of the shard run on it. The lanes run up
// to Parallelism more for alerts and as many for dead letters; a save of the memory is one. Publishers call back on
// goroutines of their own, which never wait here.
//
// # Outcomes
//
// A record with several alerts has the most consequential outcome of theirs. Alerts of other partition keys that ride
// along with it hold the position but decide nothing about the record. With dead letters, alerts that are rejected or
// given up are sent there. Without, one that is given up makes the record Expired, as Lambda drops it. One that is
// rejected holds its key or, if Config.OnRejected says so, makes the record Invalid with alert.ReasonRejected. An error
// outside the publisher's contract always holds the key.
//
// # A shard that is lost and taken again
//
// A lease may end with progress that could not be stored. The process remembers what is done above the checkpoint
// (ledger.go): the watermark, ranges above it, and the ids of alerts whose record is not settled, or that time caused
// and no snapshot includes. When it takes the shard again, all that counts as settled, and the first offer stores it.
// The rules' memory is evaluated again from the snapshot, or from the checkpoint where there is none. The ledger
// forgets when the table has it all, when an operator sent the shard back, and when there is too much: 16,384 entries
// in all, the shard that was lost longest ago first. That is counted.
//
// # Memory of the rules
//
// While the evaluation depends on what came before (evaluator.Stateful, asked each time), its state is kept with the
// checkpoint, and time passes:
//
//   - A snapshot is captured between two pages and written when all that it includes is settled. So it is never above
//     the checkpoint, and no alert that it takes for made is lost.
//   - It is saved every minute while records are evaluated, every ten minutes while only time passes, and two seconds
//     after time caused alerts. It is saved before a handoff, a stop and the end of a shard, whose children inherit
//     it. A save that fails delays a handoff or a stop by three seconds. It delays an end until it works, for ten
//     minutes at most.
//   - A shard begins at its snapshot and evaluates from there, without publishing what is settled. The first snapshot
//     is written before the first record is read. Where records or the snapshot are gone, the shard begins at the
//     checkpoint, and that is counted as a gap of the state.
//   - Several children may inherit the same keys. Before time decides something about such a key, a shard reads what
//     the others have saved (kin.go): in the background, once a second while something waits and else every ten
//     minutes. It saves its own two seconds after such a moment, at most every ten seconds. After five minutes nothing
//     waits any longer, and that is logged.
//   - Timers are functions of event time, and a tick only brings them forward. Its alerts form an entry of the
//     watermark behind the last record. While that waits, no later record is named as settled: a replay makes the
//     alerts with one of those, and would drop them. There are no ticks in a replay.
//
// A shard whose rules get a memory while it is read begins to remember then.
//
// # States
//
// See phase: reading, draining for a handoff, ending, stopping; then handed over, ended, released or lost. Every end
// passes through shards.End (worker.go).
//
// # What it does not promise
//
// Exactly once. What was accepted but not committed when the process dies is published again, with the same alert_id.
// So is what SNS accepted without the process hearing of it before the lease ended. Balance, expiry and start positions
// belong to the lease table.
package consumer
