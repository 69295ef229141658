// Package admin plans and makes what an operator changes in a lease table, while workers run on it.
//
// # What it guarantees
//
//   - Nothing is written before Apply. A plan says what it would do, and to whom.
//   - Each change is one conditional write on the owner and the epoch that were shown. A row that moved meanwhile stays
//     as it is, with [ErrLeaseChanged].
//   - A shard is not taken from a live worker without force.
//   - An import checks each position with Kinesis first. What cannot be imported is a fault of the plan.
//
// # What an operator may do
//
//   - A pause is an attribute that no worker writes. A shard that has it is granted to no worker. Its holder drains and
//     releases it, which is a handoff without a target.
//   - A change that takes a shard away raises the epoch and removes the owner. So the holder's next write is refused,
//     like that of any former owner.
//   - A rewind removes the checkpoint, names a start and raises the generation. It is the one way in which a checkpoint
//     moves back. Alerts of each generation have ids of their own. A rewind leaves the saved memory
//     where it is: its generation says that it is from before, and the next owner ends the alerts that it knows of.
//     An import removes it, and so does the rewind of a shard that has ended, whose children have its keys.
//
// # What it does not promise
//
// It holds no lease and fences no worker. It knows the table only through [Source], which the lease table implements.
package admin
