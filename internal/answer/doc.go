// Package answer checks what AWS answers, in one place, before anything else looks at it.
//
// An answer proves only what it says. The SDK takes an empty body, {} or the answer to another call for a success,
// drops nulls, and leaves members that the API promises at nil. Checker is middleware for SDK clients that turns such
// answers into errors: a *BadError, which a retry may heal. Behind it every promised member of an answer is there, no
// list holds a null, types and sizes are what they should be, and the answer belongs to what was asked.
//
// What it promises to callers: after a call without error the members that table() checks may be used without another
// check. The models of the SDK alone do not decide what is promised. PartitionKey, ApproximateArrivalTimestamp and
// MillisBehindLatest are optional. Shards, ShardIterator, Items and an accepted entry's Id and MessageId are optional
// in the models only.
//
// Bodies have a bound for each operation, which counts unpacked bytes and holds while they are read. Redirects are
// refused.
//
// What it does not judge: an answer that is well formed and false. It may say that an item, a table or a shard is not
// there, or that a shard has ended. Its reader has to check that again. Nor does it judge an error that AWS means.
//
// Bad answers are counted by operation. A Watch says which operations are in a bad state now, and logs changes.
package answer
