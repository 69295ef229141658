// Package saved is the form in which a worker saves what the rules remember of a shard: the evaluator state with the
// place where reading began and the time.
//
// What it guarantees: Decode returns what Encode was given, and refuses bytes of another version. It is pure.
//
// What it does not promise: that the evaluator state inside is whole. Its own checksum says that.
package saved
