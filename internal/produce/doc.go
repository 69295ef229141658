// Package produce puts records into a stream, for trying things out: those of a sample producer at a steady rate, heart
// rates and stock prices like those of AWS' samples, or those that somebody gives it.
//
// # What it guarantees
//
// What the stream refuses, and a call that fails for a while, is put again until it is taken, for up to two minutes
// without success. The counts are what the stream has said. Records that [Putter] gets with the same key are in the
// stream in their order.
//
// # What it does not promise
//
// Exact rates under throttling, and that no record is there twice: a call without an answer may have been carried out.
// [Sum] says how many records that may concern.
package produce
