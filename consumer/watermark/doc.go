// Package watermark finds how far everything of a shard is settled, when records come in order and are settled out of
// order.
//
// # What it guarantees
//
//   - The watermark is the highest position at and below which everything is settled. It never passes an entry that
//     waits.
//   - Alerts caused by a timer count: no record behind one is named as settled while it waits.
//   - An entry is settled in the same time wherever it is and however many wait.
//
// It is pure: no clock, no lock, no I/O. Its owner locks.
//
// # What it does not promise
//
// To know records that never waited: only what waits has an entry.
package watermark
