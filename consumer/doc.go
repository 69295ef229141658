// Package consumer reads the shards that the lease table grants, runs their records through the alert pipeline and
// publishes what comes out. It drives the unmodified KCL worker (vmware-go-kcl-v2), which turns the life-cycle of each
// shard: begin, page after page, end.
//
// # What it guarantees
//
//   - A record counts as resolved when the pipeline wants nothing published for it, or when all that it wanted is dealt
//     with: accepted by SNS, alone or in a digest, taken by the dead letters, or given up as the configuration says. The
//     position offered to the lease is the highest one below which everything is resolved.
//   - Records of a shard are evaluated one after the other, in sequence order, on one goroutine. Alerts of one
//     partition key are published in the order of their records; the next one starts when the last was accepted. While
//     alerts of a key wait in the digests of a topic, its next one for that topic may only be gathered too, or waits for
//     them. Those for other topics do not wait, so the order holds for each topic.
//   - Bad input costs itself: a record, or one record of a KPL aggregate, becomes one outcome, and the shard goes on. An
//     alert that cannot be published holds its own key at most, and so does a letter to the dead.
//   - A shard is at its end when Kinesis says so with the children's names, or twice, and the lease table proves it. Else it
//     is asked again.
//   - A position that may have left the stream is judged by the oldest record, whichever way Kinesis answers (doubt.go).
//   - Kinesis in trouble is waited out with the position held. Nothing of it reaches the KCL.
//   - Pages take their memory from one budget of the process. What waits in a digest has given its part back, unless there
//     are dead letters: then it may become one, so its payload and credits are kept. A shard has up to 100,000 records in
//     digests, at about half a kilobyte each; beyond that it is not read on.
//   - A shard that is lost, given away, ended or stopped leaves no goroutine behind before the table lets its lease go.
//     What a digest says after that is ignored: the records are the next owner's.
//   - Stop ends within its budget, whatever hangs.
//
// # Outcomes
//
// A record with several alerts has the most consequential outcome of theirs. Alerts of other partition keys that ride
// along with it (time has brought them about) hold the position but decide nothing about the record. With dead letters,
// alerts that are rejected or given up go there. Without, one that is given up makes the record Expired, as Lambda drops
// it, and one that is rejected holds its key or, if Config.OnRejected says so, makes the record Invalid with
// alert.ReasonRejected. An error outside the publisher's contract always holds the key.
//
// # A shard that is lost and taken again
//
// A lease may end with progress that could not be stored. The process remembers what it dealt with above the checkpoint
// (ledger.go): the watermark, ranges above it, and the ids of alerts whose record is not through, or that time brought
// about and no snapshot includes. When it takes the shard again, all that counts as resolved, and the first offer stores it.
// What rules remember is evaluated again from the snapshot, or from the checkpoint where there is none. The memory ends when
// the table has it, when an operator sent the shard back, and when there is too much of it: 16,384 things in all, the shard
// that was lost longest ago first, which is counted.
//
// # Memory of the rules
//
// While the pipeline's evaluation depends on what came before (evaluator.Stateful, asked each time), its state is kept
// with the checkpoint, and time is let in:
//
//   - A snapshot is captured between two pages, on the shard's goroutine, and written beside it, when all that it
//     includes is resolved. So the position that it includes is never above the checkpoint, and no alert that it takes
//     for made is lost.
//   - It is saved every minute while records are evaluated, every ten minutes while only time passes, two seconds after
//     time brought about alerts, and before a handoff, a stop and the end of a shard, whose children inherit it. A save
//     that fails delays a handoff or a stop by three seconds, and an end until it works, for ten minutes at most.
//   - A shard begins at its snapshot and evaluates from there without publishing what is resolved. The first snapshot is
//     written before the first record is read. Where records or the snapshot are gone, it begins at the checkpoint, and
//     that is counted as a gap of the state.
//   - Of keys that several children inherited, a shard reads what the others have saved before time brings something about (kin.go): in the
//     background, once a second while something waits and else every ten minutes, and only when the table has a later snapshot. It
//     saves its own two seconds after such a moment, at most every ten seconds. After five minutes nothing waits any longer, aloud.
//   - Timers are functions of event time, and a tick only brings them forward. Its alerts form an entry of the watermark
//     behind the last record. While that waits, no later record is named as resolved: a replay makes the alerts with one
//     of those, and would drop them. There are no ticks in a replay.
//
// A shard whose rules come to have a memory while it is read begins to remember then.
//
// # The life of a shard
//
// See phase: reading, draining for a handoff, ending, stopping; then handed over, ended, released or lost. Every end
// passes through shards.End (worker.go).
//
// # Goroutines and locks
//
// The KCL runs one goroutine for each shard: nextPage, takeIn and finish run on it, and all evaluation. Lanes run up to
// Parallelism more for alerts and as many for letters, and a save of the state is one. Publishers call back on goroutines
// of their own, which never wait here.
// A shard's mutex guards its watermark and phase; the lanes' and the budget's mutexes are leaves, and so is whatever
// Lease.Commit takes, which is called under the shard's mutex so that offers arrive in order. None is held across I/O.
//
// # What it does not promise
//
// Exactly once: what was accepted but not yet committed when the process dies is published again, with the same
// alert_id. So is what SNS accepted without the process hearing of it before the lease ended. Balance, expiry and start positions are the lease table's.
package consumer
