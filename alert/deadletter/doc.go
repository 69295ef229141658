// Package deadletter sends records that cannot be published to an on-failure destination: an SQS standard queue, an SNS
// standard topic or an S3 bucket.
//
// # The document
//
// The document is the one that Lambda's event source mapping for Kinesis sends for a batch of one record, key for key
// and in its order. See "Retain discarded batch records for a Kinesis Data Streams event source" in the Lambda
// Developer Guide. There are two additions:
//
//   - payload, the whole event that a function would have been given, goes to all three destinations. Lambda writes it
//     to S3 only. It is a JSON text inside a string. The record is in base64 as it came out of the stream, or out of a
//     KPL aggregate. Where the record itself is not at hand, as for an alert caused by a timer, data is empty.
//   - kinesisAlerter has what Lambda does not know: reason, detail (at most 1 KiB), alertId, rule, topic and
//     subSequenceNumber. What is empty is left out. For an alert it also has the message as it would have been
//     published, with its kind, severity and message group, so that it can still be published as it is. Of a record for
//     an output stream it has output and outputKey, the name of the output and the partition key there, and data is
//     what would have been written. Read reads it.
//
// No function exists, so some members have stand-ins. functionArn is
// arn:<partition>:lambda:<region>:<account>:function:<application>. invokeIdentityArn is
// arn:<partition>:iam::<account>:role/<application>. Partition, region and account are those of the stream.
// responseContext is what Lambda reports of an unhandled exception. It is absent for RecordAgeExceeded, as it is
// there. approximateInvokeCount is the attempts of publishing, and at least 1. Lambda says 1 of a record that was too
// old before the first attempt.
//
// The document is pure ASCII without control characters, whatever is in the record. Everything else is escaped, so that
// no destination can refuse a character.
//
// A document above 256 KiB goes to a queue or topic without payload. So does one that the destination refuses with and
// takes without, as a queue whose MaximumMessageSize is lower. Then kinesisAlerter.payloadOmitted has the payload's
// size. The record can be read from the stream until its retention ends. Where that is still too much, the message is
// left out, too, and messageOmitted has the size of its body. S3 takes everything.
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
// Send returns nil only after the destination has accepted the dead letter. Until then it tries for as long as the
// caller's context lives. Every attempt of one Send carries the same bytes to the same key.
//
// requestId is a hash of stream, shard, sequence number, sub-sequence number, alert id, reason and output. So a dead
// letter that is sent twice has one requestId:
//
//   - After an answer that was lost, S3 replaces the object by itself. A queue or topic has the message twice, byte for
//     byte.
//   - After a crash between acceptance and checkpoint, or when the shard was lost in that moment, another Send repeats
//     it with a later timestamp. In S3 that is a second object whose key ends in the same UUID.
//
// # States of the destination
//
//	healthy ──call fails, may pass──▶ backing off ──any one accepted──▶ healthy
//	   │                                  │
//	   └─────────configuration fault──────┴──▶ held ──one accepted──▶ healthy
//
// While it is healthy, up to 16 calls are under way. Backing off, one dead letter at a time goes out, after full
// jitter of 100 ms doubling up to 5 s. It is held when it is missing, access is denied, or its key cannot be used.
// Then one dead letter at a time probes it, after 1 s doubling up to 30 s. One that fails while others are accepted
// waits by itself just as long. No dead letter is ever given up: what the destination refuses is a fault of the
// configuration.
//
// # What it does not promise
//
// It does not bound how long a dead letter waits, and keeps no order. It sends one by one call.
package deadletter
