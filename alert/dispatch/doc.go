// Package dispatch publishes alerts to topics: in which order, how fast, how often, and gathered or one by one. It
// knows no service. A [Service] opens a [Destination] for each topic, which makes the calls; alert/sns is one.
//
// # What it guarantees
//
// Publish returns nil only after the service has named the message that it accepted: the alert's own, or the digest
// that stands for it. Until then it tries for as long as the caller's context lives. A shard that waits loses nothing;
// one that gave up would. Every attempt sends the same message, so a repeat after a lost answer has the same alert_id.
//
// An attempt starts only while the leases are trusted for Config.TrustMargin more. Its deadline is the end of that
// window. A client cannot prevent that a service accepts a message from an attempt that was cut off.
//
// Only a message that the service will never take as it is ends with *alert.RejectedError. A fault of the configuration
// never does: the alerts of that topic wait until an operator corrects it.
//
// With Config.MaxAttempts or Config.MaxRecordAge an alert ends with *alert.GivenUpError. Only failures of the alert's
// own count as attempts, inside a call that the service answered. Outages, throttling, failed connections and faults
// of the configuration do not count. The age is that of the record, without the time in which a fault held the topic.
// It is checked when the alert comes, before every attempt, and while it waits.
//
// # How it sends
//
// Alerts of all callers for one topic share calls, within the Limits of the destination and Config.InFlight calls at a
// time. Calls are not ordered among themselves. Order within a partition key is the caller's: it publishes the next
// alert of a key when the last one was accepted. So it does no harm that a message fails while a later one succeeds.
//
// # Rates
//
// A topic's rate is that of all workers together. In any second they have at most TopicConfig.Rate messages accepted,
// repeats too. Below one a second it is one message in any period of 1/rate. A message takes up its place from the
// start of its attempt until a second after the answer, because it may be accepted at any moment in between. So the
// rate holds whatever the latency is, and is reached as far as that is short.
//
// Workers do not ask each other for a place: Deps.Share gives each its part. While there are no more workers than
// messages in a second, each has a whole number of them, and may use all at once. With more workers they take turns by
// Kinesis' clock (Deps.At). Between turns are 100 ms, for the error of that clock and for different latencies. Then
// about six sevenths of the rate are reached, and an alert waits for its worker's turn. A worker that knows the time
// less well waits until it does, as in its first seconds on a machine whose clock is off.
//
// A worker that joins sends nothing for two seconds. In that time the others learn of it and make their shares smaller
// at once. When one has left, the larger shares are used after 15 s. Workers that take turns are silent for as long.
// All this rests on what checkpoint promises. A worker that left or was fenced sends nothing. All know of one that
// joined within a second, and of one that left within ten seconds of the first.
//
// # Digests
//
// While the alerts that wait are no more than the worker may send within a second, they go one by one. When there are
// more, the first ones go, and the topic enters digest mode. Everything else is gathered for TopicConfig.Digest and
// goes out as one message. Then the next digest is gathered. The mode ends when a digest had few members and nothing
// came until it was accepted. A digest is fixed when the topic and the rate let it go, not before. With 50,000 members
// it does not wait for its time. Callers of Publish and Gather get their answer when the digest was accepted.
//
// The message says for each rule how many alerts there were, of how many keys, the worst value, which records and
// when. The most severe rule comes first. It lists as many alert ids as fit; the audit log lists all of them. Its own
// id is the SHA-256, in hex, of its members' ids in order, each followed by a line break. Its attributes are alert_id
// (that id), kind (digest), count, severity (the most severe), and rule if there is only one. On a FIFO topic its
// group is "digest". If the service refuses it, it is tried with fewer ids before its members are refused.
//
// The alerts of a key keep their order. Alerts that came in digest mode are sent inside digests only, in the order in
// which they came, and a topic has one digest under way at a time. An alert whose first attempt was made before stays
// alone. An alert whose shard's lease has ended (Deps.Lease) is taken out of a digest that was not sent yet. The
// message of a digest that was sent stays what it is, and the alert is neither counted nor in the audit log.
//
// # States of a topic
//
//	healthy ──call fails, may pass──▶ backing off ──any answer──▶ healthy
//	   │                                  │
//	   └─────────configuration fault──────┴──▶ held ──probe is answered──▶ healthy
//
// Backing off, one call at a time goes out, after full jitter of 100 ms doubling up to 5 s. Held, one message at a time
// probes the topic, after 1 s doubling up to 30 s. In both the waiting alerts take turns, so that one bad message does
// not hold up the others. A message that fails alone, inside a call that was answered, backs off alone.
//
// A topic with a rate is also in one of two modes:
//
//	one by one ──more wait than go within a second──▶ digest mode ──a small digest, then nothing──▶ one by one
//
// One function decides about the mode, from what is known at a moment. The topic's goroutine and [Simulate] both act
// on it.
//
// Update can let a topic end. It takes what is still on its way to it, and ends when nothing has waited for three
// minutes, or at once if another topic has its name.
//
// # What it does not promise
//
// It does not write dead letters. That a service accepted a message says nothing about its delivery, and the rate is
// one of acceptance. On a FIFO topic a digest and the single messages of a key are in different groups, so a queue may
// hand them out in another order than they were accepted in.
package dispatch
