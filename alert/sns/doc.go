// Package sns publishes alerts to Amazon SNS topics with PublishBatch.
//
// # What it guarantees
//
// Publish returns nil only after SNS has answered with a message id. Until then it retries for as long as the caller's
// context lives: there is no budget of attempts, because a shard that waits loses nothing and a shard that gives up
// does. Every attempt of an alert carries the same message, so a repeat after a lost answer has the same alert_id, and
// on a FIFO topic the same MessageDeduplicationId, which SNS drops for five minutes.
//
// An attempt starts only while the trust window of the leases is open with Config.TrustMargin left, and its deadline is
// the end of that window. What SNS accepts from an attempt that was cut off is outside what a client can prevent.
//
// Only a message that SNS will never take as it is ends with *alert.RejectedError. A fault of the configuration (topic
// missing, access denied, key disabled) never does: the alerts of that topic wait until it is mended.
//
// # How it sends
//
// Alerts of all callers for one topic share calls: at most ten entries, at most the topic's MaximumMessageSize for
// bodies and attributes together, and Config.InFlight calls at a time. Calls are not ordered among themselves. Order
// within a partition key is the caller's: it publishes the next alert of a key when the last one was accepted. So it
// needs no care here that an entry fails while a later one succeeds, on FIFO topics neither.
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
// # The SDK client
//
// Give it a client with aws.NopRetryer (or RetryMaxAttempts 1). The SDK retries neither the failed entries of a batch
// nor Throttled, KMSThrottling and HTTP 429, so retries have to be made here anyway; with its own retryer on top they
// would be invisible to the metrics and could outlive the trust window's margin.
//
// # What it does not promise
//
// It does not bound how long an alert waits, limit the rate of a topic, or write dead letters. It does not know who is
// subscribed: that SNS accepted a message says nothing about its delivery.
package sns
