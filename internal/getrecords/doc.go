// Package getrecords reads the answers of GetRecords for the SDK's client of Kinesis, in a fifth of the time that the
// SDK takes for them. It sits on the SDK's public seam: a client protocol that embeds the SDK's own and takes over the
// deserialization of this one answer. Retries, signing, metrics, checks of answers and metadata stay as they are.
//
// An answer is read here only if it is certain what the SDK would make of it. The SDK gets everything else, with the
// same bytes, and what it says of them counts: its answer, its error, or its panic. FuzzAnswer holds the two to each
// other.
//
// What it makes belongs to the collector, and nothing of it is used again. Payloads share pieces of memory of up to 256
// KiB, except for large ones, which have their own; keys and sequence numbers share pieces of a few KiB. So one record
// keeps its neighbours in memory: what outlives a page is copied (alert.Record.Kept).
package getrecords
