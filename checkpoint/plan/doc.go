// Package plan decides which worker reads which shard.
//
// # What it guarantees
//
// [Decide] is a pure function of the rows. Every worker calls it with what it knows of all workers, and takes or gives
// only its own part of the plan. No worker leads.
//
//   - Equal inputs give equal plans.
//   - A free shard is taken before any shard moves. No worker takes more than its share by count.
//   - Plans converge. Then loads differ by at most a tenth of the mean, or no move would bring them closer. Counts
//     differ by at most one if the shards have almost no load.
//
// # What it does not promise
//
// Two workers may try the same free shard when they see different rows. The conditional write of the lease table
// decides which of them gets it.
package plan
