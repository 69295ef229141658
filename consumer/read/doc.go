// Package read brings the pages of a shard, in order, from a start position on. The polling reader is the only one
// today.
//
// # What it guarantees
//
//   - Trouble of Kinesis is waited out with the position held. A reader returns an error only when its context is
//     done, or when its shard is wanted for something else.
//   - A position that may have left the stream is judged by the oldest record of the shard, whichever way Kinesis
//     answers (doubt.go).
//   - Pages take their memory from one pool of byte credits (credits.go). A page for which there is no room is dropped
//     unread, before its body is decoded (response.go).
//   - Arrival times that cannot be right hold the shard for a minute. Then its records are read without them
//     (times.go). One record alone cannot move its shard's time into the future (ahead.go).
//   - An end of the shard is claimed only by an answer that names the children, or that says so twice.
//
// # States
//
// A reader rests, gets an iterator, or waits for credits or an answer: see Activity, which others read. A position is
// trusted, or suspect until a page from the oldest record decides.
//
// # What it does not promise
//
// That a claimed end is one: the lease table proves it. That a record comes once: what was read before a restart is
// read again.
package read
