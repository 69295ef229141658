// Package sns publishes alerts to Amazon SNS topics with PublishBatch.
//
// # What it guarantees
//
// Publish returns nil only after SNS has answered with the id of a message: the alert's own, or that of a digest that
// stands for it. Until then it retries for as long as the caller's context lives, because a shard that waits loses nothing
// and a shard that gives up does. Every attempt of a message is the same, so a repeat after a lost answer has the same
// alert_id, and on a FIFO topic the same MessageDeduplicationId, which SNS drops for five minutes.
//
// An attempt starts only while the trust window of the leases is open with Config.TrustMargin left, and its deadline is
// the end of that window. What SNS accepts from an attempt that was cut off is outside what a client can prevent.
//
// Only a message that SNS will never take as it is ends with *alert.RejectedError. A fault of the configuration (topic
// missing, access denied, key disabled) never does: the alerts of that topic wait until it is mended.
//
// With Config.MaxAttempts or Config.MaxRecordAge an alert ends with *alert.GivenUpError. What counts as an attempt is a
// failure of the alert's own, inside a call that SNS answered; outages, throttling, failed connections and faults of the
// configuration do not. The age is that of the record, without the time in which a fault held the topic; it is looked at
// when the alert comes, before every attempt, and while it waits.
//
// # How it sends
//
// Alerts of all callers for one topic share calls: at most ten entries, at most the topic's MaximumMessageSize for
// bodies and attributes together, and Config.InFlight calls at a time. Calls are not ordered among themselves. Order
// within a partition key is the caller's: it publishes the next alert of a key when the last one was accepted. So it
// needs no care here that an entry fails while a later one succeeds, on FIFO topics neither.
//
// # Rates
//
// A topic's rate is that of the whole fleet: all workers together have at most TopicConfig.Rate messages accepted in any
// second, each entry of a call counted, repeats too. Below one a second it is one message in any stretch of 1/rate. A
// message takes up its place from the start of its attempt until a second after the answer, because SNS may accept it at
// any moment in between; so the rate holds whatever the latency is, and is reached as far as that is short.
//
// Nobody is asked for a place: a worker knows from Deps.Share which part is its own. As long as there are no more workers
// than messages in a second, each has a whole number of them, and may use all at once. With more workers they take turns
// by Kinesis' clock (Deps.At), with 100 ms between them for what that is not exact by and latencies that differ; then about six
// sevenths of the rate are reached, and an alert waits for its worker's turn. A worker that knows the time less well than that, as
// in its first seconds on a machine whose clock is off, waits until it does.
//
// A worker that joins sends nothing for two seconds, in which the others learn of it and make their shares smaller at
// once. When one has left, the larger shares are used after 15 s. Workers that take turns are silent for as long. All this
// rests on what checkpoint promises: a worker that left or was fenced sends nothing, all know of one that joined within a
// second, and of one that left within ten seconds of the first.
//
// # Digests
//
// While a topic's waiting alerts are no more than the worker may send within a second, they go one by one. When there are
// more, the first ones have gone, and the topic is in digest mode: everything else is gathered for TopicConfig.Digest and
// goes out as one message, then the next digest is gathered, until one had few members and nothing came until it was
// accepted. A digest is fixed when the topic and the rate let it go, not before, and with 50,000 members it does not wait
// for its time. Whoever waits in Publish, or handed an alert over to Gather, is answered when SNS accepted the digest.
//
// The message says for each rule how many, of how many keys, the worst value, which records and when, the gravest first,
// and lists as many alert ids as fit the topic. The audit log lists all of them. Its own id (alert_id and
// MessageDeduplicationId) is the SHA-256, in hex, of its members' ids in order, each followed by a line break; its
// attributes are alert_id, kind (digest), count, severity (the gravest), and rule if there is only one. On a FIFO topic
// its group is "digest". If SNS refuses it, it is tried with fewer ids before its members are.
//
// The alerts of a key keep their order: alerts that came in digest mode are sent inside digests only, in the order in
// which they came, and a topic has one digest under way at a time. An alert whose first attempt was made before digest
// mode began goes on alone. An alert whose shard's lease has ended (Deps.Lease) is taken out of a digest that was not sent
// yet; of a digest that was, the message stays what it is, and the alert is neither counted nor in the audit log.
//
// # States of a topic
//
//	healthy ──call fails, may pass──▶ backing off ──any answer from SNS──▶ healthy
//	   │                                  │
//	   └─────────configuration fault──────┴──▶ held ──probe is answered──▶ healthy
//
// Backing off, one call at a time goes out, after full jitter of 100 ms doubling up to 5 s. Held, one message at a time
// probes the topic, after 1 s doubling up to 30 s. In both the waiting alerts take turns, so that one bad message does
// not stand in front of the others. An entry that fails alone, inside a call that SNS answered, backs off alone.
//
// Beside this, a topic with a rate is in one of two modes:
//
//	one by one ──more wait than go within a second──▶ digest mode ──a small digest, then nothing──▶ one by one
//
// Update can let a topic end: it takes what is on its way to it, and ends when nothing has waited for a minute; at once if
// another topic has its name.
//
// # Messages
//
// A body that is too large is cut between characters, with a marker that names the record. With bodies for single
// protocols the message is the JSON object that SNS wants; the longest bodies are cut until the object fits, and that for
// SMS has at most 1,600 characters. Such messages can have no attributes, so subscribers see no alert_id.
//
// # The SDK client
//
// Give it a client with aws.NopRetryer (or RetryMaxAttempts 1). The SDK retries neither the failed entries of a batch
// nor Throttled, KMSThrottling and HTTP 429, so retries have to be made here anyway; with its own retryer on top they
// would be invisible to the metrics and could outlive the trust window's margin.
//
// # Without SNS
//
// [Check] says beforehand why SNS will never accept a message, and [Simulate] which digests alerts lead to. Both are for
// tests of rules.
//
// # What it does not promise
//
// It does not write dead letters. It does not know who is subscribed: that SNS accepted a message says nothing about its
// delivery, and its rate is one of acceptance. On a FIFO topic a digest and the single messages of a key are in different
// groups, so a queue may hand them out in another order than they were accepted in.
package dispatch
