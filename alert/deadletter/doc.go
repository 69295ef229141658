// Package deadletter sends records that cannot be published to an on-failure destination: an SQS standard queue, an SNS
// standard topic or an S3 bucket.
//
// # The letter
//
// The document is the one that Lambda's event source mapping for Kinesis sends, key for key and in its order ("Retain
// discarded batch records for a Kinesis Data Streams event source" in the Lambda Developer Guide), for a batch of one
// record, with two additions:
//
//   - payload, the whole event that a function would have been given, as a JSON text inside a string, goes to all three
//     destinations; Lambda writes it to S3 only. It has the record in base64 as it came out of the stream (out of a KPL
//     aggregate: the inner record). Where the record itself is not at hand, as for an alert caused by a timer, data is
//     empty.
//   - kinesisAlerter says what Lambda has no words for: reason, detail (at most 1 KiB), alertId, rule, topic and
//     subSequenceNumber. What is empty is left out.
//
// Stand-ins, because no function exists: functionArn is
// arn:<partition>:lambda:<region>:<account>:function:<application> and invokeIdentityArn
// arn:<partition>:iam::<account>:role/<application>, with partition, region and account of the stream. responseContext
// is what Lambda reports of an unhandled exception, and is absent for RecordAgeExceeded, as it is there.
// approximateInvokeCount is the attempts of publishing and at least 1, which is what Lambda says of a record that was
// too old before the first.
//
// The document is pure ASCII without control characters, whatever is in the record: everything else is escaped, so that
// there is nothing in it that a destination could refuse.
//
// A document above 256 KiB goes to a queue or topic without payload, and so does one that the destination refuses with
// and takes without (a queue whose MaximumMessageSize is lower). kinesisAlerter.payloadOmitted then has the payload's
// size; the record can be read from the stream until its retention ends. S3 takes every payload.
//
// # Where it lies in S3
//
// The key is that of Lambda, below the configured prefix:
//
//	aws/lambda/<UUID>/<shard id>/YYYY/MM/DD/YYYY-MM-DDTHH.MM.SS-<UUID>
//
// The first UUID stands for the event source mapping. It is a hash of stream and application, so it is the same for
// all workers and after every restart. Date and time are those of the document's timestamp, in UTC: when Send was
// called. The last UUID is the document's requestId.
//
// # What it guarantees
//
// Send returns nil only after the destination has accepted the letter. Until then it tries for as long as the caller's
// context lives. Every attempt of one Send carries the same bytes to the same key.
//
// requestId is a hash of stream, shard, sequence number, sub-sequence number, alert id and reason. So a letter that is
// sent twice has one requestId:
//
//   - After an answer that was lost, S3 replaces the object by itself; a queue or topic has the message twice, byte for
//     byte.
//   - After a crash between the acceptance and the checkpoint, or when a shard was lost in that moment, another Send
//     repeats the letter with a later timestamp. In S3 that is a second object whose key ends in the same UUID.
//
// # States of the destination
//
//	well ──call fails, may pass──▶ backing off ──any letter accepted──▶ well
//	  │                                │
//	  └──────configuration fault───────┴──▶ held ──a letter accepted──▶ well
//
// While it is well, up to 16 calls are under way. Backing off, one letter at a time goes out, after full jitter of 100
// ms doubling up to 5 s. Held (the destination is missing, access is denied, its key cannot be used), one letter at a
// time probes it, after 1 s doubling up to 30 s. A letter that fails while others are accepted waits by itself just as
// long. No letter is ever given up: what the destination refuses is a fault of the configuration, not of the letter.
//
// # What it does not promise
//
// It does not bound how long a letter waits, and keeps no order between letters. It sends one letter by one call.
package deadletter
