// Package delivery has what the senders (alert/dispatch with alert/sns, alert/deadletter) know in common about AWS:
// how a call failed, and when to try again.
//
// # What it guarantees
//
// [Classify] has a verdict for every error. It never ends a message by itself; only a sender's own codes can reject. An
// unknown error is tried again if no service said it. It holds the destination if one did, where an operator sees it.
//
// What STS says about the credentials is never taken for an answer of the service that was called.
//
// [Health] reads no clock and draws no lots, so its intervals can be tested to the millisecond; [Lot] alone is
// random. Nothing here does I/O or has a goroutine.
//
// # States of a destination
//
//	healthy ──call fails, may pass──▶ backing off ──answered──▶ healthy
//	   │                                  │
//	   └─────────configuration fault──────┴──▶ held ──answered──▶ healthy
//
// While it is healthy, Health lets every call go. Backing off, one call at a time goes, after [Backoff]: full jitter of
// 100 ms doubling up to 5 s. Held, one at a time probes it, after [Probe]: 1 s doubling up to 30 s, jittered by half. A
// destination that is held stays so through an outage.
//
// Calls that fail together are one failure, and what comes back from before the last failure changes nothing.
//
// # What it does not promise
//
// It does not know the codes of a service, only those that services share. It logs nothing and counts nothing; its
// reasons are labels of metrics. Values are not safe for concurrent use, except to read.
package delivery
